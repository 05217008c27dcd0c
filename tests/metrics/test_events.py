"""Tests of errors by collisions against a pixel-by-pixel reading of the contract."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physbench.metrics import collisions, rollout
from physbench.registry import datasets
from physbench.scene import HIT_OBJECT, Scenes
from tests.metrics.oracle import cell_of, object_collisions, pixel_bce, random_window

Array = NDArray[Any]


@pytest.fixture(scope="module")
def balls() -> Scenes:
    return datasets.get("balls4mass64").generator.batch(np.arange(6, dtype=np.uint64), 21)


def sequence_of(scenes: Scenes) -> Array:
    return np.repeat(np.arange(len(scenes)), np.diff(scenes.events["offset"]))


def find_collided(scenes: Scenes, first: int, last: int) -> Array:
    table = scenes.events
    return collisions.collisions_between(
        sequence_of(scenes),
        table["time"],
        table["a"],
        table["b"],
        shape=scenes.truth["radius"].shape,
        first=first,
        last=last,
    )


@given(st.integers(0, 2**32 - 1), st.integers(1, 3), st.integers(1, 3), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_event_error_is_the_sum_over_the_cells_of_the_objects(
    seed: int, context: int, ahead: int, objects: int
) -> None:
    rng = np.random.default_rng(seed)
    frames, _ = random_window(rng, 3, 6, 5, 6)
    means = rng.random((3, 3, 5, 6, 1))
    position, radius = (
        rng.uniform(0, 6, (3, 6, objects, 2)),
        rng.uniform(0.5, 2, (3, objects)) * (rng.random((3, objects)) < 0.8),
    )
    counts = rng.integers(0, 6, (3, objects))
    figure = collisions.event_error(
        frames, means, context=context, ahead=ahead, position=position, radius=radius, collided=counts
    )
    frame = context - 1 + ahead
    for n in range(3):
        expected: dict[int, list[tuple[float, float]]] = {j: [] for j in range(4)}
        for r in range(5):
            for c in range(6):
                owner = cell_of(r, c, position[n, frame], radius[n])
                if owner is not None:
                    x = frames[n, frame, r, c, 0]
                    expected[min(int(counts[n, owner]), 3)].append(
                        (pixel_bce(x, means[n, ahead - 1, r, c, 0]), pixel_bce(x, frames[n, context - 1, r, c, 0]))
                    )
        for j in range(4):
            assert figure.numerator[n, j] == pytest.approx(sum(above for above, _ in expected[j]), rel=1e-9)
            assert figure.denominator[n, j] == pytest.approx(sum(below for _, below in expected[j]), rel=1e-9)


def test_the_cells_add_up_to_the_rollout_error(balls: Scenes) -> None:
    means = np.random.default_rng(0).random((6, 10, 64, 64, 1), dtype=np.float32)
    for ahead in (1, 5, 10):
        figure = collisions.event_error(
            balls.features,
            means,
            context=5,
            ahead=ahead,
            position=balls.truth["position"],
            radius=balls.truth["radius"],
            collided=find_collided(balls, 4, 4 + ahead),
        )
        np.testing.assert_allclose(
            figure.numerator.sum(axis=1), rollout.rollout_bce(balls.features, means, 5)[:, ahead - 1], rtol=1e-10
        )
        np.testing.assert_allclose(
            figure.denominator.sum(axis=1), rollout.repeat_bce(balls.features, 5, 10)[:, ahead - 1], rtol=1e-10
        )


def test_every_pixel_of_a_disc_is_in_its_own_cell(balls: Scenes) -> None:
    for t in (0, 10, 20):
        cells = collisions.power_cells(balls.truth["position"][:, t], balls.truth["radius"], 64, 64)
        shown = balls.groups[:, t, :, :, 0] > 0
        assert (cells[shown] + 1 == balls.groups[:, t, :, :, 0][shown]).all()


def test_a_picture_without_objects_has_no_cells() -> None:
    assert (collisions.power_cells(np.full((1, 2, 2), math.nan), np.zeros((1, 2)), 3, 3) == collisions.NO_OBJECT).all()


def test_a_radius_of_0_owns_nothing_even_at_the_nearest_place() -> None:
    cells = collisions.power_cells(np.array([[[1.5, 1.5], [60.0, 60.0]]]), np.array([[0.0, 1.0]]), 3, 3)
    assert (cells == 1).all()


@given(
    st.lists(st.tuples(st.floats(0, 8), st.integers(0, 2), st.sampled_from([1, 2, 255])), max_size=12),
    st.integers(0, 4),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_collisions_are_counted_for_both_partners_in_the_interval_and_walls_are_not(
    rows: list[tuple[float, int, int]], first: int, length: int
) -> None:
    rows = [(time, a, b) for time, a, b in rows if a != b]
    time, a, b = (np.array([row[i] for row in rows], dtype) for i, dtype in enumerate((np.float64, np.uint8, np.uint8)))
    counts = collisions.collisions_between(
        np.ones(len(rows), np.int64), time, a, b, shape=(3, 3), first=first, last=first + length
    )
    assert counts[1].tolist() == object_collisions(rows, 3, first, first + length)
    assert not counts[[0, 2]].any()


def test_contacts_say_what_the_event_table_says_but_for_two_in_one_interval(balls: Scenes) -> None:
    one_by_one = sum(np.minimum(find_collided(balls, t, t + 1), 1) for t in range(4, 14))
    assert (((balls.truth["contact"][:, 4:14] & HIT_OBJECT) > 0).sum(axis=1) == one_by_one).all()
    assert find_collided(balls, 4, 14).any()


def test_a_collision_at_a_frame_belongs_to_the_interval_that_ends_there() -> None:
    one = (np.zeros(1, np.int64), np.array([4.0]), np.array([0]), np.array([1]))
    assert collisions.collisions_between(*one, shape=(1, 2), first=3, last=4).tolist() == [[1, 1]]
    assert collisions.collisions_between(*one, shape=(1, 2), first=4, last=14).tolist() == [[0, 0]]
