"""A metric: how far from the objects' centre of mass a model puts its next frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    pass


def centre_error(means, position):
    """means (B, T - 1, H, W, C) of frames 1 to T - 1, position (B, T, K, 2) -> (B, T - 1) pixels between two centres."""
    weight = means.astype(np.float64).sum(-1)
    y, x = np.arange(weight.shape[2]) + 0.5, np.arange(weight.shape[3]) + 0.5
    total = np.maximum(weight.sum((2, 3)), 1e-9)
    centre = np.stack([(weight.sum(2) * x).sum(2), (weight.sum(3) * y).sum(2)], axis=-1) / total[..., None]
    return np.linalg.norm(centre - position[:, 1:].mean(2), axis=-1)
