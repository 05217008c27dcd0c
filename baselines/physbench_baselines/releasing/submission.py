"""The scores of one model on several suites in one table, which grows suite by suite: what the leaderboard takes."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from physbench.result import COLUMNS
from physbench_baselines.training.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from physbench.result import Result


def listed(path: Path, mark: list[Any], weights: str | None) -> bool:
    return any(_mark(row) == mark and row["weights_sha256"] == weights for row in _rows(path))


def enter(path: Path, mark: list[Any], result: Result) -> None:
    """Into the submission, in the place of what was there of this suite, and without what other weights scored."""
    weights = result.provenance.weights_sha256
    others = [row for row in _rows(path) if _mark(row) != mark and row["weights_sha256"] == weights]
    text = io.StringIO()
    written: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    written.writeheader()
    written.writerows([*others, *csv.DictReader(io.StringIO(result.to_csv()))])
    Folder(path.parent).write(path.name, text.getvalue())


def _rows(path: Path) -> list[dict[str, str]]:
    """Of a table that was begun; none of one with other columns."""
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        return list(reader) if reader.fieldnames == list(COLUMNS) else []


def _mark(row: Mapping[str, str]) -> list[Any]:
    return [row["suite"], int(row["suite_version"]), row["size"]]
