"""The columns of a board: what each shows of a standing, and what it is sorted by."""

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
    value: str
    interval: str
    exact: str  # what it is sorted by


@dataclass(frozen=True)
class Column:
    """Of one figure."""

    key: str  # in the address of the page
    task: str
    metric: str
    headline: bool
    first: bool  # shown without being asked for
    narrow: bool = False  # of so few sequences that its intervals are too narrow

    @property
    def look(self) -> str:
        return "headline" if self.headline else "figure" if self.first else "figure more"

    @property
    def direction(self) -> str:
        definition = define(self.metric)
        return definition.direction if definition else ""

    @property
    def start(self) -> str:
        """Which way it is sorted first."""
        definition = define(self.metric)
        return "desc" if definition and definition.card.better == "higher" else "asc"

    def cell(self, standing: Standing) -> Cell:
        each = standing.score(self.task, self.metric)
        value, interval = figures(*each)
        if self.narrow and interval:
            value, interval = f"{value} {NARROW}", f"{interval} {NARROW} (of fewer than {ENOUGH} sequences: too narrow)"
        return Cell(value, interval, f"{each.value:.9g}" if math.isfinite(each.value) else "")


def columns(board: Board) -> list[Column]:
    """The ranking metric, what is looked at first, and the others."""
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
