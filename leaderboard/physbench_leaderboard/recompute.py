"""The recomputation of figures from what each sequence contributed, to check them without trusting the table."""

import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physbench.evaluation.predictions import open_predictions, score
from physbench.files import open_regular_file
from physbench.metrics.bootstrap import Interval, intervals, quotient
from physbench.metrics.catalogue import all_metrics, list_foreign
from physbench.metrics.sums import Sums, value
from physbench.result import ScoredRun, load_run
from physbench.storage.admit import SIGNATURE
from physbench.suites import suite_of
from physbench_leaderboard.consistency import near
from physbench_leaderboard.entries import Entry, entries
from physbench_leaderboard.submission import Row, Submission, SubmissionError, quote

Figures = dict[tuple[str, str], Sums]

EXACT = 1e-9
"""The relative tolerance. Sums are exact, but the rounding of matrix products depends on the machine."""

LARGEST = 1e15
"""The largest number in the sums. No figure needs larger ones, and sums of these cannot overflow."""


@dataclass(frozen=True)
class Recomputed:
    """The result of a recomputation."""

    entry: Entry  # the evaluation that the sums belong to
    rows: int  # how many were recomputed
    of: int  # how many the submission has
    problems: list[str]  # sentences about rows with another result

    @property
    def all_well(self) -> bool:
        """Whether every row of the submission was recomputed with the same result."""
        return not self.problems and self.rows == self.of


def recompute(submission: Submission, sums: Path) -> Recomputed:
    """Recompute the figures and intervals of one evaluation from its sums.

    sums: a file of per-sequence sums, or a file of predictions, from which the sums are computed first.
    """
    run = _score(sums) if _is_hdf5(sums) else load_run(sums)
    entry = _of(submission, run.provenance, sums)
    left_out = list_foreign(entry.who.suite, [metric for _, metric in run.sums])
    figures = {key: Sums(*pair) for key, pair in run.sums.items() if key in entry.rows or key[1] not in left_out}
    problems = list(_strange(entry, figures))
    if problems:
        return Recomputed(entry, 0, len(submission.rows), problems)
    made = dict(zip(figures, intervals(list(figures.values())), strict=True)) | _quotients(entry, figures)
    spread = _spreads(entry, figures)
    for key, row in entry.rows.items():
        if key in made:
            problems += _differs(row, ("value", "low", "high"), (made[key].value, made[key].low, made[key].high))
        elif key in spread:
            problems += _differs(row, ("value",), (spread[key],))
    return Recomputed(entry, len(made.keys() | spread.keys()), len(submission.rows), problems)


def ranking_sums(entry: Entry, sums: Path, key: tuple[str, str]) -> Sums | None:
    """Return the sums of one figure, for paired comparisons; None if the file is for another evaluation."""
    run = load_run(sums)
    if not _belongs(entry, run.provenance) or key not in run.sums:
        return None
    pair = Sums(*run.sums[key])
    if _unusable(pair, entry) or not near(value(pair), entry.rows[key].value, EXACT):
        raise SubmissionError(f"{sums.name} does not give {key[1]} on {key[0]} of {entry.who}: remove it")
    return pair


def _is_hdf5(path: Path) -> bool:
    with open_regular_file(path) as file:
        return file.read(len(SIGNATURE)) == SIGNATURE


def _score(predictions: Path) -> ScoredRun:
    found = score(open_predictions(predictions))
    return ScoredRun(asdict(found.provenance), found.sums)


def _of(submission: Submission, provenance: dict[str, Any], sums: Path) -> Entry:
    for entry in entries(submission.rows):
        if _belongs(entry, provenance):
            return entry
    said = " ".join(quote(str(provenance.get(name))) for name in ("model", "suite", "size", "train_seed", "seed"))
    raise SubmissionError(
        f"{sums.name} holds the sums of an evaluation that is not in the table: {said} (model, suite, size, train_seed,"
        " seed)"
    )


def _belongs(entry: Entry, provenance: dict[str, Any]) -> bool:
    digests = provenance.get("data_sha256")
    if not isinstance(digests, dict):
        return False
    if not all(isinstance(each, str) for each in digests.values()):  # type: ignore[misc]
        return False
    names = entry.who._fields
    data: tuple[str, ...] = tuple(sorted(set(digests.values())))  # type: ignore[misc]
    return all(provenance.get(name) == getattr(entry.who, name) for name in names) and data == entry.data


def _strange(entry: Entry, figures: Figures) -> list[str]:
    """Return a sentence about the first sums from which no figure can be computed."""
    if unknown := sorted(set(figures) - set(entry.rows)):
        return [f"there is no row for {quote(unknown[0][1])} on {quote(unknown[0][0])}"]
    if not figures:
        return ["it holds no sums"]
    return [f"{metric} on {task} is not made of finite numbers, one for each of {entry.first.sequences:,} sequences"
            for (task, metric), pair in figures.items() if _unusable(pair, entry)][:1]  # fmt: skip


def _unusable(pair: Sums, entry: Entry) -> bool:
    parts = (pair.numerator, pair.denominator)
    return any(len(part) != entry.first.sequences or not (np.abs(part) <= LARGEST).all() for part in parts) or bool(
        (pair.denominator < 0).any()
    )


def _quotients(entry: Entry, figures: Figures) -> dict[tuple[str, str], Interval]:
    suite = suite_of(entry.who.suite)
    if suite.against is None:
        return {}
    more, fewer = suite.against
    pairs = {
        card.name: ((more, card.quotient_of), (fewer, card.quotient_of))
        for card in all_metrics().values()
        if card.quotient_of
    }
    return {
        (f"{more}:{fewer}", name): quotient(figures[a], figures[b])
        for name, (a, b) in pairs.items()
        if {a, b} <= figures.keys()
    }


def _spreads(entry: Entry, figures: Figures) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for task, metric in entry.rows:
        if metric.endswith("_std"):
            stem = metric.removesuffix("_std")
            each = [
                value(pair) for (place, name), pair in figures.items() if place == task and name.startswith(f"{stem}[")
            ]
            found |= {(task, metric): statistics.pstdev(each)} if each else {}
    return found


def _differs(row: Row, names: tuple[str, ...], expected: tuple[float, ...]) -> list[str]:
    scale = max((abs(each) for each in expected if math.isfinite(each)), default=0.0)
    return [
        f"{row.metric} on {row.task}: {name} is {getattr(row, name)!r} in the table, but {again!r} when recomputed"
        for name, again in zip(names, expected, strict=True)
        if not near(getattr(row, name), again, EXACT, beside=scale)
    ]
