"""Tests of the parts of the tracker against slow and obvious code: discs in drawn frames, flight, and the place of a
curtain."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physbench_baselines.tracking.belief import normal_numbers, ring_of_velocities
from physbench_baselines.tracking.curtain import SHOWS, SIDE, cover
from physbench_baselines.tracking.discs import OFF, ON, RADII, UNSEEN, find_partial, find_whole
from physbench_baselines.tracking.flight import fly
from tests.oracles.slow_balls import collisions

MOST = 16
CENTRES = np.arange(64) + 0.5


def discs_in_a_box(rng: np.random.Generator, most: int, *, size: float = 64.0) -> np.ndarray:
    """(n, 3) x, y, radius of discs that do not overlap."""
    discs: list[tuple[float, float, float]] = []
    for _ in range(40):
        radius = float(rng.choice(RADII))
        x, y = rng.uniform(radius, size - radius, 2)
        if len(discs) < most and all(np.hypot(x - a, y - b) > radius + r for a, b, r in discs):
            discs.append((x, y, radius))
    return np.array(discs)


def draw(discs: np.ndarray) -> np.ndarray:
    """(64, 64) uint8: ON where a pixel's centre lies in a disc."""
    squares = (CENTRES - discs[:, :1, None]) ** 2 + (CENTRES[:, None] - discs[:, 1, None, None]) ** 2
    return np.where((squares <= discs[:, 2, None, None] ** 2).any(axis=0), ON, OFF).astype(np.uint8)


def discs_of(seen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n, 3) x, y, radius and (n, 3) errors of whole discs."""
    x, y, r, error = np.zeros(MOST + 1), np.zeros(MOST + 1), np.zeros(MOST + 1), np.zeros((MOST + 1, 3))
    count = find_whole(seen, MOST, x, y, r, error)
    return np.stack([x, y, r], axis=1)[:count], error[:count]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 9))
def test_every_disc_is_found_with_its_radius_within_a_fifth_of_a_pixel(seed: int, most: int) -> None:
    truth = discs_in_a_box(np.random.default_rng(seed), most)
    discs, _ = discs_of(draw(truth))
    assert len(discs) == len(truth)
    apart = np.hypot(*(discs[:, None, :2] - truth[None, :, :2]).transpose(2, 0, 1))
    nearest = apart.argmin(axis=1)
    assert sorted(nearest.tolist()) == list(range(len(truth))), "one for one"
    assert (discs[:, 2] == truth[nearest, 2]).all()
    assert apart.min(axis=1).max() < 0.25


def test_the_error_of_a_place_is_what_it_says() -> None:
    """Errors over their standard deviations have a variance of 1; both are some hundredths of a pixel."""
    rng = np.random.default_rng(7)
    off, scaled = [], []
    for _ in range(400):
        radius = float(rng.choice(RADII))
        truth = np.array([[*rng.uniform(radius, 64 - radius, 2), radius]])
        (disc,), (error,) = discs_of(draw(truth))
        difference = disc[:2] - truth[0, :2]
        off.append(difference)
        scaled.append(difference / np.sqrt(error[[0, 2]]))
    assert np.sqrt(np.mean(np.square(off))) < 0.04
    assert 0.85 < np.mean(np.square(scaled)) < 1.15


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(RADII), st.floats(0.0, 7.0))
def test_a_disc_that_the_edge_of_the_frame_cuts_is_found(seed: int, radius: float, beyond: float) -> None:
    """The box reaches 7 pixels beyond the frame; the disc touches somewhere out there."""
    y = np.random.default_rng(seed).uniform(20, 44)
    seen = np.full((64, 64), UNSEEN, np.uint8)
    seen[7:57, 7:57] = draw(np.array([[radius + beyond, y, radius]]))[7:57, 7:57]
    whole, _ = discs_of(seen)
    x, ys, r, error = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros((3, 3))
    count = find_partial(seen, seen, 0, 1, 2, x, ys, r, error, 0)
    (place,) = whole if len(whole) else np.stack([x, ys, r], axis=1)[:count]
    assert place[2] == radius and np.hypot(place[0] - radius - beyond, place[1] - y) < 0.5


def flown_slowly(world: np.ndarray, radius: np.ndarray, mass: np.ndarray) -> np.ndarray:
    """One frame further, by the collisions of an oracle in fifty digits: momentum is what a collision says it is."""
    world, now = world.copy(), 0.0
    for event in collisions(world[:, :2].tolist(), world[:, 2:].tolist(), radius.tolist(), mass.tolist(), size=64.0):
        if event.time > 1.0:
            break
        world[:, :2] += (event.time - now) * world[:, 2:]
        now = event.time
        world[event.a, 2:] -= np.array(event.normal) * event.impulse / mass[event.a]
        if event.b < len(world):
            world[event.b, 2:] += np.array(event.normal) * event.impulse / mass[event.b]
    world[:, :2] += (1.0 - now) * world[:, 2:]
    return world


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.5, 12.0))
def test_discs_fly_as_in_an_oracle_and_keep_their_energy(seed: int, fastest: float) -> None:
    rng = np.random.default_rng(seed)
    discs = discs_in_a_box(rng, 6)
    radius, mass = discs[:, 2], np.where(discs[:, 2] > RADII[0], 6.0, 1.0)
    world = np.concatenate([discs[:, :2], rng.uniform(-fastest, fastest, (len(discs), 2))], axis=1)
    expected = flown_slowly(world, radius, mass)
    before = (mass * (world[:, 2:] ** 2).sum(axis=1)).sum()
    fly(world, radius, mass, 64.0, 64.0)
    np.testing.assert_allclose(world, expected, atol=1e-6)
    assert (mass * (world[:, 2:] ** 2).sum(axis=1)).sum() == pytest.approx(before, rel=1e-12)


def test_slots_without_a_disc_are_not_hit() -> None:
    world = np.array([[10.0, 10.0, 1.0, 0.0], [16.0, 10.0, 0.0, 0.0]])
    fly(world, np.array([6.0, 0.0]), np.ones(2), 64.0, 64.0)
    assert world.tolist() == [[11.0, 10.0, 1.0, 0.0], [16.0, 10.0, 0.0, 0.0]]


@pytest.mark.parametrize("seed", range(4))
def test_how_probably_a_pixel_is_hidden_is_a_sum_over_all_curtains(seed: int) -> None:
    rng = np.random.default_rng(seed)
    evidence = np.zeros((40, 36), np.float32)
    evidence[rng.random(evidence.shape) < 0.002] = SHOWS
    evidence[15:20, 12:17] = rng.integers(0, 4, (5, 5))
    doubt, out = 12.0, np.empty(evidence.shape)
    assert cover(evidence, doubt, out)
    weights, hidden = [], []
    for row in range(40 - SIDE + 1):
        for column in range(36 - SIDE + 1):
            square = np.zeros(evidence.shape, bool)
            square[row : row + SIDE, column : column + SIDE] = True
            possible = not (evidence[square] == SHOWS).any()
            weights.append(2.0 ** evidence[square].clip(0).sum() if possible else 0.0)
            hidden.append(square)
    whole = sum(weights) + len(weights) * 2.0**doubt
    np.testing.assert_allclose(out, sum(w * h for w, h in zip(weights, hidden, strict=True)) / whole, atol=1e-9)


def test_no_curtain_is_thought_of_before_something_is_missing() -> None:
    out = np.ones((64, 64))
    assert not cover(np.full((64, 64), SHOWS, np.float32), 8.0, out) and (out == 0).all()


def test_worlds_are_drawn_alike_at_every_call_with_the_moments_they_should_have() -> None:
    normal, ring = normal_numbers(32, 4), ring_of_velocities(32, 4, 0.6, 3.0)
    for numbers in normal:
        np.testing.assert_allclose(numbers.mean(axis=0), 0, atol=1e-12)
        np.testing.assert_allclose(numbers.T @ numbers / 32, np.eye(4), atol=1e-12)
    speed = np.hypot(ring[..., 0], ring[..., 1])
    assert speed.min() >= 0.6 and speed.max() <= 3.0
    np.testing.assert_allclose(ring.sum(axis=1), 0, atol=1e-12)
