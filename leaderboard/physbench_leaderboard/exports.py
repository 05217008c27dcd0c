"""Boards as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from physbench.result import plain_cell
from physbench_leaderboard.estimate import ScoreEstimate

if TYPE_CHECKING:
    from physbench_leaderboard.boards import Board, Standing

COLUMNS = (
    "suite",
    "suite_version",
    "size",
    "metric_version",
    "likelihood",
    "kind",
    "rank",
    "model",
    "task",
    "metric",
    "value",
    "low",
    "high",
    "trainings",
    "evaluations",
    "trust",
    "parameters",
    "model_link",
    "paper_link",
    "notes",
    "date",
    "cpu_hours",
    "gpu_hours",
    "budget",
)
"""The columns of the CSV, which has a row for each model and figure. kind: ranked, reference or published."""


def as_csv(boards: Iterable[Board], *, budget: str | None = None) -> str:
    """Return boards as one CSV table. budget: what they are limited to."""
    text = io.StringIO()
    table: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for board in boards:
        common = {
            name: getattr(board.key, name)
            for name in ("suite", "suite_version", "size", "metric_version", "likelihood")
        }
        for kind, standing in _everybody(board):
            about = {name: getattr(standing, name) for name in COLUMNS if hasattr(standing, name)}
            about |= {"kind": kind, "notes": " ".join(standing.notes), **_list_cost(standing), "budget": budget}
            for (task, metric), each in standing.scores.items():
                table.writerow(
                    {**common, **_write_cells(about), "task": task, "metric": metric, **_write_cells(_numbers(each))}
                )
        for row in board.published:
            figures = {
                "task": row.task,
                "metric": row.metric,
                "value": repr(row.value),
                "paper_link": row.link,
                "notes": row.remark,
            }
            table.writerow({**common, **_write_cells({"kind": "published", "model": row.model, **figures})})
    return text.getvalue()


def as_json(boards: Iterable[Board], *, budget: str | None = None) -> str:
    """Return boards as JSON. budget: what they are limited to."""
    limit = {"budget": budget} if budget else {}
    return json.dumps([{**_plain(board), **limit} for board in boards], indent=1)


def _everybody(board: Board) -> Iterator[tuple[str, Standing]]:
    """Return the models and the reference rows, each with its kind."""
    yield from (("ranked", standing) for standing in board.standings)
    yield from (("reference", standing) for standing in board.references)


def _plain(board: Board) -> dict[str, Any]:
    models = [
        {
            "kind": kind,
            **{name: getattr(standing, name) for name in COLUMNS if hasattr(standing, name)},
            "notes": list(standing.notes),
            **_list_cost(standing),
            "sequences": standing.cost.sequences if standing.cost else None,
            "budgets": {name: rank for name, rank in standing.ranks.items() if name},
            "scores": [
                {"task": task, "metric": metric, **_numbers(each), **_doubts(board, task, metric)}
                for (task, metric), each in standing.scores.items()
            ],
        }
        for kind, standing in _everybody(board)
    ]
    papers = [
        {name: getattr(row, name) for name in ("model", "task", "metric", "value", "paper", "link", "remark")}
        for row in board.published
    ]
    ranked_by = dict(zip(("task", "metric"), board.ranked_by, strict=True)) if board.ranked_by else None
    key = {**board.key._asdict(), "data": list(board.key.data)}
    return {
        **key,
        "about": board.about,
        "ranked_by": ranked_by,
        "better": board.better,
        "models": models,
        "published": papers,
    }


def _list_cost(standing: Standing) -> dict[str, float | None]:
    cost = standing.cost
    return {name: None if cost is None else getattr(cost, name) for name in ("cpu_hours", "gpu_hours")}


def _doubts(board: Board, task: str, metric: str) -> dict[str, bool]:
    return {"is_narrow": True} if board.is_narrow(task, metric) else {}


def _numbers(each: ScoreEstimate) -> dict[str, float | None]:
    return {name: None if number != number else number for name, number in each._asdict().items()}


def _write_cells(cells: dict[str, Any]) -> dict[str, Any]:
    return {
        name: "" if cell is None else repr(cell) if isinstance(cell, float) else plain_cell(cell)
        for name, cell in cells.items()
    }
