"""Question 3: what does it cost to make the dataset of the paper from the command line, as a user does?"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.report import Table, percent, us
from benchmarks.timing import Cost, cost_of_process, interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.plan import Plan

WORKERS = 2
SETS = {"balls4mass64": ("balls4mass64",), "8 balls": ("balls", "--n", "8")}
ABOUT = f"""
The command `physbench generate ... --workers {WORKERS}`, a fresh process each time: start-up, all three splits (5 : 1 :
1), digests and fsync included. *Peak*: the most memory the process held at any time.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    paths = {name: scratch / f"whole-{i}.h5" for i, name in enumerate(SETS)}
    works = {name: partial(_make, (*words, *_sizes(plan.whole)), paths[name]) for name, words in SETS.items()}
    costs = interleave(works, plan.repetitions)
    rows: list[tuple[str, ...]] = []
    for name, path in paths.items():
        of, bytes_each = costs[name], path.stat().st_size / plan.whole
        rows.append(
            (
                name,
                f"{plan.whole:,}",
                f"{of.wall:.1f}",
                f"{of.cpu:.1f}",
                us(of.cpu / plan.whole),
                f"{bytes_each:,.0f}",
                f"{path.stat().st_size / 1e9:.2f}",
                f"{of.peak / 1e6:,.0f}",
                percent(of.spread),
            )
        )
        path.unlink()
    columns = ("set", "sequences", "wall s", "CPU s", "CPU us/sequence", "bytes/sequence", "GB", "peak MB", "spread")
    return Table("3. The paper's set, whole", columns, rows, ABOUT)


def _sizes(sequences: int) -> tuple[str, ...]:
    tenth = sequences // 7
    return "--train", str(sequences - 2 * tenth), "--valid", str(tenth), "--test", str(tenth)


def _make(words: tuple[str, ...], path: Path) -> Cost:
    return cost_of_process(
        [
            sys.executable,
            "-m",
            "physbench",
            "generate",
            *words,
            "--workers",
            str(WORKERS),
            "--out",
            str(path),
            "--overwrite",
        ]
    )
