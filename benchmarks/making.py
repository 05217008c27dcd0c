"""Question 1: what does it cost to make and store a sequence, in different ways to make the same arrays?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import physbench
from benchmarks.report import Table, percent, times, us
from benchmarks.rivals import gzip_files, numba_gzip, pymunk_balls, stepping
from benchmarks.rivals.starts import starts_of
from benchmarks.timing import cost_of, interleave
from physbench.recipe import Recipe
from physbench.registry import datasets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from benchmarks.plan import Plan
    from physbench.scene import Scenes

ONE, TWO = "physbench, 1 worker", "**physbench**, 2 workers"
ABOUT = f"""
`balls4mass64`: 4 balls, 51 frames of 64x64, every array of the contract (features, groups, collisions, states, contact,
visible, events), written to an HDF5 file that plain h5py reads. The rivals make fewer sequences, in one process, and
store them with h5py's gzip-{gzip_files.LEVEL}, one sequence per chunk. They are told for free where the balls start,
and their files are not synced to the disk; ours is.

- *Python stepping*: NumPy vectors, Python loops over balls and pairs, a NumPy mask for every disc. It lets balls sink
  into one another (see 2): 2 steps a frame is how the ancestor of the published data was made, 10 is as accurate as the
  pymunk rival.
- *pymunk*: Chipmunk, a physics engine in C; the same masks.
- *numba + gzip*: our exact motion and compiled drawing, then h5py's ordinary compression.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    recipe: Recipe = datasets.get("balls4mass64")
    starts = starts_of(recipe, plan.stepped)
    makers: dict[str, tuple[int, Callable[[Path, int], object]]] = {
        "Python stepping, 2 steps a frame": (
            plan.stepped,
            _rival(recipe, lambda: stepping.scenes(starts, recipe.frames, substeps=2)),
        ),
        "Python stepping, 10 steps a frame": (
            plan.stepped,
            _rival(recipe, lambda: stepping.scenes(starts, recipe.frames, substeps=10)),
        ),
        "pymunk, 10 steps a frame": (
            plan.stepped,
            _rival(recipe, lambda: pymunk_balls.scenes(starts, recipe.frames, substeps=10)),
        ),
        "numba + gzip": (plan.drawn, _rival(recipe, lambda: numba_gzip.scenes(recipe, plan.drawn))),
        ONE: (plan.sequences, partial(_ours, recipe, workers=1)),
        TWO: (plan.sequences, partial(_ours, recipe, workers=2)),
    }
    _ours(recipe, scratch / "compiled.h5", 256, workers=1)
    next(numba_gzip.scenes(recipe, 1))
    paths = {name: scratch / f"making-{i}.h5" for i, name in enumerate(makers)}
    costs = interleave(
        {name: partial(cost_of, partial(make, paths[name], count)) for name, (count, make) in makers.items()},
        plan.repetitions,
    )
    cpu = {name: costs[name].cpu / count for name, (count, _) in makers.items()}
    wall = {name: costs[name].wall / count for name, (count, _) in makers.items()}
    rows = [
        (
            name,
            f"{count:,}",
            us(cpu[name]),
            us(wall[name]),
            f"{paths[name].stat().st_size / count:,.0f}",
            times(cpu[name] / cpu[TWO]),
            times(wall[name] / wall[TWO]),
            percent(costs[name].spread),
        )
        for name, (count, _) in makers.items()
    ]
    columns = (
        "maker",
        "sequences",
        "CPU us/sequence",
        "wall us/sequence",
        "bytes/sequence",
        "CPU, of ours",
        "wall, of ours",
        "spread",
    )
    return Table("1. Making a dataset", columns, rows, ABOUT)


def _ours(recipe: Recipe, path: Path, count: int, *, workers: int) -> None:
    physbench.generate(replace(recipe, splits={"training": count}), path, workers=workers, overwrite=True)


def _rival(recipe: Recipe, scenes: Callable[[], Iterable[Scenes]]) -> Callable[[Path, int], None]:
    return lambda path, count: gzip_files.write(path, recipe, count, scenes())
