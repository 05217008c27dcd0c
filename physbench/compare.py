"""A comparison of two runs on the same sequences: which one is better, or whether they cannot be told apart.

The comparison is paired, sequence by sequence. It is therefore much sharper than a look at two intervals side by side.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import PhysbenchError, UnknownName
from physbench.metrics.bootstrap import Comparison
from physbench.metrics.bootstrap import compare as paired
from physbench.metrics.catalogue import find
from physbench.metrics.significance import FAMILY_WISE, adjust_for_many
from physbench.metrics.sums import Sums
from physbench.notices import announce
from physbench.result import ScoredRun

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
    for name in SAME:
        if a.provenance[name] != b.provenance[name]:
            raise PhysbenchError(
                f"these runs cannot be compared: their {name} is {a.provenance[name]!r} and {b.provenance[name]!r}"
            )
    compared: dict[tuple[str, str], Comparison] = {}
    unknown = _list_unknown(metric for _, metric in a.sums)
    if unknown:
        announce(f"not compared: {', '.join(unknown)}; no installed package has a metric of this name")
    for task, metric in a.sums:
        if metric in unknown:
            continue
        better = find(metric).better
        if (task, metric) in b.sums and better != "neither":
            pair = [
                _require_usable(run.sums[task, metric], f"{metric} on {task} of {name}")
                for run, name in ((a, "a"), (b, "b"))
            ]
            compared[task, metric] = paired(*pair, better=better)
    adjusted = adjust_for_many([each.p for each in compared.values()])
    return [
        ComparedFigure(*key, each, p, bool(p <= FAMILY_WISE) and each.verdict != "cannot be told apart")
        for (key, each), p in zip(compared.items(), adjusted, strict=True)
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
