"""The learning curves of a run as a picture: losses and figures over the steps."""

import math
from collections.abc import Sequence

from physbench.report.charts import WIDTH, Line, Point, line_chart
from physbench.report.pages import render
from physbench_baselines.training.folder import LogRow

DROPPED = 0.02
"""The share of the highest losses that is left out: the losses of the first steps would flatten all others."""


def curves(rows: Sequence[LogRow], *, title: str) -> str:
    """Draw an SVG with a panel of losses, and one of every other figure, in training and in validation."""
    panels: dict[str, dict[str, Line]] = {"loss": {}}
    for name in dict.fromkeys(["loss", *(name for row in rows for name in row.figures)]):
        points = tuple(
            Point(row.step, value)
            for row in rows
            if (value := row.cells().get(name)) is not None and math.isfinite(value)
        )
        look = 2 if name.startswith("validation_") else 0
        panels.setdefault(name.removeprefix("validation_"), {})[name] = Line(name.replace("_", " "), points, look)
    panels["loss"] = _without_the_highest(panels["loss"])
    charts = [
        line_chart(name, list(lines.values()), along="step", from_nought=name != "loss")
        for name, lines in panels.items()
    ]
    return render("curves.svg.j2", {"title": title, "width": WIDTH, "charts": [chart for chart in charts if chart]})


def _without_the_highest(lines: dict[str, Line]) -> dict[str, Line]:
    values = sorted(value for line in lines.values() for value in line.values)
    most = values[max(math.ceil(len(values) * (1 - DROPPED)), 1) - 1] if values else math.inf
    return {
        name: Line(line.name, tuple(point for point in line.points if point.value <= most), line.look)
        for name, line in lines.items()
    }
