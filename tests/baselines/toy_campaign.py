"""A campaign of toy networks that are small enough to be trained in a test, in this process or in another one."""

from __future__ import annotations

import sys
from pathlib import Path

from physbench_baselines.campaign.planned_runs import Plan, PlannedRun, expand
from physbench_baselines.campaign.work import work
from physbench_baselines.training import loop
from tests.baselines.toy import MODEL

SETTINGS = {
    "batch": 4, "frames": (3, 6), "learning_rate": 1e-2, "warm_up": 8, "decay": 0.5, "gradient_limit": 50.0, "averaging": 0.8, "validation": 8,
    "scored": 0, "evaluate_every": 16, "log_every": 4, "precision": "fp32",
}  # fmt: skip
"""Everything is switched on that a resumed run could forget."""

A_STEP = 4 * (2 + 5) // 2
"""Sequence-steps of a step, a mean over both lengths."""

STEPS = 96
BUDGET = STEPS * A_STEP


def toys(*, seeds: tuple[int, ...] = (0,), budget: int = BUDGET, **settings: object) -> list[PlannedRun]:
    return expand([Plan(model=MODEL, seeds=seeds, budget=budget, settings={**SETTINGS, **settings})])


if __name__ == "__main__":
    loop.SAVE_SECONDS = 0.0
    work(Path(sys.argv[1]), toys(), piece=float(sys.argv[2]), device="cpu")
