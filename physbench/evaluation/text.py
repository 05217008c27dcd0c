"""A result as text: a table for people, JSON for machines."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING

from physbench.evaluation.known import ROWS, published, references
from physbench.plainjson import dumped
from physbench.printable import printable
from physbench.result import told

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Extent
    from physbench.result import Result, Score


def to_json(found: Result) -> str:
    curves = [{"task": task, "metric": metric, "values": values} for (task, metric), values in found.curves.items()]
    return dumped({"provenance": asdict(found.provenance), "scores": [asdict(score) for score in found.scores], "curves": curves})


def as_text(found: Result, chosen: Extent) -> str:
    """The model with its intervals, the reference rows beside it, and what papers reported. Steps of curves are for CSV, JSON and the report."""
    beside = {(row.task, row.metric, row.model): row.value for row in references(chosen)}
    shown = [row for row in ROWS if row != found.provenance.model] if beside else []
    lines: list[str] = []
    width = max(12, len(found.provenance.model))
    for task in dict.fromkeys(score.task for score in found.scores):
        lines.append(f"{task:<32}{found.provenance.model:>{width}}   {'95 % interval':<24}" + "".join(f"{name:>18}" for name in shown))
        for score in (score for score in found.scores if score.task == task and "[" not in score.metric):
            lines.append(_line(score, width, [beside.get((task, score.metric, name)) for name in shown]))
            lines += [
                f"    {paper.model} in its paper, on its own data: {paper.value:g} ({paper.remark})"
                for paper in published(chosen.suite.name)
                if (paper.task, paper.metric) == (task, score.metric)
            ]
    origin = found.provenance
    lines += [f"Note: {told(note)}." for note in origin.notes]
    if not beside:
        lines.append(f"What copying and others score is known for lite and full, and stands beside those; this is {origin.size}.")
    lines.append(f"{origin.model} on {origin.suite} v{origin.suite_version}, {origin.size}: {found.scores[0].sequences:,} sequences, {origin.seconds:.1f} s")
    return "\n".join(map(printable, lines))


def _line(score: Score, width: int, others: list[float | None]) -> str:
    interval = "" if math.isnan(score.low) else f"{score.low:>10.5g} .. {score.high:<10.5g}"
    return f"  {score.metric:<30}{_short(score.value):>{width}}   {interval:<24}{''.join(f'{_short(other):>18}' for other in others)}".rstrip()


def _short(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.5g}"
