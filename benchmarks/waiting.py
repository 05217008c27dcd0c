"""Question 11: how much slower is an evaluation beside other work? Two threads of torch wait for each other, asleep or
spinning."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.report import Table, percent, times

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from benchmarks.plan import Plan

THREADS = 2
RIVALS = 2
NICE = 10
BATCH = 16
# the process ends with the one that started it
BUSY = f"import os\nos.nice({NICE})\nparent = os.getppid()\nwhile os.getppid() == parent: pass"
STEPS = f"""
import sys, time
import numpy as np
import torch
from physbench.model import Batch
from physbench.registry import datasets, models
steps = int(sys.argv[1])
recipe = datasets.get("balls4mass64")
seeds = recipe.seeds("test", 0, {BATCH})
frames = recipe.generator.batch(seeds, steps + 2).features.astype(np.float32)
model = models.get("r-nem")()
torch.set_num_threads({THREADS})
state = model.begin(Batch(seeds, frames.shape[2:]))
for t in range(2):
    state, _ = model.observe(state, frames[:, t], None)
began = time.perf_counter()
for t in range(2, steps + 2):
    state, _ = model.observe(state, frames[:, t], None)
print((time.perf_counter() - began) / steps)
"""
ABOUT = f"""
The bundled `r-nem` observes {BATCH} sequences at a time with {THREADS} threads of torch: alone, and beside {RIVALS}
processes that only count, at a lower priority (nice {NICE}). *Asleep*: `OMP_WAIT_POLICY=PASSIVE`, which physbench sets
unless you have chosen otherwise. *Spinning*: `ACTIVE`; a thread that waits for another one keeps its core, which the
other may need. The figures are wall times of one step; ratios are to threads that sleep, alone.
"""


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    policies = {"asleep": "PASSIVE", "spinning": "ACTIVE"}
    places = {"alone": 0, f"beside {RIVALS}": RIVALS}
    cases = {
        f"{place}, {name}": partial(_seconds, policy, rivals, plan.observed)
        for place, rivals in places.items()
        for name, policy in policies.items()
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(plan.repetitions):
        for name, measure in cases.items():
            seconds[name].append(measure())
    base = median(seconds["alone, asleep"])
    rows = [
        (name, f"{1e3 * median(of):,.0f}", times(median(of) / base), percent(_spread(of)))
        for name, of in seconds.items()
    ]
    return Table(
        "11. Beside other work", ("threads", "wall ms/step", "wall, of asleep and alone", "spread of wall"), rows, ABOUT
    )


def _seconds(policy: str, rivals: int, steps: int) -> float:
    """Measure the wall time of a step."""
    environment = os.environ | {"OMP_WAIT_POLICY": policy, "OMP_NUM_THREADS": str(THREADS)}
    with _busy(rivals):
        done = subprocess.run(
            [sys.executable, "-c", STEPS, str(steps)], env=environment, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"a step of r-nem ended with {done.returncode}: {done.stderr}")
    return float(done.stdout)


@contextmanager
def _busy(count: int) -> Generator[None]:
    """Keep some processes busy while the work inside goes on."""
    rivals = [
        subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True) for _ in range(count)
    ]  # Linux may divide processor time among sessions, not processes
    try:
        yield
    finally:
        for rival in rivals:
            rival.kill()
            rival.wait()


def _spread(seconds: Sequence[float]) -> float:
    return (max(seconds) - min(seconds)) / median(seconds)
