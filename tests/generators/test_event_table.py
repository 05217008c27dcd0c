"""Tests of the event table: it describes the whole motion in a fixed order, and the contact flags follow from it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physbench_generators.balls.kernels import HIT_OBJECT, HIT_WALL, WALL
from tests.builders.launches import GRAVITIES, SEEDS, SOME, launch, simulate, start
from tests.oracles.replay import flown, replay


@SOME
@given(SEEDS, st.integers(1, 7))
def test_contact_is_set_exactly_where_a_velocity_changes(seed: int, n: int) -> None:
    motion = simulate(launch(seed, n), 51)
    after = np.concatenate([motion.velocity[1:], motion.final[1][None]])
    np.testing.assert_array_equal(motion.contact != 0, (after != motion.velocity).any(-1))


@SOME
@given(SEEDS, st.integers(1, 7), GRAVITIES)
def test_contact_is_the_sum_of_the_events(seed: int, n: int, gravity: float) -> None:
    motion = simulate(launch(seed, n, gravity=gravity), 51)
    expected = np.zeros((51, n), np.uint8)
    for time, a, b in zip(motion.time, motion.a, motion.b, strict=True):
        interval = math.ceil(time) - 1
        expected[interval, a] |= HIT_WALL if b == WALL else HIT_OBJECT
        if b != WALL:
            expected[interval, b] |= HIT_OBJECT
    np.testing.assert_array_equal(motion.contact, expected)


@SOME
@given(SEEDS, st.integers(1, 7), GRAVITIES)
def test_the_event_table_alone_tells_every_frame(seed: int, n: int, gravity: float) -> None:
    begin = launch(seed, n, gravity=gravity)
    motion = simulate(begin, 120)
    states = replay(begin, motion)
    times = np.array([time for time, _, _ in states])
    for frame in range(120):
        state = states[np.searchsorted(times, frame, side="right") - 1]
        position, velocity = flown(begin, state, frame)
        np.testing.assert_allclose(motion.position[frame], position, rtol=0, atol=1e-10)
        np.testing.assert_allclose(motion.velocity[frame], velocity, rtol=0, atol=1e-11)
    position, velocity = flown(begin, states[-1], 120.0)
    np.testing.assert_allclose(motion.final[0], position, rtol=0, atol=1e-10)
    np.testing.assert_allclose(motion.final[1], velocity, rtol=0, atol=1e-11)


@SOME
@given(SEEDS, st.integers(1, 7), GRAVITIES)
def test_events_come_in_the_order_of_time(seed: int, n: int, gravity: float) -> None:
    motion = simulate(launch(seed, n, gravity=gravity), 100)
    assert (np.diff(motion.time) >= 0.0).all()
    assert ((motion.time >= 0.0) & (motion.time <= 100.0)).all()


def test_at_one_instant_walls_come_before_pairs_and_lower_numbers_first() -> None:
    balls = [
        (24.0, 32.0, 2.0, 0.0, 2.0, 1.0),  # meets ball 3 at time 2
        (24.0, 16.0, 1.0, 0.0, 2.0, 1.0),  # meets ball 2 at time 2
        (32.0, 16.0, -1.0, 0.0, 2.0, 1.0),
        (36.0, 32.0, -2.0, 0.0, 2.0, 1.0),
        (32.0, 58.0, 0.0, 2.0, 2.0, 1.0),  # floor at time 2
        (58.0, 48.0, 2.0, 0.0, 2.0, 1.0),  # right wall at time 2
    ]
    motion = simulate(start(balls), 4)
    assert list(zip(motion.time.tolist(), motion.a.tolist(), motion.b.tolist(), strict=True)) == [
        (2.0, 4, WALL), (2.0, 5, WALL), (2.0, 0, 3), (2.0, 1, 2),
    ]  # fmt: skip


@pytest.mark.parametrize(("vx", "vy"), [(2.0, 2.0), (-2.0, 2.0), (2.0, -2.0), (-2.0, -2.0)])
def test_a_corner_takes_x_before_y(vx: float, vy: float) -> None:
    motion = simulate(start([(32.0, 32.0, vx, vy, 4.0, 1.0)]), 20)
    assert motion.time.tolist() == [14.0, 14.0]
    assert motion.normal.tolist() == [[math.copysign(1.0, vx), 0.0], [0.0, math.copysign(1.0, vy)]]
    assert motion.velocity[14].tolist() == [[-vx, -vy]]
    assert motion.position[19].tolist() == [[32.0 + 9.0 * vx, 32.0 + 9.0 * vy]]


def test_three_balls_that_meet_at_once_collide_in_the_order_of_their_numbers() -> None:
    """Ball 1 in the middle takes ball 0 first; each blow alone is a swap of velocities between equal masses."""
    balls = [(16.0, 32.0, 1.0, 0.0, 2.0, 1.0), (24.0, 32.0, 0.0, 0.0, 2.0, 1.0), (32.0, 32.0, -1.0, 0.0, 2.0, 1.0)]
    motion = simulate(start(balls), 10)
    assert list(zip(motion.a.tolist(), motion.b.tolist(), strict=True)) == [(0, 1), (1, 2), (0, 1)]
    assert motion.time.tolist() == [4.0, 4.0, 4.0]
    assert motion.velocity[9, :, 0].tolist() == [-1.0, 0.0, 1.0]


def test_an_event_at_a_whole_time_belongs_to_the_interval_that_ends_there() -> None:
    wall = simulate(start([(10.0, 32.0, 2.0, 0.0, 2.0, 1.0)]), 40)
    assert wall.time.tolist() == [26.0]
    assert np.flatnonzero(wall.contact[:, 0]).tolist() == [25]
    assert wall.velocity[25:27, 0, 0].tolist() == [2.0, -2.0]
    assert wall.position[26, 0, 0] == 62.0
    pair = simulate(start([(16.0, 32.0, 1.0, 0.0, 4.0, 1.0), (32.0, 32.0, 0.0, 0.0, 4.0, 1.0)]), 12)
    assert pair.time.tolist() == [8.0]
    assert pair.contact.tolist() == [[HIT_OBJECT, HIT_OBJECT] if t == 7 else [0, 0] for t in range(12)]
    assert pair.velocity[8, :, 0].tolist() == [0.0, 1.0]


def test_an_event_at_the_very_end_belongs_to_the_last_interval() -> None:
    motion = simulate(start([(10.0, 32.0, 2.0, 0.0, 2.0, 1.0)]), 26)
    assert motion.time.tolist() == [26.0]
    assert np.flatnonzero(motion.contact[:, 0]).tolist() == [25]
    assert motion.velocity[25, 0, 0] == 2.0
    assert motion.final[1].tolist() == [[-2.0, 0.0]]


def test_an_event_after_the_last_interval_is_not_listed() -> None:
    motion = simulate(start([(10.0, 32.0, 2.0, 0.0, 2.0, 1.0)]), 25)
    assert motion.made == 0
    assert not motion.contact.any()
    assert motion.final[0].tolist() == [[60.0, 32.0]]
