"""Stored scores: those of the reference rows on pinned data, and those that papers reported."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench import registry
from physbench.errors import UnknownName
from physbench.metrics.catalogue import stands_in_tables

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Extent

REFERENCES = "physbench_leaderboard.pins:bundled_folder", "references.csv"
"""The file of the scores of the reference rows, written by `python -m physbench_leaderboard.reference_rows`: the
function that returns its folder, and its name."""

SCORE = ("suite", "version", "size", "task", "metric", "value", "low", "high")
"""The keys of a score on the card of a model."""


@dataclass(frozen=True)
class Known:
    """A score of a reference row."""

    task: str
    metric: str
    model: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Published:
    """A number from a paper. It was measured on other data, so it is shown beside our scores but never ranked."""

    suite: str
    task: str
    metric: str
    model: str
    value: float
    paper: str
    link: str
    remark: str


PUBLISHED = tuple(
    Published(suite, task, metric, model, float(value), paper, link, remark)
    for suite, task, metric, model, value, paper, link, remark in csv.reader(
        Path(__file__).with_name("published.csv").read_text(encoding="utf-8").splitlines()[1:],
    )
)


def list_published(suite: str) -> list[Published]:
    """Return the numbers that papers reported for a suite."""
    return [row for row in PUBLISHED if row.suite == suite]


KNOWN_SIZE = "lite"
"""The size for which the scores of the reference rows are stored. Its sequences are also the first ones of `full`."""


def references(chosen: Extent) -> list[Known]:
    """Return the stored scores of the reference rows, or an empty list if the sequences are not pinned ones."""
    wanted = (chosen.suite.name, str(chosen.suite.version), KNOWN_SIZE)
    return (
        [_read_score(row) for row in _rows() if (row["suite"], row["suite_version"], row["size"]) == wanted]
        if chosen.pinned
        else []
    )


def scores_of(reference: str, size: str = "lite") -> list[dict[str, Any]]:
    """Return the scores of a reference row on every suite, in the form of the cards of trained models."""
    rows = [
        row for row in _rows() if (row["model"], row["size"]) == (reference, size) and stands_in_tables(row["metric"])
    ]
    figures = [[float(row[name] or "nan") for name in ("value", "low", "high")] for row in rows]
    told = [(row["suite"], int(row["suite_version"]), row["size"], row["task"], row["metric"]) for row in rows]
    return [dict(zip(SCORE, (*first, *rest), strict=True)) for first, rest in zip(told, figures, strict=True)]


@cache
def _rows() -> tuple[dict[str, str], ...]:
    """Read the scores on every suite; there are none if the leaderboard is not installed."""
    folder, name = REFERENCES
    try:
        path: Path = registry.attribute(folder)() / name
    except UnknownName:
        return ()
    return tuple(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else ()


def _read_score(row: dict[str, str]) -> Known:
    value, low, high = (float(row[name] or "nan") for name in ("value", "low", "high"))
    return Known(row["task"], row["metric"], row["model"], value, low, high)
