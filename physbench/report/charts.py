"""Line charts as SVG that stands in the page: colours come from its style, so they follow light and dark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from physbench.report.text import figures, number, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 392, 10, 192

LOGARITHMIC = 12.0
"""Where the largest value is so many times the smallest, equal steps are equal ratios."""

SMALLEST = 1e-7

KEY = '<svg class="key" viewBox="0 0 22 8" width="22" height="8" aria-hidden="true"><path class="line l{look}" d="M0 4H22"/></svg>'


@dataclass(frozen=True)
class Point:
    x: float
    value: float
    low: float = math.nan
    high: float = math.nan


@dataclass(frozen=True)
class Line:
    name: str
    points: tuple[Point, ...]
    look: int = 0  # 0 is the model, 1 is copying, others as they come
    beside: bool = False  # a reference row: the axis need not hold it

    @property
    def values(self) -> list[float]:
        return [each for point in self.points for each in (point.value, point.low, point.high) if math.isfinite(each)]


def stretches(own: Sequence[float], others: Sequence[float], *, logarithmic: bool) -> bool:
    """Say whether an axis that holds others too would leave our own less than half of its length."""
    scaled = math.log if logarithmic else float
    ends, most = [scaled(min(own)), scaled(max(own))], [scaled(min(*own, *others)), scaled(max(*own, *others))]
    least = math.log(2) if logarithmic else abs(max(own, key=abs)) / 2
    return most[1] - most[0] > 2 * max(ends[1] - ends[0], least) * (1 + 1e-9)


def chart(title: str, lines: Sequence[Line], *, along: str, ratios: bool = False, marks: Sequence[str] | None = None) -> str:
    """along: what x is; ratios: y may be logarithmic; marks: names of the values 0, 1, ... of x, whose intervals are drawn as bars, not as a band."""
    given = [line for line in lines if any(math.isfinite(point.value) for point in line.points)]
    if not given:
        return ""
    lines = _within(given, ratios)
    values = [each for line in lines for each in line.values]
    logarithmic = _logarithmic(values, ratios)
    ticks = _decades(min(values), max(values)) if logarithmic else _even(min(0.0, *values), max(values))
    xs = [point.x for line in lines for point in line.points]
    x = _scale(min(xs), max(xs), *((LEFT + 30, RIGHT - 30) if marks else (LEFT + 6, RIGHT - 6)))
    scale = _scale(*((math.log(ticks[0]), math.log(ticks[-1])) if logarithmic else (ticks[0], ticks[-1])), BOTTOM, TOP)

    def y(value: float) -> float:
        return scale(math.log(value)) if logarithmic else scale(value)

    parts = [_grid(ticks, y), _foot(x, marks, xs, along)]
    for line in sorted(lines, key=lambda line: -line.look):
        parts.append(_drawn(line, x, y, marks))
    keys = "".join(f"<span>{KEY.format(look=line.look)}{plain(line.name)}{'' if line in lines else _beyond(line, values)}</span>" for line in given)
    told = "; ".join(f"{line.name} from {number(line.points[0].value)} to {number(line.points[-1].value)}" for line in given)
    return (
        f'<figure class="chart"><figcaption><b>{plain(title)}</b>{" (logarithmic)" * logarithmic}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{plain(f"{title}: {told}")}">{"".join(parts)}</svg><p class="keys">{keys}</p></figure>'
    )


def _within(lines: Sequence[Line], ratios: bool) -> list[Line]:
    """The lines that are drawn: the models, and the reference rows that leave them at least half of the axis."""
    chosen = [line for line in lines if not line.beside] or list(lines)
    own = held = [each for line in chosen for each in line.values]
    for line in lines:
        more = [*held, *line.values]
        logarithmic = _logarithmic(more, ratios)
        if line not in chosen and not stretches(own if logarithmic else [0.0, *own], more, logarithmic=logarithmic):
            chosen, held = [*chosen, line], more
    return [line for line in lines if line in chosen]


def _logarithmic(values: Sequence[float], ratios: bool) -> bool:
    return ratios and min(values) > SMALLEST and max(values) > LOGARITHMIC * min(values)


def _beyond(line: Line, drawn: Sequence[float]) -> str:
    """Where a line lies that is not drawn."""
    low, high = min(line.values), max(line.values)
    where = number(low) if low == high else f"{number(low)} to {number(high)}"
    return f" (not drawn: {where}, {'above' if high > max(drawn) else 'below'} the axis)"


def _scale(start: float, end: float, first: float, last: float) -> Callable[[float], float]:
    span = (end - start) or 1.0
    return lambda value: first + (value - start) / span * (last - first)


def _even(low: float, high: float) -> list[float]:
    """Round numbers from below the least to above the greatest."""
    rough = ((high - low) or abs(high) or 1.0) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2, 5 of every power of ten, or the powers alone where those are many."""
    wide = high > 500 * low
    steps = [factor * 10.0**power for power in range(-9, 13) for factor in ((1,) if wide else (1, 2, 5))]
    first = max(k for k, step in enumerate(steps) if step <= low * (1 + 1e-9))
    last = min(k for k, step in enumerate(steps) if step >= high * (1 - 1e-9))
    return steps[first : last + 1]


def _grid(ticks: list[float], y: Callable[[float], float]) -> str:
    every = -(-len(ticks) // 8)
    return "".join(
        f'<path class="grid" d="M{LEFT} {y(tick):.1f}H{RIGHT}"/><text x="{LEFT - 6}" y="{y(tick) + 4:.1f}" class="end">{number(tick)}</text>'
        for tick in ticks[::every]
    )


def _foot(x: Callable[[float], float], marks: Sequence[str] | None, xs: list[float], along: str) -> str:
    low, high = round(min(xs)), round(max(xs))
    step = 1 if high - low <= 10 else 5 if high - low <= 35 else 10
    named = enumerate(marks) if marks else ((at, str(at)) for at in range(low, high + 1) if at % step == 0 or at == low == 1)
    ticks = "".join(f'<text x="{x(at):.1f}" y="{BOTTOM + 16}" class="mid">{plain(name)}</text>' for at, name in named)
    return f'{ticks}<text x="{(LEFT + RIGHT) / 2:.1f}" y="{HEIGHT - 4}" class="mid dim">{plain(along)}</text>'


def _drawn(line: Line, x: Callable[[float], float], y: Callable[[float], float], marks: Sequence[str] | None) -> str:
    parts: list[str] = []
    sure = [point for point in line.points if math.isfinite(point.low) and math.isfinite(point.high)]
    if marks:
        parts += [f'<path class="bar l{line.look}" d="M{x(point.x):.1f} {y(point.low):.1f}V{y(point.high):.1f}"/>' for point in sure]
    elif len(sure) > 1:
        edge = [f"{x(point.x):.1f} {y(point.low):.1f}" for point in sure] + [f"{x(point.x):.1f} {y(point.high):.1f}" for point in reversed(sure)]
        parts.append(f'<path class="band l{line.look}" d="M{"L".join(edge)}Z"/>')
    path, pen = "", "M"
    for point in line.points:
        if math.isfinite(point.value):
            path, pen = f"{path}{pen}{x(point.x):.1f} {y(point.value):.1f}", "L"
        else:
            pen = "M"
    parts.append(f'<path class="line l{line.look}" d="{path}"/>')
    if line.look != 1:
        for point in (point for point in line.points if math.isfinite(point.value)):
            value, interval = figures(point.value, point.low, point.high)
            words = f"{line.name}, {marks[round(point.x)] if marks else number(point.x)}: {value}" + f" ({interval})" * bool(interval)
            parts.append(f'<circle class="dot l{line.look}" cx="{x(point.x):.1f}" cy="{y(point.value):.1f}" r="2.4"><title>{plain(words)}</title></circle>')
    return "".join(parts)
