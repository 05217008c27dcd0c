"""Tests of the error of imagined positions against a loop over single pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physbench.metrics import sums
from physbench.metrics.positions import rollout_position_error
from physbench.registry import datasets
from physbench.scene import Scenes
from tests.metrics.oracle import cell_of

Array = NDArray[Any]


def slow_error(mean: Array, position: Array, radius: Array, visible: Array) -> tuple[float, int]:
    """(H, W, C), (K, 2), (K,), (K,): the sum over the objects that count, and their number."""
    places: dict[int, list[tuple[float, float]]] = {}
    for r in range(mean.shape[0]):
        for c in range(mean.shape[1]):
            owner = cell_of(r, c, position, radius)
            if owner is not None and any(mean[r, c, channel] > 0.5 for channel in range(mean.shape[2])):
                places.setdefault(owner, []).append((c + 0.5, r + 0.5))
    total, count = 0.0, 0
    for k in range(len(radius)):
        if radius[k] > 0 and visible[k] > 0:
            count += 1
            if k not in places:
                total += 16
                continue
            x, y = (sum(place[axis] for place in places[k]) / len(places[k]) for axis in (0, 1))
            total += min(math.dist((x, y), (float(position[k, 0]), float(position[k, 1]))), 16)
    return total, count


@given(
    st.integers(0, 2**32 - 1), st.integers(1, 4), st.sampled_from([1, 3]), st.sampled_from([0.0, 0.3, 0.5, 0.501, 1.0])
)
@settings(max_examples=60, deadline=None)
def test_the_error_is_what_a_loop_over_pixels_gives(seed: int, objects: int, channels: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    mean = rng.random((3, 7, 9, channels), dtype=np.float32) * np.float32(share) / np.float32(0.9)
    mean = np.minimum(mean, 1)
    position = rng.uniform(-12, 30, (3, objects, 2)) if seed % 3 == 0 else rng.uniform(0, 8, (3, objects, 2))
    radius = rng.uniform(0.5, 2, (3, objects)) * (rng.random((3, objects)) < 0.8)
    visible = rng.integers(0, 3, (3, objects))
    ours = rollout_position_error(mean, position, radius, visible)
    expected = [slow_error(mean[n], position[n], radius[n], visible[n]) for n in range(3)]
    assert ours.numerator.tolist() == pytest.approx([total for total, _ in expected], rel=1e-9)
    assert ours.denominator.tolist() == [count for _, count in expected]


@pytest.fixture(scope="module")
def balls() -> Scenes:
    return datasets.get("balls4mass64").generator.batch(np.arange(32, dtype=np.uint64), 12)


def score(scenes: Scenes, mean: Array, t: int = 11) -> float:
    return sums.value(
        rollout_position_error(
            mean, scenes.truth["position"][:, t], scenes.truth["radius"], scenes.truth["visible"][:, t]
        )
    )


def test_the_frame_itself_is_near_0_and_never_0_because_pixels_are_coarse(balls: Scenes) -> None:
    assert 0.03 < score(balls, balls.features[:, 11].astype(np.float32)) < 0.15


def test_what_is_moved_by_two_pixels_is_two_pixels_off() -> None:
    mean = np.zeros((1, 64, 64, 1))
    mean[0, 20:31, 30:41] = 1
    position, radius = np.array([[[33.5, 25.5]]]), np.array([[5.0]])
    assert sums.value(rollout_position_error(mean, position, radius, np.ones((1, 1)))) == 2.0


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_who_says_nothing_costs_16_per_object(balls: Scenes, level: float) -> None:
    assert score(balls, np.full((32, 64, 64, 1), level, np.float32)) == 16.0


def test_a_dot_where_the_object_is_scores_as_the_object_does_and_the_farthest_dot_costs_16() -> None:
    mean = np.zeros((2, 64, 64, 1))
    mean[0, 10, 10] = mean[1, 63, 63] = 0.51
    found = rollout_position_error(mean, np.full((2, 1, 2), 10.5), np.full((2, 1), 7.0), np.ones((2, 1)))
    assert found.numerator.tolist() == [0.0, 16.0]


def test_what_a_curtain_hides_is_not_scored() -> None:
    scenes = datasets.get("balls3curtain64").generator.batch(np.arange(16, dtype=np.uint64), 30)
    shown = [(scenes.truth["visible"][:, t] > 0).sum() for t in range(30)]
    assert any(count < (scenes.truth["radius"] > 0).sum() for count in shown)
    for t, count in enumerate(shown):
        found = rollout_position_error(
            scenes.features[:, t], scenes.truth["position"][:, t], scenes.truth["radius"], scenes.truth["visible"][:, t]
        )
        assert found.denominator.sum() == count
        assert sums.value(found) < 1.5, "half hidden objects look displaced, and no more"


def test_a_scene_without_objects_has_no_value() -> None:
    found = rollout_position_error(np.ones((1, 3, 3, 1)), np.zeros((1, 2, 2)), np.zeros((1, 2)), np.zeros((1, 2)))
    assert math.isnan(sums.value(found))
