"""conv3: three frames in, three convolutions, the next frame out. It is the smallest model that is trained, in minutes.

It is from no paper. It sees motion, because it sees the last three frames, and it sees what is near: a pixel depends on
about 18 x 18 pixels of each. It remembers nothing else. The convolutions work at half the resolution: four neighbouring
pixels become four channels, and four channels become pixels again. That takes at most a third of the time of as many
weights at full resolution.

Shapes: B sequences, T frames, H x W pixels of C channels. Inside the model, the past is (B, 3 C, H, W), the oldest
frame first, in float32.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import nn
from torch.nn import functional

from physbench.errors import ModelError, UnsuitableModel
from physbench.model import Bernoulli
from physbench_baselines.conv3_sizes import Conv3Sizes
from physbench_baselines.training.trainable import Losses

PAST = 3
"""How many frames the model sees. At the start of a sequence, its first frame replaces the missing ones."""

FOLD = 2
"""Side in pixels of the square that the convolutions see as one pixel."""


class State(NamedTuple):
    """What the model carries on from step to step."""

    past: torch.Tensor  # (B, 3 C, H, W)
    mean: torch.Tensor  # (B, H, W, C), prediction of the next frame


class Conv3(nn.Module):
    """The network: three convolutions at half the resolution."""

    likelihood = Bernoulli()
    capturable = True

    def __init__(self, sizes: Conv3Sizes) -> None:
        super().__init__()
        self.sizes = sizes
        folded = FOLD**2 * sizes.channels
        self.layers = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            nn.Conv2d(PAST * folded, sizes.width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(sizes.width, sizes.width, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(sizes.width, folded, 3, padding=1),
            nn.PixelShuffle(FOLD),
        )

    def forward(self, past: torch.Tensor) -> torch.Tensor:
        """Return logits (B, C, H, W) of the next frame, from past (B, 3 C, H, W).

        If a side is odd, an empty line is added and cut off again.
        """
        height, width = past.shape[-2:]
        whole = functional.pad(past, (0, -width % FOLD, 0, -height % FOLD))
        return self.layers(whole)[..., :height, :width].float()

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """Return the cross-entropy of the next frame in nats, a mean over sequences and steps.

        batch: features uint8 (B, T, H, W, C). The generator and the share are not used: nothing is drawn, and nothing
        changes during a run.
        """
        frames = batch["features"]
        self._require(frames.shape[4])
        if frames.shape[1] < 2:
            raise ModelError(f"there is nothing to predict in sequences of {frames.shape[1]} frames: give 2 or more")
        x = frames.permute(0, 1, 4, 2, 3).float()  # (B, T, C, H, W)
        before = torch.cat([x[:, :1]] * (PAST - 1) + [x], dim=1)
        past = torch.cat([before[:, i : i + x.shape[1] - 1] for i in range(PAST)], dim=2)  # (B, T - 1, 3 C, H, W)
        logits, wanted = self(past.flatten(0, 1)), x[:, 1:].flatten(0, 1)  # all steps at once
        return Losses(functional.binary_cross_entropy_with_logits(logits, wanted, reduction="sum") / len(wanted), {})

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> State | None:
        """Check the shape. There is no state before the first frame, and no randomness, slots or actions."""
        self._require(shape[2])
        return None

    def observe(
        self, state: State | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[State, torch.Tensor, None]:
        """Take a frame and return the state, the mean of the next one, and no owners. Both are (B, H, W, C)."""
        newest = frame.permute(0, 3, 1, 2)
        older = torch.cat([newest] * (PAST - 1), dim=1) if state is None else state.past[:, self.sizes.channels :]
        past = torch.cat([older, newest], dim=1)
        mean = torch.sigmoid(self(past)).permute(0, 2, 3, 1)
        return State(past, mean), mean, None

    def imagine(self, state: State, action: torch.Tensor | None = None) -> tuple[State, torch.Tensor, None]:
        """Observe the model's own prediction in black and white, like the frames of training.

        If it saw its mean unchanged, objects would be more blurred with every step, and overlap less with the true
        ones. It is not trained on what it imagines. In short trials that improved `rollout_relative_bce`, but
        `rollout_overlap` and the prediction of the next frame became worse.
        """
        return self.observe(state, (state.mean > 0.5).float(), action)

    def _require(self, channels: int) -> None:
        if channels != self.sizes.channels:
            raise UnsuitableModel(
                f"this model is for frames of {self.sizes.channels} channels, not {channels}: take another dataset, or"
                " train one for them"
            )
