"""Checks for figures that are impossible, on their own or together.

They check only what follows from the definitions of the metrics.
"""

import math
import statistics
from collections.abc import Iterator, Mapping

from physbench.errors import UnknownName
from physbench.metrics.catalogue import METRICS, find
from physbench.metrics.metric import Metric
from physbench.suites import Asking, Suite
from physbench_leaderboard.entries import Entry
from physbench_leaderboard.pins import ReferencePins
from physbench_leaderboard.submission import Row

CLOSE = 1e-6
"""The tolerance, relative to the figure, within which a figure must agree with what it must be."""

ROUNDING = 1e-9


def out_of_range(entry: Entry, pins: ReferencePins) -> Iterator[str]:
    """Yield a sentence for each figure that is missing, out of its range, or outside its interval."""
    copy, oracle = pins.of(entry.first, "copy"), pins.of(entry.first, "oracle")
    for key, row in entry.rows.items():
        if not is_known(row.metric):
            continue  # reported elsewhere, as a metric that the suite does not ask for
        if row.value != row.value:
            undefined = copy[key] != copy[key] if key in copy else find(row.metric).may_be_empty
            if not undefined:
                yield f"line {row.line}: {row.metric} on {row.task} is empty"
            continue
        low, high = _bounds(entry, row, pins)
        slack = ROUNDING * max(abs(low), 1) if math.isfinite(low) else 0
        if not low - slack <= row.value <= high * (1 + ROUNDING) + slack:
            yield f"line {row.line}: {row.metric} is {row.value:.6g}: it must lie between {low:.6g} and {high:.6g}"
        elif find(row.metric).oracle_is_least and row.value < oracle.get(key, 0.0) * (1 - CLOSE):
            yield f"line {row.line}: {row.metric} is {row.value:.6g}, below the oracle's {oracle[key]:.6g}"
        ends = [end for end in (row.low, row.high) if end == end]
        slack = ROUNDING * max(abs(row.value), abs(row.low), abs(row.high)) if len(ends) == 2 else 0
        if len(ends) == 1 or (ends and not row.low - slack <= row.value <= row.high + slack):
            yield f"line {row.line}: {row.value:.6g} does not lie in its interval from {row.low:.6g} to {row.high:.6g}"


def contradictions(entry: Entry, suite: Suite, pins: ReferencePins) -> Iterator[str]:
    """Yield a sentence for each figure of a complete evaluation that contradicts others."""
    copy = pins.of(entry.first, "copy")
    for task in suite.tasks:
        for asking in (asking for asking in task.askings if not getattr(asking, "sample", 0)):
            for card in (card for card in METRICS.values() if asking.kind in card.asked_of):
                if asking.kind == "samples":
                    yield from _samples(entry, task.names(asking), card, card.rows(asking))
                else:
                    yield from _figures(entry, task.names(asking), asking, card, copy)
    if suite.against:
        more, fewer = suite.against
        for card in (card for card in METRICS.values() if card.quotient_of):
            above, below = entry.value(more, card.quotient_of), entry.value(fewer, card.quotient_of)
            yield from _ratio(
                entry,
                ":".join(suite.against),
                card.name,
                above,
                below,
                f"{card.quotient_of} on {more} over that on {fewer}",
            )


def near(a: float, b: float, within: float = CLOSE, beside: float = 0.0) -> bool:
    """Return whether two figures agree, or are both NaN. beside: the size of figures that were rounded to get them."""
    return (a != a and b != b) or (
        math.isfinite(b) and abs(a - b) <= max(within * max(abs(a), abs(b)), ROUNDING * beside)
    )


def is_known(metric: str) -> bool:
    """Return whether a metric with this name, including its index, is installed."""
    try:
        find(metric)
    except UnknownName:
        return False
    return True


def _bounds(entry: Entry, row: Row, pins: ReferencePins) -> tuple[float, float]:
    """Return the lowest and the highest value that a figure can have."""
    card = find(row.metric)
    if row.metric.partition("[")[0].endswith("_std"):
        return 0.0, math.inf
    if card.minus_of and entry.likelihood != "bernoulli":
        return -math.inf, math.inf
    low, high = card.bounds
    pixels = pins.pixels(row, row.task) if card.per_pixel else 1.0
    return low * pixels if low else 0.0, high * pixels if high else 0.0


def _figures(
    entry: Entry, task: str, asking: Asking, card: Metric, copy: Mapping[tuple[str, str], float]
) -> Iterator[str]:
    """Check that shares of copying are that ratio, and that log-probabilities are minus the cross-entropy.

    Both are checked overall and for the last transition.
    """
    for last in ("", "_last") if card.last else ("",):
        if card.share_of:
            steps = [f"{step}{last}" for step in METRICS[card.share_of].rows(asking) if not step.endswith("_last")]
            ours, theirs = [entry.value(task, step) for step in steps], [copy.get((task, step)) for step in steps]
            above, below = (
                None if None in each else math.fsum(value for value in each if value is not None)
                for each in (ours, theirs)
            )
            yield from _ratio(entry, task, f"{card.name}{last}", above, below, f"{card.share_of}{last} over copy's")
        cost = f"{card.minus_of}{last}"
        if card.minus_of and entry.likelihood == "bernoulli" and (nats := entry.value(task, cost)) is not None:
            yield from _must_be(
                entry, task, f"{card.name}{last}", -nats, f"-{cost}, unless a note says what else it is"
            )


def _samples(entry: Entry, task: str, card: Metric, rows: tuple[str, ...]) -> Iterator[str]:
    """Check the mean and the standard deviation of samples."""
    _, spread, *each = rows
    values = [value for name in each if (value := entry.value(task, name)) is not None]
    if len(values) == len(each):
        yield from _must_be(entry, task, card.name, statistics.fmean(values), f"the mean of its {len(each)} samples")
        beside = max(map(abs, values))
        yield from _must_be(
            entry, task, spread, statistics.pstdev(values), f"the standard deviation of its {len(each)} samples", beside
        )


def _ratio(entry: Entry, task: str, metric: str, above: float | None, below: float | None, what: str) -> Iterator[str]:
    """Check that a figure is the ratio of two others, if both are there."""
    if above is not None and below:
        yield from _must_be(entry, task, metric, above / below, what)


def _must_be(entry: Entry, task: str, metric: str, expected: float, what: str, beside: float = 0.0) -> Iterator[str]:
    """Check that a figure has the expected value. what: what that value is, in words."""
    row = entry.rows[task, metric]
    if row.value == row.value and not near(row.value, expected, beside=beside):
        yield f"line {row.line}: {metric} on {task} is {row.value:.9g}, and {what} is {expected:.9g}"
