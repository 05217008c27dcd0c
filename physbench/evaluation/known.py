"""What is known beforehand: the scores of the reference rows on pinned data, and what papers reported."""

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
"""The reference rows on every suite: one file, written by `python -m physbench_leaderboard.reference_rows`."""

SCORE = ("suite", "version", "size", "task", "metric", "value", "low", "high")
"""What a score is called on the card of a model."""


@dataclass(frozen=True)
class Known:
    task: str
    metric: str
    model: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Published:
    """A number from a paper: of its own data, so it stands beside ours and is never ranked with them."""

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
    return [row for row in PUBLISHED if row.suite == suite]


KNOWN_SIZE = "lite"
"""The reference rows are known of these sequences. They are the first ones of `full`, too."""


def references(chosen: Extent) -> list[Known]:
    """Give what is known of the reference rows on pinned sequences; nothing where others were asked for."""
    wanted = (chosen.suite.name, str(chosen.suite.version), KNOWN_SIZE)
    return (
        [_read_score(row) for row in _rows() if (row["suite"], row["suite_version"], row["size"]) == wanted]
        if chosen.pinned
        else []
    )


def scores_of(reference: str, size: str = "lite") -> list[dict[str, Any]]:
    """Of a reference row on every suite, as the cards of trained models have theirs."""
    rows = [
        row for row in _rows() if (row["model"], row["size"]) == (reference, size) and stands_in_tables(row["metric"])
    ]
    figures = [[float(row[name] or "nan") for name in ("value", "low", "high")] for row in rows]
    told = [(row["suite"], int(row["suite_version"]), row["size"], row["task"], row["metric"]) for row in rows]
    return [dict(zip(SCORE, (*first, *rest), strict=True)) for first, rest in zip(told, figures, strict=True)]


@cache
def _rows() -> tuple[dict[str, str], ...]:
    """Of every suite; none where the leaderboard is not installed."""
    folder, name = REFERENCES
    try:
        path: Path = registry.attribute(folder)() / name
    except UnknownName:
        return ()
    return tuple(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else ()


def _read_score(row: dict[str, str]) -> Known:
    value, low, high = (float(row[name] or "nan") for name in ("value", "low", "high"))
    return Known(row["task"], row["metric"], row["model"], value, low, high)
