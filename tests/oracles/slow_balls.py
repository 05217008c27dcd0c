"""A slow and obvious simulator of elastic discs: fifty decimal digits, and all roots are computed again after every
collision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import NamedTuple

D = Decimal
DIGITS = 50
TINY = D("1e-35")
WALL = 255


class Collision(NamedTuple):
    time: float
    a: int
    b: int
    normal: tuple[float, float]
    impulse: float
    position: tuple[float, float]


class Ball:
    def __init__(self, place: Sequence[float], motion: Sequence[float], radius: float, mass: float) -> None:
        self.p = [D(float(c)) for c in place]
        self.v = [D(float(c)) for c in motion]
        self.r, self.m = D(float(radius)), D(float(mass))


def roots(a: Decimal, b: Decimal, c: Decimal) -> list[Decimal]:
    """The real t with a t^2 + b t + c = 0."""
    if a == 0:
        return [-c / b] if b else []
    rest = b * b - 4 * a * c
    return [] if rest < 0 else [(-b - rest.sqrt()) / (2 * a), (-b + rest.sqrt()) / (2 * a)]


def wall_times(ball: Ball, size: Decimal, gravity: Decimal) -> Iterator[tuple[Decimal, int, int]]:
    """(when, axis, side) of every moment the ball would leave the box through a wall."""
    for axis, pull in ((0, D(0)), (1, gravity)):
        for side, wall in ((-1, ball.r), (1, size - ball.r)):
            for t in roots(pull / 2, ball.v[axis], ball.p[axis] - wall):
                if t > -TINY and (ball.v[axis] + pull * t) * side > TINY:
                    yield t, axis, side


def touch_times(one: Ball, two: Ball) -> Iterator[Decimal]:
    """Every moment the two discs come to touch from outside."""
    d = [q - p for p, q in zip(one.p, two.p, strict=True)]
    w = [q - p for p, q in zip(one.v, two.v, strict=True)]
    reach = one.r + two.r
    for t in roots(w[0] ** 2 + w[1] ** 2, 2 * (d[0] * w[0] + d[1] * w[1]), d[0] ** 2 + d[1] ** 2 - reach**2):
        closing = (d[0] + w[0] * t) * w[0] + (d[1] + w[1] * t) * w[1]
        if t > -TINY and closing < -TINY:
            yield t


def collisions(
    position: Sequence[Sequence[float]], velocity: Sequence[Sequence[float]], radius: Sequence[float], mass: Sequence[float],
    *, size: float, gravity: float = 0.0,
) -> Iterator[Collision]:  # fmt: skip
    """The collisions in order of time, one at a time and without end."""
    balls = [Ball(*values) for values in zip(position, velocity, radius, mass, strict=True)]
    edge, pull, now = D(float(size)), D(float(gravity)), D(0)
    while True:
        with localcontext() as context:
            context.prec = DIGITS
            futures = [
                (t, a, WALL, axis, side)
                for a, ball in enumerate(balls)
                for t, axis, side in wall_times(ball, edge, pull)
            ]
            futures += [
                (t, a, b, 0, 0) for b in range(len(balls)) for a in range(b) for t in touch_times(balls[a], balls[b])
            ]
            if not futures:
                return
            wait, a, b, axis, side = min(futures)
            now += wait
            for ball in balls:
                ball.p = [ball.p[0] + ball.v[0] * wait, ball.p[1] + ball.v[1] * wait + pull * wait * wait / 2]
                ball.v = [ball.v[0], ball.v[1] + pull * wait]
            collision = bounce(now, a, balls[a], axis, side) if b == WALL else collide(now, a, b, balls[a], balls[b])
        yield collision


def bounce(now: Decimal, a: int, ball: Ball, axis: int, side: int) -> Collision:
    normal = [D(side * (axis == 0)), D(side * (axis == 1))]
    impulse = 2 * ball.m * abs(ball.v[axis])
    ball.v[axis] = -ball.v[axis]
    return describe(now, a, WALL, normal, impulse, [p + ball.r * n for p, n in zip(ball.p, normal, strict=True)])


def collide(now: Decimal, a: int, b: int, one: Ball, two: Ball) -> Collision:
    """Seen from the common centre of mass, the parts of the velocities along the line of centres turn round."""
    d = [q - p for p, q in zip(one.p, two.p, strict=True)]
    length = (d[0] ** 2 + d[1] ** 2).sqrt()
    normal = [d[0] / length, d[1] / length]
    centre = [(one.m * u + two.m * w) / (one.m + two.m) for u, w in zip(one.v, two.v, strict=True)]
    before = list(two.v)
    for ball in (one, two):
        along = sum((v - c) * n for v, c, n in zip(ball.v, centre, normal, strict=True))
        ball.v = [v - 2 * along * n for v, n in zip(ball.v, normal, strict=True)]
    impulse = two.m * sum((v - u) * n for v, u, n in zip(two.v, before, normal, strict=True))
    return describe(now, a, b, normal, impulse, [p + one.r * n for p, n in zip(one.p, normal, strict=True)])


def describe(
    now: Decimal, a: int, b: int, normal: list[Decimal], impulse: Decimal, position: list[Decimal]
) -> Collision:
    return Collision(
        float(now), a, b, (float(normal[0]), float(normal[1])), float(impulse), (float(position[0]), float(position[1]))
    )  # fmt: skip
