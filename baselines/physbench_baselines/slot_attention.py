"""Slot Attention and its auto-encoder (Locatello et al., NeurIPS 2020).

Read this file beside sections 2.1 and 2.2 of the paper.

Slots compete for the pixels: the attention is a softmax over slots, and each slot is updated with a mean over pixels
that the attention weights. The slots start as draws from one learnt normal distribution. Each slot is decoded to an
image and a mask of its own.

The sizes are the paper's for images of 64 x 64 and 35 x 35 pixels, where the decoder works at full resolution. The
paper's other decoder, which grows an image of 8 x 8 by transposed convolutions, is for 128 x 128 and is not
implemented. The frames of a sequence are treated as separate images.

Shapes: B images, K slots of D numbers, N pixels of the encoder, H x W pixels of C channels.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench.errors import UnsuitableModel
from physbench.model import Gaussian
from physbench_baselines import chance
from physbench_baselines.blocks import Convolution, initialise
from physbench_baselines.noise import draw_normal
from physbench_baselines.pixel_distributions import frames_as_images
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from physbench_baselines.slot_attention_sizes import SlotAttentionSizes

EPSILON = 1e-8
"""Added to the attention, so that the mean is defined for a slot that gets no pixel."""

NORM_EPSILON = 1e-3
"""The default of Keras; torch's is 1e-5."""


class SlotAttention(nn.Module):
    """Algorithm 1 on its own: for any set of vectors and any number of slots."""

    def __init__(self, features: int, size: int, hidden: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, size))[0])
        self.log_deviation = nn.Parameter(nn.init.xavier_uniform_(torch.empty(1, size))[0])
        self.input_norm, self.slot_norm, self.mlp_norm = (
            nn.LayerNorm(width, NORM_EPSILON) for width in (features, size, size)
        )
        self.keys, self.values = (initialise(nn.Linear(features, size, bias=False)) for _ in range(2))
        self.queries = initialise(nn.Linear(size, size, bias=False))
        self.gru = _as_keras(nn.GRUCell(size, size))
        self.mlp = nn.Sequential(initialise(nn.Linear(size, hidden)), nn.ReLU(), initialise(nn.Linear(hidden, size)))

    def start(self, noise: Tensor) -> Tensor:
        """Return the first slots (B, K, D), from normal random numbers (B, K, D)."""
        return self.mean + self.log_deviation.exp() * noise

    def forward(self, inputs: Tensor, slots: Tensor, *, iterations: int = 3) -> tuple[Tensor, Tensor]:
        """Return the slots (B, K, D) and the attention (B, K, N) of the last iteration, which sums to 1 over slots.

        inputs are (B, N, features), slots (B, K, D).
        """
        inputs = self.input_norm(inputs)
        keys, values = self.keys(inputs), self.values(inputs)
        attention = slots.new_empty(0)
        for _ in range(iterations):
            queries = self.queries(self.slot_norm(slots)) * slots.shape[-1] ** -0.5
            attention = (queries @ keys.mT).to(slots.dtype).softmax(dim=1)
            taken = attention + EPSILON
            updates = (taken / taken.sum(dim=2, keepdim=True)).to(values.dtype) @ values
            slots = self.gru(updates.flatten(0, 1).to(slots.dtype), slots.flatten(0, 1)).view_as(slots)
            slots = (slots + self.mlp(self.mlp_norm(slots))).to(self.mean.dtype)
        return slots, attention


class State(NamedTuple):
    """What the model carries on; it remembers nothing of one image for the next."""

    seeds: Tensor  # int64 (B,)
    count: int  # K
    slots: Tensor | None = None  # (B, K, D)
    means: Tensor | None = None  # (B, K, C, H, W)
    masks: Tensor | None = None  # (B, K, 1, H, W)
    answer: tuple[Tensor, Tensor, Tensor] | None = (
        None  # an image, its mean and its owners, returned again if the same image comes again
    )


class AutoEncoder(nn.Module):
    """The auto-encoder: an encoder, Slot Attention, and a decoder."""

    def __init__(self, sizes: SlotAttentionSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.likelihood = Gaussian(sizes.scale)
        self.encoder = Encoder(sizes)
        self.attention = SlotAttention(sizes.features, sizes.slot_size, sizes.hidden)
        self.decoder = Decoder(sizes)

    def forward(self, x: Tensor, noise: Tensor, *, iterations: int | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Return slots (B, K, D), means (B, K, C, H, W) and masks (B, K, 1, H, W).

        x (B, C, H, W) goes from 0 to 1, noise is (B, K, D). iterations replaces the number in the model's sizes.
        """
        count = self.sizes.iterations if iterations is None else iterations
        slots, _ = self.attention(self.encoder(2 * x - 1), self.attention.start(noise), iterations=count)
        drawn = self.decoder(slots.flatten(0, 1), x.shape[-2:]).to(slots.dtype).unflatten(0, slots.shape[:2])
        return slots, (drawn[:, :, :-1] + 1) / 2, drawn[:, :, -1:].softmax(dim=1)

    def loss(
        self,
        batch: Mapping[str, Tensor],
        *,
        generator: torch.Generator | None = None,
        share: float = 0.0,
        noise: Tensor | None = None,
    ) -> Losses:
        """Return the squared error: a mean over pixels and channels, with values scaled to -1..1.

        batch: features uint8 (B, T, H, W, C). noise (B * T, K, D) replaces what the generator would draw. The share,
        which is how much of the run is over, is not used.
        """
        self._require(batch["features"].shape[4])
        x = frames_as_images(batch["features"], self.attention.mean.dtype).flatten(0, 1)
        if noise is None:
            noise = draw_normal((len(x), self.sizes.slots, self.sizes.slot_size), generator=generator, like=x)
        _, means, masks = self(x, noise)
        error = ((means * masks).sum(dim=1) - x).square().mean()
        return Losses(4 * error, {"mse": error.detach()})

    def begin(self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0) -> State:
        """Return the state before the first image.

        seeds int64 (B,): all randomness of image i comes from seeds[i]. Any number of slots is possible.
        """
        self._require(shape[2])
        return State(seeds, self.sizes.slots if slots is None else replace(self.sizes, slots=slots).slots)

    def observe(self, state: State, frame: Tensor, action: Tensor | None = None) -> tuple[State, Tensor, Tensor]:
        """Take a frame and return the state, the mean and the owners of this frame.

        frame and mean are (B, H, W, C), owner is uint8 (B, H, W). The mean is also the prediction of the next frame.
        """
        if state.answer and torch.equal(state.answer[0], frame):
            return state, *state.answer[1:]
        state, mean, owner = self._observe(state, frame, self.sizes.iterations)
        return state._replace(answer=(frame, mean, owner)), mean, owner

    def refinements(
        self, state: State, frame: Tensor, action: Tensor | None = None
    ) -> Iterator[tuple[State, Tensor, Tensor]]:
        """Yield what `observe` would return for the first slots, and after each iteration of the attention."""
        return (self._observe(state, frame, iterations) for iterations in range(self.sizes.iterations + 1))

    def parts(self, state: State) -> tuple[Tensor, Tensor, None]:
        """Return each slot's image (B, K, H, W, C), and its share (B, K, H, W) of the frame.

        Call it after an image.
        """
        assert state.means is not None and state.masks is not None
        return state.means.permute(0, 1, 3, 4, 2), state.masks.squeeze(2), None

    def latents(self, state: State) -> Tensor:
        """Return the slots (B, K, D)."""
        assert state.slots is not None
        return state.slots

    def _observe(self, state: State, frame: Tensor, iterations: int) -> tuple[State, Tensor, Tensor]:
        noise = chance.normal(state.seeds, 0, state.count * self.sizes.slot_size).view(len(frame), state.count, -1)
        slots, means, masks = self(frame.permute(0, 3, 1, 2), noise, iterations=iterations)
        mean = (means * masks).sum(dim=1).permute(0, 2, 3, 1)
        return (
            state._replace(slots=slots, means=means, masks=masks),
            mean,
            masks.squeeze(2).argmax(dim=1).to(torch.uint8),
        )

    def _require(self, channels: int) -> None:
        if channels != self.sizes.channels:
            raise UnsuitableModel(
                f"this model is for frames of {self.sizes.channels} channels, not {channels}: take another dataset, or"
                " train one for them"
            )


class Encoder(nn.Module):
    """Convolutions, position embedding, and an MLP on each pixel. (B, C, H, W) -> (B, N, features)."""

    def __init__(self, sizes: SlotAttentionSizes) -> None:
        super().__init__()
        self.patch = sizes.patch
        widths = [sizes.channels * sizes.patch**2, *sizes.encoder]
        self.convolutions = nn.ModuleList(Convolution(*pair, sizes.kernel) for pair in pairwise(widths))
        self.place = PositionEmbedding(sizes.encoder[-1])
        self.norm = nn.LayerNorm(sizes.encoder[-1], NORM_EPSILON)
        self.mlp = nn.Sequential(
            initialise(nn.Linear(sizes.encoder[-1], sizes.features)),
            nn.ReLU(),
            initialise(nn.Linear(sizes.features, sizes.features)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Encode images x (B, C, H, W)."""
        height, width = x.shape[-2:]
        x = F.pixel_unshuffle(F.pad(x, (0, -width % self.patch, 0, -height % self.patch)), self.patch)
        for convolution in self.convolutions:
            x = F.relu(convolution(x))
        return self.mlp(self.norm(self.place(x).flatten(2).mT))


class Decoder(nn.Module):
    """Convolutions on a slot, repeated at every pixel, with position embedding.

    (N, D) -> (N, C + 1, H, W): the pixel, then the mask's logit.
    """

    def __init__(self, sizes: SlotAttentionSizes) -> None:
        super().__init__()
        self.patch = sizes.patch
        self.place = PositionEmbedding(sizes.slot_size)
        widths = [sizes.slot_size, *sizes.decoder]
        self.convolutions = nn.ModuleList(
            Convolution(*pair, sizes.decoder_kernel or sizes.kernel) for pair in pairwise(widths)
        )
        self.last = Convolution(sizes.decoder[-1], (sizes.channels + 1) * sizes.patch**2, sizes.last_kernel)

    def forward(self, slots: Tensor, shape: Sequence[int]) -> Tensor:
        """Decode slots (N, D) to images of this height and width."""
        height, width = (-(-side // self.patch) for side in shape)
        maps = self.place(slots[..., None, None].expand(-1, -1, height, width))
        for convolution in self.convolutions:
            maps = F.relu(convolution(maps))
        return F.pixel_shuffle(self.last(maps), self.patch)[..., : shape[0], : shape[1]]


class PositionEmbedding(nn.Module):
    """A layer that adds a linear function of the distances of each pixel from the four sides."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.linear = initialise(nn.Linear(4, channels))

    def forward(self, maps: Tensor) -> Tensor:
        """Add the embedding to maps (B, channels, H, W)."""
        rows, columns = torch.meshgrid(
            *(torch.linspace(0, 1, side, device=maps.device, dtype=maps.dtype) for side in maps.shape[-2:]),
            indexing="ij",
        )
        return maps + self.linear(torch.stack([rows, columns, 1 - rows, 1 - columns], dim=-1)).permute(2, 0, 1)


def _as_keras(cell: Any) -> Any:
    """Draw weights as Keras does: Glorot for the input, orthogonal for the state, and no offsets."""
    bound = math.sqrt(6 / (cell.input_size + 3 * cell.hidden_size))
    nn.init.uniform_(cell.weight_ih, -bound, bound)
    nn.init.orthogonal_(cell.weight_hh)
    nn.init.zeros_(cell.bias_ih)
    nn.init.zeros_(cell.bias_hh)
    return cell
