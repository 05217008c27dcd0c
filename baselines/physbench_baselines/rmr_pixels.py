"""Reasoning-Modulated Representations, the second half (Velickovic et al., 2021): frames before and behind a processor
that has learnt from states.

To be read beside section 3, "natural pipeline". A Slot Attention encoder looks at three frames, a linear layer joins
what each slot was in them, the processor P of a model of states (rmr.py) moves the slots one step on, and a broadcast
decoder draws the next frame. RMR takes P from a model that has learnt from places and keeps it as it is; the paper's
baseline is this very network with a P that learns with the rest:

    physbench train rmr-pixels-small --reuse processor=rmr-mpnn.balls10
    physbench train rmr-pixels-small

The paper leaves open what is decided here. Slots are carried from frame to frame, so that a slot is the same ball in
all three: the attention of a frame begins with the slots of the frame before. Nothing but the next frame is drawn or
learnt from.

B sequences, T frames, K slots of D numbers, H x W pixels of C channels.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from physbench.errors import ModelError
from physbench.model import Gaussian
from physbench_baselines import chance
from physbench_baselines.pixel_distributions import frames_as_images
from physbench_baselines.processors import MessagePassing
from physbench_baselines.rmr import PAST
from physbench_baselines.slot_attention import Decoder, Encoder, SlotAttention
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from physbench_baselines.rmr_pixels_sizes import PixelSizes


class State(NamedTuple):
    """What is carried on from frame to frame."""

    seeds: Tensor  # int64 (B,)
    count: int  # K
    past: Tensor | None = None  # (B, 3, K, D) the slots of the last three frames, the newest last
    means: Tensor | None = None  # (B, K, C, H, W) of the next frame
    masks: Tensor | None = None  # (B, K, 1, H, W)


class PixelModel(nn.Module):
    """Three frames in, the next one out."""

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
        )  # so that P is given what it is used to: numbers of variance 1
        self.processor = MessagePassing(sizes.size, sizes.hidden, sizes.passes, differences=True)
        self.decoder = Decoder(sizes.of_decoder)

    def forward(self, frames: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        """frames (B, T, C, H, W) from 0 to 1, noise (B, K, D) -> means and masks of frames 3 to T, (B, T - 2, K, C or
        1, H, W)."""
        features = self.encoder(2 * frames.flatten(0, 1) - 1).unflatten(0, frames.shape[:2])
        slots: list[Tensor] = []
        for t in range(frames.shape[1]):
            slots.append(self.look(features[:, t], slots[-1] if slots else None, noise))
        past = torch.stack(slots, dim=1).unfold(1, PAST, 1).permute(0, 1, 4, 2, 3)  # (B, T - 2, 3, K, D)
        means, masks = self.draw(past.flatten(0, 1), frames.shape[-2:])
        return means.unflatten(0, past.shape[:2]), masks.unflatten(0, past.shape[:2])

    def look(self, features: Tensor, before: Tensor | None, noise: Tensor) -> Tensor:
        """features (B, N, F) of a frame, the slots of the frame before it or None -> slots (B, K, D)."""
        start = self.attention.start(noise) if before is None else before
        slots, _ = self.attention(
            features, start, iterations=self.sizes.iterations if before is None else self.sizes.later_iterations
        )
        return slots

    def draw(self, past: Tensor, shape: torch.Size | tuple[int, int]) -> tuple[Tensor, Tensor]:
        """The slots of three frames (B, 3, K, D) -> means (B, K, C, H, W) and masks (B, K, 1, H, W) of the next one."""
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
        """Squared error of frames 3, 4, ..., each predicted from the three before it; a mean over pixels and channels
        that go from -1 to 1.

        batch: features uint8 (B, T, H, W, C). noise (B, K, D) takes the place of what the generator would draw.
        """
        features = batch["features"]
        self._require(features.shape[4])
        if features.shape[1] <= PAST:
            raise ModelError(
                f"there is nothing to predict in sequences of {features.shape[1]} frames: give {PAST + 1} or more"
            )
        x = frames_as_images(features, self.join.weight.dtype)
        if noise is None:
            noise = torch.randn(
                (len(x), self.sizes.slots, self.sizes.slot_size), generator=generator, device=x.device, dtype=x.dtype
            )
        means, masks = self(x[:, :-1], noise)
        error = ((means * masks).sum(dim=2) - x[:, PAST:]).square().mean()
        return Losses(4 * error, {"pixel_mse": error.detach()})

    def begin(self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0) -> State:
        """int64 (B,): all randomness of sequence i comes from seeds[i]. Any number of slots will do."""
        self._require(shape[2])
        return State(seeds, self.sizes.slots if slots is None else replace(self.sizes, slots=slots).slots)

    def observe(self, state: State, frame: Tensor, action: Tensor | None = None) -> tuple[State, Tensor, None]:
        """frame (B, H, W, C) -> state, mean (B, H, W, C) of the next one, and no owners."""
        features = self.encoder(2 * frame.permute(0, 3, 1, 2) - 1)
        noise = chance.normal(state.seeds, 0, state.count * self.sizes.slot_size).view(len(frame), state.count, -1)
        slots = self.look(features, None if state.past is None else state.past[:, -1], noise)[:, None]
        past = slots.expand(-1, PAST, -1, -1) if state.past is None else torch.cat([state.past[:, 1:], slots], dim=1)
        means, masks = self.draw(past, frame.shape[1:3])
        return state._replace(past=past, means=means, masks=masks), (means * masks).sum(dim=1).permute(0, 2, 3, 1), None

    def imagine(self, state: State, action: Tensor | None = None) -> tuple[State, Tensor, None]:
        """Observe its own prediction."""
        assert state.means is not None and state.masks is not None
        return self.observe(state, (state.means * state.masks).sum(dim=1).permute(0, 2, 3, 1).clamp(0, 1), action)

    def parts(self, state: State) -> tuple[Tensor, Tensor, None]:
        """What each slot takes the next frame for (B, K, H, W, C), and which share (B, K, H, W) of it is its own."""
        assert state.means is not None and state.masks is not None
        return state.means.permute(0, 1, 3, 4, 2), state.masks.squeeze(2), None

    def latents(self, state: State) -> Tensor:
        """The slots of the frame just seen (B, K, D)."""
        assert state.past is not None
        return state.past[:, -1]

    def _require(self, channels: int) -> None:
        if channels != self.sizes.channels:
            raise ModelError(
                f"this model is for frames of {self.sizes.channels} channels, not {channels}: take another dataset, or"
                " train one for them"
            )
