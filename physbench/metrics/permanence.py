"""Scores for predictions around a curtain that hides an object, compared with the best forecast without memory.

N sequences, T frames, K objects, H x W pixels, C channels. Objects are taken from the ground truth, not from the masks
of a model. Only the worlds of balls have a curtain.

The forecast without memory knows where the curtain is, and how often a pixel is on at each distance from it. These
rates are fitted to the same sequences that are scored. Cross-entropy is convex in the probability, so no other forecast
that depends only on the distance, and not on time, costs less.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.pixels import CLIP, bernoulli_bce, curtain_pixels
from physbench.metrics.sums import Floats, Sums, ratio

COLLAR = 10
"""The width of the collar in pixels: the region around the curtain in which an object is expected to come out again."""


def permanence_bce(
    frames: NDArray[Any],
    means: NDArray[Any],
    groups: NDArray[Any],
    visible: NDArray[Any],
    curtain: NDArray[Any],
    *,
    rates: Sequence[float],
) -> Sums:
    """Score the pixels around the curtain: frames (N, T, H, W, C), means (N, T - 1, H, W, C), the other arrays as for
    `collar` -> (N, T - 1).

    rates: how often a pixel is on at distance 1 .. COLLAR from the curtain, the `curve` of `count_on` over all
    sequences of the evaluation; NaN where no pixel counts.
    """
    where = collar(groups, visible, curtain)
    on, pixels = _count_by_distance(frames, where, curtain)
    rate = np.clip(np.nan_to_num(np.asarray(rates, np.float64)), CLIP, 1 - CLIP)
    memoryless = (-np.log(rate) * on - np.log(1 - rate) * (pixels - on)).sum(axis=-1)
    return ratio(bernoulli_bce(frames[:, 1:], means, where), memoryless)


def count_on(frames: NDArray[Any], groups: NDArray[Any], visible: NDArray[Any], curtain: NDArray[Any]) -> Sums:
    """Count the pixels in the collar that are on, divided by all that count, at each distance -> (N, COLLAR).

    The arrays are those of `permanence_bce`.
    """
    on, pixels = _count_by_distance(frames, collar(groups, visible, curtain), curtain)
    return ratio(on.sum(axis=1), pixels.sum(axis=1))


def collar(groups: NDArray[Any], visible: NDArray[Any], curtain: NDArray[Any]) -> NDArray[np.bool_]:
    """Find the pixels that count: groups (N, T, H, W, 1), visible (N, T, K), curtain (N, 4) -> (N, T - 1, H, W, 1),
    where index t stands for the transition t -> t + 1.

    They lie around the curtain, in the transitions in which some object is hidden. Pixels are left out that belong, at
    t or t + 1, to an object that is visible at t.
    """
    height, width = groups.shape[2:4]
    around = curtain_pixels(curtain, height, width, COLLAR) & ~curtain_pixels(curtain, height, width)
    out = np.zeros((len(groups), groups.shape[1] - 1, height, width, 1), np.bool_)
    sequence, t = np.nonzero(hides_object(visible)[:, :-1])
    shows = np.zeros((len(sequence), visible.shape[2] + 1), np.bool_)  # the first column is group 0, no object
    shows[:, 1:] = visible[sequence, t] > 0
    row = np.arange(len(sequence))[:, None, None]
    owned = shows[row, groups[sequence, t, :, :, 0]] | shows[row, groups[sequence, t + 1, :, :, 0]]
    out[sequence, t, :, :, 0] = around[sequence] & ~owned
    return out


def hides_object(visible: NDArray[Any]) -> NDArray[np.bool_]:
    """Say whether some object was visible before frame t - 1 but not at t - 1 and t: (N, T, K) -> (N, T)."""
    shows = visible > 0
    out = np.zeros(shows.shape[:2], np.bool_)
    seen_before = np.logical_or.accumulate(shows, axis=1)
    out[:, 2:] = (seen_before[:, :-2] & ~shows[:, 1:-1] & ~shows[:, 2:]).any(axis=2)
    return out


def curtain_distance(curtain: NDArray[Any], height: int, width: int) -> NDArray[np.int64]:
    """Measure the Chebyshev distance of each pixel to the nearest pixel of the curtain: (N, 4) -> (N, H, W).

    It is 0 for the pixels of the curtain.
    """
    y0, x0, y1, x1 = (curtain[:, side, None].astype(np.int64) for side in range(4))
    rows, columns = np.arange(height), np.arange(width)
    below = np.maximum(np.maximum(y0 - rows, rows - y1 + 1), 0)
    beside = np.maximum(np.maximum(x0 - columns, columns - x1 + 1), 0)
    return np.maximum(below[:, :, None], beside[:, None, :])


def _count_by_distance(frames: NDArray[Any], where: NDArray[np.bool_], curtain: NDArray[Any]) -> tuple[Floats, Floats]:
    """Sum and count the pixels of frame t + 1 that count at each distance, (N, T - 1, COLLAR) each.

    Every channel of a pixel counts.
    """
    count, steps, height, width, _ = where.shape
    sequence, t, row, column = np.nonzero(where[..., 0])
    place = curtain_distance(curtain, height, width)[sequence, row, column] - 1
    place += COLLAR * (steps * sequence + t)
    shown = frames[sequence, t + 1, row, column].sum(axis=-1, dtype=np.float64)
    on, pixels = (
        np.bincount(place, weights, COLLAR * count * steps).reshape(count, steps, COLLAR) for weights in (shown, None)
    )
    return on.astype(np.float64), frames.shape[-1] * pixels.astype(np.float64)
