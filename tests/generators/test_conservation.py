"""Tests that energy and momentum are conserved, and that the motion can be reversed."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physbench_generators.balls.kernels import WALL
from tests.builders.launches import GRAVITIES, SEEDS, SOME, Start, launch, simulate


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


@settings(max_examples=150, deadline=None, derandomize=True)
@given(SEEDS, GRAVITIES)
def test_motion_reversed_returns_to_its_start(seed: int, gravity: float) -> None:
    begin = launch(seed, 4, gravity=gravity)
    position, velocity = simulate(begin, 10).final
    back = simulate(Start(position, -velocity, begin.radius, begin.mass, begin.size, gravity), 10)
    assert np.abs(back.final[0] - begin.position).max() <= 1e-9
    assert np.abs(back.final[1] + begin.velocity).max() <= 1e-9


@SOME
@given(SEEDS, st.integers(2, 7))
def test_momentum_is_exact_at_every_collision(seed: int, n: int) -> None:
    """Seen in the frames, which know nothing of the event table: momentum changes by what the walls give, and by
    nothing else."""
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
        np.testing.assert_allclose(
            mass[1] * (after - before)[1], motion.impulse[row] * motion.normal[row], rtol=0, atol=1e-12 * mass.sum()
        )
