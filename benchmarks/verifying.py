"""Question 10: what does it cost to verify a file?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import physbench
from benchmarks.report import Table, percent, times, us
from benchmarks.timing import cost_of, interleave
from physbench.registry import datasets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from benchmarks.plan import Plan
    from physbench.recipe import Recipe

ABOUT = """
A file of `balls4mass64`, {count:,} sequences, read from the page cache, all cores. *verify* makes every sequence again
from the recipe, compares every value and replays the motion; *--quick* compares digests, and what plain h5py reads. For
comparison: making the file, and inflating it once.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    recipe: Recipe = replace(datasets.get("balls4mass64"), splits={"training": plan.verified})
    path = physbench.generate(recipe, scratch / "verified.h5", overwrite=True)
    works: dict[str, Callable[[], object]] = {
        "make the file": lambda: physbench.generate(recipe, scratch / "made.h5", overwrite=True),
        "read every array once": lambda: _read(path),
        "verify --quick": lambda: physbench.verify(path, depth="quick"),
        "**verify**": lambda: physbench.verify(path),
    }
    physbench.verify(path)
    costs = interleave({name: partial(cost_of, work) for name, work in works.items()}, plan.repetitions)
    making = costs["make the file"]
    rows = [
        (
            name,
            us(cost.cpu / plan.verified),
            us(cost.wall / plan.verified),
            times(cost.cpu / making.cpu),
            times(cost.wall / making.wall),
            percent(cost.spread),
        )
        for name, cost in costs.items()
    ]
    columns = ("work", "CPU us/sequence", "wall us/sequence", "CPU, of making", "wall, of making", "spread")
    return Table("10. Verifying a file", columns, rows, ABOUT.format(count=plan.verified))


def _read(path: Path) -> None:
    for split in physbench.open(path).values():
        for _ in split.batches(64):
            pass
