"""Figures that cannot be, by themselves or beside one another. What follows from the definitions of the metrics is checked, and no more."""

from __future__ import annotations

import math
import statistics
from typing import TYPE_CHECKING

from physbench.metrics.positions import FARTHEST
from physbench.suites import Rollout, Window
from physbench_leaderboard.complete import LIKELIHOODS
from physbench_leaderboard.pins import DEAREST

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from physbench.suites import Suite
    from physbench_leaderboard.entries import Entry
    from physbench_leaderboard.pins import Pins
    from physbench_leaderboard.submission import Row

CLOSE = 1e-6
"""Relative: how near to what it must be a figure that is written in full has to lie."""

ROUNDING = 1e-9

COSTS = ("bce", "relational_bce", "rollout_bce")
BOUNDS = {"ari": (-1.0, 1.0), "ari_video": (-1.0, 1.0), "rollout_overlap": (0.0, 1.0), "clipped_share": (0.0, 1.0),
          "rollout_position_error": (0.0, FARTHEST)}  # fmt: skip
LEAST_OF_ALL = ("bce", "bce_last", "relative_bce", "relative_bce_last", "rollout_relative_bce", "permanence_bce")
"""Of these nobody has less than the oracle, which is certain and right everywhere."""

EMPTY_AT_TIMES = ("relative", "event_error", "permanence_bce")
"""Metrics that begin so may be empty where there was nothing to divide by."""


def out_of_range(entry: Entry, pins: Pins) -> Iterator[str]:
    copy, oracle = pins.of(entry.first, "copy"), pins.of(entry.first, "oracle")
    for key, row in entry.rows.items():
        if row.value != row.value:
            undefined = copy[key] != copy[key] if key in copy else row.metric.startswith(EMPTY_AT_TIMES)
            if not undefined:
                yield f"line {row.line}: {row.metric} on {row.task} is empty"
            continue
        low, high = _bounds(entry, row, pins)
        slack = ROUNDING * max(abs(low), 1) if math.isfinite(low) else 0
        if not low - slack <= row.value <= high * (1 + ROUNDING) + slack:
            yield f"line {row.line}: {row.metric} is {row.value:.6g}: it lies between {low:.6g} and {high:.6g}"
        elif (row.metric in LEAST_OF_ALL or row.metric.startswith("rollout_bce")) and row.value < oracle.get(key, 0.0) * (1 - CLOSE):
            yield f"line {row.line}: {row.metric} is {row.value:.6g}, below the oracle's {oracle[key]:.6g}"
        ends = [end for end in (row.low, row.high) if end == end]
        slack = ROUNDING * max(abs(row.value), abs(row.low), abs(row.high)) if len(ends) == 2 else 0
        if len(ends) == 1 or (ends and not row.low - slack <= row.value <= row.high + slack):
            yield f"line {row.line}: {row.value:.6g} does not lie in its interval from {row.low:.6g} to {row.high:.6g}"


def contradictions(entry: Entry, suite: Suite, pins: Pins) -> Iterator[str]:
    """Of an evaluation that is complete."""
    copy = pins.of(entry.first, "copy")
    for task in suite.tasks:
        for asking in task.askings:
            name = task.names(asking)
            if isinstance(asking, Window):
                yield from _windows(entry, name, copy)
            elif isinstance(asking, Rollout) and asking.samples == 1:
                yield from _rollouts(entry, name, asking.horizon, copy)
            elif isinstance(asking, Rollout) and asking.sample == 0:
                yield from _samples(entry, name, asking.samples)
    if suite.against:
        more, fewer = suite.against
        for metric in ("relative_bce", "relative_relational_bce"):
            above, below = entry.value(more, metric), entry.value(fewer, metric)
            if above is not None and below:
                yield from _must_be(entry, ":".join(suite.against), f"{metric}_ratio", above / below, f"{metric} on {more} over that on {fewer}")


def near(a: float, b: float, within: float = CLOSE, beside: float = 0.0) -> bool:
    """Also where there is nothing in both. beside: figures of this size were rounded on the way."""
    return (a != a and b != b) or (math.isfinite(b) and abs(a - b) <= max(within * max(abs(a), abs(b)), ROUNDING * beside))


def _bounds(entry: Entry, row: Row, pins: Pins) -> tuple[float, float]:
    stem = row.metric.partition("[")[0].removesuffix("_last")
    if stem.endswith("_std"):
        return 0.0, math.inf
    if stem in BOUNDS:
        return BOUNDS[stem]
    if stem in COSTS:
        return 0.0, DEAREST * pins.pixels(row, row.task)
    if stem in LIKELIHOODS:
        return (-DEAREST * pins.pixels(row, row.task), 0.0) if entry.likelihood == "bernoulli" else (-math.inf, math.inf)
    return 0.0, math.inf


def _windows(entry: Entry, task: str, copy: Mapping[tuple[str, str], float]) -> Iterator[str]:
    for last in ("", "_last"):
        for near_collisions in ("", "relational_"):
            cost, relative = f"{near_collisions}bce{last}", f"relative_{near_collisions}bce{last}"
            yield from _ratio(entry, task, relative, entry.value(task, cost), copy.get((task, cost)), f"{cost} over copy's")
            if entry.likelihood == "bernoulli" and (nats := entry.value(task, cost)) is not None:
                yield from _must_be(entry, task, f"{near_collisions}log_likelihood{last}", -nats, f"-{cost}, unless a note says what else it is")


def _rollouts(entry: Entry, task: str, horizon: int, copy: Mapping[tuple[str, str], float]) -> Iterator[str]:
    steps = [f"rollout_bce[{h + 1}]" for h in range(horizon)]
    ours = [value for step in steps if (value := entry.value(task, step)) is not None]
    theirs = [value for step in steps if (value := copy.get((task, step))) is not None]
    if len(ours) == len(theirs) == horizon:
        yield from _ratio(entry, task, "rollout_relative_bce", math.fsum(ours), math.fsum(theirs), "the mean of rollout_bce over copy's")


def _samples(entry: Entry, task: str, samples: int) -> Iterator[str]:
    for metric in LIKELIHOODS:
        each = [value for sample in range(samples) if (value := entry.value(task, f"{metric}[{sample + 1}]")) is not None]
        if len(each) == samples:
            yield from _must_be(entry, task, metric, statistics.fmean(each), f"the mean of its {samples} samples")
            scale = max(map(abs, each))
            yield from _must_be(entry, task, f"{metric}_std", statistics.pstdev(each), f"the standard deviation of its {samples} samples", scale)


def _ratio(entry: Entry, task: str, metric: str, above: float | None, below: float | None, what: str) -> Iterator[str]:
    if above is not None and below:
        yield from _must_be(entry, task, metric, above / below, what)


def _must_be(entry: Entry, task: str, metric: str, expected: float, what: str, beside: float = 0.0) -> Iterator[str]:
    row = entry.rows[task, metric]
    if row.value == row.value and not near(row.value, expected, beside=beside):
        yield f"line {row.line}: {metric} on {task} is {row.value:.9g}, and {what} is {expected:.9g}"
