"""Reasoning-Modulated Representations (RMR), second half: from frames to frames by way of a processor.

From Velickovic et al. (2021); read this file beside section 3 of the paper, "natural pipeline". A Slot Attention
encoder sees three frames, and a linear layer joins what each slot was in them. The processor P of a model of states
(rmr.py) moves the slots one step on, and a broadcast decoder draws the next frame. RMR takes P from a model that has
learnt from places and freezes it. The paper's baseline is the same network with a P that learns with the rest:

    physbench train rmr-pixels-small --reuse processor=rmr-mpnn.balls10
    physbench train rmr-pixels-small

The paper does not decide the following. Slots are carried from frame to frame, so that a slot is the same ball in all
three: the attention of a frame begins with the slots of the frame before. Only the next frame is drawn, and only its
error is learnt from.

Shapes: B sequences, T frames, K slots of D numbers, H x W pixels of C channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from physbench.errors import ModelError, UnsuitableModel
from physbench.model import Gaussian
from physbench_baselines import chance
from physbench_baselines.noise import draw_normal
from physbench_baselines.pixel_distributions import frames_as_images
from physbench_baselines.processors import MessagePassing
from physbench_baselines.rmr import PAST
from physbench_baselines.slot_attention import Decoder, Encoder, SlotAttention
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from physbench_baselines.rmr_pixels_sizes import PixelSizes


class State(NamedTuple):
    """What the model carries on from frame to frame."""

    seeds: Tensor  # int64 (B,)
    count: int  # K
    past: Tensor | None = None  # (B, 3, K, D), slots of the last three frames, the newest last
    means: Tensor | None = None  # (B, K, C, H, W), prediction of the next frame
    masks: Tensor | None = None  # (B, K, 1, H, W)


class PixelModel(nn.Module):
    """A network that predicts the next frame from three frames."""

    def __init__(self, sizes: PixelSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.likelihood = Gaussian(sizes.scale)
        self.encoder = Encoder(sizes.of_slots)
        self.attention = SlotAttention(sizes.features, sizes.slot_size, sizes.slot_hidden)
        self.norm = nn.LayerNorm(sizes.slot_size)
        self.join = nn.Linear(PAST * sizes.slot_size, sizes.size)
        nn.init.normal_(
            self.join.weight, std=(PAST * sizes.slot_size) ** -0.5
        )  # so that P gets numbers of variance 1, as in its own training
        self.processor = MessagePassing(sizes.size, sizes.hidden, sizes.passes, differences=True)
        self.decoder = Decoder(sizes.of_decoder)

    def forward(self, frames: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return means and masks of frames 3 to T, (B, T - 2, K, C or 1, H, W).

        frames are (B, T, C, H, W) from 0 to 1, noise is (B, K, D).
        """
        features = self.encoder(2 * frames.flatten(0, 1) - 1).unflatten(0, frames.shape[:2])
        slots: list[Tensor] = []
        for t in range(frames.shape[1]):
            slots.append(self.look(features[:, t], slots[-1] if slots else None, noise))
        past = torch.stack(slots, dim=1).unfold(1, PAST, 1).permute(0, 1, 4, 2, 3)  # (B, T - 2, 3, K, D)
        means, masks = self.draw(past.flatten(0, 1), frames.shape[-2:])
        return means.unflatten(0, past.shape[:2]), masks.unflatten(0, past.shape[:2])

    def look(self, features: Tensor, before: Tensor | None, noise: Tensor) -> Tensor:
        """Return the slots (B, K, D) of a frame.

        features (B, N, F) are of that frame. before are the slots of the frame before it, or None.
        """
        start = self.attention.start(noise) if before is None else before
        slots, _ = self.attention(
            features, start, iterations=self.sizes.iterations if before is None else self.sizes.later_iterations
        )
        return slots

    def draw(self, past: Tensor, shape: torch.Size | tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return means (B, K, C, H, W) and masks (B, K, 1, H, W) of the next frame.

        past are the slots of three frames (B, 3, K, D).
        """
        z = self.processor(self.join(self.norm(past).transpose(1, 2).flatten(2)))
        drawn = self.decoder(z.flatten(0, 1), shape).to(past.dtype).unflatten(0, z.shape[:2])
        return (drawn[:, :, :-1] + 1) / 2, drawn[:, :, -1:].softmax(dim=1)

    def loss(
        self,
        batch: Mapping[str, Tensor],
        *,
        generator: torch.Generator | None = None,
        share: float = 0.0,
        noise: Tensor | None = None,
    ) -> Losses:
        """Return the squared error of frames 3, 4, ..., each predicted from the three before it.

        It is a mean over pixels and channels, with values scaled to -1..1.

        batch: features uint8 (B, T, H, W, C). noise (B, K, D) replaces what the generator would draw.
        """
        features = batch["features"]
        self._require(features.shape[4])
        if features.shape[1] <= PAST:
            raise ModelError(
                f"there is nothing to predict in sequences of {features.shape[1]} frames: give {PAST + 1} or more"
            )
        x = frames_as_images(features, self.join.weight.dtype)
        if noise is None:
            noise = draw_normal((len(x), self.sizes.slots, self.sizes.slot_size), generator=generator, like=x)
        means, masks = self(x[:, :-1], noise)
        error = ((means * masks).sum(dim=2) - x[:, PAST:]).square().mean()
        return Losses(4 * error, {"pixel_mse": error.detach()})

    def begin(self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0) -> State:
        """Return the state before the first frame.

        seeds int64 (B,): all randomness of sequence i comes from seeds[i]. Any number of slots is possible.
        """
        self._require(shape[2])
        return State(seeds, self.sizes.slots if slots is None else replace(self.sizes, slots=slots).slots)

    def observe(self, state: State, frame: Tensor, action: Tensor | None = None) -> tuple[State, Tensor, None]:
        """Take a frame and return the state, the mean of the next one, and no owners. Both are (B, H, W, C)."""
        features = self.encoder(2 * frame.permute(0, 3, 1, 2) - 1)
        noise = chance.normal(state.seeds, 0, state.count * self.sizes.slot_size).view(len(frame), state.count, -1)
        slots = self.look(features, None if state.past is None else state.past[:, -1], noise)[:, None]
        past = slots.expand(-1, PAST, -1, -1) if state.past is None else torch.cat([state.past[:, 1:], slots], dim=1)
        means, masks = self.draw(past, frame.shape[1:3])
        return state._replace(past=past, means=means, masks=masks), (means * masks).sum(dim=1).permute(0, 2, 3, 1), None

    def imagine(self, state: State, action: Tensor | None = None) -> tuple[State, Tensor, None]:
        """Observe the model's own prediction."""
        assert state.means is not None and state.masks is not None
        return self.observe(state, (state.means * state.masks).sum(dim=1).permute(0, 2, 3, 1).clamp(0, 1), action)

    def parts(self, state: State) -> tuple[Tensor, Tensor, None]:
        """Return each slot's image (B, K, H, W, C) of the next frame, and its share (B, K, H, W) of that frame."""
        assert state.means is not None and state.masks is not None
        return state.means.permute(0, 1, 3, 4, 2), state.masks.squeeze(2), None

    def latents(self, state: State) -> Tensor:
        """Return the slots (B, K, D) of the frame just seen."""
        assert state.past is not None
        return state.past[:, -1]

    def _require(self, channels: int) -> None:
        if channels != self.sizes.channels:
            raise UnsuitableModel(
                f"this model is for frames of {self.sizes.channels} channels, not {channels}: take another dataset, or"
                " train one for them"
            )
