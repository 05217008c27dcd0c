"""Question 18: what does it cost to share a dataset out in shards, and does it pay to have a second worker?"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.report import Table, percent, times, us
from benchmarks.timing import Cost, cost_of_process, interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.plan import Plan

SIZE, SMALL_SIZE = 4096, 256
TINY = ("balls", "--n", "3", "--size", "16", "--radius", "2", "--frames", "8")
ABOUT = f"""
`physbench generate balls4mass64 --engine dask`, a fresh process and a fresh cluster on this machine each time. To leave
their start out, every figure is the difference between {{large:,}} and {{small:,}} sequences. *One file*: the same
without a cluster. *Efficiency*: the wall time of one worker, divided by twice that of two; on a machine that is busy
with other work it says little. *A shard*: what each further file costs, from shards of {SMALL_SIZE} sequences against
{SIZE:,}.
"""
GROWTH = f"""
What a sequence costs as a dataset grows: `physbench generate {" ".join(TINY)} --shard-size {SIZE}`, small sequences of
3 balls, with the digest of the whole. The start of the process is left out.
"""


def tables(plan: Plan, scratch: Path) -> list[Table]:
    """Measure, and return the tables."""
    return [_measure_workers(plan, scratch), _measure_growth(plan, scratch)]


def _measure_workers(plan: Plan, scratch: Path) -> Table:
    small, large = SIZE, max(plan.whole // SIZE, 2) * SIZE
    ways = {
        "one file, 1 worker": ("--workers", "1"),
        "Dask, 1 worker": ("--engine", "dask", "--workers", "1", "--shard-size", str(SIZE)),
        "Dask, 2 workers": ("--engine", "dask", "--workers", "2", "--shard-size", str(SIZE)),
        "Dask, 1 worker, small shards": ("--engine", "dask", "--workers", "1", "--shard-size", str(SMALL_SIZE)),
    }
    works = {
        (way, count): partial(_make, ("balls4mass64", *words), count, scratch / "shared-out")
        for way, words in ways.items()
        for count in (small, large)
    }
    works["one file, 1 worker", small]()  # compiles
    costs = interleave({f"{way}/{count}": work for (way, count), work in works.items()}, plan.repetitions)
    more = large - small

    def cpu(way: str) -> float:
        return (costs[f"{way}/{large}"].cpu - costs[f"{way}/{small}"].cpu) / more

    def wall(way: str) -> float:
        return (costs[f"{way}/{large}"].wall - costs[f"{way}/{small}"].wall) / more

    first, one, two, many = ways
    shards = more / SMALL_SIZE - more / SIZE
    rows = [
        (way, us(cpu(way)), us(wall(way)), times(cpu(way) / cpu(first)), percent(costs[f"{way}/{large}"].spread))
        for way in ways
    ]
    rows += [
        ("efficiency of 2 workers", "-", "-", percent(wall(one) / (2 * wall(two))), ""),
        ("a shard, ms", f"{1e3 * (cpu(many) - cpu(one)) * more / shards:.3g}", "-", "-", ""),
    ]
    columns = ("way", "CPU us/sequence", "wall us/sequence", "CPU, of one file", "spread")
    return Table("18. Many workers", columns, rows, ABOUT.format(large=large, small=small))


def _measure_growth(plan: Plan, scratch: Path) -> Table:
    counts = [10**power for power in range(3, 5 if plan.whole < 70_000 else 7)]
    works = {
        str(count): partial(_make, (*TINY, "--workers", "1", "--shard-size", str(SIZE)), count, scratch / "grown")
        for count in (1, *counts)
    }
    costs = interleave(works, plan.repetitions)
    start = costs["1"]
    rows = [
        (
            f"{count:,}",
            us((costs[str(count)].cpu - start.cpu) / count),
            us((costs[str(count)].wall - start.wall) / count),
            f"{costs[str(count)].peak / 1e6:,.0f}",
            percent(costs[str(count)].spread),
        )
        for count in counts
    ]
    columns = ("sequences", "CPU us/sequence", "wall us/sequence", "peak MB", "spread")
    return Table("19. Growing datasets", columns, rows, GROWTH)


def _make(words: tuple[str, ...], count: int, out: Path) -> Cost:
    """Make so many training sequences, and remove them."""
    sizes = ("--train", str(count), "--valid", "0", "--test", "0")
    path = out if "--shard-size" in words else out.with_suffix(".h5")
    command = (sys.executable, "-m", "physbench", "generate", *words, *sizes, "--out", str(path))
    try:
        return cost_of_process(command)
    finally:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
