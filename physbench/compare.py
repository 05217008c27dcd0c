"""A comparison of two runs on the same sequences: which one is better, or whether they cannot be told apart.

The comparison is paired, sequence by sequence. It is therefore much sharper than a look at two intervals side by side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import PhysbenchError, UnknownName
from physbench.metrics.bootstrap import Comparison, compare_quotients
from physbench.metrics.bootstrap import compare as paired
from physbench.metrics.catalogue import all_metrics, find
from physbench.metrics.significance import FAMILY_WISE, adjust_for_many
from physbench.metrics.sums import Sums
from physbench.notices import announce
from physbench.result import ScoredRun
from physbench.suites import installed_suites

SAME = ("suite", "suite_version", "size", "data_sha256", "metric_version")
"""What two runs must have in common to be compared."""

LARGEST, LEAST = 1e15, 1e-15
"""The largest sum of a sequence, and the smallest denominator that is not 0. No figure needs numbers beyond these, and
numbers between them cannot overflow."""


@dataclass(frozen=True)
class ComparedFigure:
    """One figure of two runs, compared."""

    task: str
    metric: str
    comparison: Comparison
    adjusted_p: float  # the p-value after Holm's correction for all figures of the comparison; NaN: not tested
    survives: bool  # the interval leaves out 0, and the adjusted p is small enough


def compare(a: ScoredRun, b: ScoredRun) -> list[ComparedFigure]:
    """Compare every figure that both runs have, where lower or higher values are better."""
    require_same_questions(a, b)
    compared: dict[tuple[str, str], Comparison] = {}
    unknown = _list_unknown(metric for _, metric in a.sums)
    if unknown:
        announce(f"not compared: {', '.join(unknown)}; no installed package has a metric of this name")
    for task, metric in a.sums:
        if metric in unknown:
            continue
        if (task, metric) in b.sums and find(metric).better != "neither":
            compared[task, metric] = compare_figure(a, b, task, metric)
    for task, metric, of in _list_quotients(str(a.provenance["suite"])):
        if all((each, of) in run.sums for each in task.split(":") for run in (a, b)):
            compared[task, metric] = compare_figure(a, b, task, metric)
    adjusted = adjust_for_many([each.p for each in compared.values()])
    return [
        ComparedFigure(*key, each, p, bool(p <= FAMILY_WISE) and each.verdict != "cannot be told apart")
        for (key, each), p in zip(compared.items(), adjusted, strict=True)
    ]


def compare_figure(a: ScoredRun, b: ScoredRun, task: str, metric: str) -> Comparison:
    """Compare two runs by one figure, whose metric must say which values are better.

    A quotient is of two tasks, `more:fewer`. It has no p-value, so it is not among the figures that are tested.
    """
    card = find(metric)
    assert card.better != "neither"
    ours, theirs = (
        [
            _require_usable(run.sums[each, card.quotient_of or metric], f"{metric} on {each} of {name}")
            for each in task.split(":")
        ]
        for run, name in ((a, "a"), (b, "b"))
    )
    if card.quotient_of:
        return compare_quotients((ours[0], ours[1]), (theirs[0], theirs[1]), better=card.better)
    return paired(ours[0], theirs[0], better=card.better)


def require_same_questions(a: ScoredRun, b: ScoredRun) -> None:
    """Refuse two runs that were not asked the same about the same sequences."""
    for name in SAME:
        if a.provenance[name] != b.provenance[name]:
            raise PhysbenchError(
                f"these runs cannot be compared: their {name} is {a.provenance[name]!r} and {b.provenance[name]!r}"
            )


def _list_quotients(suite: str) -> list[tuple[str, str, str]]:
    """List the quotients of a suite that is installed: both tasks, the metric, and the metric that is divided."""
    known = installed_suites().get(suite)
    if known is None or known.against is None:
        return []
    return [
        (":".join(known.against), card.name, card.quotient_of) for card in all_metrics().values() if card.quotient_of
    ]


def _list_unknown(figures: Iterable[str]) -> list[str]:
    """List the figures whose metric is not installed here: it is not known which direction is better."""
    unknown: list[str] = []
    for name in dict.fromkeys(figures):
        try:
            find(name)
        except UnknownName:
            unknown.append(name)
    return unknown


def count_tested(lines: list[ComparedFigure]) -> int:
    """Count the figures that were tested, which Holm's correction accounts for."""
    return sum(line.adjusted_p == line.adjusted_p for line in lines)


def _require_usable(pair: tuple[NDArray[Any], NDArray[Any]], name: str) -> Sums:
    """Refuse numbers that no evaluation gives. A NaN is accepted: its figure then has no value."""
    numerator, denominator = pair
    outside = np.abs(np.concatenate(pair)) > LARGEST
    if outside.any():
        raise PhysbenchError(
            f"{name} holds {np.concatenate(pair)[outside][0]:g}: what a sequence contributes is at most {LARGEST:g};"
            " evaluate again"
        )
    impossible = (denominator < 0) | ((denominator > 0) & (denominator < LEAST))
    if impossible.any():
        raise PhysbenchError(
            f"{name} divides by {denominator[impossible][0]:g}: a denominator is 0, or at least {LEAST:g}; evaluate"
            " again"
        )
    return Sums(numerator, denominator)
