"""The charts of boards as one picture, an SVG file: two columns of panels, each with its legend below."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from physbench.report.charts import WIDTH, Chart, ChartKey
from physbench.report.pages import render
from physbench_leaderboard.boards import Board
from physbench_leaderboard.plots import plots

COLUMNS, GAP, HEAD = 2, 24, 36
ABOVE, ROW = 56, 18
"""Pixels of a panel above the first row of its legend, without the chart, and of such a row."""

LETTER, SWATCH, BETWEEN = 7.0, 24, 14
"""Pixels of a letter of the legend, at most on average; of its line, and between two entries."""


class PlacedKey(NamedTuple):
    """An entry of a legend and its place in the panel."""

    key: ChartKey
    x: float
    y: float


@dataclass(frozen=True)
class Panel:
    """A chart and its place in the picture."""

    chart: Chart
    x: float
    y: float

    @property
    def legend(self) -> list[PlacedKey]:
        """The entries of the legend, as many in a row as there is room for."""
        placed: list[PlacedKey] = []
        x, y = 8.0, ABOVE + self.chart.height
        for key in self.chart.keys:
            width = SWATCH + LETTER * len(key.words)
            if placed and x + width > WIDTH:
                x, y = 8.0, y + ROW
            placed.append(PlacedKey(key, x, y))
            x += width + BETWEEN
        return placed

    @property
    def height(self) -> float:
        """The height with titles and legend."""
        return max((each.y for each in self.legend), default=ABOVE + self.chart.height) + ROW


@dataclass(frozen=True)
class BoardPicture:
    """The panels of a board, under its title."""

    title: str
    y: float
    panels: tuple[Panel, ...]

    @property
    def foot(self) -> float:
        """The height at which it ends."""
        return max((panel.y + panel.height for panel in self.panels), default=self.y + HEAD)


def draw_boards(boards: Sequence[Board]) -> str:
    """Return all charts of the boards of a suite as SVG, one board below the other."""
    parts: list[BoardPicture] = []
    y = 0.0
    for board in boards:
        parts.append(BoardPicture(f"{board.key.name}: {board.about}", y, tuple(_lay_out(plots(board), y + HEAD))))
        y = parts[-1].foot + GAP
    values = {"parts": parts, "width": COLUMNS * (WIDTH + GAP) - GAP, "height": y}
    return render("charts.svg.j2", values, package="physbench_leaderboard")


def _lay_out(charts: Sequence[Chart], y: float) -> Iterator[Panel]:
    """Place charts in rows, from this height on."""
    for first in range(0, len(charts), COLUMNS):
        row = [Panel(chart, column * (WIDTH + GAP), y) for column, chart in enumerate(charts[first : first + COLUMNS])]
        yield from row
        y += max(panel.height for panel in row) + GAP
