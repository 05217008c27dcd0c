"""Scores of rollouts: a model sees frames x_0 .. x_{c-1} and imagines the following ones.

N sequences, T frames, H x W pixels, C channels, S steps. means[:, h - 1] is the prediction of frame c - 1 + h,
h = 1 .. S; frame c and later ones were never shown.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.pixels import bernoulli_bce
from physbench.metrics.sums import Floats, Sums, ratio


def rollout_bce(frames: NDArray[Any], means: NDArray[Any], context: int) -> Floats:
    """Compute the cross-entropy of each imagined frame: (N, T, H, W, C), (N, S, H, W, C) -> (N, S)."""
    return bernoulli_bce(targets(frames, context, means.shape[1]), means)


def repeat_bce(frames: NDArray[Any], context: int, horizon: int) -> Floats:
    """Compute the cross-entropy of repeating the last context frame: (N, T, H, W, C) -> (N, S).

    It is the denominator of `rollout_relative_bce`.
    """
    return rollout_bce(frames, repeat_last(frames, context, horizon), context)


def overlap(frames: NDArray[Any], means: NDArray[Any]) -> Sums:
    """Count the pixels that are on and were predicted to be (p > 1/2), over those for which either holds:
    (N, S, H, W, C) twice -> (N, S)."""
    on, thought = (array.reshape(*array.shape[:2], -1) > 0.5 for array in (frames, means))
    return ratio((on & thought).sum(axis=2), (on | thought).sum(axis=2))


def targets(frames: NDArray[Any], context: int, horizon: int) -> NDArray[Any]:
    """Return frames c .. c - 1 + S: (N, T, H, W, C) -> (N, S, H, W, C)."""
    if context < 1 or horizon < 1 or context + horizon > frames.shape[1]:
        raise ValueError(f"a rollout of {context} + {horizon} frames does not fit in {frames.shape[1]}")
    return frames[:, context : context + horizon]


def repeat_last(frames: NDArray[Any], context: int, horizon: int) -> NDArray[Any]:
    """Return frame c - 1, repeated: (N, T, H, W, C) -> (N, S, H, W, C)."""
    shape = (len(frames), horizon, *frames.shape[2:])
    return np.broadcast_to(frames[:, context - 1 : context], shape)
