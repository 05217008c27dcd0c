"""The metrics by their names in a result: `bce`, `bce_last`, `rollout_bce[3]`, `event_error[10,3+]`."""

import re
from collections.abc import Iterable, Mapping
from functools import cache

from physbench import registry
from physbench.errors import UnknownName, suggest
from physbench.metrics.box_cards import BOX_CARDS
from physbench.metrics.code_cards import CODE_CARDS
from physbench.metrics.image_cards import IMAGE_CARDS
from physbench.metrics.metric import Metric
from physbench.metrics.object_cards import OBJECT_CARDS
from physbench.metrics.pixel_cards import PIXEL_CARDS
from physbench.metrics.state_cards import STATE_CARDS
from physbench.suites import SUITES

METRICS: dict[str, Metric] = {
    card.name: card for card in (*PIXEL_CARDS, *OBJECT_CARDS, *BOX_CARDS, *IMAGE_CARDS, *STATE_CARDS, *CODE_CARDS)
}
"""The built-in metrics, by name."""

WRITTEN = re.compile(r"(?P<stem>[a-z0-9_]+?)(?P<last>_last)?(?P<spread>_std)?(?P<index>\[[^\[\]]+\])?")


@cache
def all_metrics() -> Mapping[str, Metric]:
    """Return all metrics by name: the built-in ones, then those of installed packages."""
    return {**METRICS, **dict(registry.metrics.load_all(_foreign_metric, taken=METRICS))}


def _foreign_metric(name: str) -> Metric:
    card = registry.metrics.get(name)
    if not isinstance(card, Metric) or card.name != name:
        raise UnknownName(f"the metric {name!r} of an installed package is {card!r:.100}, not a Metric of this name")
    return card


@cache
def headlines() -> tuple[str, ...]:
    """Return the figures that tables show by default; the others are shown on request."""
    return tuple(card.headline for card in sorted(all_metrics().values(), key=lambda card: card.place) if card.place)


def names() -> list[str]:
    """List every name without an index."""
    cards = all_metrics().values()
    return [
        card.name + suffix
        for card in cards
        for suffix in ("", *["_last"] * card.last, *["_std"] * ("samples" in card.asked_of))
    ]


@cache
def find(name: str) -> Metric:
    """Return the card of a metric. `NAME_last`, `NAME_std` and `NAME[...]` have the same card as `NAME`."""
    written = WRITTEN.fullmatch(name)
    card = all_metrics().get(written["stem"]) if written else None
    if written and card and _is_allowed(card, written):
        return card
    raise UnknownName(f"no metric is called {name!r}: {suggest(name.partition('[')[0], names())}")


def is_foreign(name: str) -> bool:
    """Return whether a figure is one of a metric that does not come with physbench, installed or not."""
    written = WRITTEN.fullmatch(name)
    return written is not None and written["stem"] not in METRICS


def list_foreign(suite: str, figures: Iterable[str]) -> tuple[str, ...]:
    """List the figures that a table of this suite leaves out, because only those who have a package can compute them.

    A suite of another package keeps them: who has the suite can have the metric.
    """
    return tuple(dict.fromkeys(filter(is_foreign, figures))) if suite in SUITES else ()


def stands_in_tables(name: str) -> bool:
    """Return whether tables show a figure. Steps of curves and single samples are only in charts and in files."""
    stem, bracket, _ = name.partition("[")
    card = all_metrics().get(stem)
    return not bracket or (card is not None and card.tabled)


def _is_allowed(card: Metric, written: re.Match[str]) -> bool:
    sampled = "samples" in card.asked_of
    index = card.indices is not None or sampled
    return bool(
        (card.last or not written["last"]) and (sampled or not written["spread"]) and (index or not written["index"])
    )
