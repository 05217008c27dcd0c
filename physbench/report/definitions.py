"""What a metric is, in the words of its card."""

from dataclasses import dataclass
from functools import cache

from physbench.errors import UnknownName
from physbench.metrics.catalogue import find
from physbench.metrics.metric import Metric

ARROWS = {"lower": "↓", "higher": "↑", "neither": ""}

PARTS = {
    "_ratio": "How many times as large with the first data as with the second",
    "_std": "The standard deviation over samples",
    "_last": "Of the last transition alone",
}


@dataclass(frozen=True)
class Definition:
    metric: str
    card: Metric
    words: str

    @property
    def arrow(self) -> str:
        return ARROWS[self.card.better]

    @property
    def reading(self) -> str:
        """Say which way is better and what a score of 1 is, in the words of the card where they hold."""
        stem = self.metric.partition("[")[0].removesuffix("_last")
        return self.card.reading if self.direction and stem == self.card.name else self.direction

    @property
    def direction(self) -> str:
        """Say which way is better; a spread of figures is no better for being small or large."""
        return "" if self.card.better == "neither" or self.metric.endswith("_std") else f"{self.card.better} is better"


@cache
def define(metric: str) -> Definition | None:
    """Look a metric up; None where there is no card of it."""
    try:
        card = find(metric.removesuffix("_ratio"))
    except UnknownName:
        return None
    stem = metric.partition("[")[0]
    part = next((words for suffix, words in PARTS.items() if stem.endswith(suffix) and stem != card.name), "")
    return Definition(metric, card, f"{part}: {card.definition}" if part else card.definition)
