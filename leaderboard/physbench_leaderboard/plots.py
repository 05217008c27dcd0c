"""A board drawn: scores with intervals, error against rollout step and against collisions, score against parameters. SVG that stands in the page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from physbench.metrics.object_cards import CLASSES, EVENT_STEPS
from physbench.report.charts import Line, Point, chart, stretches
from physbench.report.text import figures, number
from physbench_leaderboard.axis import SMALLEST, axis, spreads
from physbench_leaderboard.labels import Labels, width_of
from physbench_leaderboard.markup import Markup, element, joined

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from physbench_leaderboard.axis import Axis
    from physbench_leaderboard.estimate import Estimate
    from physbench_leaderboard.table import Board, Standing

MOST_RANKED = 20
"""In the plot of scores."""

MOST_CURVES = 5
LOOKS = (0, 2, 3, 4, 5)
"""Of curves, the first ranked first; 1 is copying."""

BESIDE = {"copy": 1, "constant-velocity": 6, "mean": 7, "tracker": 8, "blur": 9}
"""Reference rows that are drawn: the others lie at the ends of any axis."""

WIDTH, NAMES, RIGHT, ROW = 400, 144, 392, 19
LEFT, TOP, BOTTOM, HEIGHT = 52, 10, 192, 230
LONGEST_NAME = 19
DOT = 3.6
"""The radius of one."""


def plots(board: Board) -> Markup:
    drawn = [_scores(board), *_ahead(board), *_collided(board), _sizes(board)]
    return element("div", *filter(None, drawn), class_="charts") if any(drawn) else Markup()


def _scores(board: Board) -> Markup | None:
    models = [standing for standing in board.standings[:MOST_RANKED] if _known(board.headline(standing))]
    beside = [standing for standing in board.references if standing.model in BESIDE and _known(board.headline(standing))]
    if not board.ranked_by or not (models or beside):
        return None
    along = axis(_fitting(board, models, beside), NAMES + 8, RIGHT - 8)
    foot = TOP + ROW * (len(models) + len(beside)) + (8 if models and beside else 0)
    parts = [_upright(tick, along, foot) for tick in _few(along)]
    for place, standing in enumerate((*models, *beside)):
        y = TOP + ROW * (place + 0.5) + (8 if models and place >= len(models) else 0)
        parts.append(_in_row(standing, board.headline(standing), along, y, look=0 if place < len(models) else 1))
    more = f", the first {MOST_RANKED} of {len(board.standings)} models" if len(board.standings) > MOST_RANKED else ""
    more += ", an arrow points beyond the axis" * any(not _holds(along, board.headline(standing)) for standing in (*models, *beside))
    return _figure(f"{board.ranked_by[1]} with 95 % intervals", f"{_way(board)}{_scaled(along)}{more}", foot + 22, parts, _told(board, [*models, *beside]))


def _sizes(board: Board) -> Markup | None:
    sized = [standing for standing in board.standings if standing.parameters and _known(board.headline(standing))]
    if not board.ranked_by or not sized:
        return None
    copies = [row for row in board.references if row.model == "copy" and _known(board.headline(row))]
    upward = axis(_fitting(board, sized, copies), BOTTOM, TOP)
    along = axis([float(standing.parameters or 1) for standing in sized], LEFT + 20, RIGHT - 20)
    parts = [_level(tick, upward) for tick in _few(upward)]
    parts += [_text(f"{tick:,.0f}" if tick < 1e6 else f"{tick / 1e6:g} M", along.at(tick), BOTTOM + 16, "mid") for tick in _few(along, 5)]
    parts.append(_text(f"parameters{' (logarithmic)' * along.logarithmic}", (LEFT + RIGHT) / 2, HEIGHT - 4, "mid"))
    taken = Labels(LEFT, TOP, RIGHT, BOTTOM)
    for row in copies:
        parts += _copying(board.headline(row), upward, taken)
    for standing in sized:
        x, each = along.at(float(standing.parameters or 1)), board.headline(standing)
        if math.isfinite(each.low) and math.isfinite(each.high):
            parts.append(element("path", class_="bar l0", d=f"M{x:.1f} {upward.at(each.low):.1f}V{upward.at(each.high):.1f}"))
            taken.block(x - 1, upward.at(each.high), x + 1, upward.at(each.low))
        words = f"{standing.model}, {standing.parameters:,} parameters: {_figures(each)}"
        parts.append(_dot(words, x, upward.at(each.value), 0))
        taken.block(x - DOT, upward.at(each.value) - DOT, x + DOT, upward.at(each.value) + DOT)
    for standing in sized[:MOST_RANKED]:
        place = taken.place(_short(standing.model), along.at(float(standing.parameters or 1)), upward.at(board.headline(standing).value))
        parts += [_text(_short(standing.model), place.x, place.y, place.look)] if place else []
    return _figure(f"{board.ranked_by[1]} against parameters", f"{_way(board)}{_scaled(upward)}", HEIGHT, parts, _told(board, sized))


def _ahead(board: Board) -> Iterator[Markup]:
    for task in _rollouts(board):
        curves = ((model, _steps(standing.curve(task, "rollout_bce")), look) for model, standing, look in _drawn(board))
        lines = [Line(model, points, look, beside=look in BESIDE.values()) for model, points, look in curves]
        yield Markup(chart(f"error against rollout step, {_start(task)}", lines, along="steps after the last shown frame; nats per frame", ratios=True))


def _collided(board: Board) -> Iterator[Markup]:
    kinds = list(CLASSES)
    for task in _rollouts(board):
        far = max((h for h in EVENT_STEPS if any(row.curve(task, "event_error", f"{h},") for _, row, _ in _drawn(board))), default=None)
        if far is None:
            continue
        lines: list[Line] = []
        for place, (model, standing, look) in enumerate(_drawn(board)):
            cells = standing.curve(task, "event_error", f"{far},")
            points = tuple(_point(kinds.index(kind) + 0.04 * place, each) for kind, each in cells.items() if kind in kinds)
            lines.append(Line(model, points, look, beside=look in BESIDE.values()))
        about = f"error against collisions, {far} steps ahead, {_start(task)}"
        yield Markup(chart(about, lines, along="collisions since the last shown frame; copy is 1", marks=kinds))


def _rollouts(board: Board) -> list[str]:
    """Of every number of shown frames, the task that goes furthest: the others are its beginnings."""
    furthest: dict[str, tuple[int, str]] = {}
    for standing in (*board.standings[:MOST_CURVES], *board.references):
        for task in dict.fromkeys(task for task, metric in standing.scores if metric.startswith("rollout_bce[")):
            shown = task.rpartition("+")[0]
            furthest[shown] = max(furthest.get(shown, (0, "")), (len(standing.curve(task, "rollout_bce")), task))
    return [task for _, task in furthest.values()]


def _drawn(board: Board) -> list[tuple[str, Standing, int]]:
    models = [(row.model, row, look) for row, look in zip(board.standings, LOOKS, strict=False)]
    return models + [(row.model, row, BESIDE[row.model]) for row in board.references if row.model in BESIDE]


def _start(task: str) -> str:
    """The shown frames, as the name of a task has them: balls4mass64/rollout-5+30."""
    shown = task.rpartition("rollout-")[2].partition("+")[0]
    return f"after {shown} shown frames" if shown.isdecimal() else task


def _steps(curve: dict[str, Estimate]) -> tuple[Point, ...]:
    return tuple(sorted((_point(int(step), each) for step, each in curve.items() if step.isdecimal()), key=lambda point: point.x))


def _point(x: float, each: Estimate) -> Point:
    return Point(x, each.value, each.low, each.high)


def _in_row(standing: Standing, each: Estimate, along: Axis, y: float, *, look: int) -> Markup:
    parts = [_text(_short(standing.model), NAMES - 10, y + 4, "end" if look else "end named")]
    if not _holds(along, each):
        return joined([*parts, *_beyond(standing, each, along, y, look)])
    if math.isfinite(each.low) and math.isfinite(each.high):
        parts.append(element("path", class_=f"bar l{look}", d=f"M{along.at(each.low):.1f} {y:.1f}H{along.at(each.high):.1f}"))
    words = f"{standing.model}: {_figures(each)}"
    return joined([*parts, _dot(words, along.at(each.value), y, look)])


def _beyond(standing: Standing, each: Estimate, along: Axis, y: float, look: int) -> Iterator[Markup]:
    """An arrow at the edge of the axis, and the value, of what lies outside."""
    right = each.value > along.ticks[-1]
    edge, way = (along.last, 1) if right else (along.first, -1)
    arrow = f"M{edge + 5 * way:.1f} {y:.1f}l{-7 * way} {-DOT}v{2 * DOT}z"
    yield element("path", element("title", f"{standing.model}: {_figures(each)}"), class_=f"dot l{look}", d=arrow)
    yield _text(number(each.value), edge - 6 * way, y + 4, "end" if right else "")


def _copying(each: Estimate, upward: Axis, taken: Labels) -> Iterator[Markup]:
    """A line where copying lies, or an arrow at the edge towards it."""
    y, within = upward.at(each.value), _holds(upward, each)
    below = y > TOP + 14
    height = y - 5 if below else y + 13
    words = "copy" if within else f"copy, {number(each.value)}"
    if within:
        yield element("path", class_="line l1", d=f"M{LEFT} {y:.1f}H{RIGHT}")
        taken.block(LEFT, y - 1, RIGHT, y + 1)
    else:
        way = 1 if below else -1
        yield element("path", class_="dot l1", d=f"M{RIGHT - 8} {y:.1f}l-4 {-7 * way}h8z")
    end = RIGHT - (4 if within else 16)
    yield _text(words, end, height, "end")
    taken.block(end - width_of(words), height - 10, RIGHT, height + 3)


def _figure(title: str, about: str, height: float, parts: Sequence[Markup], told: str) -> Markup:
    caption = element("figcaption", element("b", title), " ", about)
    drawing = element("svg", *parts, viewBox=f"0 0 {WIDTH} {height:g}", role="img", aria_label=f"{title}: {told}")
    return element("figure", caption, drawing, class_="chart")


def _upright(tick: float, along: Axis, foot: float) -> Markup:
    x = along.at(tick)
    return joined([element("path", class_="grid", d=f"M{x:.1f} {TOP}V{foot}"), _text(number(tick), x, foot + 16, "mid")])


def _level(tick: float, upward: Axis) -> Markup:
    y = upward.at(tick)
    return joined([element("path", class_="grid", d=f"M{LEFT} {y:.1f}H{RIGHT}"), _text(number(tick), LEFT - 6, y + 4, "end")])


def _dot(words: str, x: float, y: float, look: int) -> Markup:
    return element("circle", element("title", words), class_=f"dot l{look}", cx=f"{x:.1f}", cy=f"{y:.1f}", r=DOT)


def _few(along: Axis, most: int = 6) -> tuple[float, ...]:
    return along.ticks[:: -(-len(along.ticks) // most)]


def _text(words: str, x: float, y: float, look: str) -> Markup:
    return element("text", words, x=f"{x:.1f}", y=f"{y:.1f}", class_=look)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _told(board: Board, standings: Sequence[Standing]) -> str:
    return "; ".join(f"{standing.model} {number(board.headline(standing).value)}" for standing in standings[:MOST_RANKED])


def _figures(each: Estimate) -> str:
    value, interval = figures(each.value, each.low, each.high)
    return f"{value} ({interval})" if interval else value


def _way(board: Board) -> str:
    return "" if board.better == "neither" else f"{board.better} is better"


def _scaled(along: Axis) -> str:
    return ", logarithmic" if along.logarithmic else ""


def _fitting(board: Board, models: Sequence[Standing], beside: Sequence[Standing]) -> list[float]:
    """The values that an axis has to hold: of the models, and of the reference rows that leave them at least half of it."""
    own = _ends(board.headline(standing) for standing in models or beside)
    held, logarithmic = list(own), spreads(own)
    for standing in beside:
        more = [*held, *_ends(iter([board.headline(standing)]))]
        if not (logarithmic and min(more) <= SMALLEST) and not stretches(own, more, logarithmic=logarithmic):
            held = more
    return held


def _holds(along: Axis, each: Estimate) -> bool:
    return along.ticks[0] <= each.value <= along.ticks[-1]


def _known(each: Estimate) -> bool:
    return math.isfinite(each.value)


def _ends(estimates: Iterator[Estimate]) -> list[float]:
    return [each for one in estimates for each in (one.value, one.low, one.high) if math.isfinite(each)]
