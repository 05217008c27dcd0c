"""The evaluation of a submitted model again, by the maintainer of the table.

It is evaluated on the same data, and on fresh data that no model can have been trained on.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from physbench.evaluation.evaluate import evaluate
from physbench.evaluation.meter import Progress
from physbench.metrics.catalogue import find
from physbench.model import Model, Origin
from physbench.result import Score
from physbench.suites import suite_of
from physbench_leaderboard.entries import Entry, entries
from physbench_leaderboard.submission import Row, Submission

WITHIN, WITHIN_ARI = 1e-4, 1e-3
"""How far the results of two machines may differ: relative to the figure, or absolute for a Rand index."""

STARTLING = 3.0
"""A difference between pinned and fresh data of more standard errors than this is not due to chance."""

NORMAL = 1.959963984540054
"""How many standard errors a 95 % interval extends to either side of its figure."""


@dataclass(frozen=True)
class Rerun:
    """The result of evaluating a submission again."""

    entry: Entry
    differences: list[str]  # sentences about what differs from the submission
    fresh: str | None  # the result on fresh data, in words
    suspicious: bool  # whether that result is worse than chance allows

    @property
    def all_well(self) -> bool:
        """Whether the results agree, and nothing is suspicious."""
        return not self.differences and not self.suspicious


def verify(
    submission: Submission,
    model: Model,
    *,
    fresh: int | None = None,
    progress: Callable[[Progress], None] | None = None,
) -> list[Rerun]:
    """Evaluate a model again on everything in its submission.

    fresh: a secret seed for fresh data; None leaves them out.
    """
    return [_again(entry, model, fresh, progress) for entry in entries(submission.rows)]


def _again(entry: Entry, model: Model, fresh: int | None, progress: Callable[[Progress], None] | None) -> Rerun:
    at, row = entry.who, entry.first
    differences = _origin(entry, getattr(model, "origin", None) or Origin())
    found = evaluate(model, at.suite, name=at.model, size=at.size, batch=row.batch, seed=at.seed, progress=progress)
    scores = {(score.task, score.metric): score for score in found.scores}
    differences += [
        f"{metric} on {task} was submitted, but was not computed again"
        for task, metric in entry.rows
        if (task, metric) not in scores
    ]
    differences += [
        f"{metric} on {task} was computed again, but was not submitted"
        for task, metric in scores
        if (task, metric) not in entry.rows and metric not in found.left_out
    ]
    differences += [
        words for key, score in scores.items() if key in entry.rows and (words := _difference(entry.rows[key], score))
    ]
    ranked = suite_of(at.suite).ranked_by
    if fresh is None or ranked is None or ranked not in entry.rows or ranked not in scores:
        return Rerun(entry, differences, None, False)
    other = evaluate(model, at.suite, name=at.model, fresh=fresh, batch=row.batch, seed=at.seed, progress=progress)
    words, suspicious = beside_fresh(entry.rows[ranked], other.score(*ranked))
    return Rerun(entry, differences, words, suspicious)


def beside_fresh(row: Row, score: Score) -> tuple[str, bool]:
    """Compare a figure with that on fresh data. Return a sentence, and whether fresh data are worse than chance allows.

    Fresh data are other sequences, so the figures may differ as much as those of two samples.
    """
    error = math.hypot(_error(row.low, row.high), _error(score.low, score.high))
    apart = score.value - row.value
    z = 0.0 if apart == 0 else apart / error if error else math.copysign(math.inf, apart)
    worse = z if find(row.metric).better == "lower" else -z
    figures = (
        f"{row.metric} is {score.value:.5g} on fresh data and {row.value:.5g} on the pinned data ({abs(z):.1f} standard"
        " errors apart)"
    )
    if worse > STARTLING:
        return f"{figures}: worse than chance allows, so the model may know the pinned data", True
    return (
        f"{figures}: {'better than chance allows' if worse < -STARTLING else 'the same within chance'}",
        False,
    )


def _origin(entry: Entry, origin: Origin) -> list[str]:
    claims = (("weights_sha256", "the weights have the digest"), ("parameters", "the number of parameters is"))
    return [
        f"{words} {getattr(origin, name)}, but {getattr(entry.first, name)} was submitted"
        for name, words in claims
        if getattr(entry.first, name) is not None and getattr(origin, name) != getattr(entry.first, name)
    ]


def _difference(row: Row, score: Score) -> str | None:
    scale = max((abs(each) for each in (score.value, score.low, score.high) if each == each), default=0.0)
    allowed = WITHIN_ARI if row.metric.startswith("ari") else WITHIN * scale
    for name in ("value", "low", "high"):
        claimed, again = getattr(row, name), getattr(score, name)
        if not (abs(claimed - again) <= allowed or (claimed != claimed and again != again)):
            return f"{row.metric} on {row.task}: {name} {claimed:.7g} was submitted, but {again:.7g} was computed"
    return None


def _error(low: float, high: float) -> float:
    return (high - low) / (2 * NORMAL) if high == high and low == low else 0.0
