"""The columns of a board: what each of them shows of a model, and how it is sorted."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from physbench.metrics.catalogue import headlines
from physbench.report.definitions import define
from physbench.report.numbers import figures
from physbench.result import ENOUGH, NARROW
from physbench_leaderboard.boards import Board, Standing

MOST_FIRST = 4


class Cell(NamedTuple):
    """A cell of a table."""

    value: str
    interval: str
    exact: str  # the number for sorting


@dataclass(frozen=True)
class Column:
    """A column of one figure."""

    key: str  # in the address of the page
    task: str
    metric: str
    headline: bool
    first: bool  # shown by default
    narrow: bool = False  # whether its intervals come from so few sequences that they are too narrow

    @property
    def look(self) -> str:
        """The CSS class of its cells."""
        return "headline" if self.headline else "figure" if self.first else "figure more"

    @property
    def direction(self) -> str:
        """Whether lower or higher is better, in words."""
        definition = define(self.metric)
        return definition.direction if definition else ""

    @property
    def start(self) -> str:
        """The direction in which it is sorted first."""
        definition = define(self.metric)
        return "desc" if definition and definition.card.better == "higher" else "asc"

    def cell(self, standing: Standing) -> Cell:
        """Return the cell of a model."""
        each = standing.score(self.task, self.metric)
        value, interval = figures(*each)
        if self.narrow and interval:
            value, interval = f"{value} {NARROW}", f"{interval} {NARROW} (of fewer than {ENOUGH} sequences: too narrow)"
        return Cell(value, interval, f"{each.value:.9g}" if math.isfinite(each.value) else "")


def columns(board: Board) -> list[Column]:
    """Return the columns of a board: the metric that ranks, then those shown by default, then the others."""
    here = board.metrics()
    ranking = board.ranked_by
    had = {
        key
        for standing in board.standings or board.references
        for key, each in standing.scores.items()
        if math.isfinite(each.value)
    }
    chosen = [key for key in here if key[1] in headlines() and key in had and key != ranking]
    chosen = sorted(chosen, key=lambda key: (ranking is not None and key[1] != ranking[1], headlines().index(key[1])))[
        :MOST_FIRST
    ]
    order = [*([ranking] if ranking else []), *chosen, *(key for key in here if key != ranking and key not in chosen)]
    taken: set[str] = set()
    found: list[Column] = []
    for task, metric in order:
        key = metric if metric not in taken else f"{metric}@{task}"
        taken.add(metric)
        here_first = (task, metric) == ranking or (task, metric) in chosen
        found.append(Column(key, task, metric, (task, metric) == ranking, here_first, board.is_narrow(task, metric)))
    return found
