"""The course of a run as a picture: losses, and how well it groups, over the steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from physbench.view.canvas import DIM, INK, blank, pen, png, write

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PIL.Image import Image

    from physbench.view.canvas import Colour
    from physbench_baselines.training.folder import Row

    Line = tuple[str, Colour, Sequence[tuple[float, float]]]  # what it is, its colour, its points

WIDTH, HEIGHT = 900, 300
LEFT, RIGHT, TOP, BOTTOM = 74, 24, 46, 34
LATTICE = (52, 56, 66)
ORANGE, SKY, GREEN = (230, 159, 0), (86, 180, 233), (0, 158, 115)
TICKS = 6
DROPPED = 0.02
"""Of the losses, the highest share: those of the first steps would press all others flat."""


def curves(rows: Sequence[Row], *, title: str) -> bytes:
    """A PNG: a panel of losses, and one of relative_bce and ari where they were measured."""

    def points(name: str) -> list[tuple[float, float]]:
        return [(row.step, value) for row in rows if (value := row.cells().get(name)) is not None and math.isfinite(value)]

    losses: list[Line] = [("loss", SKY, points("loss")), ("validation loss", ORANGE, points("validation_loss"))]
    figures: list[Line] = [("ari", GREEN, points("ari")), ("relative_bce", ORANGE, points("relative_bce"))]
    panels = [lines for lines in (losses, figures) if any(line[2] for line in lines)] or [losses]
    image = blank(WIDTH, 40 + HEIGHT * len(panels))
    write(image, (LEFT, 26), title, INK, anchor="ls", size=17, room=WIDTH - LEFT - RIGHT)
    first, last = _steps([x for lines in panels for _, _, line in lines for x, _ in line])
    for number, lines in enumerate(panels):
        values = sorted(y for _, _, line in lines for _, y in line)
        if lines is losses:
            low, high = _range(values[: max(math.ceil(len(values) * (1 - DROPPED)), 1)])
        else:
            low, high = min([0.0, *values]), max([1.0, *(min(value, 1.5) for value in values)])
        _panel(image, lines, top=40 + HEIGHT * number, first=first, last=last, low=low, high=high)
    return png(image)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers within a range, a handful of them."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    gap = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [index * gap for index in range(math.ceil(low / gap - 1e-9), math.floor(high / gap + 1e-9) + 1)]


def _steps(steps: Sequence[float]) -> tuple[float, float]:
    """From the first step that something is known of to the last; from 0 on where there is but one."""
    first, last = min(steps, default=0.0), max(steps, default=1.0)
    return (first, last) if first < last else (0.0, max(last, 1.0))


def _range(values: Sequence[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = values[0], values[-1]
    spare = (high - low) * 0.05 or abs(high) * 0.05 or 1.0
    return low - spare, high + spare


def _panel(image: Image, lines: Sequence[Line], *, top: int, first: float, last: float, low: float, high: float) -> None:
    y0, y1 = top + TOP, top + HEIGHT - BOTTOM
    x0, x1 = LEFT, WIDTH - RIGHT

    def place(x: float, y: float) -> tuple[float, float]:
        return x0 + (x1 - x0) * (x - first) / (last - first), y1 - (y1 - y0) * (min(max(y, low), high) - low) / (high - low)

    draw = pen(image)
    for value in ticks(low, high):
        _, y = place(first, value)
        draw.line([(x0, y), (x1, y)], LATTICE)
        write(image, (x0 - 8, round(y)), f"{value:,.10g}", DIM, anchor="rm", size=13)
    for step in ticks(first, last):
        x, _ = place(step, low)
        draw.line([(x, y1), (x, y1 + 5)], DIM)
        write(image, (round(x), y1 + 9), f"{step:,.10g}", DIM, anchor="mt", size=13)
    draw.line([(x0, y0), (x0, y1), (x1, y1)], DIM)
    at = x0
    for name, colour, points in lines:
        if not points:
            continue
        placed = [place(*point) for point in points]
        if len(placed) > 1:
            draw.line(placed, colour, width=2, joint="curve")
        if len(placed) < 40:
            for x, y in placed:
                draw.ellipse([(x - 3, y - 3), (x + 3, y + 3)], colour)
        draw.rectangle([(at, y0 - 24), (at + 12, y0 - 12)], colour)
        at = write(image, (at + 18, y0 - 18), name, INK, anchor="lm", size=14) + 24
    write(image, (x1, y0 - 18), "by step", DIM, anchor="rm", size=13)
