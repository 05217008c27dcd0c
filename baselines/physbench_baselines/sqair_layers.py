"""The layers of SQAIR: a spatial transformer, two recurrent cells, and heads that return normal distributions.

Weights are initialised as in Sonnet.

Shapes: R rows, each one particle of one sequence. G x G pixels of a glimpse, L x L of a frame.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALLEST_SCALE = 1e-4
"""The least scale of a box, as a share of the frame."""

FLOOR = 0.01
"""The least standard deviation."""


def read(images: Tensor, scale: Tensor, shift: Tensor, glimpse: int, window: int = 0) -> Tensor:
    """Cut a box out of each image: images (R, H, W), scale and shift (R, 2) by x, y -> (R, G, G).

    The window is a square in the middle of the image, by default as large as the image. A box is as wide as its scale
    times the window. Its middle is at shift, where -1 and 1 are the middles of the first and the last pixel of the
    window. Pixels are interpolated between their four neighbours, and are 0 outside the image. As boxes are upright,
    this is a product with one matrix on each side.
    """
    height, width = images.shape[-2:]
    window = window or width
    target = torch.linspace(-1, 1, glimpse, dtype=images.dtype, device=images.device)
    (sx, sy), (tx, ty) = scale.unbind(1), shift.unbind(1)
    across, down = (
        _hats((s[:, None] * target + t[:, None] + 1) * ((window - 1) / 2) + (size - window) / 2, size)
        for s, t, size in ((sx, tx, width), (sy, ty, height))
    )
    return down @ images @ across.transpose(1, 2)


def write(glimpses: Tensor, scale: Tensor, shift: Tensor, shape: tuple[int, int], window: int = 0) -> Tensor:
    """Put each glimpse back where it was cut out, on an empty image: (R, G, G), scale and shift (R, 2) -> (R, H, W)."""
    size, window = glimpses.shape[-1], window or shape[1]
    (sx, sy), (tx, ty) = scale.unbind(1), shift.unbind(1)
    across, down = (
        _hats(((places(length, window, glimpses) - t[:, None]) / s[:, None] + 1) * ((size - 1) / 2), size)
        for s, t, length in ((sx, tx, shape[1]), (sy, ty, shape[0]))
    )
    return down @ glimpses @ across.transpose(1, 2)


def places(count: int, window: int, like: Tensor) -> Tensor:
    """Return the coordinates (count,) of pixels, where the window in their middle goes from -1 to 1."""
    return (torch.arange(count, dtype=like.dtype, device=like.device) - (count - window) / 2) * (2 / (window - 1)) - 1


def log_normal(x: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Return the log density of diagonal normal distributions, summed over the last axis."""
    return (-0.5 * ((x - loc) / scale).square() - scale.log() - 0.5 * math.log(2 * math.pi)).sum(dim=-1)


def log_bernoulli(x: Tensor, logit: Tensor) -> Tensor:
    """Return the log probability of x, 0 or 1."""
    return -F.binary_cross_entropy_with_logits(logit, x, reduction="none")


class Mlp(nn.Sequential):
    """Linear layers with ELU in between, and also after the last one if `ends` is set."""

    def __init__(self, *widths: int, ends: bool = False, bias: float = 0.0) -> None:
        layers: list[nn.Module] = []
        for pair in pairwise(widths):
            layers += [linear(*pair), nn.ELU()]
        super().__init__(*(layers if ends else layers[:-1]))
        if bias:
            nn.init.constant_(layers[-2].bias, bias)  # type: ignore[arg-type]


class GaussianHead(nn.Module):
    """A linear layer to a mean and a standard deviation."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = linear(inputs, 2 * outputs)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation."""
        loc, raw = self.linear(x).chunk(2, dim=-1)
        return loc, F.softplus(raw) + FLOOR


class VanillaRnn(nn.Module):
    """An RNN, h' = tanh(W x + U h), whose first h is learnt."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs = linear(inputs, hidden)
        self.hidden = linear(hidden, hidden)
        self.initial = nn.Parameter(torch.zeros(hidden))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the next h."""
        return torch.tanh(self.inputs(x) + self.hidden(h))


class Gru(nn.Module):
    """The original GRU [Cho et al. 2014], whose first h is learnt.

    It is not torch's: the state is reset before it is multiplied by its matrix, and z weighs the new state.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.inputs = nn.Linear(inputs, 3 * hidden)  # z, r, then the candidate
        self.gates = nn.Linear(hidden, 2 * hidden, bias=False)
        self.candidate = nn.Linear(hidden, hidden, bias=False)
        self.initial = nn.Parameter(torch.zeros(hidden))
        for layer, fan in ((self.inputs, inputs), (self.gates, hidden), (self.candidate, hidden)):
            nn.init.uniform_(layer.weight, -1 / math.sqrt(fan), 1 / math.sqrt(fan))
        nn.init.uniform_(self.inputs.bias, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        """Return the next h."""
        width = h.shape[-1]
        given = self.inputs(x)
        z, r = torch.sigmoid(given[..., : 2 * width] + self.gates(h)).chunk(2, dim=-1)
        new = torch.tanh(given[..., 2 * width :] + self.candidate(r * h))
        return h + z * (new - h)


class Localiser(nn.Module):
    """Convolutions that find one place in an image of half the size: the mean of a softmax over all places.

    (R, H, W) -> (R, 2), x and y, -1..1 in the window.
    """

    def __init__(self, channels: int = 8, kernel: int = 5) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, kernel, padding=kernel // 2),
            nn.ELU(),
            nn.Conv2d(channels, 1, kernel, padding=kernel // 2),
        )

    def forward(self, images: Tensor, window: int) -> Tensor:
        """Return the place (R, 2) in images (R, H, W)."""
        small = F.avg_pool2d(images[:, None], 2, ceil_mode=True)
        down, across = (places(size, window, images)[::2] + 1 / (window - 1) for size in images.shape[-2:])
        y, x = torch.meshgrid(down, across, indexing="ij")
        maps = torch.cat([small, torch.stack([x, y]).expand(len(images), -1, -1, -1)], dim=1)
        heat = self.layers(maps).flatten(1).softmax(dim=1)
        return heat @ torch.stack([x.flatten(), y.flatten()], dim=1)


def linear(inputs: int, outputs: int) -> nn.Linear:
    """Return a linear layer with Sonnet's first weights and no offset.

    The weights are normal with deviation 1 / sqrt(inputs), cut off at two deviations.
    """
    layer = nn.Linear(inputs, outputs)
    deviation = 1 / math.sqrt(inputs)
    nn.init.trunc_normal_(layer.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    nn.init.zeros_(layer.bias)
    return layer


def stack(arrays: Sequence[Tensor]) -> Tensor:
    """Stack arrays (R, ...), one for each slot, to (R, N, ...)."""
    return torch.stack(list(arrays), dim=1)


def _hats(u: Tensor, size: int) -> Tensor:
    """Return the weight of each pixel at places between pixels: (R, A) -> (R, A, size)."""
    pixels = torch.arange(size, dtype=u.dtype, device=u.device)
    return F.relu(1 - (u[..., None] - pixels).abs())
