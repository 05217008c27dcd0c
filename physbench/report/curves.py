"""What is drawn as a curve: figures over steps, and over collisions."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from physbench.report.charts import Line, Point, line_chart

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from physbench.evaluation.known import Known
    from physbench.report.charts import Chart
    from physbench.result import Result, Score

STEP = re.compile(r"rollout_bce\[(\d+)\]")
CELL = re.compile(r"event_error\[(\d+),(.+)\]")

BESIDE = ("tracker", "constant-velocity", "mean")
"""Reference rows that are drawn; copying is known of every step, and the others lie at the ends of any axis."""


def curves(result: Result, references: Sequence[Known], task: str) -> tuple[Chart, ...]:
    """The charts of a task, one after the other."""
    drawn = (*_shown(result, task), _ahead(result, references, task), _overlap(result, task), _collided(result, task))
    return tuple(chart for chart in drawn if chart)


def _shown(result: Result, task: str) -> Iterator[Chart | None]:
    """One frame ahead: the step is the number of the frame."""
    name = result.provenance.model
    if bce := result.curves.get((task, "bce")):
        relative = result.curves.get((task, "relative_bce"), [])
        lines = [Line(name, _points(bce)), Line("copy", _points(_copied(bce, relative)), 1, beside=True)]
        yield line_chart("bce: nats per frame", lines, along="predicted frame", ratios=True)
    if ari := result.curves.get((task, "ari")):
        yield line_chart("ari: owners against objects", [Line(name, _points(ari))], along="frame")


def _ahead(result: Result, references: Sequence[Known], task: str) -> Chart | None:
    ours = _steps([score for score in result.scores if score.task == task])
    relative = result.curves.get((task, "rollout_relative_bce"), [])
    lines = [Line(result.provenance.model, ours), Line("copy", _points(_copied([point.value for point in ours], relative)), 1, beside=True)]
    for look, name in enumerate(BESIDE, 2):
        if name != result.provenance.model:
            lines.append(Line(name, _steps([row for row in references if (row.task, row.model) == (task, name)]), look, beside=True))
    return line_chart("rollout_bce[h]: nats per frame", lines, along="steps after the last shown frame", ratios=True) if ours else None


def _overlap(result: Result, task: str) -> Chart | None:
    found = result.curves.get((task, "rollout_overlap"))
    return line_chart("rollout_overlap", [Line(result.provenance.model, _points(found))], along="steps after the last shown frame") if found else None


def _collided(result: Result, task: str) -> Chart | None:
    """A line for each distance, over the number of collisions since."""
    cells = [(found[1], found[2], score) for score in result.scores if score.task == task and (found := CELL.fullmatch(score.metric))]
    kinds = list(dict.fromkeys(kind for _, kind, _ in cells))
    lines = [
        Line(f"{ahead} steps ahead", tuple(_point(kinds.index(kind) + 0.06 * place, score) for far, kind, score in cells if far == ahead), look)
        for place, (look, ahead) in enumerate(zip((0, 2, 3, 4), dict.fromkeys(ahead for ahead, _, _ in cells), strict=False))
    ]
    if not lines:
        return None
    lines.append(Line("copy", (Point(0, 1.0), Point(len(kinds) - 1, 1.0)), 1, beside=True))
    return line_chart("event_error[h,j]: relative to copying", lines, along="collisions since the last shown frame", marks=kinds)


def _copied(ours: Sequence[float], relative: Sequence[float]) -> list[float]:
    """What copying costs at each step, where it is known how many times that the model costs."""
    return [value / share if share else math.nan for value, share in zip(ours, relative, strict=False)]


def _points(values: Sequence[float]) -> tuple[Point, ...]:
    return tuple(Point(step, value) for step, value in enumerate(values, 1))


def _steps(scores: Sequence[Score | Known]) -> tuple[Point, ...]:
    return tuple(sorted((_point(int(found[1]), score) for score in scores if (found := STEP.fullmatch(score.metric))), key=lambda point: point.x))


def _point(x: float, score: Score | Known) -> Point:
    return Point(x, score.value, score.low, score.high)
