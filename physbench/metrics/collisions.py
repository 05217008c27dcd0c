"""Errors around objects, by the number of collisions that the objects have had.

N sequences, T frames, K objects, H x W pixels, C channels. Objects are taken from the ground truth, not from the masks
of a model. Only the worlds of balls have the discs that this needs.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.object_cards import CLASSES
from physbench.metrics.pixels import bernoulli_surprise
from physbench.metrics.sums import Sums, ratio
from physbench.scene import WALL

NO_OBJECT = 255
"""In place of the number of an object: the pixel belongs to none."""


def event_error(
    frames: NDArray[Any],
    means: NDArray[Any],
    *,
    context: int,
    ahead: int,
    position: NDArray[Any],
    radius: NDArray[Any],
    collided: NDArray[Any],
) -> Sums:
    """Score the frame h = ahead steps after the context, by the number of collisions that objects have had -> (N, 4).

    frames (N, T, H, W, C), means (N, S, H, W, C) as in a rollout, position (N, T, K, 2), radius (N, K), collided
    (N, K). A pixel belongs to the object whose disc is nearest. The numerators add up to `rollout_bce[h]`, and the
    denominators to the cost of repeating frame c - 1.
    """
    if not 1 <= ahead <= means.shape[1] or context + ahead > frames.shape[1]:
        raise ValueError(
            f"step {ahead} after {context} frames is not among {means.shape[1]} predictions and {frames.shape[1]}"
            " frames"
        )
    frame = context - 1 + ahead
    cells = power_cells(position[:, frame], radius, *frames.shape[2:4])
    kind = np.minimum(collided, len(CLASSES) - 1).astype(np.int64)
    kind = np.concatenate(
        [kind, np.full((len(kind), 1), len(CLASSES))], axis=1
    )  # a last class, for pixels of no object
    cells = np.where(cells == NO_OBJECT, kind.shape[1] - 1, cells)
    kinds = np.take_along_axis(kind, cells.reshape(len(cells), -1).astype(np.int64), axis=1)
    above = bernoulli_surprise(frames[:, frame], means[:, ahead - 1]).sum(axis=-1)
    below = bernoulli_surprise(frames[:, frame], frames[:, context - 1]).sum(axis=-1)
    return ratio(_sums_by(kinds, above), _sums_by(kinds, below))


def power_cells(position: NDArray[Any], radius: NDArray[Any], height: int, width: int) -> NDArray[np.uint8]:
    """Find the object with the least d^2 - r^2 from the centre of each pixel: (N, K, 2), (N, K) -> (N, H, W).

    Of equal ones, the first object is taken. If there are no objects, the result is NO_OBJECT.
    """
    x = np.arange(width) + 0.5 - position[..., 0, None].astype(np.float64)  # (N, K, W)
    y = np.arange(height) + 0.5 - position[..., 1, None].astype(np.float64)
    power = (y**2)[..., None] + (x**2 - (radius.astype(np.float64) ** 2)[..., None])[:, :, None, :]
    power[radius <= 0] = np.inf
    nearest = power.argmin(axis=1).astype(np.uint8)
    nearest[~(radius > 0).any(axis=1)] = NO_OBJECT
    return nearest


def collisions_between(
    sequence: NDArray[Any],
    time: NDArray[Any],
    a: NDArray[Any],
    b: NDArray[Any],
    *,
    shape: tuple[int, int],
    first: int,
    last: int,
) -> NDArray[np.int64]:
    """Count the collisions of each object with other objects in (first, last] -> (N, K), which is `shape`.

    The columns of the event table are (M,) each; sequences are numbered within the batch. A collision at time 0 belongs
    to the interval (0, 1], as its flags do.
    """
    interval = np.maximum(np.ceil(time).astype(np.int64) - 1, 0)
    chosen = (b != WALL) & (interval >= first) & (interval < last)
    counts = np.zeros(shape, np.int64)
    for partner in (a, b):
        np.add.at(counts, (sequence[chosen], partner[chosen]), 1)
    return counts


def _sums_by(kinds: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up values (N, H, W) by kinds (N, P) -> (N, 4), pixel by pixel, so that results do not depend on batches."""
    classes = len(CLASSES) + 1
    cell = kinds + classes * np.arange(len(kinds))[:, None]
    sums = np.bincount(cell.reshape(-1), values.reshape(-1), classes * len(kinds))
    return sums.reshape(len(kinds), classes)[:, :-1].astype(np.float64)
