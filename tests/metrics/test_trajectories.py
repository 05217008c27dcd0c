"""Tests of errors of positions, and of the physics that imagined positions break, against loops over single objects."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physbench.metrics import sums
from physbench.metrics.trajectories import energy_error, kinetic_energies, penetration, position_mse
from physbench.registry import datasets

Array = NDArray[Any]


def scene(seed: int) -> tuple[Array, Array, Array, Array]:
    """Places (2, 3, 4, 2) twice, radii and masses (2, 4), of which some objects are absent."""
    rng = np.random.default_rng(seed)
    there = rng.random((2, 2, 4)) * np.array([[1, 1, rng.integers(0, 2), 0], [1, 0, 0, 0]])
    return rng.random((2, 3, 4, 2)), rng.random((2, 3, 4, 2)), 0.3 * there[:, 0], there[:, 1]


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_error_is_the_mean_over_coordinates_of_objects_that_exist(seed: int) -> None:
    there, said, radius, _ = scene(seed)
    squares = [
        (there[n, s, k, axis] - said[n, s, k, axis]) ** 2
        for n in range(2) for s in range(3) for k in range(4) for axis in range(2) if radius[n, k] > 0
    ]  # fmt: skip
    assert math.isclose(sums.value(position_mse(there, said, radius)), sum(squares) / len(squares))


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_energies_are_of_the_way_that_each_object_makes(seed: int) -> None:
    there, said, _, mass = scene(seed)
    before = np.random.default_rng(seed + 1).random((2, 4, 2))

    def energy(places: Array, n: int, s: int) -> float:
        last = before[n] if s == 0 else places[n, s - 1]
        return sum(mass[n, k] * math.dist(places[n, s, k], last[k]) ** 2 / 2 for k in range(4))

    above = sum(abs(energy(said, n, s) - energy(there, n, s)) for n in range(2) for s in range(3))
    below = sum(energy(there, n, s) for n in range(2) for s in range(3))
    assert math.isclose(sums.value(energy_error(before, there, said, mass)), above / below)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_objects_lie_in_one_another_and_in_walls(seed: int) -> None:
    _, said, radius, _ = scene(seed)
    total, count = 0.0, 0
    for n, s in np.ndindex(2, 3):
        for k in (k for k in range(4) if radius[n, k] > 0):
            depth = sum(
                max(radius[n, k] - said[n, s, k, axis], 0) + max(said[n, s, k, axis] + radius[n, k] - 1, 0)
                for axis in range(2)
            )
            for i in (i for i in range(4) if i != k and radius[n, i] > 0):
                depth += max(radius[n, k] + radius[n, i] - math.dist(said[n, s, k], said[n, s, i]), 0)
            total, count = total + depth / radius[n, k], count + 1
    assert math.isclose(sums.value(penetration(said, radius)), total / count)


def test_true_motion_breaks_no_physics() -> None:
    """Of the balls' own simulator: nothing lies in anything, and the way made in a step is that of the energy, but for
    the steps with a collision."""
    scenes = datasets.get("balls4mass64").scenes(
        "test", 0, 8, only=("position", "velocity", "radius", "mass", "contact")
    )
    position, velocity, radius, mass, contact = (
        scenes.truth[name] for name in ("position", "velocity", "radius", "mass", "contact")
    )
    assert sums.value(penetration(position / 64, radius / 64)) < 1e-5
    by_steps = kinetic_energies(position[:, 0], position[:, 1:], mass)
    by_velocity = 0.5 * (mass[:, None] * (velocity.astype(np.float64) ** 2).sum(axis=3)).sum(axis=2)[:, :-1]
    quiet = (contact[:, :-1] == 0).all(axis=2)
    assert 0.2 < quiet.mean() < 0.9
    np.testing.assert_allclose(by_steps[quiet], by_velocity[quiet], rtol=1e-4)
    assert (by_steps[~quiet] < by_velocity[~quiet] * (1 + 1e-4)).all()


def test_standing_still_loses_all_energy() -> None:
    there = np.arange(6.0).reshape(1, 3, 1, 2)
    before = np.array([[[-2.0, -1.0]]])
    still = np.broadcast_to(before[:, None], there.shape)
    assert sums.curve(energy_error(before, there, still, np.array([[2.0]]))) == [1.0, 1.0, 1.0]
