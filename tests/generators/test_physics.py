"""The motion of the balls, held against closed forms, conservation laws and a slow independent simulator."""

import itertools
import math
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numba
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from physbench.errors import RecipeError
from physbench.recipe import Recipe, mixed
from physbench_generators.balls import kernels, scenes
from physbench_generators.balls.kernels import ENDLESS, FULL, HIT_OBJECT, HIT_WALL, WALL
from physbench_generators.balls.scenes import Balls
from tests.oracles import slow_balls

SOME = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**64 - 1)
GRAVITIES = st.sampled_from([0.0, 0.01, 0.1])


@dataclass(frozen=True)
class Start:
    position: np.ndarray  # (K, 2)
    velocity: np.ndarray  # (K, 2)
    radius: np.ndarray  # (K,)
    mass: np.ndarray  # (K,)
    size: float = 64.0
    gravity: float = 0.0

    def energy(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Kinetic, plus what gravity can still give above the floor."""
        return (0.5 * self.mass * (velocity**2).sum(-1) + self.mass * self.gravity * (self.size - position[..., 1])).sum(-1)


@dataclass(frozen=True)
class Motion:
    made: int
    position: np.ndarray  # (T, K, 2)
    velocity: np.ndarray  # (T, K, 2)
    contact: np.ndarray  # (T, K)
    final: tuple[np.ndarray, np.ndarray]  # (K, 2) each
    time: np.ndarray
    a: np.ndarray
    b: np.ndarray
    normal: np.ndarray
    impulse: np.ndarray
    touch: np.ndarray


def start(balls: list[tuple[float, ...]], *, size: float = 64.0, gravity: float = 0.0) -> Start:
    """Each ball is (x, y, vx, vy, radius, mass)."""
    table = np.array(balls, np.float64)
    return Start(table[:, :2], table[:, 2:4], table[:, 4], table[:, 5], size, gravity)


def launch(seed: int, n: int = 4, *, gravity: float = 0.0, ratio: float = 6.0, size: float = 64.0) -> Start:
    stream = np.array([seed], np.uint64)
    x, y, vx, vy, radius, mass = np.zeros((6, n))
    for i in range(n):
        radius[i], mass[i] = (7.5, ratio) if kernels.draw(stream) < 0.5 else (6.0, 1.0)
    assert kernels.place(stream, n, size, x, y, radius)
    kernels.push(stream, n, 3.0, vx, vy)
    return Start(np.stack([x, y], 1), np.stack([vx, vy], 1), radius, mass, size, gravity)


def simulate(begin: Start, frames: int = 51, *, capacity: int = 60_000) -> Motion:
    n = len(begin.mass)
    x, y = begin.position.T.copy()
    vx, vy = begin.velocity.T.copy()
    position, velocity = np.full((2, frames, n, 2), np.nan)
    contact = np.zeros((frames, n), np.uint8)
    rows = (
        np.empty(capacity), np.empty(capacity, np.uint8), np.empty(capacity, np.uint8),
        np.empty((capacity, 2)), np.empty(capacity), np.empty((capacity, 2)),
    )  # fmt: skip
    made = kernels.simulate(
        n, float(begin.size), float(begin.gravity), frames, x, y, vx, vy, begin.radius.copy(), begin.mass.copy(),
        position, velocity, contact, 0, *rows, np.zeros(n), np.zeros(n, np.int64), np.zeros((n, n)),
    )  # fmt: skip
    final = np.stack([x, y], 1), np.stack([vx, vy], 1)
    return Motion(made, position, velocity, contact, final, *(column[: max(made, 0)] for column in rows))


def replay(begin: Start, motion: Motion) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(time, position, velocity) at the start and just after every event, from the initial state and the event table alone."""
    states = [(0.0, begin.position.copy(), begin.velocity.copy())]
    for row in range(motion.made):
        position, velocity = flown(begin, states[-1], motion.time[row])
        blow = motion.impulse[row] * motion.normal[row]
        velocity[motion.a[row]] -= blow / begin.mass[motion.a[row]]
        if motion.b[row] != WALL:
            velocity[motion.b[row]] += blow / begin.mass[motion.b[row]]
        states.append((float(motion.time[row]), position, velocity))
    return states


def flown(begin: Start, state: tuple[float, np.ndarray, np.ndarray], time: float) -> tuple[np.ndarray, np.ndarray]:
    then, position, velocity = state
    fall = np.array([0.0, begin.gravity])
    h = time - then
    return position + velocity * h + 0.5 * fall * h * h, velocity + fall * h


def overlap(begin: Start, position: np.ndarray) -> float:
    """How deep, at worst, discs reach into one another or into a wall; negative when everything is apart."""
    depth = max((begin.radius[:, None] - position).max(), (position + begin.radius[:, None] - begin.size).max())
    for a, b in itertools.combinations(range(len(begin.mass)), 2):
        depth = max(depth, begin.radius[a] + begin.radius[b] - math.dist(position[a], position[b]))
    return depth


@pytest.mark.parametrize("gravity", [0.0, 0.02])
@pytest.mark.parametrize("ratio", [1.0, 6.0, 50.0])
def test_energy_is_kept_over_a_thousand_collisions(gravity: float, ratio: float) -> None:
    begin = launch(5, 6, gravity=gravity, ratio=ratio)
    motion = simulate(begin, 2_500)
    assert (motion.b != WALL).sum() >= 1_000
    first = begin.energy(begin.position, begin.velocity)
    energy = begin.energy(motion.position, motion.velocity)
    assert np.abs(energy / first - 1.0).max() <= 1e-12
    assert abs(begin.energy(*motion.final) / first - 1.0) <= 1e-12


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


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SEEDS, GRAVITIES)
def test_motion_reversed_returns_to_its_start(seed: int, gravity: float) -> None:
    begin = launch(seed, 4, gravity=gravity)
    position, velocity = simulate(begin, 10).final
    back = simulate(Start(position, -velocity, begin.radius, begin.mass, begin.size, gravity), 10)
    assert np.abs(back.final[0] - begin.position).max() <= 1e-9
    assert np.abs(back.final[1] + begin.velocity).max() <= 1e-9


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
@given(SEEDS, st.integers(2, 7))
def test_momentum_is_exact_at_every_collision(seed: int, n: int) -> None:
    """Seen in the frames, which know nothing of the event table: momentum changes by what the walls give, and by nothing else."""
    begin = launch(seed, n)
    motion = simulate(begin, 200)
    velocity = np.concatenate([motion.velocity, motion.final[1][None]])
    momentum = (begin.mass[:, None] * velocity).sum(1)
    walls = np.zeros((200, 2))
    for row in np.flatnonzero(motion.b == WALL):
        walls[math.ceil(motion.time[row]) - 1] -= motion.impulse[row] * motion.normal[row]
    np.testing.assert_allclose(np.diff(momentum, axis=0), walls, rtol=0, atol=1e-12 * begin.mass.sum() * 3.0)


@SOME
@given(SEEDS, st.integers(2, 7))
def test_each_collision_alone_in_its_interval_keeps_the_momentum_and_energy_of_its_two_discs(seed: int, n: int) -> None:
    begin = launch(seed, n)
    motion = simulate(begin, 200)
    velocity = np.concatenate([motion.velocity, motion.final[1][None]])
    interval = np.ceil(motion.time).astype(int) - 1
    for row in np.flatnonzero(motion.b != WALL):
        pair = [motion.a[row], motion.b[row]]
        others = np.isin(motion.a, pair) | np.isin(motion.b, pair)
        if (others & (interval == interval[row])).sum() > 1:
            continue
        before, after = velocity[interval[row]][pair], velocity[interval[row] + 1][pair]
        mass = begin.mass[pair]
        np.testing.assert_allclose(mass @ before, mass @ after, rtol=0, atol=1e-12 * mass.sum())
        assert mass @ (after**2).sum(1) == pytest.approx(mass @ (before**2).sum(1), rel=1e-12)
        np.testing.assert_allclose(mass[1] * (after - before)[1], motion.impulse[row] * motion.normal[row], rtol=0, atol=1e-12 * mass.sum())


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
        np.testing.assert_allclose(position[b] - position[a], (begin.radius[a] + begin.radius[b]) * normal, rtol=0, atol=1e-9)
        assert (velocity[a] - velocity[b]) @ normal > 0.0
        assert motion.impulse[row] > 0.0


@SOME
@given(SEEDS, st.integers(1, 7), GRAVITIES)
def test_events_come_in_the_order_of_time(seed: int, n: int, gravity: float) -> None:
    motion = simulate(launch(seed, n, gravity=gravity), 100)
    assert (np.diff(motion.time) >= 0.0).all()
    assert ((motion.time >= 0.0) & (motion.time <= 100.0)).all()


@pytest.mark.parametrize("gravity", [0.0, 0.05])
@pytest.mark.parametrize("seed", range(12))
def test_a_slow_simulator_in_fifty_digits_sees_the_same_collisions(seed: int, gravity: float) -> None:
    begin = launch(seed, 3 + seed % 4, gravity=gravity)
    motion = simulate(begin, 400)
    slow = slow_balls.collisions(begin.position, begin.velocity, begin.radius, begin.mass, size=begin.size, gravity=gravity)
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


def folded(start: float, velocity: float, time: int, low: float, high: float) -> tuple[Fraction, int]:
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
            place, sign = folded(begin, speed, frame, 7.5, 56.5)
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


def test_newtons_cradle_passes_the_blow_through_touching_balls() -> None:
    balls = [(8.0, 32.0, 1.0, 0.0, 2.0, 1.0)] + [(x, 32.0, 0.0, 0.0, 2.0, 1.0) for x in (20.0, 24.0, 28.0, 32.0)]
    motion = simulate(start(balls), 20)
    assert motion.time.tolist() == [8.0] * 4
    assert list(zip(motion.a.tolist(), motion.b.tolist(), strict=True)) == [(0, 1), (1, 2), (2, 3), (3, 4)]
    assert motion.velocity[19, :, 0].tolist() == [0.0, 0.0, 0.0, 0.0, 1.0]
    assert motion.position[19, :, 0].tolist() == [16.0, 20.0, 24.0, 28.0, 43.0]


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


def test_an_event_after_the_last_interval_is_not_told() -> None:
    motion = simulate(start([(10.0, 32.0, 2.0, 0.0, 2.0, 1.0)]), 25)
    assert motion.made == 0
    assert not motion.contact.any()
    assert motion.final[0].tolist() == [[60.0, 32.0]]


@pytest.mark.parametrize(("ratio", "expected"), [(1.0, 3), (100.0, 31), (1_000.0, 99), (10_000.0, 314)])
def test_a_light_ball_squeezed_at_the_wall_bounces_as_often_as_galperin_says(ratio: float, expected: int) -> None:
    """Between a wall and a heavy ball that comes from afar there are ceil(pi / atan(sqrt(m / M))) - 1 collisions: digits of pi."""
    assert expected == math.ceil(math.pi / math.atan(ratio**-0.5) - 1e-9) - 1
    motion = simulate(start([(10.0, 256.0, 0.0, 0.0, 2.0, 1.0), (30.0, 256.0, -1.0, 0.0, 5.0, ratio)], size=512.0), 300)
    before_the_far_wall = np.flatnonzero((motion.b == WALL) & (motion.normal[:, 0] > 0.0))
    assert (before_the_far_wall[0] if before_the_far_wall.size else motion.made) == expected


@pytest.mark.parametrize("ratio", [1e-3, 1e3])
def test_extreme_masses_do_not_hang(ratio: float) -> None:
    generator = Balls(n=6, mass_ratio=ratio)
    states, _, events = generator.throw(np.arange(20, dtype=np.uint64), 100)
    assert len(events.time) < 20 * 5_000
    assert np.isfinite(states["position"]).all()


def test_no_room_for_events_is_full_and_too_many_are_endless() -> None:
    assert simulate(launch(3), 51, capacity=2).made == FULL
    rattling = start([(4.0, 4.0, 3.0, 0.0, 4.0 - 1e-6, 1.0)], size=8.0)
    assert simulate(rattling, 51, capacity=2).made == FULL
    assert simulate(rattling, 51, capacity=kernels.MOST_EVENTS + 1).made == ENDLESS
    with pytest.raises(RecipeError, match="100,000 collisions"):
        Balls(n=1, size=8, radius=3.999999, radius_ratio=1.0, speed=8.0).throw(np.arange(2, dtype=np.uint64), 51)


def test_a_throw_that_ran_out_of_rows_continues_as_if_nothing_had_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = Balls(n=(2, 5), curtain=10, crop=40)
    seeds = np.array([mixed(i) for i in range(40)], np.uint64)
    states, streams, events = generator.throw(seeds, 30)
    roomy = scenes._empty_rows
    monkeypatch.setattr(scenes, "_empty_rows", lambda count: roomy(3))
    tight_states, tight_streams, tight_events = generator.throw(seeds, 30)
    np.testing.assert_array_equal(streams, tight_streams)
    for name, array in states.items():
        np.testing.assert_array_equal(array, tight_states[name], err_msg=name)
    for name in ("offset", "time", "a", "b", "normal", "impulse", "position"):
        np.testing.assert_array_equal(getattr(events, name), getattr(tight_events, name), err_msg=name)


def processor_features() -> list[str]:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.read_text().split() if cpuinfo.exists() else []


@pytest.mark.parametrize("name", ["simulate", "next_touch", "falling_to_wall", "fly", "collide"])
def test_the_machine_code_holds_no_fused_operation(name: str) -> None:
    """A fused multiply-add rounds once where IEEE 754 code rounds twice: the same recipe would differ between machines."""
    simulate(launch(1), 5)
    f8, i8 = numba.float64, numba.int64
    row = f8[::1]
    signatures = {
        "next_touch": (i8, i8, *[row] * 5),
        "falling_to_wall": (f8,) * 5,
        "fly": (i8, f8, *[row] * 4, f8),
        "collide": (i8, i8, *[row] * 6, i8, numba.uint8[::1], f8[:, ::1], row, f8[:, ::1]),
    }
    original = getattr(kernels, name)
    options = {option: original.targetoptions.get(option) for option in ("nogil", "error_model", "fastmath")}
    fresh = numba.njit(**options)(original.py_func)  # cached machine code cannot be inspected
    fresh.compile(signatures.get(name) or kernels.simulate.signatures[0])
    code = fresh.inspect_asm(fresh.signatures[0])
    assert "mul" in code
    assert not any(word in code for word in ("fmadd", "fmsub", "fnmadd", "fmla"))


@pytest.mark.skipif("fma" not in processor_features(), reason="this processor has no fused operation to find")
def test_a_fused_operation_would_be_seen() -> None:
    fused = numba.njit((numba.float64,) * 3, fastmath=True)(lambda a, b, c: a * b + c)
    assert "fmadd" in fused.inspect_asm(fused.signatures[0])


GOLDEN, WORD = 0x9E3779B97F4A7C15, 2**64
KNOWN = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821]
"""SplitMix64 from the state 1234567, as other implementations publish it."""


def splitmix(state: int) -> int:
    z = state % WORD
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9 % WORD
    z = (z ^ z >> 27) * 0x94D049BB133111EB % WORD
    return z ^ z >> 31


def test_the_stream_of_the_kernels_is_splitmix64() -> None:
    stream = np.array([1234567], np.uint64)
    for step, number in enumerate(KNOWN, 1):
        assert splitmix(1234567 + step * GOLDEN) == number
        assert kernels.draw(stream) == (number >> 11) * 2.0**-53
        assert int(stream[0]) == (1234567 + step * GOLDEN) % WORD


def test_mixed_is_the_finalizer_of_splitmix64() -> None:
    assert [mixed((1234567 + step * GOLDEN) % WORD) for step in range(1, 6)] == KNOWN


def recipe(seed: int = 0) -> Recipe:
    return Recipe(dataset="balls4mass64", generator=Balls(), seed=seed)


@SOME
@given(SEEDS, st.sampled_from(["training", "validation", "test"]), st.integers(0, 2**32 - 40), st.integers(0, 30))
def test_seeds_are_what_big_integers_say(seed: int, split: str, first: int, count: int) -> None:
    numbers = [(["training", "validation", "test"].index(split) * 2**40 + i + 1) * GOLDEN for i in range(first, first + count)]
    assert recipe(seed).seeds(split, first, first + count).tolist() == [splitmix(splitmix(seed) + number) for number in numbers]


@SOME
@given(SEEDS, st.data())
def test_slices_of_seeds_agree(seed: int, data: st.DataObject) -> None:
    start, stop = sorted(data.draw(st.tuples(st.integers(0, 1_000), st.integers(0, 1_000))))
    whole = recipe(seed).seeds("validation", 0, 1_000)
    np.testing.assert_array_equal(recipe(seed).seeds("validation", start, stop), whole[start:stop])


@pytest.mark.parametrize("seed", [0, 1, 2**64 - 1])
def test_no_two_sequences_share_a_seed(seed: int) -> None:
    everything = np.concatenate([recipe(seed).seeds(split, 0, 70_000) for split in ("training", "validation", "test")])
    assert np.unique(everything).size == everything.size


def test_seeds_of_neighbouring_recipes_have_nothing_in_common() -> None:
    assert not np.intersect1d(recipe(0).seeds("training", 0, 50_000), recipe(1).seeds("training", 0, 50_000)).size


def chi_square(counts: np.ndarray, expected: np.ndarray | float) -> float:
    """In standard deviations from what chance alone would give."""
    freedom = counts.size - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / math.sqrt(2 * freedom)


def throw(generator: Balls, count: int) -> dict[str, np.ndarray]:
    return generator.throw(Recipe(dataset="any", generator=generator).seeds("training", 0, count), 2)[0]


def test_the_two_kinds_are_equally_likely() -> None:
    states = throw(Balls(), 5_000)
    heavy = states["mass"] == 6.0
    np.testing.assert_array_equal(states["radius"], np.where(heavy, 7.5, 6.0).astype(np.float32))
    kinds = heavy @ [1, 2, 4, 8]
    assert chi_square(np.bincount(kinds, minlength=16), 5_000 / 16) < 5


def test_six_seven_and_eight_balls_are_equally_likely() -> None:
    states = throw(Balls(n=(6, 8)), 5_000)
    counts = np.bincount(states["count"], minlength=9)
    assert counts[:6].sum() == 0
    assert chi_square(counts[6:], 5_000 / 3) < 5
    absent = np.arange(8) >= states["count"][:, None]
    np.testing.assert_array_equal(states["mass"] == 0.0, absent)
    np.testing.assert_array_equal(states["radius"] == 0.0, absent)
    assert not states["position"][np.broadcast_to(absent[:, None], (5_000, 2, 8))].any()


def test_velocities_are_uniform_over_the_ring() -> None:
    velocity = throw(Balls(speed=2.0), 5_000)["velocity"][:, 0].reshape(-1, 2).astype(np.float64) / 2.0
    square = (velocity**2).sum(1)
    assert 0.04 <= square.min() < 0.045
    assert 0.995 < square.max() <= 1.0
    rings = np.histogram(square, 24, (0.04, 1.0))[0]
    assert chi_square(rings, len(square) / 24) < 5
    sectors = np.histogram(np.arctan2(*velocity.T), 24, (-np.pi, np.pi))[0]
    assert chi_square(sectors, len(square) / 24) < 5


def test_one_ball_starts_anywhere() -> None:
    states = throw(Balls(n=1, radius_ratio=1.0), 20_000)
    squares = np.histogram2d(*states["position"][:, 0, 0].T, bins=10, range=[[6, 58], [6, 58]])[0]
    assert squares.sum() == 20_000
    assert chi_square(squares, 200.0) < 5


@pytest.mark.parametrize("crop", [0, 40])
def test_the_curtain_hangs_anywhere_it_fits(crop: int) -> None:
    curtain = throw(Balls(n=1, curtain=24, crop=crop), 40_000)["curtain"]
    places = (crop or 64) - 24 + 1
    np.testing.assert_array_equal(curtain[:, 2:] - curtain[:, :2], 24)
    assert curtain[:, :2].min() == 0
    counts = np.bincount(curtain[:, 0] * places + curtain[:, 1], minlength=places * places)
    assert counts.size == places * places
    assert counts.min() > 0
    assert chi_square(counts, 40_000 / places**2) < 5


def test_motion_does_not_depend_on_the_curtain_or_the_crop() -> None:
    """A crop moves the origin of everything that has a place, frames and events alike."""
    seeds = np.array([mixed(i) for i in range(50)], np.uint64)
    plain, _, events = Balls().throw(seeds, 20)
    curtained, _, _ = Balls(curtain=24).throw(seeds, 20)
    cropped, _, moved = Balls(crop=40).throw(seeds, 20)
    np.testing.assert_array_equal(plain["position"], curtained["position"])
    np.testing.assert_array_equal(plain["position"] - np.float32(12.0), cropped["position"])
    np.testing.assert_array_equal(events.position - 12.0, moved.position)
    np.testing.assert_array_equal(events.time, moved.time)
