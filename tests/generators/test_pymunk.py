"""Tests of the exact motion against the time steps of Chipmunk, in the same world, with the precision of each."""

import math

import numpy as np
import pytest

pytest.importorskip("pymunk")

from benchmarks.rivals.chipmunk import Trajectories, trajectories
from physbench_generators.balls import kernels
from physbench_generators.balls.kernels import WALL

SEEDS = range(16)
Start = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def launch(seed: int, n: int = 4) -> Start:
    stream = np.array([seed], np.uint64)
    x, y, vx, vy, radius, mass = np.zeros((6, n))
    for i in range(n):
        radius[i], mass[i] = (7.5, 6.0) if kernels.draw(stream) < 0.5 else (6.0, 1.0)
    assert kernels.place(stream, n, 64.0, x, y, radius)
    kernels.push(stream, n, 3.0, vx, vy)
    return np.stack([x, y], 1), np.stack([vx, vy], 1), radius, mass


def exact(begin: Start, frames: int, gravity: float = 0.0) -> tuple[Trajectories, np.ndarray, np.ndarray]:
    """Our trajectories, and the times and partners of the collisions."""
    (x, y), (vx, vy), radius, mass = begin[0].T.copy(), begin[1].T.copy(), begin[2], begin[3]
    n, rows = len(mass), 20_000
    position, velocity = np.zeros((2, frames, n, 2))
    time, a, b = np.empty(rows), np.empty(rows, np.uint8), np.empty(rows, np.uint8)
    made = kernels.simulate(
        n, 64.0, gravity, frames, x, y, vx, vy, radius, mass, position, velocity, np.zeros((frames, n), np.uint8),
        0, time, a, b, np.empty((rows, 2)), np.empty(rows), np.empty((rows, 2)), np.zeros(n), np.zeros(n, np.int64), np.zeros((n, n)),
    )  # fmt: skip
    energy = (0.5 * mass * (velocity**2).sum(-1) + mass * gravity * (64.0 - position[..., 1])).sum(-1)
    return Trajectories(position, velocity, energy), time[:made], b[:made]


def drift(energy: np.ndarray) -> float:
    return float(np.abs(energy / energy[0] - 1.0).max())


@pytest.mark.parametrize("seed", SEEDS)
def test_both_fly_straight_until_the_first_collision(seed: int) -> None:
    begin = launch(seed)
    ours, time, _ = exact(begin, 51)
    theirs = trajectories(*begin, size=64.0, frames=51, substeps=10)
    free = slice(0, math.ceil(time[0]))
    np.testing.assert_allclose(theirs.position[free], ours.position[free], rtol=0, atol=1e-11)
    np.testing.assert_allclose(theirs.velocity[free], ours.velocity[free], rtol=0, atol=1e-14)


@pytest.mark.parametrize("gravity", [0.0, 0.05])
@pytest.mark.parametrize("collisions", [1, 2, 3])
def test_finer_steps_come_closer_to_the_exact_motion(collisions: int, gravity: float) -> None:
    """Up to the frame after the first few collisions, before chaos takes over. Four times finer steps: about four times
    closer."""
    errors = {10: 0.0, 40: 0.0, 160: 0.0}
    for seed in SEEDS:
        begin = launch(seed)
        ours, time, _ = exact(begin, 51, gravity)
        frames = min(math.ceil(time[collisions - 1]) + 2, 51)
        for substeps in errors:
            theirs = trajectories(*begin, size=64.0, frames=frames, substeps=substeps, gravity=gravity)
            errors[substeps] += np.abs(theirs.position - ours.position[:frames]).max() / len(SEEDS)
    assert errors[10] / errors[40] > 2.5
    assert errors[40] / errors[160] > 2.5
    assert errors[160] < 0.1


@pytest.mark.parametrize("seed", range(8))
def test_both_leave_the_first_collisions_with_the_same_velocities(seed: int) -> None:
    """Head-on, a blow does not depend on when it is noticed: both engines then agree to rounding."""
    speed = 0.5 + 0.25 * seed
    begin = (
        np.array([[16.0, 32.0], [40.0, 32.0]]),
        np.array([[speed, 0.0], [-0.25, 0.0]]),
        np.array([6.0, 7.5]),
        np.array([1.0, 6.0]),
    )
    ours, time, partner = exact(begin, math.ceil(10.5 / (speed + 0.25)) + 3)
    assert (time <= len(ours.energy) - 1).sum() == 1
    assert partner[0] != WALL
    theirs = trajectories(*begin, size=64.0, frames=len(ours.energy), substeps=20)
    np.testing.assert_allclose(theirs.velocity[-1], ours.velocity[-1], rtol=0, atol=1e-12)


def test_chipmunk_loses_energy_to_its_steps_under_gravity_and_we_do_not() -> None:
    """Without gravity both keep the energy to rounding: a blow is exact, only its moment is not."""
    for seed in SEEDS:
        begin = launch(seed)
        ours = drift(exact(begin, 200, 0.05)[0].energy)
        theirs = drift(trajectories(*begin, size=64.0, frames=200, substeps=40, gravity=0.05).energy)
        assert ours < 1e-13
        assert theirs > 1e-5
        assert drift(exact(begin, 200)[0].energy) < 1e-13


def test_the_balls_of_chipmunk_stay_in_the_box() -> None:
    """They enter a wall by one step of flight at most; all the energy in one ball bounds its speed."""
    for seed in SEEDS:
        begin = launch(seed)
        position, _, energy = trajectories(*begin, size=64.0, frames=200, substeps=40)
        margin = (begin[2] - np.sqrt(2.0 * energy[0] / begin[3]) / 40)[:, None]
        assert (position >= margin).all()
        assert (position <= 64.0 - margin).all()


def test_chipmunk_repeats_itself() -> None:
    one, two = (trajectories(*launch(7), size=64.0, frames=51, substeps=10) for _ in range(2))
    for left, right in zip(one, two, strict=True):
        np.testing.assert_array_equal(left, right)
