"""Boards for a terminal. The figure that ranks comes first and is marked, and others follow if there is room."""

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from physbench.printable import GAP, align
from physbench.report.definitions import ARROWS, define
from physbench.report.numbers import MINUS, figures, number
from physbench.result import describe_note
from physbench_leaderboard.boards import Board, Standing
from physbench_leaderboard.budgets import BUDGETS, describe_cost
from physbench_leaderboard.columns import columns

RANKING = "*"

WIDEST = 42
"""The width that is kept free beside the names of models, for the rank and the longest name of a task."""


class TextColumn(NamedTuple):
    """A column of a table in a terminal."""

    heads: tuple[str, str]  # the two lines of its heading
    cells: list[str]
    left: bool = False  # whether it is aligned to the left
    first: bool = True  # whether it is shown by default, if there is room

    @property
    def width(self) -> int:
        """Its width in characters."""
        return max(map(len, (*self.heads, *self.cells)))


def as_text(boards: Sequence[Board], *, width: int = 80, every: bool = False, budget: str | None = None) -> str:
    """Return boards as tables no wider than `width`.

    every: show all columns, in tables one below the other. budget: what the boards are limited to, to be said.
    """
    tables = "\n\n".join("\n".join(_lines(board, width, every)) for board in boards) or "nothing is listed"
    if budget is None:
        return tables
    title = BUDGETS[budget].title
    told = f"Models trained within {title}; others, and those whose cost is not known, are left out."
    return "\n".join([*_wrap(told, width), "", tables])


def _lines(board: Board, width: int, every: bool) -> Iterator[str]:
    key = board.key
    likelihood = f", {key.likelihood}" if key.likelihood else ""
    yield from _wrap(f"{key.suite} v{key.suite_version}, {key.size}{likelihood}: {board.about}", width)
    if board.ranked_by:
        task, metric = board.ranked_by
        ranking = f"{RANKING} ranked by {metric} on {task}: {ARROWS[board.better]} {board.better} is better"
        yield from _wrap(f"{ranking}; models that cannot be told apart share a rank", width)
        yield from _wrap(board.describe_bar().replace(MINUS, "-"), width)
    else:
        yield "not ranked"
    everybody = [*board.standings, *board.references]
    if everybody:
        yield from _tables(board, everybody, width, every)
    if not board.standings:
        yield f"{GAP}no model is listed yet"
    for row in board.published:
        yield from _wrap(
            f"from the paper, its own data: {row.model} {row.metric} {row.value:g} on {row.task} ({row.remark};"
            f" {row.link})",
            width,
            GAP,
        )
    for note in dict.fromkeys(note for standing in everybody for note in standing.notes):
        yield from _wrap(
            f"{note}: {describe_note(note)} ({', '.join(each.model for each in everybody if note in each.notes)})",
            width,
            GAP,
        )


def _tables(board: Board, everybody: list[Standing], width: int, every: bool) -> Iterator[str]:
    who = _who(board, most=min(width // 3, max(width - WIDEST, 8)))
    left = [
        *_headline(board, everybody),
        *_figures(board, everybody, first=True),
        *_about(everybody),
        *_figures(board, everybody, first=False),
    ]
    first = [column for column in left if column.first]
    yield from _table([*who, *(chosen := _fitting(who, first, width))])
    left = [column for column in left if column not in chosen]
    if left and not every:
        yield f"{GAP}{len(left)} more column{'s' * (len(left) > 1)} with --all"
    while every and left:
        yield ""
        yield from _table([*who, *(chosen := _fitting(who, left, width))])
        left = [column for column in left if column not in chosen]


def _table(shown: list[TextColumn]) -> Iterator[str]:
    heads = [row for row in zip(*(column.heads for column in shown), strict=True) if any(row)]
    rows = [*heads, *zip(*(column.cells for column in shown), strict=True)]
    left = [place for place, column in enumerate(shown) if column.left]
    yield from (line.replace(MINUS, "-") for line in align(rows, left=left))  # a plain hyphen for a minus


def _fitting(who: list[TextColumn], more: list[TextColumn], width: int) -> list[TextColumn]:
    """Return the columns for which there is room, in their order, and at least one of them."""
    room = width - sum(column.width + len(GAP) for column in who) + len(GAP)
    chosen: list[TextColumn] = []
    for column in more:
        room -= (needed := len(GAP) + column.width)
        if room >= 0 or not chosen:
            chosen.append(column)
        else:
            room += needed
    return chosen


def _who(board: Board, most: int) -> list[TextColumn]:
    ranks = [*(str(each.rank or "-") for each in board.standings), *["ref"] * len(board.references)]
    names = [each.model for each in (*board.standings, *board.references)]
    short = [name if len(name) <= most else f"{name[: most - 1]}…" for name in names]
    return [TextColumn(("rank", ""), ranks), TextColumn(("model", ""), short, left=True)]


def _headline(board: Board, everybody: list[Standing]) -> Iterator[TextColumn]:
    if board.ranked_by:
        values, intervals = zip(*(figures(*board.headline(each)) for each in everybody), strict=True)
        yield TextColumn((f"{RANKING}{board.ranked_by[1]} {ARROWS[board.better]}", ""), list(values))
        yield TextColumn(("95 % interval", ""), list(intervals), left=True)
    yield TextColumn(("trust", ""), [each.trust for each in everybody], left=True)


def _figures(board: Board, everybody: list[Standing], *, first: bool) -> Iterator[TextColumn]:
    """Return the columns of figures. first: those that are shown by default, or else all the others."""
    for column in columns(board):
        if column.first == first and not column.headline:
            definition = define(column.metric)
            head = f"{column.metric} {definition.arrow if definition else ''}".rstrip()
            elsewhere = "" if board.ranked_by and column.task == board.ranked_by[0] else column.task
            yield TextColumn(
                (head, elsewhere),
                [number(each.score(column.task, column.metric).value) for each in everybody],
                first=first,
            )


def _about(everybody: list[Standing]) -> Iterator[TextColumn]:
    yield TextColumn(("trainings", ""), [f"{each.trainings:,}" for each in everybody])
    yield TextColumn(
        ("parameters", ""), ["" if each.parameters is None else f"{each.parameters:,}" for each in everybody]
    )
    yield TextColumn(("training", ""), [describe_cost(each.cost) for each in everybody], left=True)


def _wrap(text: str, width: int, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, max(width, 20), initial_indent=indent, subsequent_indent=indent + GAP, break_on_hyphens=False
    )
