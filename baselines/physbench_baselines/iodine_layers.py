"""The layers of IODINE: its broadcast decoder, and the network that refines a guess.

Weights are initialised as in Sonnet. In shapes, N = B * K: each slot is an image of the batch.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench_baselines.blocks import Convolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from physbench_baselines.iodine_sizes import IodineSizes

    Memory = tuple[Tensor, Tensor]  # (N, L) each: the output and the cell of the LSTM

DECODER_CONSTANT = 5.0
"""A constant that goes into the decoder with every z."""

FREQUENCIES = 3
"""How many cosines there are in each direction; the constant product is left out."""


class Decoder(nn.Module):
    """The broadcast decoder: convolutions on z, repeated at every pixel, beside the pixel's coordinates.

    z (N, Z) -> (N, 1 + C, H, W): the mask's logit, then the pixel.
    """

    def __init__(self, sizes: IodineSizes) -> None:
        super().__init__()
        self.patch = sizes.patch
        widths = [sizes.latent + 3, *sizes.decoder, (1 + sizes.channels) * sizes.patch**2]
        self.layers = nn.ModuleList(_initialise(Convolution(*pair, sizes.decoder_kernel)) for pair in pairwise(widths))

    def forward(self, z: Tensor, shape: Sequence[int]) -> Tensor:
        """Decode z (N, Z) to an image of this height and width."""
        height, width = (-(-side // self.patch) for side in shape)
        rows, columns = torch.meshgrid(_sides(height, z), _sides(width, z), indexing="ij")
        place = torch.stack([torch.full_like(rows, DECODER_CONSTANT), rows, columns])
        maps = torch.cat([z[..., None, None].expand(-1, -1, height, width), place.expand(len(z), -1, -1, -1)], dim=1)
        for layer in self.layers[:-1]:
            maps = F.elu(layer(maps))
        return F.pixel_shuffle(self.layers[-1](maps), self.patch)[..., : shape[0], : shape[1]]


class Glimpse(nn.Module):
    """Our decoder, which draws one small picture in one place, and the same values everywhere else.

    z (N, Z) -> (N, 1 + C, H, W). From z, an MLP predicts the picture, a square of `glimpse` x `glimpse` pixels, where
    its middle is, and the values outside it.
    """

    def __init__(self, sizes: IodineSizes) -> None:
        super().__init__()
        self.side = sizes.glimpse
        widths = [sizes.latent, *sizes.decoder]
        self.dense = nn.ModuleList(_initialise(nn.Linear(*pair)) for pair in pairwise(widths))
        self.picture, self.beside, self.middle = (
            _initialise(nn.Linear(widths[-1], outputs))
            for outputs in ((1 + sizes.channels) * self.side**2, 1 + sizes.channels, 2)
        )

    def forward(self, z: Tensor, shape: Sequence[int]) -> Tensor:
        """Decode z (N, Z) to an image of this height and width."""
        features = z
        for layer in self.dense:
            features = F.elu(layer(features))
        beside = self.beside(features).to(z.dtype)[..., None, None]
        picture = self.picture(features).view(len(z), -1, self.side, self.side) - beside
        height, width = shape
        middle = torch.tanh(self.middle(features).to(z.dtype))  # across, down
        # a pixel of the picture is as large as a pixel of the frame
        columns = (_sides(width, z) - middle[:, :1]) * ((width - 1) / self.side)
        rows = (_sides(height, z) - middle[:, 1:]) * ((height - 1) / self.side)
        places = torch.stack([columns[:, None].expand(-1, height, -1), rows[:, :, None].expand(-1, -1, width)], dim=-1)
        return F.grid_sample(picture, places, align_corners=False) + beside


class Encoder(nn.Module):
    """Convolutions with a stride of 2, a mean over all places, and an MLP. (N, inputs, H, W) -> (N, dense).

    There is an ELU after each layer but the last. If there are patches, the first convolution sees each patch
    separately.
    """

    def __init__(self, sizes: IodineSizes) -> None:
        super().__init__()
        inputs = 3 * sizes.channels + (2 if sizes.coordinates == "linear" else FREQUENCIES**2 - 1) + 7
        first = (sizes.patch, sizes.patch) if sizes.patch > 1 else (sizes.encoder_kernel, 2)
        spans = [first, *[(sizes.encoder_kernel, 2)] * (len(sizes.encoder) - 1)]
        self.layers = nn.ModuleList(
            _initialise(Convolution(*pair, *span))
            for pair, span in zip(pairwise([inputs, *sizes.encoder]), spans, strict=True)
        )
        self.dense = nn.ModuleList(
            _initialise(nn.Linear(*pair)) for pair in pairwise([sizes.encoder[-1], *sizes.dense])
        )

    def forward(self, images: Tensor) -> Tensor:
        """Encode the stacked images (N, inputs, H, W)."""
        for layer in self.layers:
            images = F.elu(layer(images))
        features = images.mean(dim=(2, 3))
        for layer in self.dense[:-1]:
            features = F.elu(layer(features))
        return self.dense[-1](features).to(self.dense[-1].weight.dtype)


class Norm(nn.Module):
    """Layer norm over all axes but the first, with one gain and one offset per channel: (N, channels, ...)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(channels))
        self.offset = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x."""
        return F.group_norm(x, 1, self.gain, self.offset, 1e-5)


class Lstm(nn.Module):
    """A plain LSTM that adds 1 to its forget gate, with one matrix for input and output together."""

    def __init__(self, inputs: int, size: int) -> None:
        super().__init__()
        self.gates = _initialise(nn.Linear(inputs + size, 4 * size))
        _draw_truncated(self.gates.bias, inputs + size)

    def forward(self, x: Tensor, memory: Memory) -> Memory:
        """Return the new memory."""
        output, cell = memory
        i, j, f, o = self.gates(torch.cat([x, output], dim=1)).to(cell.dtype).chunk(4, dim=1)
        cell = torch.sigmoid(f + 1) * cell + torch.sigmoid(i) * torch.tanh(j)
        return torch.tanh(cell) * torch.sigmoid(o), cell


class Residual(nn.Module):
    """A head that returns lambda + linear(features)."""

    def __init__(self, inputs: int, sizes: IodineSizes) -> None:
        super().__init__()
        self.linear = _initialise(nn.Linear(inputs, 2 * sizes.latent))

    def forward(self, features: Tensor, raw: Tensor) -> Tensor:
        """Return the new lambda."""
        return raw + self.linear(features).to(raw.dtype)


class PredictorCorrector(nn.Module):
    """A head that moves lambda in two steps, each as far as its gate is open.

    The first step goes towards a correction made from the features, the second towards a prediction made from lambda
    alone.
    """

    def __init__(self, inputs: int, sizes: IodineSizes) -> None:
        super().__init__()
        self.biases = sizes.correction_bias, sizes.prediction_bias
        self.correction, self.gate = (_initialise(nn.Linear(inputs, 2 * sizes.latent)) for _ in range(2))
        self.hidden = _initialise(nn.Linear(2 * sizes.latent, sizes.predictor))
        self.prediction = _initialise(nn.Linear(sizes.predictor, 4 * sizes.latent))

    def forward(self, features: Tensor, raw: Tensor) -> Tensor:
        """Return the new lambda."""
        opened = torch.sigmoid(self.gate(features) + self.biases[0])
        corrected = raw + opened * (self.correction(features) - raw)
        predicted, gate = self.prediction(F.elu(self.hidden(raw))).chunk(2, dim=1)
        return (corrected + torch.sigmoid(gate + self.biases[1]) * (predicted - corrected)).to(raw.dtype)


def coordinates(kind: str, x: Tensor) -> Tensor:
    """Return the coordinates of the pixels of x (B, C, H, W) that the refinement network sees.

    They are (2, H, W), column and row, or (8, H, W), cosines.
    """
    height, width = x.shape[-2:]
    if kind == "linear":
        columns, rows = torch.meshgrid(_sides(width, x), _sides(height, x), indexing="xy")
        return torch.stack([columns, rows])
    waves = [
        torch.cos(
            torch.arange(FREQUENCIES, device=x.device, dtype=x.dtype)[:, None] * math.pi / 2 * (_sides(side, x) + 1)
        )
        for side in (height, width)
    ]
    return torch.einsum("yh,xw->xyhw", *waves).flatten(0, 1)[1:]


def _sides(count: int, like: Tensor) -> Tensor:
    return torch.linspace(-1, 1, count, device=like.device, dtype=like.dtype)


def _initialise(layer: Any) -> Any:
    """Draw weights as Sonnet does, and set the offset to 0."""
    _draw_truncated(layer.weight, layer.weight[0].numel())
    nn.init.zeros_(layer.bias)
    return layer


def _draw_truncated(tensor: Tensor, inputs: int) -> None:
    deviation = 1 / math.sqrt(inputs)
    nn.init.trunc_normal_(tensor, std=deviation, a=-2 * deviation, b=2 * deviation)
