"""Boards, the ranked tables that are made from submissions.

Rows are compared only if they have the same suite and version, size, data and version of the metrics. A model's rank is
1 + the number of models that are better and can be told apart from it, so models that cannot be told apart from the
best share the first rank. Reference rows and numbers from papers are shown too, without a rank.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any, Literal, NamedTuple

from physbench.evaluation.known import Published, list_published
from physbench.metrics.catalogue import find, stands_in_tables
from physbench.model import TrainingCost
from physbench.report.numbers import number
from physbench.suites import PRIVILEGED, SIZES, installed_suites, suite_of
from physbench_leaderboard.budgets import is_cost, list_budgets, read_cost
from physbench_leaderboard.entries import Entry
from physbench_leaderboard.estimate import NOTHING, Contender, ScoreEstimate, better
from physbench_leaderboard.store import Listed
from physbench_leaderboard.submission_checks import is_reference
from physbench_leaderboard.trust import DEGREES


class BoardKey(NamedTuple):
    """The values that rows must share to be compared."""

    suite: str
    suite_version: int
    size: str
    metric_version: int
    data: tuple[str, ...]
    # set if log-likelihoods are ranked: probabilities, densities, and different sigmas have separate boards
    likelihood: str = ""

    @property
    def name(self) -> str:
        """A short name, made of small letters, digits and hyphens."""
        return "-".join([self.suite, f"v{self.suite_version}", self.size, *self.likelihood.replace(".", "-").split()])


@dataclass(frozen=True)
class Standing:
    """A model's row on a board."""

    rank: int | None  # None: not ranked
    model: str
    scores: Mapping[tuple[str, str], ScoreEstimate] = field(repr=False)  # by task and metric, with steps of curves
    trainings: int
    evaluations: int
    trust: str
    parameters: int | None = None
    model_link: str | None = None
    paper_link: str | None = None
    cost: TrainingCost | None = None  # of the dearest of its trainings; None if it is not known of each of them
    ranks: Mapping[str, int] = field(default_factory=lambda: {}, repr=False)  # within the budgets that its cost fits
    notes: tuple[str, ...] = ()
    date: str = ""

    def score(self, task: str, metric: str) -> ScoreEstimate:
        """Return a figure with its interval; NaN if there is none."""
        return self.scores.get((task, metric), NOTHING)

    def curve(self, task: str, metric: str, after: str = "") -> dict[str, ScoreEstimate]:
        """Return the figures of a metric with steps: {"1": ..., "2": ...}.

        after: what comes before the step in the brackets, such as "10," for `event_error[10,0]`.
        """
        start = f"{metric}[{after}"
        return {
            name.removeprefix(start).removesuffix("]"): each
            for (place, name), each in self.scores.items()
            if place == task and name.startswith(start)
        }


@dataclass(frozen=True)
class Board:
    """A table of models under one key."""

    key: BoardKey
    about: str
    ranked_by: tuple[str, str] | None  # task, metric
    better: Literal["lower", "higher", "neither"]
    standings: tuple[Standing, ...]
    references: tuple[Standing, ...]
    published: tuple[Published, ...]

    def headline(self, standing: Standing) -> ScoreEstimate:
        """Return a model's figure for the metric that ranks; NaN if there is none."""
        return standing.score(*self.ranked_by) if self.ranked_by else NOTHING

    def describe_bar(self) -> str:
        """Return a sentence that names the best reference row that sees only frames, and the models worse than it.

        The sentence is empty if there is no such row.
        """
        sign = -1 if self.better == "higher" else 1
        rows = [
            row for row in self.references if row.model not in PRIVILEGED and math.isfinite(self.headline(row).value)
        ]
        if not rows:
            return ""
        bar = min(rows, key=lambda row: sign * self.headline(row).value)
        below = [
            row.model for row in self.standings if sign * self.headline(row).value > sign * self.headline(bar).value
        ]
        words = (
            f"The best row that learns nothing and sees frames alone is {bar.model}"
            f" ({number(self.headline(bar).value)})."
        )
        return f"{words} Worse: {', '.join(below)}." if below else words

    def is_narrow(self, task: str, metric: str) -> bool:
        """Return whether the intervals of a figure come from so few sequences that they are too narrow."""
        suite = installed_suites().get(self.key.suite)
        return suite is not None and (task, metric, suite.sequences or SIZES.get(self.key.size)) in suite.pins.rare

    def metrics(self) -> list[tuple[str, str]]:
        """Return the task and the metric of every figure that tables show and that any row has."""
        found = {
            key: None
            for standing in (*self.references, *self.standings)
            for key in standing.scores
            if stands_in_tables(key[1])
        }
        return list(found)


def boards(listed: Iterable[Listed], *, suite: str | None = None, budget: str | None = None) -> list[Board]:
    """Make the boards of all listed submissions, in the order of the suites, with small sizes first.

    suite: make only the boards of this suite. budget: list and rank only models whose training fits it.
    """
    found: dict[BoardKey, list[tuple[Entry, Listed]]] = {}
    for each in listed:
        for entry in each.entries:
            if suite in (None, entry.who.suite):
                found.setdefault(_key(entry), []).append((entry, each))
    order = list(installed_suites()), list(SIZES)
    keys = sorted(
        found, key=lambda key: (order[0].index(key.suite), order[1].index(key.size), key.likelihood != "bernoulli", key)
    )
    made = [_board(key, found[key]) for key in keys]
    return [_limit_to(board, budget) for board in made] if budget else made


def _key(entry: Entry) -> BoardKey:
    at = entry.who
    ranked = suite_of(at.suite).ranked_by
    return BoardKey(
        at.suite,
        at.suite_version,
        at.size,
        at.metric_version,
        entry.data,
        entry.likelihood if ranked and find(ranked[1]).minus_of else "",
    )


def _board(key: BoardKey, found: list[tuple[Entry, Listed]]) -> Board:
    suite = suite_of(key.suite)
    models: dict[str, list[tuple[Entry, Listed]]] = {}
    for entry, listed in sorted(
        found, key=lambda pair: pair[0].who[:1] + tuple(-1 if each is None else each for each in pair[0].who[1:3])
    ):
        models.setdefault(entry.who.model, []).append((entry, listed))
    direction = find(suite.ranked_by[1]).better if suite.ranked_by else "neither"
    contenders = {
        model: Contender(tuple(entry for entry, _ in pairs), tuple(listed.sums for _, listed in pairs), suite.ranked_by)
        for model, pairs in models.items()
    }
    costs = {model: read_cost(entry.first for entry in each.entries) for model, each in contenders.items()}
    ranks = _rank({model: each for model, each in contenders.items() if not is_reference(model)}, direction, costs)
    standings = [
        _standing(model, each, [listed for _, listed in models[model]], ranks.get(model, {}), costs[model])
        for model, each in contenders.items()
    ]
    sign = -1 if direction == "higher" else 1
    models_of, references = (
        [each for each in standings if (each.model in suite.references) is beside] for beside in (False, True)
    )
    return Board(
        key,
        suite.about,
        suite.ranked_by,
        direction,
        standings=tuple(sorted(models_of, key=lambda each: _order(each, suite.ranked_by, sign))),
        references=tuple(sorted(references, key=lambda standing: suite.references.index(standing.model))),
        published=tuple(list_published(key.suite)),
    )


def _rank(
    contenders: Mapping[str, Contender],
    direction: Literal["lower", "higher", "neither"],
    costs: Mapping[str, TrainingCost | None],
) -> dict[str, dict[str, int]]:
    """Return the ranks of the models that have the figure that ranks: among all (""), and within each budget."""
    if direction == "neither":
        return {}
    ranked = {model: each for model, each in contenders.items() if each.headline.value == each.headline.value}
    ranks = {model: {name: 1 for name in ("", *list_budgets(costs[model]))} for model in ranked}
    for (model, ours), (other, theirs) in combinations(ranked.items(), 2):
        if winner := better(ours, theirs, direction):
            first, second = (model, other) if winner is ours else (other, model)
            for name in ranks[first].keys() & ranks[second].keys():
                ranks[second][name] += 1
    return ranks


def _limit_to(board: Board, budget: str) -> Board:
    """Return a board with only those models that fit a budget, and their ranks among one another."""
    standings = [
        replace(standing, rank=standing.ranks.get(budget))
        for standing in board.standings
        if budget in list_budgets(standing.cost)
    ]
    sign = -1 if board.better == "higher" else 1
    return replace(board, standings=tuple(sorted(standings, key=lambda each: _order(each, board.ranked_by, sign))))


def _order(standing: Standing, ranked_by: tuple[str, str] | None, sign: int) -> Any:
    value = sign * standing.score(*ranked_by).value if ranked_by else 0.0
    return standing.rank is None, standing.rank, value if math.isfinite(value) else math.inf, standing.model


def _standing(
    model: str, contender: Contender, listed: list[Listed], ranks: Mapping[str, int], cost: TrainingCost | None
) -> Standing:
    keys = dict.fromkeys(key for entry in contender.entries for key in entry.rows)
    rows = [entry.first for entry in contender.entries]
    return Standing(
        rank=ranks.get(""),
        model=model,
        scores={key: contender.estimate(key) for key in keys},
        trainings=len(contender.trainings),
        evaluations=len(contender.entries),
        trust=min((each.trust for each in listed), key=DEGREES.index),
        parameters=max((row.parameters for row in rows if row.parameters is not None), default=None),
        model_link=next((row.model_link for row in rows if row.model_link), None),
        paper_link=next((row.paper_link for row in rows if row.paper_link), None),
        cost=cost,
        ranks=ranks,
        notes=tuple(sorted({note for row in rows for note in row.notes if not is_cost(note)})),
        date=max(row.date for row in rows),
    )
