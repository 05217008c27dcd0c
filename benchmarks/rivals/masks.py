"""Pixels drawn with NumPy: a mask over all frames for every disc. T frames, K balls, H x W pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from physbench.scene import HIT_OBJECT

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Pixels(NamedTuple):
    """The pixel arrays of a sequence, and how many pixels of each ball are visible."""

    features: NDArray[np.uint8]  # (T, H, W)
    groups: NDArray[np.uint8]  # (T, H, W)
    collisions: NDArray[np.uint8]  # (T, H, W)
    visible: NDArray[np.uint16]  # (T, K)


def draw(position: NDArray[np.float32], radius: NDArray[np.float32], contact: NDArray[np.uint8], size: int) -> Pixels:
    """Draw discs: position (T, K, 2), radius (K,), contact (T, K). A pixel of two discs belongs to no object."""
    frames, balls = contact.shape
    centre = np.arange(size) + 0.5
    across = (centre - position[:, :, 0, None].astype(float)) ** 2  # (T, K, W)
    down = (centre - position[:, :, 1, None].astype(float)) ** 2  # (T, K, H)
    discs = [across[:, k, None, :] + down[:, k, :, None] <= float(radius[k]) ** 2 for k in range(balls)]
    owners = np.sum(discs, axis=0, dtype=np.uint8)
    groups, collisions = np.zeros((2, frames, size, size), np.uint8)
    visible = np.zeros((frames, balls), np.uint16)
    for k, disc in enumerate(discs):
        owned = disc & (owners == 1)
        groups[owned] = k + 1
        visible[:, k] = owned.sum(axis=(1, 2))
        hit = np.flatnonzero(contact[:, k] & HIT_OBJECT)
        collisions[hit] |= owned[hit] | owned[np.minimum(hit + 1, frames - 1)]
    return Pixels((owners > 0).astype(np.uint8), groups, collisions, visible)
