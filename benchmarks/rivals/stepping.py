"""A typical simple generator: NumPy vectors, Python loops over balls and pairs, a few steps per frame [after Sutskever,
Hinton, Taylor 2009].

A collision is detected after the discs overlap, and changes the velocities without moving the discs. Pairs that already
move apart are left alone; without that test, which the original lacks, balls stick together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.rivals.starts import Frame, Hit, scenes_of
from physbench.scene import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from benchmarks.rivals.starts import Start
    from physbench.scene import Scenes


def scenes(starts: Sequence[Start], frames: int, *, substeps: int) -> Iterator[Scenes]:
    """Yield the scene of each start."""
    for start in starts:
        yield scenes_of(start, flight(start, substeps=substeps), frames)


def flight(start: Start, *, substeps: int) -> Iterator[Frame]:
    """Yield the frames of a flight, without end."""
    x, v, hits = start.position.copy(), start.velocity.copy(), list[Hit]()
    step = 0
    while True:
        yield Frame(x.copy(), v.copy(), hits)
        hits = []
        for _ in range(substeps):
            step += 1
            x += v / substeps
            bounce_off_walls(start, x, v, step / substeps, hits)
            bounce_off_one_another(start, x, v, step / substeps, hits)


def bounce_off_walls(start: Start, x: NDArray[np.float64], v: NDArray[np.float64], now: float, hits: list[Hit]) -> None:
    """Reverse the velocities of balls that are in a wall."""
    for i, r in enumerate(start.radius):
        for axis in range(2):
            side = -1 if x[i, axis] < r else 1 if x[i, axis] > start.size - r else 0
            if side * v[i, axis] > 0:
                normal = (float(side), 0.0) if axis == 0 else (0.0, float(side))
                hits.append(
                    Hit(now, i, WALL, normal, 2 * start.mass[i] * abs(v[i, axis]), tuple(x[i] + r * np.array(normal)))
                )
                v[i, axis] = -v[i, axis]


def bounce_off_one_another(
    start: Start, x: NDArray[np.float64], v: NDArray[np.float64], now: float, hits: list[Hit]
) -> None:
    """Change the velocities of balls that overlap and move towards each other."""
    r, m = start.radius, start.mass
    for i in range(len(r)):
        for j in range(i):
            apart = x[i] - x[j]
            distance = np.sqrt(apart @ apart)
            if distance < r[i] + r[j]:
                normal = apart / distance
                approach = (v[j] - v[i]) @ normal
                if approach > 0:
                    impulse = 2 * approach * m[i] * m[j] / (m[i] + m[j])
                    v[i] += impulse / m[i] * normal
                    v[j] -= impulse / m[j] * normal
                    hits.append(Hit(now, j, i, tuple(normal), impulse, tuple(x[j] + r[j] * normal)))
