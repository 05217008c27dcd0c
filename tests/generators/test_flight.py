"""Tests of flight between collisions: balls follow the closed forms, and never pass through anything."""

import math
from fractions import Fraction

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders.launches import GRAVITIES, SEEDS, SOME, launch, simulate, start
from tests.oracles.replay import flown, overlap, replay


@SOME
@given(SEEDS, st.integers(1, 7), GRAVITIES)
def test_discs_never_overlap_one_another_or_the_walls(seed: int, n: int, gravity: float) -> None:
    begin = launch(seed, n, gravity=gravity)
    motion = simulate(begin, 60)
    assert max(overlap(begin, position) for position in motion.position) <= 1e-9
    states = replay(begin, motion)
    ends = [time for time, _, _ in states[1:]] + [60.0]
    for state, end in zip(states, ends, strict=True):
        for time in np.linspace(state[0], end, 9):
            assert overlap(begin, flown(begin, state, time)[0]) <= 1e-9


def fold(start: float, velocity: float, time: int, low: float, high: float) -> tuple[Fraction, int]:
    """Straight flight through a hall of mirrors, in exact fractions: the place, and the sign left to the velocity."""
    length = Fraction(high) - Fraction(low)
    place = (Fraction(start) - Fraction(low) + Fraction(velocity) * time) % (2 * length)
    return (Fraction(low) + place, 1) if place <= length else (Fraction(low) + 2 * length - place, -1)


@settings(max_examples=6, deadline=None, derandomize=True)
@given(st.floats(8.0, 56.0), st.floats(8.0, 56.0), st.floats(-5.0, 5.0), st.floats(-5.0, 5.0))
def test_one_ball_flies_straight_through_the_mirrored_box(x: float, y: float, vx: float, vy: float) -> None:
    assume(abs(vx) > 1e-3 and abs(vy) > 1e-3)
    motion = simulate(start([(x, y, vx, vy, 7.5, 3.0)]), 3_000)
    for frame in range(3_000):
        for axis, (begin, speed) in enumerate(((x, vx), (y, vy))):
            place, sign = fold(begin, speed, frame, 7.5, 56.5)
            assert abs(Fraction(motion.position[frame, 0, axis]) - place) < 1e-9
            if min(place - Fraction(7.5), Fraction(56.5) - place) > 1e-9:
                assert motion.velocity[frame, 0, axis] == sign * speed


@SOME
@given(st.floats(10.0, 50.0), st.floats(0.01, 0.5))
def test_a_dropped_ball_bounces_with_the_period_of_the_parabola(y: float, gravity: float) -> None:
    depth = 58.0 - y
    fall = math.sqrt(2.0 * depth / gravity)
    motion = simulate(start([(32.0, y, 0.0, 0.0, 6.0, 2.0)], gravity=gravity), 1_000)
    bounces = np.arange(motion.made)
    np.testing.assert_allclose(motion.time, fall * (2 * bounces + 1), rtol=1e-11)
    np.testing.assert_array_equal(motion.normal, np.tile([0.0, 1.0], (motion.made, 1)))
    np.testing.assert_allclose(motion.impulse, 2.0 * 2.0 * gravity * fall, rtol=1e-11)
    since = (np.arange(1_000) + fall) % (2.0 * fall) - fall  # time since the last apex
    np.testing.assert_allclose(motion.position[:, 0, 1], y + 0.5 * gravity * since**2, rtol=0, atol=1e-8)
    np.testing.assert_array_equal(motion.position[:, 0, 0], 32.0)


def test_a_ball_thrown_hard_bounces_between_ceiling_and_floor() -> None:
    gravity, low, high, up = 0.05, 6.0, 58.0, 4.0
    motion = simulate(start([(32.0, high, 0.0, -up, 6.0, 1.0)], gravity=gravity), 2_000)
    slow = math.sqrt(up * up - 2.0 * gravity * (high - low))
    crossing = (up - slow) / gravity
    np.testing.assert_allclose(motion.time, crossing * np.arange(1, motion.made + 1), rtol=1e-11)
    np.testing.assert_allclose(motion.impulse, np.resize([2.0 * slow, 2.0 * up], motion.made), rtol=1e-11)
