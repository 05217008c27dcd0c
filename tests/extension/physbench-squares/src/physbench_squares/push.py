"""A model without weights: it moves the whole frame as the action says, and takes every colour for an object."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench.model import Bernoulli, Prediction
from physbench_squares.walk import STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.model import Batch


class Push:
    """Move the frame as the action says; every colour is an object."""

    likelihood = Bernoulli()

    def begin(self, batch: Batch) -> None:
        """Remember nothing."""

    def observe(
        self, state: None, frame: NDArray[np.float32], action: NDArray[np.float32] | None
    ) -> tuple[None, Prediction]:
        """frame (B, H, W, C), action one-hot (B, A)."""
        steps = np.zeros((len(frame), 2), int) if action is None else STEPS[action.argmax(1)]
        mean = np.stack([move(each, *step) for each, step in zip(frame, steps, strict=True)])
        return None, Prediction(mean, number_colours(frame))


def move(frame: NDArray[np.float32], dx: int, dy: int) -> NDArray[np.float32]:
    """frame (H, W, C). What would leave the frame keeps it where it is."""
    moved = np.roll(frame, (dy, dx), (0, 1))
    edges = {(2, 0): frame[:, -1], (-2, 0): frame[:, 0], (0, 2): frame[-1], (0, -2): frame[0]}
    return frame if (dx, dy) in edges and edges[dx, dy].any() else moved


def number_colours(frame: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(B, H, W, C) -> (B, H, W): the colours of each frame, numbered from 0; black is the first."""
    codes = ((frame > 0.5) << np.arange(frame.shape[-1])).sum(-1)
    return np.stack([np.unique(each, return_inverse=True)[1].reshape(each.shape) for each in codes]).astype(np.uint8)
