"""The columns of a board: how each is headed, what it shows of a standing, and what it is sorted by."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from physbench.metrics.catalogue import headlines
from physbench.report.text import NOTHING, figures
from physbench.result import ENOUGH, NARROW, told
from physbench_leaderboard.definitions import asked, card, way
from physbench_leaderboard.markup import Markup, anchor, breakable, element, joined
from physbench_leaderboard.trust import DEGREES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from physbench_leaderboard.estimate import Estimate
    from physbench_leaderboard.table import Board, Standing

MOST_FIRST = 4


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

    def head(self, board: Board) -> Markup:
        elsewhere = board.ranked_by is None or self.task != board.ranked_by[0]
        about = [element("small", breakable(self.task))] if elsewhere else []
        about += [element("small", way(self.metric), class_="way")] if way(self.metric) else []
        found = card(self.metric)
        start = "desc" if found is not None and found.better == "higher" else "asc"
        return head(self.key, breakable(self.metric), *about, look=self.look, start=start, number=True, asked=asked(self.metric))

    def cell(self, standing: Standing) -> Markup:
        each = standing.score(self.task, self.metric)
        value, interval = figures(each.value, each.low, each.high)
        if self.narrow and interval:
            interval += f" {NARROW} (of fewer than {ENOUGH} sequences: too narrow)"
            value += f" {NARROW}"
        if self.headline:
            return element("td", value, element("small", interval) if interval else "", class_=self.look, data_v=exact(each))
        return element("td", value, class_=self.look, data_v=exact(each), title=f"95 % interval: {interval}" if interval else None)


def columns(board: Board) -> list[Column]:
    """The ranking metric, what is looked at first, and the others."""
    here = board.metrics()
    ranking = board.ranked_by
    had = {key for standing in board.standings or board.references for key, each in standing.scores.items() if math.isfinite(each.value)}
    chosen = [key for key in here if key[1] in headlines() and key in had and key != ranking]
    chosen = sorted(chosen, key=lambda key: (ranking is not None and key[1] != ranking[1], headlines().index(key[1])))[:MOST_FIRST]
    order = [*([ranking] if ranking else []), *chosen, *(key for key in here if key != ranking and key not in chosen)]
    taken: set[str] = set()
    found: list[Column] = []
    for task, metric in order:
        key = metric if metric not in taken else f"{metric}@{task}"
        taken.add(metric)
        here_first = (task, metric) == ranking or (task, metric) in chosen
        found.append(Column(key, task, metric, (task, metric) == ranking, here_first, board.is_narrow(task, metric)))
    return found


def head(key: str, words: object, *about: Markup, look: str, start: str = "asc", number: bool = False, asked: Markup | None = None) -> Markup:
    """Of any column. start: which way it is sorted first."""
    button = element("button", words, type="button", class_="sort", disabled=True)
    kind = "number" if number else "text"
    inside = element("span", button, asked or "", class_="heading")
    return element("th", inside, *about, scope="col", class_=look, data_key=key, data_kind=kind, data_start=start)


def heads(board: Board, figures: list[Column]) -> Markup:
    before = [head("rank", "rank", look="rank", number=True), head("model", "model", look="model")]
    after = [
        head("trainings", "trainings", look="count", number=True, start="desc"),
        head("parameters", "parameters", look="count", number=True),
        head("trust", "trust", look="trust", number=True, start="desc"),
        head("notes", "notes", look="notes"),
        head("date", "date", look="date", start="desc"),
    ]
    return element("tr", *before, *(column.head(board) for column in figures), *after)


def row(standing: Standing, figures: list[Column]) -> Markup:
    return element("tr", *_who(standing), *(column.cell(standing) for column in figures), *_about(standing))


def exact(each: Estimate) -> str:
    return f"{each.value:.9g}" if math.isfinite(each.value) else ""


def _who(standing: Standing) -> Iterator[Markup]:
    yield element("td", NOTHING if standing.rank is None else standing.rank, class_="rank")
    paper = anchor(standing.paper_link, "paper") if standing.paper_link else ""
    link = joined([" ", element("small", paper)]) if isinstance(paper, Markup) and paper.startswith("<a ") else ""
    yield element("th", anchor(standing.model_link, breakable(standing.model)), link, scope="row", class_="model", data_v=standing.model)


def _about(standing: Standing) -> Iterator[Markup]:
    more = f"{standing.evaluations} evaluations" if standing.evaluations != standing.trainings else None
    yield element("td", f"{standing.trainings:,}", class_="count", data_v=standing.trainings, title=more)
    count = standing.parameters
    yield element("td", NOTHING if count is None else f"{count:,}", class_="count", data_v="" if count is None else count)
    degree = DEGREES.index(standing.trust) if standing.trust in DEGREES else -1
    yield element("td", element("span", standing.trust, class_=f"degree d{degree}" if degree >= 0 else "degree"), class_="trust", data_v=degree)
    notes = joined((element("span", note, class_="note", title=told(note)) for note in standing.notes), " ")
    yield element("td", notes, class_="notes")
    yield element("td", standing.date, class_="date")
