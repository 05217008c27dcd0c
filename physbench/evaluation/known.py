"""What is known beforehand: the scores of the reference rows on pinned data, and what papers reported."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench import registry
from physbench.errors import UnknownName
from physbench.metrics.card import R_NEM, R_SQAIR
from physbench.metrics.catalogue import stands_in_tables

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Extent

REFERENCES = "physbench_leaderboard.pins:bundled", "references.csv"
"""The reference rows on every suite: one file, written by `python -m physbench_leaderboard.bundle`."""

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


_R_NEM, _R_SQAIR = "https://arxiv.org/abs/1802.10353", "https://arxiv.org/abs/1910.05231"
_CROP = "balls4mass64-crop50/rollout-9+1", "balls678mass64-crop50/rollout-9+1"
_NORMAL = "a density of normal pixels, mean of 5 samples"

PUBLISHED = (
    Published("balls", "balls4mass64", "ari", "r-nem", 0.8, R_NEM, _R_NEM, "about, read off its figure 3"),
    Published("crop50", _CROP[0], "log_likelihood", "sqair", 399.5, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[0], "log_likelihood", "r-sqair-in", 429.2, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[0], "log_likelihood", "r-sqair-rmc", 457.32, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[0], "relational_log_likelihood", "sqair", 0.21, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[0], "relational_log_likelihood", "r-sqair-in", 1.95, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[0], "relational_log_likelihood", "r-sqair-rmc", 3.62, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[1], "relational_log_likelihood", "sqair", -164.1, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[1], "relational_log_likelihood", "r-sqair-in", -96.7, R_SQAIR, _R_SQAIR, _NORMAL),
    Published("crop50", _CROP[1], "relational_log_likelihood", "r-sqair-rmc", -97.0, R_SQAIR, _R_SQAIR, _NORMAL),
)


def published(suite: str) -> list[Published]:
    return [row for row in PUBLISHED if row.suite == suite]


KNOWN_SIZE = "lite"
"""The reference rows are known of these sequences. They are the first ones of `full`, too."""


def references(chosen: Extent) -> list[Known]:
    """Give what is known of the reference rows on pinned sequences; nothing where others were asked for."""
    wanted = (chosen.suite.name, str(chosen.suite.version), KNOWN_SIZE)
    return [_known(row) for row in _rows() if (row["suite"], row["suite_version"], row["size"]) == wanted] if chosen.pinned else []


def scores_of(reference: str, size: str = "lite") -> list[dict[str, Any]]:
    """Of a reference row on every suite, as the cards of trained models have theirs."""
    rows = [row for row in _rows() if (row["model"], row["size"]) == (reference, size) and stands_in_tables(row["metric"])]
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


def _known(row: dict[str, str]) -> Known:
    value, low, high = (float(row[name] or "nan") for name in ("value", "low", "high"))
    return Known(row["task"], row["metric"], row["model"], value, low, high)
