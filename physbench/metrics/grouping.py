"""The adjusted Rand index between owner maps and true groups (Hubert and Arabie, 1985): does each slot of a model own
an object?

Pixels count where there is an object (`groups` > 0) and no curtain. 1 = the same partition, 0 = as good as chance. All
sums are of whole numbers that are exact in float64, so no product overflows and results do not depend on batches.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.pixels import curtain_pixels
from physbench.metrics.sums import Floats

AT_ONCE = 1 << 18
"""How many pixels are counted at a time."""


def ari(tables: NDArray[Any]) -> Floats:
    """Compute one index for each frame but the first: (N, T, A, G) from `contingency` -> (N, T - 1).

    A owners, G groups.
    """
    return adjusted_rand(tables[:, 1:])


def ari_video(tables: NDArray[Any]) -> Floats:
    """Compute one index over the pixels of all frames but the first together: (N, T, A, G) -> (N,).

    A slot that changes to another object lowers it.
    """
    return adjusted_rand(tables[:, 1:].sum(axis=1))


def contingency(owners: NDArray[Any], groups: NDArray[Any], curtain: NDArray[Any] | None = None) -> NDArray[np.int32]:
    """Count how many pixels of each frame belong to both owner a and group g + 1: (N, T, H, W) uint8, (N, T, H, W, 1)
    uint8, (N, 4) -> (N, T, A, G).

    A and G are the largest numbers that occur; empty rows and columns do not change an index.
    """
    if groups.shape != (*owners.shape, 1):
        raise ValueError(
            f"owner maps of shape {owners.shape} need groups of shape {(*owners.shape, 1)}, not {groups.shape}"
        )
    sequences, frames, height, width = owners.shape
    most_owners, most_groups = (int(array.max()) + 1 if array.size else 1 for array in (owners, groups))
    counted = groups[..., 0] > 0
    if curtain is not None:
        counted &= ~curtain_pixels(curtain, height, width)[:, None]
    pixels = height * width
    rows = sequences * frames
    owner, group, counted = owners.reshape(rows, -1), groups.reshape(rows, -1), counted.reshape(rows, -1)
    tables = np.empty((rows, most_owners * most_groups), np.int32)
    at_once = max(AT_ONCE // max(pixels, 1), 1)
    for start in range(0, rows, at_once):
        block = slice(start, start + at_once)
        tables[block] = _tables(owner[block], group[block], counted[block], most_owners, most_groups)
    return tables.reshape(sequences, frames, most_owners, most_groups)[..., 1:]


def adjusted_rand(tables: NDArray[Any]) -> Floats:
    """Compute the adjusted Rand index of tables: (..., A, G) -> (...).

    It is NaN where fewer than 2 points were counted, and 1 where both partitions are a single cluster, or both have
    only clusters of one point.
    """
    both = _pairs(tables).sum(axis=(-2, -1))
    same_owner, same_group = (_pairs(tables.sum(axis=axis)).sum(axis=-1) for axis in (-1, -2))
    total = tables.sum(axis=(-2, -1))
    pairs = _pairs(total)
    trivial = (same_owner == same_group) & ((same_owner == 0) | (same_owner == pairs))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (
            same_owner * same_group
        )  # the formula is multiplied by `pairs`, so that its terms are whole numbers, and exact unless very large
        index = (both * pairs - chance) / ((same_owner + same_group) / 2 * pairs - chance)
    return np.where(total < 2, np.nan, np.where(trivial, 1.0, index))


def _tables(
    owner: NDArray[Any], group: NDArray[Any], counted: NDArray[np.bool_], most_owners: int, most_groups: int
) -> NDArray[np.int64]:
    """Count pixels by owner and group: (F, P) each -> (F, A * G). The few pixels that count are selected first."""
    picked = np.flatnonzero(counted)
    cell = picked // counted.shape[1]
    cell *= most_owners
    cell += owner.reshape(-1)[picked]
    cell *= most_groups
    cell += group.reshape(-1)[picked]
    cells = most_owners * most_groups
    return np.bincount(cell, minlength=len(owner) * cells).reshape(len(owner), cells)


def _pairs(count: NDArray[Any]) -> Floats:
    """Return the number of pairs of n things, in float64."""
    n = count.astype(np.float64)
    return n * (n - 1) / 2
