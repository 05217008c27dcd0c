"""Boards for terminals and for machines. The page is elsewhere."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from physbench.result import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from physbench_leaderboard.estimate import Estimate
    from physbench_leaderboard.table import Board, Standing

COLUMNS = (
    "suite", "suite_version", "size", "metric_version", "likelihood", "kind", "rank", "model", "task", "metric", "value", "low", "high", "trainings",
    "evaluations", "trust", "parameters", "model_link", "paper_link", "notes", "date",
)  # fmt: skip
"""Of the CSV: a row per model and figure. kind: ranked, reference or published."""


def as_text(boards: Sequence[Board]) -> str:
    return "\n\n".join("\n".join(_lines(board)) for board in boards) or "nothing is listed"


def as_csv(boards: Iterable[Board]) -> str:
    text = io.StringIO()
    table: csv.DictWriter[str] = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    for board in boards:
        common = {name: getattr(board.key, name) for name in ("suite", "suite_version", "size", "metric_version", "likelihood")}
        for kind, standing in _everybody(board):
            about = {name: getattr(standing, name) for name in COLUMNS if hasattr(standing, name)}
            about |= {"kind": kind, "notes": " ".join(standing.notes)}
            for (task, metric), each in standing.scores.items():
                table.writerow({**common, **_written(about), "task": task, "metric": metric, **_written(_numbers(each))})
        for row in board.published:
            figures = {"task": row.task, "metric": row.metric, "value": repr(row.value), "paper_link": row.link, "notes": row.remark}
            table.writerow({**common, "kind": "published", "model": row.model, **figures})
    return text.getvalue()


def as_json(boards: Iterable[Board]) -> str:
    return json.dumps([_plain(board) for board in boards], indent=1)


def _lines(board: Board) -> Iterator[str]:
    key = board.key
    likelihood = f", {key.likelihood}" if key.likelihood else ""
    yield f"{key.suite} v{key.suite_version}, {key.size}{likelihood}: {board.about}"
    if board.ranked_by:
        task, metric = board.ranked_by
        yield f"ranked by {metric} on {task} ({board.better} is better); models that cannot be told apart share a rank"
    else:
        yield "not ranked"
    yield f"  {'rank':>4}  {'model':<28}{'figure':>12}  {'95 % interval':<26}{'trainings':>9}  {'trust':<14}{'parameters':>11}  notes"
    for kind, standing in _everybody(board):
        yield _line(board, standing, "ref" if kind == "reference" else str(standing.rank or "-"))
    if not board.standings:
        yield "  no model is listed yet"
    for row in board.published:
        yield f"  from the paper, its own data: {row.model} {row.metric} {row.value:g} on {row.task} ({row.remark}; {row.link})"
    noted = dict.fromkeys(note for _, standing in _everybody(board) for note in standing.notes)
    yield from (f"  {note}: {told(note)}" for note in noted)


def _line(board: Board, standing: Standing, rank: str) -> str:
    each = board.headline(standing)
    figure = "" if each.value != each.value else f"{each.value:.5g}"
    interval = "" if each.low != each.low else f"{each.low:>11.5g} .. {each.high:<11.5g}"
    parameters = "" if standing.parameters is None else f"{standing.parameters:,}"
    figures = f"{figure:>12}  {interval:<26}{standing.trainings:>9}"
    return f"  {rank:>4}  {standing.model:<28}{figures}  {standing.trust:<14}{parameters:>11}  {' '.join(standing.notes)}".rstrip()


def _everybody(board: Board) -> Iterator[tuple[str, Standing]]:
    yield from (("ranked", standing) for standing in board.standings)
    yield from (("reference", standing) for standing in board.references)


def _plain(board: Board) -> dict[str, Any]:
    models = [
        {
            "kind": kind,
            **{name: getattr(standing, name) for name in COLUMNS if hasattr(standing, name)},
            "notes": list(standing.notes),
            "scores": [{"task": task, "metric": metric, **_numbers(each), **_doubts(board, task, metric)} for (task, metric), each in standing.scores.items()],
        }
        for kind, standing in _everybody(board)
    ]
    papers = [{name: getattr(row, name) for name in ("model", "task", "metric", "value", "paper", "link", "remark")} for row in board.published]
    ranked_by = dict(zip(("task", "metric"), board.ranked_by, strict=True)) if board.ranked_by else None
    key = {**board.key._asdict(), "data": list(board.key.data)}
    return {**key, "about": board.about, "ranked_by": ranked_by, "better": board.better, "models": models, "published": papers}


def _doubts(board: Board, task: str, metric: str) -> dict[str, bool]:
    return {"is_narrow": True} if board.is_narrow(task, metric) else {}


def _numbers(each: Estimate) -> dict[str, float | None]:
    return {name: None if (number := getattr(each, name)) != number else number for name in ("value", "low", "high")}


def _written(cells: dict[str, Any]) -> dict[str, Any]:
    return {name: "" if cell is None else repr(cell) if isinstance(cell, float) else cell for name, cell in cells.items()}
