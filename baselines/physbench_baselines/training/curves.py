"""The course of a run as a picture: losses, and how well it groups, over the steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from physbench.report.charts import WIDTH, Line, Point, line_chart
from physbench.report.pages import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from physbench_baselines.training.folder import Row

PANELS = {"loss": ("loss", "validation_loss"), "score": ("relative_bce", "ari")}

DROPPED = 0.02
"""Of the losses, the highest share: those of the first steps would press all others flat."""


def curves(rows: Sequence[Row], *, title: str) -> str:
    """Draw an SVG: a panel of losses, and one of relative_bce and ari where they were measured."""
    charts = [line_chart(name, _lines(rows, names), along="step", from_nought=name != "loss") for name, names in PANELS.items()]
    return render("curves.svg.j2", {"title": title, "width": WIDTH, "charts": [chart for chart in charts if chart]})


def _lines(rows: Sequence[Row], names: Sequence[str]) -> list[Line]:
    points = {name: [(row.step, value) for row in rows if (value := getattr(row, name)) is not None and math.isfinite(value)] for name in names}
    if "loss" in names:
        values = sorted(value for line in points.values() for _, value in line)
        most = values[max(math.ceil(len(values) * (1 - DROPPED)), 1) - 1] if values else math.inf
        points = {name: [(step, value) for step, value in line if value <= most] for name, line in points.items()}
    looks = zip((0, 2), points.items(), strict=True)
    return [Line(name.replace("_", " "), tuple(Point(step, value) for step, value in line), look) for look, (name, line) in looks if line]
