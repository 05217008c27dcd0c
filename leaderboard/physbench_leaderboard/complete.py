"""Which rows an evaluation of a suite has: those that every model has, and those that come together or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from physbench.metrics.card import FROM_THE_MODEL
from physbench.metrics.catalogue import METRICS, all_metrics
from physbench.suites import Asking, Suite, Task


@dataclass(frozen=True)
class Wanted:
    task: str
    metrics: tuple[str, ...]
    optional: bool = False  # all of them or none: what a model without owner maps, or without a standard deviation, does not have

    @property
    def keys(self) -> set[tuple[str, str]]:
        return {(self.task, metric) for metric in self.metrics}


def wanted(suite: Suite) -> list[Wanted]:
    """Everything that may be in a submission to a suite. Metrics of installed packages may be there or not."""
    found = [each for task in suite.tasks for asking in task.askings for each in _of(suite, task, asking)]
    if suite.against:
        found.append(Wanted(":".join(suite.against), tuple(card.name for card in METRICS.values() if card.quotient_of)))
    return found


def _of(suite: Suite, task: Task, asking: Asking) -> Iterator[Wanted]:
    if getattr(asking, "sample", 0):
        return  # the first sample speaks for all
    there = _there(suite, task, asking)
    together: dict[object, list[str]] = {(): []}
    for card in all_metrics().values():
        if asking.kind in card.asked_of and there.issuperset(set(card.needs).difference(FROM_THE_MODEL)):
            depends = tuple(need for need in card.needs if need in FROM_THE_MODEL)
            together.setdefault(depends if card.name in METRICS else card.name, []).extend(card.rows(asking))
    yield from (Wanted(task.names(asking), tuple(metrics), optional=bool(depends)) for depends, metrics in together.items())


def _there(suite: Suite, task: Task, asking: Asking) -> set[str]:
    """What a metric finds, whoever the model is."""
    stored = {name.partition("/")[0] for name in task.recipe.generator.arrays}
    rates = any(key[:2] == (task.name, asking.frames) for key in suite.pins.memoryless)
    return {"means", *stored, *["rates"] * rates}
