"""What the tables of the page hold: scores beside what is known, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, cast

from physbench.evaluation.known import Known, Published
from physbench.metrics.catalogue import stands_in_tables
from physbench.report.text import NOTHING
from physbench.result import Provenance, Result, Score

Facts = list[tuple[str, list[tuple[str, object]]]]


@dataclass(frozen=True)
class Scores:
    """The figures of a task; those with a card of their own in a table, steps and parts folded away."""

    model: str
    whole: Sequence[Score]
    parts: Sequence[Score]
    known: Mapping[tuple[str, str], Known]  # by model and metric
    reported: Mapping[tuple[str, str], Published]
    papers: Mapping[tuple[str, str, str], Sequence[str]]  # paper, link, remark: its models

    @property
    def references(self) -> list[str]:
        return list(dict.fromkeys(model for model, _ in self.known))

    @property
    def others(self) -> list[str]:
        return list(dict.fromkeys(model for model, _ in self.reported))


def scores(result: Result, references: Sequence[Known], published: Sequence[Published], task: str) -> Scores:
    model = result.provenance.model
    here = [score for score in result.scores if score.task == task]
    whole, parts = ([score for score in here if stands_in_tables(score.metric) is tabled] for tabled in (True, False))
    reported = [row for row in published if row.task == task]
    papers: dict[tuple[str, str, str], dict[str, None]] = {}
    for row in reported:
        papers.setdefault((row.paper, row.link, row.remark), {})[row.model] = None
    return Scores(
        model,
        whole,
        parts,
        {(row.model, row.metric): row for row in references if row.task == task and row.model != model},
        {(row.model, row.metric): row for row in reported},
        {source: list(models) for source, models in papers.items()},
    )


def facts(origin: Provenance) -> Facts:
    """Where scores come from: names with their values, which may have names of their own."""
    return [(field.name.replace("_", " "), _values(getattr(origin, field.name))) for field in fields(origin)]


def _values(value: Any) -> list[tuple[str, object]]:
    if value is None or value in ((), {}):
        return [("", NOTHING)]
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).items())
    if isinstance(value, tuple):
        return [("", each) for each in cast("tuple[str, ...]", value)]
    return [("", f"{value:,.1f}" if isinstance(value, float) else str(value))]
