"""Question 8: how long does it take to start? Each measurement is a new process, with or without machine code of an
earlier run."""

from __future__ import annotations

import sys
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.report import Table, percent
from benchmarks.timing import Cost, cost_of_process, interleave

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.plan import Plan

BATCH = "import physbench; next(iter(physbench.stream('balls4mass64', only=['features', 'groups'], workers=0)))"
LIGHT = {"`python -c pass`": "pass", "`import numpy`": "import numpy", "`import physbench`": "import physbench"}
ABOUT = """
Each a fresh process, from its start to its end. *Warm*: machine code lies in the user's cache folder from an earlier
run. *Cold*: nothing is compiled yet, as after an installation (an empty `NUMBA_CACHE_DIR`).

What was done about the cold start: machine code is kept in the user's cache folder, in a folder of its own for every
state of the sources. Kernels assign by loops, since an assignment to a slice costs Numba seconds to compile. A kernel
is not compiled anew for a constant that another kernel passes, and has no entry for C; the garbage collector rests
meanwhile. Nothing is compiled, nor Numba imported, before the first sequence is made. The command line says that it
compiles, and how long that takes.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    fresh = count()

    def cold(command: list[str]) -> Cost:
        return cost_of_process(command, {"NUMBA_CACHE_DIR": str(scratch / f"cache-{next(fresh)}")})

    batch, file = [sys.executable, "-c", BATCH], _file(scratch)
    commands = {name: [sys.executable, "-c", code] for name, code in LIGHT.items()}
    commands |= {
        "`physbench --help`": [sys.executable, "-m", "physbench", "--help"],
        "first batch of a stream, warm": batch,
        "first file, warm": file,
    }
    for command in commands.values():
        cost_of_process(command)
    costs = interleave({name: partial(cost_of_process, command) for name, command in commands.items()}, plan.processes)
    costs |= interleave(
        {"first batch of a stream, cold": partial(cold, batch), "first file, cold": partial(cold, file)},
        plan.cold_processes,
    )
    rows = [
        (name, f"{of.wall:.3f}", f"{of.cpu:.3f}", f"{of.peak / 1e6:,.0f}", percent(of.spread))
        for name, of in costs.items()
    ]
    return Table("8. Start-up", ("until", "wall s", "CPU s", "peak MB", "spread"), rows, ABOUT)


def _file(scratch: Path) -> list[str]:
    """Return the command that makes a file of one block of 256 sequences."""
    words = "generate balls4mass64 --train 256 --valid 0 --test 0 --overwrite --out"
    return [sys.executable, "-m", "physbench", *words.split(), str(scratch / "first.h5")]
