"""Question 2: what does precision cost? Errors of energy and overlaps after many collisions, and the time of a
collision."""

from __future__ import annotations

from functools import partial
from itertools import combinations
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.report import Table, us
from benchmarks.rivals import pymunk_balls, stepping
from benchmarks.rivals.starts import Start, starts_of
from benchmarks.timing import cost_of
from physbench.registry import datasets
from physbench.scene import WALL
from physbench_generators.balls.kernels import simulate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmarks.plan import Plan
    from benchmarks.rivals.starts import Frame
    from benchmarks.timing import Cost

ABOUT = """
The motion alone, nothing drawn or stored: {flights} flights of the four balls of `balls4mass64`, the same for
everybody, each until balls have hit balls {collisions:,} times (walls come on top). *Energy*: how far it lies by then
from the start's. *Overlap*: how deep two balls are inside one another in any frame; below zero there is always a gap.
*CPU*: per collision of two balls, with the flight and the walls in between.
"""


class Trial(NamedTuple):
    """The result of one flight."""

    drift: float  # the relative change of the energy
    overlap: float  # pixels
    seconds: float  # per collision of two balls


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    engines: dict[str, Callable[[Start, int], Trial]] = {
        "**physbench**, exact": exact,
        "pymunk, 10 steps a frame": partial(step_through, partial(pymunk_balls.flight, substeps=10)),
        "pymunk, 100": partial(step_through, partial(pymunk_balls.flight, substeps=100)),
        "Python stepping, 2 steps a frame": partial(step_through, partial(stepping.flight, substeps=2)),
        "Python stepping, 10": partial(step_through, partial(stepping.flight, substeps=10)),
        "Python stepping, 100": partial(step_through, partial(stepping.flight, substeps=100)),
    }
    starts = starts_of(datasets.get("balls4mass64"), plan.flights)
    exact(starts[0], 1)
    trials: dict[str, list[Trial]] = {name: [] for name in engines}
    for start in starts:
        for name, engine in engines.items():
            trials[name].append(engine(start, plan.collisions))
    rows = [_row(name, of) for name, of in trials.items()]
    columns = ("engine", "energy, median", "energy, worst", "largest overlap, pixels", "CPU us/collision")
    return Table(
        "2. Accuracy beside speed", columns, rows, ABOUT.format(flights=plan.flights, collisions=plan.collisions)
    )


def step_through(flight: Callable[[Start], Iterator[Frame]], start: Start, collisions: int) -> Trial:
    """Simulate a flight step by step until there were so many collisions of balls."""
    frames: list[Frame] = []

    def fly() -> None:
        hits = 0
        for frame in flight(start):
            frames.append(frame)
            hits += sum(hit.b != WALL for hit in frame.hits)
            if hits >= collisions:
                return

    cost = cost_of(fly)
    hits = sum(hit.b != WALL for frame in frames for hit in frame.hits)
    position = np.array([frame.position for frame in frames])
    return Trial(drift(start, frames[-1].velocity), overlap(start, position), cost.cpu / hits)


def exact(start: Start, collisions: int) -> Trial:
    """Simulate a flight with the kernel of `Balls` in float64; the float32 of files would hide the drift."""
    frames = 10 * collisions + 10
    while True:
        position, velocity, times, cost = _simulate(start, frames)
        if len(times) >= collisions and times[collisions - 1] < frames - 1:
            end = int(np.ceil(times[collisions - 1]))
            return Trial(drift(start, velocity[end]), overlap(start, position[: end + 1]), cost.cpu / len(times))
        frames *= 2


def _simulate(start: Start, frames: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], Cost]:
    """Return positions and velocities (T, K, 2), the times of collisions between balls, and the cost."""
    n, rows = len(start.radius), 10 * frames + 1_000
    moving = [np.ascontiguousarray(column) for column in (*start.position.T, *start.velocity.T)]
    position, velocity = np.zeros((2, frames, n, 2))
    time, b = np.empty(rows), np.empty(rows, np.uint8)
    events = 0, time, np.empty(rows, np.uint8), b, np.empty((rows, 2)), np.empty(rows), np.empty((rows, 2))
    filled = *moving, start.radius, start.mass, position, velocity, np.zeros((frames, n), np.uint8), *events
    scratch = np.zeros(n), np.zeros(n, np.int64), np.zeros((n, n))
    made: list[int] = []
    cost = cost_of(lambda: made.append(simulate(n, start.size, 0.0, frames, *filled, *scratch)))
    if made[0] < 0:
        raise RuntimeError(f"the exact motion stopped: {made[0]}")
    return position, velocity, time[: made[0]][b[: made[0]] != WALL], cost


def drift(start: Start, velocity: NDArray[np.float64]) -> float:
    """Return the relative change of the energy from the start to velocities (K, 2)."""
    before, after = (float(start.mass @ (v**2).sum(-1)) for v in (start.velocity, velocity))
    return abs(after / before - 1.0)


def overlap(start: Start, position: NDArray[np.float64]) -> float:
    """Return the largest overlap of two balls at positions (T, K, 2)."""
    pairs = combinations(range(len(start.radius)), 2)
    return max(
        float((start.radius[i] + start.radius[j] - np.hypot(*(position[:, i] - position[:, j]).T)).max())
        for i, j in pairs
    )


def _row(name: str, trials: list[Trial]) -> tuple[str, ...]:
    drifts = [trial.drift for trial in trials]
    deepest = max(trial.overlap for trial in trials)
    return (
        name,
        f"{median(drifts):.1e}",
        f"{max(drifts):.1e}",
        f"{deepest:.2g}",
        us(median(trial.seconds for trial in trials)),
    )
