"""Submissions for tests: rows that agree with one another and with the reference rows, and tables of any cells."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from physbench.result import COLUMNS
from physbench_leaderboard.pins import REFERENCES, bundled_folder
from physbench_leaderboard.submission import Row, read

SCALED = (
    "bce",
    "relative_",
    "relational_",
    "log_likelihood",
    "rollout_bce",
    "rollout_relative",
    "event_error",
    "permanence",
    "position_mse",
    "pixel_mse",
    "rollout_position_mse",
)


@cache
def references() -> tuple[Row, ...]:
    return read(bundled_folder() / REFERENCES).rows


def rows(
    model: str = "mine", *, like: str = "constant-velocity", suite: str = "balls", factor: float = 1.0, **changes: Any
) -> list[Row]:
    """As a reference row, every cost so many times larger, under another name."""
    found = [row for row in references() if (row.model, row.suite, row.size) == (like, suite, "lite")]
    return [replace(_scale(row, factor), **{"model": model, "notes": (), **changes}) for row in found]


def cells(row: Row) -> dict[str, str]:
    """As they stand in a file; written apart from what is tested."""
    found: dict[str, str] = {}
    for name in (each.name for each in fields(Row) if each.name != "line"):
        value = getattr(row, name)
        if isinstance(value, tuple):
            value = " ".join(value)
        found[name] = "" if value is None or value != value else repr(value) if isinstance(value, float) else str(value)
    return found


def as_csv(lines: Iterable[Row | dict[str, str]], *, header: Iterable[str] = COLUMNS) -> str:
    text = io.StringIO()
    lines = list(lines)
    spoilt_by_hand = any(isinstance(line, dict) for line in lines)  # csv leaves a lone carriage return without quotes
    table = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL if spoilt_by_hand else csv.QUOTE_MINIMAL)
    table.writerow(header)
    table.writerows([list((line if isinstance(line, dict) else cells(line)).values()) for line in lines])
    return text.getvalue()


def write(path: Path, lines: Iterable[Row | dict[str, str]]) -> Path:
    path.write_text(as_csv(lines), encoding="utf-8", newline="")
    return path


def spoilt(lines: list[Row], task: str, metric: str, **changes: Any) -> list[Row]:
    """One row of them changed."""
    assert any((row.task, row.metric) == (task, metric) for row in lines)
    return [replace(row, **changes) if (row.task, row.metric) == (task, metric) else row for row in lines]


def _scale(row: Row, factor: float) -> Row:
    if not row.metric.startswith(SCALED) or row.metric.endswith("_ratio"):
        return row
    return replace(row, value=row.value * factor, low=row.low * factor, high=row.high * factor)
