"""What is drawn as a curve: figures over steps, and over collisions."""

import math
from collections.abc import Sequence

from physbench.evaluation.known import Known
from physbench.metrics.catalogue import all_metrics
from physbench.metrics.metric import Metric
from physbench.report.charts import Chart, Line, Point, line_chart
from physbench.result import Result, Score

BESIDE = ("tracker", "constant-velocity", "mean")
"""Reference rows that are drawn; copying is known of every step, and the others lie at the ends of any axis."""


AHEAD = "steps after the last shown frame"


def curves(result: Result, references: Sequence[Known], task: str) -> tuple[Chart, ...]:
    """The charts of a task, one after the other."""
    charts = (_chart(card, result, references, task) for card in all_metrics().values() if card.curve)
    return tuple(chart for chart in charts if chart)


def _chart(card: Metric, result: Result, references: Sequence[Known], task: str) -> Chart | None:
    if card.indices is not None:
        return (_by_collisions if "," in card.index else _by_steps)(card, result, references, task)
    values = result.curves.get((task, card.name))
    if not values:
        return None
    copied = _line_of_copying(card, values, result, task)
    along = AHEAD if "/" in task else "predicted frame" if "means" in card.needs else "frame"
    return line_chart(
        f"{card.name}: {card.curve}",
        [Line(result.provenance.model, _points(values)), *copied],
        along=along,
        ratios=bool(copied),
    )


def _by_steps(card: Metric, result: Result, references: Sequence[Known], task: str) -> Chart | None:
    ours = _steps(card, [score for score in result.scores if score.task == task])
    if not ours:
        return None
    copied = _line_of_copying(card, [point.value for point in ours], result, task)
    lines = [Line(result.provenance.model, ours), *copied]
    for look, name in enumerate(BESIDE, 2):
        if name != result.provenance.model:
            lines.append(
                Line(
                    name,
                    _steps(card, [row for row in references if (row.task, row.model) == (task, name)]),
                    look,
                    beside=True,
                )
            )
    return line_chart(f"{card.name}[{card.index}]: {card.curve}", lines, along=AHEAD, ratios=bool(copied))


def _by_collisions(card: Metric, result: Result, references: Sequence[Known], task: str) -> Chart | None:
    """A line for each distance, over the number of collisions since."""
    cells = [
        (*index.split(","), score)
        for score in result.scores
        if score.task == task and (index := _index(card, score.metric))
    ]
    kinds = list(dict.fromkeys(kind for _, kind, _ in cells))
    lines = [
        Line(
            f"{ahead} steps ahead",
            tuple(_point(kinds.index(kind) + 0.06 * place, score) for far, kind, score in cells if far == ahead),
            look,
        )
        for place, (look, ahead) in enumerate(
            zip((0, 2, 3, 4), dict.fromkeys(ahead for ahead, _, _ in cells), strict=False)
        )
    ]
    if not lines:
        return None
    lines.append(Line("copy", (Point(0, 1.0), Point(len(kinds) - 1, 1.0)), 1, beside=True))
    return line_chart(
        f"{card.name}[{card.index}]: {card.curve}", lines, along="collisions since the last shown frame", marks=kinds
    )


def _line_of_copying(card: Metric, values: Sequence[float], result: Result, task: str) -> list[Line]:
    """What copying costs, where another metric says how many times that the model costs."""
    share = next((each.name for each in all_metrics().values() if each.share_of == card.name), "")
    return (
        [Line("copy", _points(_cost_of_copying(values, result.curves.get((task, share), []))), 1, beside=True)]
        if share
        else []
    )


def _cost_of_copying(ours: Sequence[float], relative: Sequence[float]) -> list[float]:
    """What copying costs at each step, where it is known how many times that the model costs."""
    return [value / share if share else math.nan for value, share in zip(ours, relative, strict=False)]


def _points(values: Sequence[float]) -> tuple[Point, ...]:
    return tuple(Point(step, value) for step, value in enumerate(values, 1))


def _steps(card: Metric, scores: Sequence[Score | Known]) -> tuple[Point, ...]:
    return tuple(
        sorted(
            (_point(int(index), score) for score in scores if (index := _index(card, score.metric)).isdigit()),
            key=lambda point: point.x,
        )
    )


def _index(card: Metric, metric: str) -> str:
    """What stands in the brackets of a figure of this metric; nothing otherwise."""
    return metric.removeprefix(f"{card.name}[").removesuffix("]") if metric.startswith(f"{card.name}[") else ""


def _point(x: float, score: Score | Known) -> Point:
    return Point(x, score.value, score.low, score.high)
