"""Tests that scenes are drawn from the documented distributions."""

import math

import numpy as np
import pytest

from physbench.recipe import Recipe, mix
from physbench_generators.balls.scenes import Balls


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
    seeds = np.array([mix(i) for i in range(50)], np.uint64)
    plain, _, events = Balls().throw(seeds, 20)
    curtained, _, _ = Balls(curtain=24).throw(seeds, 20)
    cropped, _, moved = Balls(crop=40).throw(seeds, 20)
    np.testing.assert_array_equal(plain["position"], curtained["position"])
    np.testing.assert_array_equal(plain["position"] - np.float32(12.0), cropped["position"])
    np.testing.assert_array_equal(events["position"] - 12.0, moved["position"])
    np.testing.assert_array_equal(events["time"], moved["time"])
