"""The estimate of a model's figure from one or several trainings, and the comparison of two models.

There are two sources of uncertainty: which sequences are in the test set, which the intervals of a submission describe,
and how a training turned out, which only several trainings can show. They are independent, so their widths are added
as the square root of the sum of squares. One training says nothing about others, so its interval is only for that
training.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from physbench.errors import PhysbenchError
from physbench.metrics.bootstrap import compare
from physbench.metrics.sums import Sums, pool
from physbench.notices import announce
from physbench_leaderboard.entries import Entry
from physbench_leaderboard.recompute import ranking_sums

Key = tuple[str, str]  # task, metric


class ScoreEstimate(NamedTuple):
    """A figure and its 95 % interval. Missing values are NaN."""

    value: float
    low: float
    high: float


NOTHING = ScoreEstimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True, eq=False)
class Contender:
    """A model on one board: its evaluations, each with its per-sequence sums if they were submitted."""

    entries: tuple[Entry, ...]
    sums: tuple[Path | None, ...]
    ranked_by: Key | None

    @cached_property
    def trainings(self) -> list[list[Entry]]:
        """The evaluations, grouped by training. One training may be evaluated with several seeds."""
        found: dict[int | None, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.who.train_seed, []).append(entry)
        return list(found.values())

    @cached_property
    def headline(self) -> ScoreEstimate:
        """The figure that ranks; NaN if there is none."""
        return self.estimate(self.ranked_by) if self.ranked_by else NOTHING

    def values(self, key: Key) -> list[ScoreEstimate]:
        """Return a figure for each training that has one: the mean over its evaluations."""
        found: list[ScoreEstimate] = []
        for training in self.trainings:
            rows = [entry.rows[key] for entry in training if entry.value(*key) is not None]
            if rows:
                found.append(
                    ScoreEstimate(
                        *(statistics.fmean(getattr(row, name) for row in rows) for name in ("value", "low", "high"))
                    )
                )
        return found

    def estimate(self, key: Key) -> ScoreEstimate:
        """Return the mean over trainings, with its interval."""
        each = self.values(key)
        if len(each) < 2:
            return each[0] if each else NOTHING
        value = statistics.fmean(one.value for one in each)
        below, above = (
            statistics.fmean(width)
            for width in ([one.value - one.low for one in each], [one.high - one.value for one in each])
        )
        spread = _quantile(len(each) - 1) * math.sqrt(_variance(each))
        return ScoreEstimate(value, value - math.hypot(below, spread), value + math.hypot(above, spread))

    @cached_property
    def contributions(self) -> Sums | None:
        """The contribution of each sequence to the figure that ranks, over all evaluations.

        It is None unless the sums of all evaluations were submitted, and can be read.
        """
        if self.ranked_by is None or None in self.sums:
            return None
        try:
            parts = [
                ranking_sums(entry, path, self.ranked_by)
                for entry, path in zip(self.entries, self.sums, strict=True)
                if path
            ]
        except PhysbenchError as error:  # one bad file must not hide the board
            announce(f"left out: {error}")
            return None
        return None if None in parts else pool(part for part in parts if part)


def better(a: Contender, b: Contender, direction: Literal["lower", "higher"]) -> Contender | None:
    """Return which of two models is better in the figure that ranks, or None if they cannot be told apart.

    They can be told apart if their intervals do not overlap. If the intervals overlap and both models have per-sequence
    sums, the paired test decides.
    """
    first, second = (a, b) if direction == "lower" else (b, a)  # if `first` has the clearly smaller value, a is better
    if _end(first, "high") < _end(second, "low"):
        return a
    if _end(second, "high") < _end(first, "low"):
        return b
    if a.contributions is None or b.contributions is None or a.ranked_by is None:
        return None
    paired = compare(a.contributions, b.contributions, better=direction).difference
    ours, theirs = a.values(a.ranked_by), b.values(a.ranked_by)
    seeds = _seeds_apart(ours, theirs)
    low = paired.value - math.hypot(paired.value - paired.low, seeds)
    high = paired.value + math.hypot(paired.high - paired.value, seeds)
    if not low > 0 and not high < 0:
        return None
    return a if (high < 0) == (direction == "lower") else b


def _end(contender: Contender, name: Literal["low", "high"]) -> float:
    """Return one end of the interval, or the figure itself if there is no interval."""
    end = getattr(contender.headline, name)
    return contender.headline.value if end != end else end


def _seeds_apart(ours: Sequence[ScoreEstimate], theirs: Sequence[ScoreEstimate]) -> float:
    """Return half the width of the 95 % interval of a difference of means, due to the trainings alone (Welch)."""
    variances = [(_variance(each), len(each) - 1) for each in (ours, theirs) if len(each) > 1]
    total = sum(variance for variance, _ in variances)
    if total == 0:
        return 0.0
    freedom = total**2 / sum(variance**2 / count for variance, count in variances)
    return _quantile(freedom) * math.sqrt(total)


def _variance(each: Sequence[ScoreEstimate]) -> float:
    """Return the variance of the mean over trainings."""
    return statistics.variance(one.value for one in each) / len(each)


def _quantile(freedom: float) -> float:
    """Return the 97.5 % quantile of Student's t. Degrees of freedom are rounded down."""
    whole = max(math.floor(freedom), 1)
    if whole <= len(STUDENT):
        return STUDENT[whole - 1]
    z, n = 1.959963984540054, whole
    first, second = (z**3 + z) / 4, (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / n + second / n**2 + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384 / n**3


STUDENT = (
    12.70620,
    4.30265,
    3.18245,
    2.77645,
    2.57058,
    2.44691,
    2.36462,
    2.30600,
    2.26216,
    2.22814,
    2.20099,
    2.17881,
    2.16037,
    2.14479,
    2.13145,
)
"""The quantiles from 1 degree of freedom on. The series above is accurate only for more degrees of freedom."""
