"""Charts as shapes in SVG, drawn by a template: axes, lines, bars and dots. Colours come from the style around them, so
they follow light and dark."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from physbench.report.numbers import describe, number

WIDTH, HEIGHT = 400, 230
LEFT, RIGHT, TOP, BOTTOM = 52, 392, 10, 192

LOGARITHMIC = 12.0
"""Where the largest value is so many times the smallest, equal steps are equal ratios."""

SMALLEST = 1e-7

DOTTED = 100
"""A line of more points than that has no dots."""

MOST_LEVELS = 8
"""Values written beside an axis."""


class Shape(NamedTuple):
    """An element of SVG."""

    tag: str
    attributes: Mapping[str, object]
    words: str = ""
    title: str = ""  # shown on hover


class ChartKey(NamedTuple):
    look: int
    words: str


@dataclass(frozen=True)
class Chart:
    """A drawing with its title and what a reader who does not see it is told."""

    title: str
    about: str
    summary: str
    shapes: tuple[Shape, ...]
    height: float = HEIGHT
    keys: tuple[ChartKey, ...] = ()
    width: float = WIDTH


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


@dataclass(frozen=True)
class Axis:
    first: float  # where the least value lies, in the picture
    last: float
    low: float
    high: float
    ticks: tuple[float, ...]
    logarithmic: bool = False

    def at(self, value: float) -> float:
        """Place a value; one that lies outside is drawn at the edge."""
        low, high, value = self.low, self.high, min(max(value, self.low), self.high)
        if self.logarithmic:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.first + (value - low) / ((high - low) or 1.0) * (self.last - self.first)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def few(self, most: int) -> tuple[float, ...]:
        """Leave out ticks until there are no more than that."""
        return self.ticks[:: -(-len(self.ticks) // most)]


def spreads(values: Sequence[float]) -> bool:
    """Say whether values are so far apart that equal steps should be equal ratios."""
    return min(values) > SMALLEST and max(values) > LOGARITHMIC * min(values)


def stretches(own: Sequence[float], others: Sequence[float], *, logarithmic: bool) -> bool:
    """Say whether an axis that holds others too would leave our own less than half of its length."""
    scaled = math.log if logarithmic else float
    ends, most = [scaled(min(own)), scaled(max(own))], [scaled(min(*own, *others)), scaled(max(*own, *others))]
    least = math.log(2) if logarithmic else abs(max(own, key=abs)) / 2
    return most[1] - most[0] > 2 * max(ends[1] - ends[0], least) * (1 + 1e-9)


def axis(values: Sequence[float], first: float, last: float, *, logarithmic: bool | None = None) -> Axis:
    """Lay an axis between round values that hold all others; from nought on where that is near. logarithmic: None:
    where values are far apart."""
    low, high = min(values), max(values)
    if logarithmic is None:
        logarithmic = spreads(values)
    if not logarithmic and (0 < low < high / 2 or 0 < low == high):
        low = 0.0
    ticks = tuple(_powers(low, high) if logarithmic else _even(low, high))
    return Axis(first, last, ticks[0], ticks[-1], ticks, logarithmic)


def step_axis(steps: Sequence[float], first: float, last: float) -> Axis:
    """Lay an axis from the first step to the last, with whole numbers beside it."""
    low, high = min(steps), max(steps)
    whole = [
        tick for tick in _even(low, high, count=9 if high < 1000 else 4) if low <= tick <= high and tick == round(tick)
    ]
    return Axis(first, last, low, high, tuple([low] * (low == 1 and low not in whole) + whole))


def line_chart(
    title: str,
    lines: Sequence[Line],
    *,
    along: str,
    ratios: bool = False,
    marks: Sequence[str] | None = None,
    from_nought: bool = True,
) -> Chart | None:
    """Draw lines over steps; None where nothing is known.

    along: what x is; ratios: y may be logarithmic; marks: names of the values 0, 1, ... of x, whose intervals are drawn
    as bars, not as a band; from_nought: an axis of even steps begins there or below.
    """
    given = [line for line in lines if any(math.isfinite(point.value) for point in line.points)]
    if not given:
        return None
    lines = _within(given, ratios)
    values = [each for line in lines for each in line.values]
    logarithmic = ratios and spreads(values)
    upward = axis(values if logarithmic or not from_nought else [0.0, *values], BOTTOM, TOP, logarithmic=logarithmic)
    xs = [point.x for line in lines for point in line.points]
    across = (
        Axis(LEFT + 30, RIGHT - 30, min(xs), max(xs), tuple(range(len(marks))))
        if marks
        else step_axis(xs, LEFT + 6, RIGHT - 6)
    )
    shapes = [shape for tick in upward.few(MOST_LEVELS) for shape in level(tick, upward)]
    shapes += [
        text(marks[round(tick)] if marks else number(tick), across.at(tick), BOTTOM + 16, "mid")
        for tick in across.ticks
    ]
    shapes.append(text(along, (LEFT + RIGHT) / 2, HEIGHT - 4, "mid dim"))
    for line in sorted(lines, key=lambda line: -line.look):
        shapes += _draw(line, across, upward, marks)
    keys = tuple(ChartKey(line.look, f"{line.name}{'' if line in lines else _beyond(line, values)}") for line in given)
    summary = "; ".join(
        f"{line.name} from {number(line.points[0].value)} to {number(line.points[-1].value)}" for line in given
    )
    return Chart(title, "(logarithmic)" * logarithmic, summary, tuple(shapes), keys=keys)


def path(look: str, d: str, *, title: str = "") -> Shape:
    return Shape("path", {"class": look, "d": d}, title=title)


def dot(x: float, y: float, look: int, *, title: str, radius: float = 2.4) -> Shape:
    return Shape("circle", {"class": f"dot l{look}", "cx": f"{x:.1f}", "cy": f"{y:.1f}", "r": radius}, title=title)


def text(words: str, x: float, y: float, look: str) -> Shape:
    return Shape("text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "class": look}, words)


def bar(look: int, x: float, y: float, *, x1: float | None = None, y1: float | None = None) -> Shape:
    """Draw an interval, across or upright."""
    return path(f"bar l{look}", f"M{x:.1f} {y:.1f}" + (f"H{x1:.1f}" if x1 is not None else f"V{y1:.1f}"))


def level(tick: float, upward: Axis) -> Iterable[Shape]:
    y = upward.at(tick)
    return path("grid", f"M{LEFT} {y:.1f}H{RIGHT}"), text(number(tick), LEFT - 6, y + 4, "end")


def upright(tick: float, across: Axis, foot: float) -> Iterable[Shape]:
    x = across.at(tick)
    return path("grid", f"M{x:.1f} {TOP}V{foot}"), text(number(tick), x, foot + 16, "mid")


def _within(lines: Sequence[Line], ratios: bool) -> list[Line]:
    """The lines that are drawn: the models, and the reference rows that leave them at least half of the axis."""
    chosen = [line for line in lines if not line.beside] or list(lines)
    own = held = [each for line in chosen for each in line.values]
    for line in lines:
        more = [*held, *line.values]
        logarithmic = ratios and spreads(more)
        if line not in chosen and not stretches(own if logarithmic else [0.0, *own], more, logarithmic=logarithmic):
            chosen, held = [*chosen, line], more
    return [line for line in lines if line in chosen]


def _beyond(line: Line, drawn: Sequence[float]) -> str:
    """Where a line lies that is not drawn."""
    low, high = min(line.values), max(line.values)
    where = number(low) if low == high else f"{number(low)} to {number(high)}"
    return f" (not drawn: {where}, {'above' if high > max(drawn) else 'below'} the axis)"


def _even(low: float, high: float, *, count: int = 4) -> list[float]:
    """Round numbers from below the least to above the greatest, about so many steps."""
    rough = ((high - low) or abs(high) or 1.0) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 of each where there are few."""
    factors = (1,) if high > 500 * low else (1, 2, 5)
    steps = [
        factor * 10.0**power
        for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
        for factor in factors
    ]
    first = max(k for k, step in enumerate(steps) if step <= low * (1 + 1e-9))
    last = min(k for k, step in enumerate(steps) if step >= high * (1 - 1e-9))
    return steps[first : max(last, first + 1) + 1]


def _draw(line: Line, across: Axis, upward: Axis, marks: Sequence[str] | None) -> Iterable[Shape]:
    sure = [point for point in line.points if math.isfinite(point.low) and math.isfinite(point.high)]
    if marks:
        yield from (
            bar(line.look, across.at(point.x), upward.at(point.low), y1=upward.at(point.high)) for point in sure
        )
    elif len(sure) > 1:
        edge = [(point.x, point.low) for point in sure] + [(point.x, point.high) for point in reversed(sure)]
        yield path(f"band l{line.look}", f"M{'L'.join(f'{across.at(x):.1f} {upward.at(y):.1f}' for x, y in edge)}Z")
    drawn, pen = "", "M"
    for point in line.points:
        if math.isfinite(point.value):
            drawn, pen = f"{drawn}{pen}{across.at(point.x):.1f} {upward.at(point.value):.1f}", "L"
        else:
            pen = "M"
    yield path(f"line l{line.look}", drawn)
    if line.look == 1 or len(line.points) > DOTTED:
        return
    for point in (point for point in line.points if math.isfinite(point.value)):
        words = (
            f"{line.name}, {marks[round(point.x)] if marks else number(point.x)}:"
            f" {describe(point.value, point.low, point.high)}"
        )
        yield dot(across.at(point.x), upward.at(point.value), line.look, title=words)
