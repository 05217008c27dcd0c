"""The definitions of the metrics again, slow and obvious: Python loops over single pixels that share no code with the
package."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

Array = NDArray[Any]


def pixel_bce(x: float, p: float) -> float:
    p = min(max(float(p), 1e-6), 1 - 1e-6)
    return -(float(x) * math.log(p) + (1 - float(x)) * math.log(1 - p))


def frame_bce(frame: Array, mean: Array, where: Array | None = None) -> float:
    """(H, W, C), (H, W, C), (H, W, 1)."""
    height, width, channels = frame.shape
    total = 0.0
    for r in range(height):
        for c in range(width):
            for k in range(channels):
                if where is None or where[r, c, 0]:
                    total += pixel_bce(frame[r, c, k], mean[r, c, k])
    return total


def frame_ari(owner: Array, groups: Array, curtain: Array) -> float:
    """(H, W), (H, W, 1), (4,); NaN with fewer than 2 pixels."""
    return points_ari(*frame_points(owner, groups, curtain))


def frame_points(owner: Array, groups: Array, curtain: Array) -> tuple[list[int], list[int]]:
    y0, x0, y1, x1 = (int(side) for side in curtain)
    chosen = [
        (int(owner[r, c]), int(groups[r, c, 0]))
        for r in range(owner.shape[0])
        for c in range(owner.shape[1])
        if groups[r, c, 0] > 0 and not (y0 <= r < y1 and x0 <= c < x1)
    ]
    return [owner for owner, _ in chosen], [group for _, group in chosen]


def points_ari(owners: list[int], groups: list[int]) -> float:
    return adjusted_rand_score(groups, owners) if len(owners) > 1 else math.nan


def cell_of(r: int, c: int, position: Array, radius: Array) -> int | None:
    """The object of a pixel: (K, 2), (K,)."""
    present = [k for k in range(len(radius)) if radius[k] > 0]
    if not present:
        return None
    return min(
        present,
        key=lambda k: (
            (c + 0.5 - float(position[k, 0])) ** 2 + (r + 0.5 - float(position[k, 1])) ** 2 - float(radius[k]) ** 2
        ),
    )


def in_collar(r: int, c: int, t: int, groups: Array, visible: Array, curtain: Array) -> bool:
    """groups (T, H, W, 1), visible (T, K), curtain (4,): does the pixel count in the transition t -> t + 1?"""
    y0, x0, y1, x1 = (int(side) for side in curtain)
    if y1 <= y0 or x1 <= x0:
        return False
    someone_hides = False
    for k in range(visible.shape[1]):
        seen_before = any(visible[s, k] > 0 for s in range(t - 1))
        someone_hides |= seen_before and t >= 2 and visible[t - 1, k] == 0 and visible[t, k] == 0
    behind = y0 <= r < y1 and x0 <= c < x1
    near = y0 - 10 <= r < y1 + 10 and x0 - 10 <= c < x1 + 10
    shown_owners = [
        k for k in (int(groups[t, r, c, 0]) - 1, int(groups[t + 1, r, c, 0]) - 1) if k >= 0 and visible[t, k] > 0
    ]
    return someone_hides and near and not behind and not shown_owners


def object_collisions(rows: list[tuple[float, int, int]], objects: int, first: int, last: int) -> list[int]:
    """rows (time, a, b) of one sequence, 255 = wall."""
    counts = [0] * objects
    for time, a, b in rows:
        inside = first < time <= last or (time == 0 and first == 0)
        if b != 255 and inside:
            counts[a] += 1
            counts[b] += 1
    return counts


def ratio(pairs: list[tuple[float, float]]) -> float:
    below = sum(pair[1] for pair in pairs)
    return sum(pair[0] for pair in pairs) / below if below else math.nan


def random_window(
    rng: np.random.Generator, sequences: int, frames: int, height: int, width: int, channels: int = 1
) -> tuple[Array, Array]:
    """Binary frames (N, T, H, W, C) and means (N, T - 1, H, W, C), certain and uncertain ones."""
    x = (rng.random((sequences, frames, height, width, channels)) < 0.4).astype(np.uint8)
    p = rng.random((sequences, frames - 1, height, width, channels), dtype=np.float32)
    p[rng.random(p.shape) < 0.2] = 0
    p[rng.random(p.shape) < 0.2] = 1
    return x, p
