"""Metrics by name, as they stand in a result: `bce`, `bce_last`, `rollout_bce[3]`, `event_error[10,3+]`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from physbench.errors import UnknownName, suggest
from physbench.metrics.object_cards import OBJECT_CARDS
from physbench.metrics.pixel_cards import PIXEL_CARDS

if TYPE_CHECKING:
    from physbench.metrics.card import Metric

CARDS = (*PIXEL_CARDS, *OBJECT_CARDS)

METRICS: dict[str, Metric] = {card.name: card for card in CARDS}

HEADLINES = (
    "relative_bce", "relative_relational_bce", "permanence_bce", "rollout_overlap", "rollout_relative_bce",
    "rollout_position_error[10]", "relative_bce_ratio", "relative_relational_bce_ratio", "ari_video", "ari", "log_likelihood", "relational_log_likelihood",
)  # fmt: skip
"""Figures that tables show first; the others are shown when they are asked for."""

WRITTEN = re.compile(r"(?P<stem>[a-z_]+?)(?P<last>_last)?(?P<spread>_std)?(?P<index>\[[^\[\]]+\])?")


def names() -> list[str]:
    """Every name without an index."""
    return [card.name + suffix for card in CARDS for suffix in ("", *["_last"] * card.last, *["_std"] * card.sampled)]


def find(name: str) -> Metric:
    """The card of a metric; one step of a curve, and the last transition alone, are on the card of the whole."""
    written = WRITTEN.fullmatch(name)
    card = METRICS.get(written["stem"]) if written else None
    if written and card and _allowed(card, written):
        return card
    raise UnknownName(f"no metric is called {name!r}: {suggest(name.partition('[')[0], names())}")


def stands_in_tables(name: str) -> bool:
    """Tell figures that tables show from steps of curves and samples, which are drawn or left to machines."""
    stem, bracket, _ = name.partition("[")
    card = METRICS.get(stem)
    return not bracket or (card is not None and card.tabled)


def _allowed(card: Metric, written: re.Match[str]) -> bool:
    index = card.index or card.sampled
    return bool((card.last or not written["last"]) and (card.sampled or not written["spread"]) and (index or not written["index"]))
