"""The charts of a board, as SVG in the page.

They show scores with intervals, error against rollout step and against collisions, and score against parameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from physbench.metrics.object_cards import CLASSES, EVENT_STEPS
from physbench.report import charts
from physbench.report.charts import BOTTOM, HEIGHT, LEFT, RIGHT, SMALLEST, TOP, Axis, Chart, Line, Point, Shape
from physbench.report.numbers import describe, number
from physbench_leaderboard.boards import Board, Standing
from physbench_leaderboard.estimate import ScoreEstimate

MOST_RANKED = 20
"""The most models in the plot of scores."""

MOST_CURVES = 5
LOOKS = (0, 2, 3, 4, 5)
"""The line styles of the models' curves, in the order of their ranks. Style 1 is for copying."""

BESIDE = {"copy": 1, "constant-velocity": 6, "mean": 7, "tracker": 8, "tracker-80": 8, "blur": 9}
"""The line styles of the reference rows that are drawn. The others would lie at the ends of any axis."""

NAMES, ROW = 144, 19
MOST_TICKS = 6
LONGEST_NAME = 19
DOT = 3.6
"""The radius of a dot."""


def plots(board: Board) -> list[Chart]:
    """Return the charts of a board that have something to show."""
    return [chart for chart in (_scores(board), *_ahead(board), *_chart_collisions(board), _sizes(board)) if chart]


def _scores(board: Board) -> Chart | None:
    """Draw the scores with their intervals, one row for each model."""
    models = [standing for standing in board.standings[:MOST_RANKED] if _is_known(board.headline(standing))]
    beside = [
        standing for standing in board.references if standing.model in BESIDE and _is_known(board.headline(standing))
    ]
    if not board.ranked_by or not (models or beside):
        return None
    along = charts.axis(_fitting(board, models, beside), NAMES + 8, RIGHT - 8)
    foot = TOP + ROW * (len(models) + len(beside)) + (8 if models and beside else 0)
    shapes = [shape for tick in along.few(MOST_TICKS) for shape in charts.upright(tick, along, foot)]
    for place, standing in enumerate((*models, *beside)):
        y = TOP + ROW * (place + 0.5) + (8 if models and place >= len(models) else 0)
        shapes += _in_row(standing, board.headline(standing), along, y, look=0 if place < len(models) else 1)
    more = f", the first {MOST_RANKED} of {len(board.standings)} models" if len(board.standings) > MOST_RANKED else ""
    more += ", an arrow points beyond the axis" * any(
        not along.holds(board.headline(standing).value) for standing in (*models, *beside)
    )
    about = f"{_way(board)}{_describe_scale(along)}{more}"
    return Chart(
        f"{board.ranked_by[1]} with 95 % intervals",
        about,
        _summary(board, [*models, *beside]),
        tuple(shapes),
        foot + 22,
    )


def _sizes(board: Board) -> Chart | None:
    """Draw the scores against the number of parameters."""
    sized = [standing for standing in board.standings if standing.parameters and _is_known(board.headline(standing))]
    if not board.ranked_by or not sized:
        return None
    copies = [row for row in board.references if row.model == "copy" and _is_known(board.headline(row))]
    upward = charts.axis(_fitting(board, sized, copies), BOTTOM, TOP)
    along = charts.axis([float(standing.parameters or 1) for standing in sized], LEFT + 20, RIGHT - 20)
    shapes = [shape for tick in upward.few(MOST_TICKS) for shape in charts.level(tick, upward)]
    shapes += [
        charts.text(f"{tick:,.0f}" if tick < 1e6 else f"{tick / 1e6:g} M", along.at(tick), BOTTOM + 16, "mid")
        for tick in along.few(5)
    ]
    shapes.append(
        charts.text(f"parameters{' (logarithmic)' * along.logarithmic}", (LEFT + RIGHT) / 2, HEIGHT - 4, "mid")
    )
    taken = Labels(LEFT, TOP, RIGHT, BOTTOM)
    for row in copies:
        shapes += _copying(board.headline(row), upward, taken)
    for standing in sized:
        x, each = along.at(float(standing.parameters or 1)), board.headline(standing)
        y = upward.at(each.value)
        if math.isfinite(each.low) and math.isfinite(each.high):
            shapes.append(charts.bar(0, x, upward.at(each.low), y1=upward.at(each.high)))
            taken.block(x - 1, upward.at(each.high), x + 1, upward.at(each.low))
        shapes.append(
            charts.dot(
                x, y, 0, title=f"{standing.model}, {standing.parameters:,} parameters: {describe(*each)}", radius=DOT
            )
        )
        taken.block(x - DOT, y - DOT, x + DOT, y + DOT)
    for standing in sized[:MOST_RANKED]:
        place = taken.place(
            _short(standing.model), along.at(float(standing.parameters or 1)), upward.at(board.headline(standing).value)
        )
        shapes += [charts.text(_short(standing.model), place.x, place.y, place.look)] if place else []
    return Chart(
        f"{board.ranked_by[1]} against parameters",
        f"{_way(board)}{_describe_scale(upward)}",
        _summary(board, sized),
        tuple(shapes),
    )


def _ahead(board: Board) -> Iterator[Chart | None]:
    """Draw the error against the rollout step."""
    for task in _rollouts(board):
        curves = (
            (model, _steps(standing.curve(task, "rollout_bce")), look) for model, standing, look in _list_drawn(board)
        )
        lines = [Line(model, points, look, beside=look in BESIDE.values()) for model, points, look in curves]
        yield charts.line_chart(
            f"error against rollout step, {_start(task)}",
            lines,
            along="steps after the last shown frame; nats per frame",
            ratios=True,
        )


def _chart_collisions(board: Board) -> Iterator[Chart | None]:
    """Draw the error against the number of collisions."""
    kinds = list(CLASSES)
    for task in _rollouts(board):
        far = max(
            (
                h
                for h in EVENT_STEPS
                if any(row.curve(task, "event_error", f"{h},") for _, row, _ in _list_drawn(board))
            ),
            default=None,
        )
        if far is None:
            continue
        lines: list[Line] = []
        for place, (model, standing, look) in enumerate(_list_drawn(board)):
            cells = standing.curve(task, "event_error", f"{far},")
            points = tuple(
                Point(kinds.index(kind) + 0.04 * place, *each) for kind, each in cells.items() if kind in kinds
            )
            lines.append(Line(model, points, look, beside=look in BESIDE.values()))
        about = f"error against collisions, {far} steps ahead, {_start(task)}"
        yield charts.line_chart(about, lines, along="collisions since the last shown frame; copy is 1", marks=kinds)


def _rollouts(board: Board) -> list[str]:
    """Return the longest rollout task for each number of shown frames; shorter ones are the beginning of it."""
    furthest: dict[str, tuple[int, str]] = {}
    for standing in (*board.standings[:MOST_CURVES], *board.references):
        for task in dict.fromkeys(task for task, metric in standing.scores if metric.startswith("rollout_bce[")):
            shown = task.rpartition("+")[0]
            furthest[shown] = max(furthest.get(shown, (0, "")), (len(standing.curve(task, "rollout_bce")), task))
    return [task for _, task in furthest.values()]


def _list_drawn(board: Board) -> list[tuple[str, Standing, int]]:
    """Return the names, the rows and the line styles of the curves to draw."""
    models = [(row.model, row, look) for row, look in zip(board.standings, LOOKS, strict=False)]
    return models + [(row.model, row, BESIDE[row.model]) for row in board.references if row.model in BESIDE]


def _start(task: str) -> str:
    """Describe the number of shown frames, which is in the name of a task: balls4mass64/rollout-5+30."""
    shown = task.rpartition("rollout-")[2].partition("+")[0]
    return f"after {shown} shown frames" if shown.isdecimal() else task


def _steps(curve: dict[str, ScoreEstimate]) -> tuple[Point, ...]:
    return tuple(
        sorted((Point(int(step), *each) for step, each in curve.items() if step.isdecimal()), key=lambda point: point.x)
    )


def _in_row(standing: Standing, each: ScoreEstimate, along: Axis, y: float, *, look: int) -> Iterator[Shape]:
    yield charts.text(_short(standing.model), NAMES - 10, y + 4, "end" if look else "end named")
    words = f"{standing.model}: {describe(*each)}"
    if along.holds(each.value):
        if math.isfinite(each.low) and math.isfinite(each.high):
            yield charts.bar(look, along.at(each.low), y, x1=along.at(each.high))
        yield charts.dot(along.at(each.value), y, look, title=words, radius=DOT)
    else:  # an arrow at the edge, and the value
        right = each.value > along.high
        edge, way = (along.last, 1) if right else (along.first, -1)
        yield charts.path(f"dot l{look}", f"M{edge + 5 * way:.1f} {y:.1f}l{-7 * way} {-DOT}v{2 * DOT}z", title=words)
        yield charts.text(number(each.value), edge - 6 * way, y + 4, "end" if right else "")


def _copying(each: ScoreEstimate, upward: Axis, taken: Labels) -> Iterator[Shape]:
    """Draw a line at the score of copying, or an arrow at the edge that points towards it."""
    y, within = upward.at(each.value), upward.holds(each.value)
    below = y > TOP + 14
    height = y - 5 if below else y + 13
    words = "copy" if within else f"copy, {number(each.value)}"
    if within:
        yield charts.path("line l1", f"M{LEFT} {y:.1f}H{RIGHT}")
        taken.block(LEFT, y - 1, RIGHT, y + 1)
    else:
        way = 1 if below else -1
        yield charts.path("dot l1", f"M{RIGHT - 8} {y:.1f}l-4 {-7 * way}h8z")
    end = RIGHT - (4 if within else 16)
    yield charts.text(words, end, height, "end")
    taken.block(end - width_of(words), height - 10, RIGHT, height + 3)


def _short(name: str) -> str:
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


def _summary(board: Board, standings: Sequence[Standing]) -> str:
    return "; ".join(
        f"{standing.model} {number(board.headline(standing).value)}" for standing in standings[:MOST_RANKED]
    )


def _way(board: Board) -> str:
    return "" if board.better == "neither" else f"{board.better} is better"


def _describe_scale(along: Axis) -> str:
    return ", logarithmic" if along.logarithmic else ""


def _fitting(board: Board, models: Sequence[Standing], beside: Sequence[Standing]) -> list[float]:
    """Return the values that an axis must hold: those of the models and of some reference rows.

    A reference row is included only if the models still have at least half of the axis.
    """
    own = _ends(board.headline(standing) for standing in models or beside)
    held, logarithmic = list(own), charts.spreads(own)
    for standing in beside:
        more = [*held, *_ends(iter([board.headline(standing)]))]
        if not (logarithmic and min(more) <= SMALLEST) and not charts.stretches(own, more, logarithmic=logarithmic):
            held = more
    return held


def _is_known(each: ScoreEstimate) -> bool:
    return math.isfinite(each.value)


def _ends(estimates: Iterator[ScoreEstimate]) -> list[float]:
    return [each for one in estimates for each in (one.value, one.low, one.high) if math.isfinite(each)]


LETTER = 6.7
"""The approximate width of a letter in a name beside a dot."""

ABOVE, BELOW = 10.0, 3.0
"""How far letters reach above and below the line on which they are written."""

ASIDE = 7.0
"""The distance from the middle of a dot to its name."""

ANCHORS = {"start": "name", "end": "end name", "middle": "mid name"}


@dataclass(frozen=True)
class PlotPlace:
    """The position of a name in a chart."""

    x: float
    y: float  # of the line on which the letters are written
    look: str  # the CSS class, which says which end of the name is at x


@dataclass
class Labels:
    """A layout of names beside dots: the area of the drawing, and the boxes in it that are taken."""

    left: float
    top: float
    right: float
    bottom: float
    taken: list[tuple[float, float, float, float]] = field(default_factory=list[tuple[float, float, float, float]])

    def block(self, left: float, top: float, right: float, bottom: float) -> None:
        """Keep a box free of names."""
        self.taken.append((left, top, right, bottom))

    def place(self, name: str, x: float, y: float) -> PlotPlace | None:
        """Find a free place for a name beside a dot and take it, or return None if there is none.

        A dot without a name still shows it when the pointer is on it.
        """
        width = width_of(name)
        for end, dx, dy in (
            *(("start", ASIDE, dy) for dy in (4.0, -3.0, 11.0)),
            *(("end", -ASIDE, dy) for dy in (4.0, -3.0, 11.0)),
            *(("middle", 0.0, dy) for dy in (-8.0, 17.0)),
            *(("start", ASIDE, dy) for dy in (-10.0, 18.0)),
            *(("end", -ASIDE, dy) for dy in (-10.0, 18.0)),
        ):
            start = x + dx - {"start": 0.0, "end": width, "middle": width / 2}[end]
            box = (start, y + dy - ABOVE, start + width, y + dy + BELOW)
            if self._within(box) and self._is_free(*box):
                self.block(*box)
                return PlotPlace(x + dx, y + dy, ANCHORS[end])
        return None

    def _within(self, box: tuple[float, float, float, float]) -> bool:
        return self.left <= box[0] and self.top - ABOVE <= box[1] and box[2] <= self.right and box[3] <= self.bottom

    def _is_free(self, left: float, top: float, right: float, bottom: float) -> bool:
        return not any(
            left < right_ and left_ < right and top < bottom_ and top_ < bottom
            for left_, top_, right_, bottom_ in self.taken
        )


def width_of(name: str) -> float:
    """Return the approximate width of a name."""
    return LETTER * len(name)
