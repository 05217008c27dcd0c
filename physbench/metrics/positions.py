"""The distance between the true and the imagined position of each object, measured from the predicted pixels. The masks
of a model are not used.

N sequences, T frames, K objects, H x W pixels, C channels. The centre of the pixel in row r and column c is at
x = c + 0.5, y = r + 0.5.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.collisions import NO_OBJECT, power_cells
from physbench.metrics.object_cards import FARTHEST
from physbench.metrics.sums import Sums, ratio


def rollout_position_error(
    mean: NDArray[Any], position: NDArray[Any], radius: NDArray[Any], visible: NDArray[Any]
) -> Sums:
    """Score one imagined frame: mean (N, H, W, C), position (N, K, 2), radius (N, K), visible (N, K) -> (N,).

    Objects of radius 0 do not exist. They do not count, and neither do objects that are not visible in the frame.
    """
    counts = (radius > 0) & (visible > 0)
    x, y, pixels = _centroids(mean, position, radius)
    error = np.hypot(x - position[..., 0].astype(np.float64), y - position[..., 1].astype(np.float64))
    error = np.where(pixels > 0, np.minimum(error, FARTHEST), FARTHEST)
    return ratio(np.where(counts, error, 0.0).sum(axis=1), counts.sum(axis=1))


def _centroids(mean: NDArray[Any], position: NDArray[Any], radius: NDArray[Any]) -> tuple[NDArray[np.float64], ...]:
    """Find the mean x and y of the pixels that are on in the cell of each object, and their number, (N, K) each.

    Where there are no such pixels, x and y are 0.
    """
    count, height, width, _ = mean.shape
    objects = position.shape[1]
    cells = power_cells(position, radius, height, width)
    sequence, row, column = np.nonzero((mean.max(axis=-1) > 0.5) & (cells != NO_OBJECT))  # in colour: on in any channel
    place = objects * sequence + cells[sequence, row, column]
    sums = [
        np.bincount(place, weights, objects * count).reshape(count, objects)
        for weights in (column + 0.5, row + 0.5, None)
    ]
    pixels = sums[2].astype(np.float64)
    return sums[0] / np.maximum(pixels, 1), sums[1] / np.maximum(pixels, 1), pixels
