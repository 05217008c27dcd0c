"""Questions 5 and 6: what does scoring cost? One metric is compared with a rival that computes it frame by frame, and a
whole evaluation is measured as a user would start it."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from sklearn.metrics import adjusted_rand_score

from benchmarks.report import Table, percent, times, us
from benchmarks.timing import cost_of, cost_of_process, interleave
from physbench.metrics.grouping import ari, contingency
from physbench.registry import datasets
from physbench.suites import SIZES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.plan import Plan


BATCH, FRAMES, SLOTS = 64, 31, 5
WRONG = 0.1
"""The share of pixels whose owner is random."""
AGREED = 1e-12
ABOUT_ARI = f"""
Owner maps of {SLOTS} slots, {percent(WRONG)} of the pixels with an owner at random, against the true groups of
`balls4mass64`, one index for each frame. Ours takes {BATCH} sequences of {FRAMES} frames at a time; scikit-learn's
`adjusted_rand_score` is called for each of {{count:,}} of the same frames, on the pixels of objects, as ours. Both give
the same numbers.
"""
ABOUT_EVAL = """
The command `physbench eval copy --suite balls --size ...`, a fresh process each time: start-up, test data made on the
way and checked, every frame shown and copied, every metric with its interval. *Peak*: the most memory the process held
at any time.
"""


def ari_table(plan: Plan) -> Table:
    """Measure the adjusted Rand index, and return the table."""
    groups, owners = _maps()
    alone = _frames(owners)[: plan.indexed], _frames(groups)[: plan.indexed]
    if not np.allclose(_ours(owners, groups).reshape(-1)[: plan.indexed], _theirs(*alone), rtol=0, atol=AGREED):
        raise RuntimeError("the two ways to the adjusted Rand index disagree")
    counts = {"scikit-learn, a loop over frames": plan.indexed, "**physbench**, a batch": BATCH * (FRAMES - 1)}
    theirs, ours = counts
    works = {theirs: partial(_theirs, *alone), ours: partial(_ours, owners, groups)}
    costs = interleave({name: partial(cost_of, work) for name, work in works.items()}, 2 * plan.repetitions + 1)
    cpu = {name: costs[name].cpu / count for name, count in counts.items()}
    rows = [
        (
            name,
            f"{count:,}",
            us(cpu[name]),
            us(costs[name].wall / count),
            times(cpu[name] / cpu[ours]),
            percent(costs[name].spread),
        )
        for name, count in counts.items()
    ]
    columns = ("way", "frames", "CPU us/frame", "wall us/frame", "CPU, of ours", "spread")
    return Table("5. The adjusted Rand index", columns, rows, ABOUT_ARI.format(count=plan.indexed))


def evaluation_table(plan: Plan) -> Table:
    """Measure whole evaluations, and return the table."""
    limit = () if plan.evaluated is None else ("--limit", str(plan.evaluated))
    words = {
        f"copy, {size}": ("eval", "copy", "--suite", "balls", "--size", size, "--restart", *limit) for size in SIZES
    }
    costs = interleave(
        {name: partial(cost_of_process, [sys.executable, "-m", "physbench", *each]) for name, each in words.items()},
        plan.repetitions,
    )
    rows: list[tuple[str, ...]] = []
    for (name, of), size in zip(costs.items(), SIZES.values(), strict=True):
        count = plan.evaluated or size
        rows.append(
            (
                name,
                f"{count:,}",
                f"{of.wall:.1f}",
                f"{of.cpu:.1f}",
                us(of.cpu / count),
                f"{of.peak / 1e6:,.0f}",
                percent(of.spread),
            )
        )
    return Table(
        "6. An evaluation, whole",
        ("evaluation", "sequences", "wall s", "CPU s", "CPU us/sequence", "peak MB", "spread"),
        rows,
        ABOUT_EVAL,
    )


def _maps() -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return true groups (B, T, H, W, 1) and owners (B, T, H, W)."""
    recipe = datasets.get("balls4mass64")
    groups = replace(recipe, frames=FRAMES).scenes("test", 0, BATCH, ("groups",)).groups
    draw = np.random.default_rng(0)
    strayed = draw.random(groups.shape[:-1], np.float32) < WRONG
    return groups, np.where(strayed, draw.integers(SLOTS, size=strayed.shape, dtype=np.uint8), groups[..., 0])


def _frames(maps: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the pixels of every frame except the first of each sequence, (F, P)."""
    return maps[:, 1:].reshape(BATCH * (FRAMES - 1), -1)


def _ours(owners: NDArray[np.uint8], groups: NDArray[np.uint8]) -> NDArray[np.float64]:
    return ari(contingency(owners, groups))


def _theirs(owners: NDArray[np.uint8], groups: NDArray[np.uint8]) -> list[float]:
    """Compute the index of each frame with scikit-learn, (F, P) each."""
    return [
        adjusted_rand_score(group[group > 0], owner[group > 0]) for owner, group in zip(owners, groups, strict=True)
    ]
