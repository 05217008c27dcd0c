"""What a metric is, in a box that opens by hover, focus and tap: once for the whole page, however many tables have the metric."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.errors import UnknownName
from physbench.metrics.catalogue import find
from physbench_leaderboard.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from physbench.metrics.card import Metric

PARTS = {
    "_ratio": "How many times as large with the first data as with the second",
    "_std": "The standard deviation over samples",
    "_last": "Of the last transition alone",
}


def card(metric: str) -> Metric | None:
    """None where nobody knows the metric."""
    try:
        return find(metric.removesuffix("_ratio"))
    except UnknownName:
        return None


def way(metric: str) -> str:
    """A ratio and a spread of figures are no better for being small or large in themselves, but the ratio is of costs."""
    found = card(metric)
    if found is None or found.better == "neither" or metric.endswith("_std"):
        return ""
    return f"{found.better} is better"


def place(metric: str) -> str:
    """The id of its box."""
    return f"what-{metric}"


def asked(metric: str) -> Markup:
    """The button that opens the box."""
    if card(metric) is None:
        return Markup()
    return element("button", "?", type="button", class_="what", popovertarget=place(metric), aria_label=f"what is {metric}?", title=_what(metric))


def boxes(metrics: Iterable[str]) -> Markup:
    return joined(_box(metric, found) for metric in dict.fromkeys(metrics) if (found := card(metric)))


def _box(metric: str, found: Metric) -> Markup:
    better = element("small", way(metric)) if way(metric) else ""
    told = [element("h3", metric, " ", better), element("p", _what(metric)), element("p", found.formula, class_="formula")]
    return element("div", *told, element("p", found.caution), element("p", found.paper, class_="dim"), id=place(metric), popover=True, class_="definition")


def _what(metric: str) -> str:
    found = card(metric)
    if found is None:
        return ""
    special = next((words for suffix, words in PARTS.items() if metric.endswith(suffix) and metric != found.name), "")
    return f"{special}: {found.definition}" if special else found.definition
