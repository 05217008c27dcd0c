"""Rows that see frames and learn nothing: extrapolation with a blur, and connected regions. Needs no torch.

Shapes: B sequences of a batch, H x W pixels, C channels.
"""

import math
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from physbench.model import MOST_BOXES, Batch, Bernoulli, Prediction

Frame = NDArray[np.float32]  # (B, H, W, C)

ON = 0.5
"""In frames of one channel, a pixel above this is on."""

MOST_SLOTS = 256
"""How many slots an owner map has room for."""


@dataclass(frozen=True)
class Blur:
    """The last two frames extrapolated, and blurred; the first frame is only blurred.

    Its numbers were chosen on training sequences of balls4mass64: `python -m benchmarks.tune blur`.
    """

    ahead: float = 1.3  # in frames
    sigma: float = 1.6  # pixels
    floor: float = 0.0057  # no pixel is less or more probable than this and its complement
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> Frame | None:
        """Return the state before the first frame."""
        return None

    def observe(self, state: Frame | None, frame: Frame, action: Frame | None) -> tuple[Frame, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        expected = frame if state is None else (frame + np.float32(self.ahead) * (frame - state)).astype(np.float32)
        mean = blur(expected, self.sigma)
        return frame.copy(), Prediction(np.clip(mean, np.float32(self.floor), np.float32(1 - self.floor)))


@dataclass(frozen=True)
class Blobs:
    """Copying, with the connected regions of each frame as owners and boxes: objects without memory.

    Pixels are connected across edges. Slot 0 is the background; in colour, that is the most frequent colour. Regions
    are numbered row by row and use the other slots in turn. Boxes are numbered in the same way, and there are at most
    as many as slots.
    """

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> int:
        """Return the state before the first frame."""
        return min(batch.slots or MOST_SLOTS, MOST_SLOTS)

    def observe(self, state: int, frame: Frame, action: Frame | None) -> tuple[int, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        from physbench_baselines.regions import box_frames, label_frames

        on = foreground(frame)
        return state, Prediction(frame.copy(), label_frames(on, state), boxes=box_frames(on, min(state, MOST_BOXES)))


def foreground(frames: Frame) -> NDArray[np.bool_]:
    """Return which pixels are on: (B, H, W, C) -> (B, H, W).

    In colour, a pixel is on if it has another colour than most pixels of its frame.
    """
    if frames.shape[3] == 1:
        return frames[..., 0] > ON
    codes = cast("NDArray[np.int64]", np.rint(frames * 255).astype(np.int64) @ (1 << 8 * np.arange(frames.shape[3])))
    on = np.empty(codes.shape, np.bool_)
    for i, each in enumerate(codes):
        colours, counts = np.unique(each, return_counts=True)
        on[i] = each != colours[counts.argmax()]
    return on


def blur(frames: Frame, sigma: float) -> Frame:
    """Convolve (B, H, W, C) with a Gaussian, cut off at 4 sigma. Outside the frame all pixels are off."""
    reach = math.ceil(4 * sigma)
    bell = [round(math.exp(-0.5 * (step / sigma) ** 2), 12) for step in range(reach + 1)]
    whole = bell[0] + 2 * sum(bell[1:])
    for axis in (1, 2):
        total = frames * np.float32(bell[0] / whole)
        for step in range(1, min(reach + 1, frames.shape[axis])):
            share = np.float32(bell[step] / whole)
            near = tuple(slice(step, None) if each == axis else slice(None) for each in range(4))
            far = tuple(slice(None, -step) if each == axis else slice(None) for each in range(4))
            total[near] += share * frames[far]
            total[far] += share * frames[near]
        frames = total
    return frames
