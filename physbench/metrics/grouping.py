"""Do the slots of a model own the objects? The adjusted Rand index between owner maps and true groups (Hubert and
Arabie, 1985).

Pixels count where an object is (`groups` > 0) and the curtain is not; 1 = the same partition, 0 = as good as chance.
Everything that is summed is a whole number, exact in float64, so no product overflows and no batch changes a bit.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.pixels import curtain_pixels
from physbench.metrics.sums import Floats

AT_ONCE = 1 << 18
"""Pixels counted at a time."""


def ari(tables: NDArray[Any]) -> Floats:
    """(N, T, A, G) from `contingency`, A owners, G groups -> (N, T - 1): one index for each frame but the first."""
    return adjusted_rand(tables[:, 1:])


def ari_video(tables: NDArray[Any]) -> Floats:
    """(N, T, A, G) -> (N,): one index over the pixels of all frames but the first together; a slot that jumps to
    another object pays."""
    return adjusted_rand(tables[:, 1:].sum(axis=1))


def contingency(owners: NDArray[Any], groups: NDArray[Any], curtain: NDArray[Any] | None = None) -> NDArray[np.int32]:
    """(N, T, H, W) uint8, (N, T, H, W, 1) uint8, (N, 4) -> (N, T, A, G): how many pixels of each frame owner a shares
    with group g + 1.

    A and G are the most that occur; empty rows and columns change no index.
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
    """(..., A, G) -> (...): NaN where fewer than 2 points were counted; 1 where both partitions are one cluster, or
    both all singletons."""
    both = _pairs(tables).sum(axis=(-2, -1))
    same_owner, same_group = (_pairs(tables.sum(axis=axis)).sum(axis=-1) for axis in (-1, -2))
    total = tables.sum(axis=(-2, -1))
    pairs = _pairs(total)
    trivial = (same_owner == same_group) & ((same_owner == 0) | (same_owner == pairs))
    with np.errstate(divide="ignore", invalid="ignore"):
        chance = (
            same_owner * same_group
        )  # the formula times `pairs`: whole numbers as long as they fit, and no rounding
        index = (both * pairs - chance) / ((same_owner + same_group) / 2 * pairs - chance)
    return np.where(total < 2, np.nan, np.where(trivial, 1.0, index))


def _tables(
    owner: NDArray[Any], group: NDArray[Any], counted: NDArray[np.bool_], most_owners: int, most_groups: int
) -> NDArray[np.int64]:
    """(F, P) each -> (F, A * G). Few pixels count, so they are picked first."""
    picked = np.flatnonzero(counted)
    cell = picked // counted.shape[1]
    cell *= most_owners
    cell += owner.reshape(-1)[picked]
    cell *= most_groups
    cell += group.reshape(-1)[picked]
    cells = most_owners * most_groups
    return np.bincount(cell, minlength=len(owner) * cells).reshape(len(owner), cells)


def _pairs(count: NDArray[Any]) -> Floats:
    """n over 2, in float64."""
    n = count.astype(np.float64)
    return n * (n - 1) / 2
