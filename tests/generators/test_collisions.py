"""Tests of collisions against the textbook and against a slow independent simulator."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physbench_generators.balls.kernels import WALL
from tests.builders.launches import GRAVITIES, SEEDS, SOME, launch, simulate, start
from tests.oracles import slow_balls
from tests.oracles.replay import flown, replay


@SOME
@given(SEEDS, st.integers(1, 7), GRAVITIES)
def test_a_wall_gives_twice_the_momentum_towards_it(seed: int, n: int, gravity: float) -> None:
    begin = launch(seed, n, gravity=gravity)
    motion = simulate(begin, 100)
    states = replay(begin, motion)
    for row in np.flatnonzero(motion.b == WALL):
        ball = motion.a[row]
        position, velocity = (values[ball] for values in flown(begin, states[row], motion.time[row]))
        normal, touch = motion.normal[row], motion.touch[row]
        assert sorted(np.abs(normal)) == [0.0, 1.0]
        assert motion.impulse[row] == pytest.approx(2.0 * begin.mass[ball] * (velocity @ normal), rel=1e-9)
        assert motion.impulse[row] >= 0.0
        axis = int(np.abs(normal).argmax())
        assert touch[axis] == (begin.size if normal[axis] > 0 else 0.0)
        assert touch[1 - axis] == pytest.approx(position[1 - axis], abs=1e-10)
        np.testing.assert_allclose(touch - begin.radius[ball] * normal, position, rtol=0, atol=1e-10)


@SOME
@given(SEEDS, st.integers(2, 7), GRAVITIES)
def test_two_discs_meet_on_both_rims_and_the_normal_points_from_a_to_b(seed: int, n: int, gravity: float) -> None:
    begin = launch(seed, n, gravity=gravity)
    motion = simulate(begin, 100)
    states = replay(begin, motion)
    for row in np.flatnonzero(motion.b != WALL):
        a, b = motion.a[row], motion.b[row]
        assert a < b
        position, velocity = flown(begin, states[row], motion.time[row])
        normal, touch = motion.normal[row], motion.touch[row]
        assert math.hypot(*normal) == pytest.approx(1.0, abs=1e-15)
        assert math.dist(touch, position[a]) == pytest.approx(begin.radius[a], abs=1e-9)
        assert math.dist(touch, position[b]) == pytest.approx(begin.radius[b], abs=1e-9)
        np.testing.assert_allclose(
            position[b] - position[a], (begin.radius[a] + begin.radius[b]) * normal, rtol=0, atol=1e-9
        )
        assert (velocity[a] - velocity[b]) @ normal > 0.0
        assert motion.impulse[row] > 0.0


@pytest.mark.parametrize("gravity", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(12))
def test_a_slow_simulator_in_fifty_digits_sees_the_same_collisions(seed: int, gravity: float) -> None:
    begin = launch(seed, 3 + seed % 4, gravity=gravity)
    motion = simulate(begin, 400)
    slow = slow_balls.collisions(
        begin.position, begin.velocity, begin.radius, begin.mass, size=begin.size, gravity=gravity
    )
    for row, expected in enumerate(itertools.islice(slow, 15)):
        assert (motion.a[row], motion.b[row]) == (expected.a, expected.b)
        assert motion.time[row] == pytest.approx(expected.time, abs=1e-6)
        assert motion.impulse[row] == pytest.approx(expected.impulse, abs=1e-6)
        np.testing.assert_allclose(motion.normal[row], expected.normal, rtol=0, atol=1e-6)
        np.testing.assert_allclose(motion.touch[row], expected.position, rtol=0, atol=1e-6)
        if row < 4:
            assert motion.time[row] == pytest.approx(expected.time, abs=1e-10)


@SOME
@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.floats(0.5, 3.0), st.floats(-3.0, 0.25))
def test_a_head_on_collision_is_the_textbook_one(m: float, w: float, u: float, v: float) -> None:
    begin = start([(100.0, 100.0, u, 0.0, 5.0, m), (120.0, 100.0, v, 0.0, 7.0, w)], size=250.0)
    motion = simulate(begin, 12 + math.ceil(8.0 / (u - v)), capacity=50)
    assert motion.time[0] == pytest.approx(8.0 / (u - v), rel=1e-14)
    frame = math.ceil(motion.time[0])
    expected = [((m - w) * u + 2.0 * w * v) / (m + w), ((w - m) * v + 2.0 * m * u) / (m + w)]
    np.testing.assert_allclose(motion.velocity[frame, :, 0], expected, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(motion.velocity[frame, :, 1], 0.0)


@SOME
@given(st.floats(0.1, 10.0), st.floats(0.1, 10.0), st.floats(0.5, 3.0), st.floats(-0.98, 0.98))
def test_an_oblique_collision_is_the_textbook_one(m: float, w: float, u: float, offset: float) -> None:
    """A disc flies along x past a resting one; their centres are b apart across the line of flight."""
    reach = 12.0
    b = offset * reach
    begin = start([(100.0, 100.0, u, 0.0, 5.0, m), (120.0, 100.0 + b, 0.0, 0.0, 7.0, w)], size=250.0)
    across, along = b / reach, math.sqrt(1.0 - (b / reach) ** 2)
    motion = simulate(begin, 3 + math.ceil(20.0 / u), capacity=50)
    assert motion.time[0] == pytest.approx((20.0 - reach * along) / u, rel=1e-12)
    frame = math.ceil(motion.time[0])
    kick = 2.0 * u * along / (m + w)
    expected = [[u - w * kick * along, -w * kick * across], [m * kick * along, m * kick * across]]
    np.testing.assert_allclose(motion.velocity[frame], expected, rtol=0, atol=1e-12)


def test_newtons_cradle_passes_the_blow_through_touching_balls() -> None:
    balls = [(8.0, 32.0, 1.0, 0.0, 2.0, 1.0)] + [(x, 32.0, 0.0, 0.0, 2.0, 1.0) for x in (20.0, 24.0, 28.0, 32.0)]
    motion = simulate(start(balls), 20)
    assert motion.time.tolist() == [8.0] * 4
    assert list(zip(motion.a.tolist(), motion.b.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert motion.velocity[19, :, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert motion.position[19, :, 0].tolist() == [16.0, 20.0, 24.0, 28.0, 43.0]


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 3), (100.0, 31), (1_000.0, 99), (10_000.0, 314)])
def test_a_light_ball_squeezed_at_the_wall_bounces_as_often_as_galperin_says(ratio: float, expected: int) -> None:
    """Between a wall and a heavy ball that comes from afar there are ceil(pi / atan(sqrt(m / M))) - 1 collisions:
    digits of pi."""
    assert expected == math.ceil(math.pi / math.atan(ratio**-0.5) - 1e-9) - 1
    motion = simulate(start([(10.0, 256.0, 0.0, 0.0, 2.0, 1.0), (30.0, 256.0, -1.0, 0.0, 5.0, ratio)], size=512.0), 300)
    before_the_far_wall = np.flatnonzero((motion.b == WALL) & (motion.normal[:, 0] > 0.0))
    assert (before_the_far_wall[0] if before_the_far_wall.size else motion.made) == expected
