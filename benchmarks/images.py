"""Question 12: what does an image with objects cost?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import physbench
from benchmarks.report import Table, percent, us
from benchmarks.timing import cost_of, interleave
from physbench.recipe import Recipe
from physbench.registry import datasets
from physbench.storage.layout import BLOCK

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.plan import Plan

NAMES = ("multi-dsprites", "multi-dsprites-binary", "tetris", "shapes")
ABOUT = """
*Drawn*: every array in memory, blocks of {block}, one thread. *Stored*: `physbench.generate` with 2 workers, the file
whole and on the disk. *A second*: images that two cores store in a second, by the CPU time.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    rows: list[tuple[str, ...]] = []
    count = plan.images
    for name in NAMES:
        recipe: Recipe = replace(datasets.get(name), splits={"training": count})
        path = scratch / f"{name}.h5"
        works = {"drawn": partial(_draw, recipe, count), "stored": partial(_store, recipe, path)}
        for work in works.values():
            work()
        costs = interleave({key: partial(cost_of, work) for key, work in works.items()}, plan.repetitions)
        drawn, stored = (costs[key].cpu / count for key in works)
        size = path.stat().st_size / count
        rows.append(
            (name, us(drawn), us(stored), f"{size:,.0f}", f"{2 / stored:,.0f}", percent(costs["stored"].spread))
        )
    columns = ("images", "drawn, CPU us", "stored, CPU us", "bytes", "a second", "spread")
    return Table("12. Images with objects", columns, rows, ABOUT.format(block=BLOCK))


def _draw(recipe: Recipe, count: int) -> None:
    for start in range(0, count, BLOCK):
        recipe.scenes("training", start, min(start + BLOCK, count))


def _store(recipe: Recipe, path: Path) -> None:
    physbench.generate(recipe, path, workers=2, overwrite=True)
