"""All trainings of a model: the one whose weights are released, and the repeats with other seeds."""

import statistics
from collections.abc import Mapping, Sequence

from physbench.metrics.catalogue import find
from physbench_baselines.model_card import Card, Repeat
from physbench_baselines.releasing.bars import Place, find_score
from physbench_baselines.releasing.cards import format_table
from physbench_baselines.releasing.worlds import world_of

LEAST = 3
"""The least number of trainings of each of two models that can show a difference.

With three, all of one model are better than all of the other by chance in 1 of 20 cases.
"""


def list_values(trainings: Sequence[Card | Repeat], place: Place) -> list[float]:
    """List the figure of each training, without those that do not have it."""
    rows = [find_score(card.scores, *place) for card in trainings]
    return [row["value"] for row in rows if row and row["value"] is not None]


def judge_trainings(better: Sequence[float], worse: Sequence[float], metric: str) -> str | None:
    """Say whether every training of one model beats every one of the other; None if there are too few to decide."""
    if min(len(better), len(worse)) < LEAST:
        return None
    sign = -1 if find(metric).better == "lower" else 1
    ours, theirs = ([sign * value for value in values] for values in (better, worse))
    if min(ours) > max(theirs):
        return "holds"
    return "reversed" if max(ours) < min(theirs) else "cannot tell"


def format_trainings(trainings: Mapping[str, Sequence[Card | Repeat]]) -> str:
    """Write a table of each model that was trained more than once.

    It has the seeds, and mean and standard deviation over them.
    """
    return "\n\n".join(_format_model(name, cards) for name, cards in trainings.items() if len(cards) > 1)


def _format_model(name: str, cards: Sequence[Card | Repeat]) -> str:
    world = world_of(cards[0].data)
    figures = (
        {}
        if world is None
        else {title: place for title, place in world.figures.items() if len(list_values(cards, place)) > 1}
    )
    rows = [["", *figures, "steps", "hours"]]
    for card in cards:
        values = [list_values([card], place) for place in figures.values()]
        rows.append(
            [
                f"seed {card.train_seed}",
                *(f"{value[0]:.3f}" if value else "-" for value in values),
                f"{card.steps:,}",
                f"{card.hours:.2f}",
            ]
        )
    spreads = [list_values(cards, place) for place in figures.values()]
    rows.append(
        [
            "mean ± deviation",
            *(f"{statistics.mean(each):.3f} ± {statistics.stdev(each):.3f}" for each in spreads),
            "",
            "",
        ]
    )
    return f"**{name}**\n\n{format_table(rows)}"
