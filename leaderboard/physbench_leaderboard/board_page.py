"""The leaderboard as one HTML page.

The page loads nothing and runs only its own script. Without the script it is still readable as plain tables. Every text
from a submission is treated as data, never as markup.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from physbench.errors import PhysbenchError
from physbench.files import read_regular_file, write_whole
from physbench.report.charts import Chart
from physbench.report.definitions import define
from physbench.report.numbers import NOTHING
from physbench.report.pages import image_address, render
from physbench.result import describe_note
from physbench_leaderboard.boards import Board, Standing
from physbench_leaderboard.budgets import BUDGETS, describe_cost, list_budgets
from physbench_leaderboard.columns import Column, columns
from physbench_leaderboard.plots import plots
from physbench_leaderboard.trust import DEGREES

if TYPE_CHECKING:
    from markupsafe import Markup

NAME = "index.html"

CURVES = ("rollout_bce", "event_error")

PNG = b"\x89PNG\r\n\x1a\n"

MOST_PICTURE = 1 << 24
"""The largest size of a picture in bytes."""

NO_PICTURES: Mapping[str, bytes] = {}


class PageError(PhysbenchError):
    """An error of a page that cannot be made or shown."""


@dataclass(frozen=True)
class Section:
    """A board, with its name on the page."""

    board: Board
    place: str  # its id in the page, and its name in the address
    label: str

    @property
    def about(self) -> str:
        """The description of the suite, with a capital letter."""
        return f"{self.board.about[:1].upper()}{self.board.about[1:]}"

    @cached_property
    def columns(self) -> list[Column]:
        """The columns of the table."""
        return columns(self.board)

    @property
    def charts(self) -> list[Chart]:
        """The charts below the table."""
        return plots(self.board)

    @property
    def rows(self) -> tuple[Standing, ...]:
        """The models, then the reference rows."""
        return (*self.board.standings, *self.board.references)

    @property
    def notes(self) -> list[str]:
        """The notes of all rows. They are explained below the table, for readers who cannot hover over them."""
        return sorted({note for standing in self.rows for note in standing.notes})

    @property
    def curves(self) -> list[str]:
        """The metrics that are drawn as curves."""
        here = {metric.partition("[")[0] for standing in self.rows for _, metric in standing.scores if "[" in metric}
        return [metric for metric in CURVES if metric in here]


@dataclass(frozen=True)
class Picture:
    """A PNG picture of a model's rollout."""

    model: str
    content: bytes

    def __post_init__(self) -> None:
        if not self.content.startswith(PNG) or len(self.content) < 24:
            raise PageError(f"the picture of {self.model} is not a PNG: it begins with {self.content[:8]!r}")

    @property
    def address(self) -> Markup:
        """The picture as a data address, so that the page needs no other file."""
        return image_address(self.content)

    @property
    def width(self) -> int:
        """The width in pixels, from the header of the PNG."""
        return int.from_bytes(self.content[16:20], "big")

    @property
    def height(self) -> int:
        """The height in pixels, from the header of the PNG."""
        return int.from_bytes(self.content[20:24], "big")


def build(boards: Sequence[Board], out: Path, *, pictures: Mapping[str, bytes] = NO_PICTURES) -> Path:
    """Write out/index.html. An older page is replaced completely or not at all.

    pictures: PNGs by model, each of a rollout beside the truth.
    """
    path, content = out / NAME, page(boards, pictures=pictures)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PageError(f"{path} cannot be written: {error.strerror}") from None
    write_whole(path, content)
    return path


def load_pictures(folder: Path) -> dict[str, bytes]:
    """Read the pictures in a folder: NAME.png for each model."""
    return {path.stem: read_regular_file(path, MOST_PICTURE) for path in sorted(folder.glob("*.png"))}


def page(boards: Sequence[Board], *, pictures: Mapping[str, bytes] = NO_PICTURES) -> str:
    """Return the page as HTML. pictures: PNGs by model, each of a rollout beside the truth."""
    sections = _sections(boards)
    rows = [standing for section in sections for standing in section.rows]
    metrics = [column.metric for section in sections for column in section.columns]
    metrics += [paper.metric for board in boards for paper in board.published] + [
        metric for section in sections for metric in section.curves
    ]
    values = {
        "sections": sections,
        "models": len({standing.model for board in boards for standing in board.standings}),
        "suites": len({board.key.suite for board in boards}),
        "last": max((standing.date for standing in rows), default=""),
        "pictures": [
            Picture(model, pictures[model]) for model in sorted(set(pictures) & {standing.model for standing in rows})
        ],
        "definitions": [definition for metric in dict.fromkeys(metrics) if (definition := define(metric))],
        "define": define,
        "tell": describe_note,
        "degrees": DEGREES,
        "budgets": BUDGETS,
        "list_budgets": list_budgets,
        "describe_cost": describe_cost,
        "nothing": NOTHING,
    }
    return render("board.html.j2", values, package="physbench_leaderboard")


def _sections(boards: Sequence[Board]) -> list[Section]:
    """Name the boards.

    The first board of a suite has the name of the suite, so links to it stay valid when others follow.
    """
    taken: Counter[str] = Counter()
    found: list[Section] = []
    for board in boards:
        key = board.key
        first = key.suite not in taken
        place = key.suite if first else key.name
        taken[place] += 1
        place = place if taken[place] == 1 else f"{place}-{taken[place]}"
        label = key.suite if first else " ".join(filter(None, [key.suite, key.size, key.likelihood]))
        found.append(Section(board, place, label))
    return found
