"""Tests that the adjusted Rand index is scikit-learn's, on every frame and for any labels."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from physbench.metrics import grouping, sums
from tests.metrics.oracle import frame_ari, frame_points, points_ari

NO_CURTAIN = np.zeros((1, 4), np.int16)


def one_frame(owners: list[int], groups: list[int]) -> float:
    """The index of a frame of one row; it stands second, since the first is not scored."""
    owner = np.tile(np.array(owners, np.uint8), 2).reshape(1, 2, 1, -1)
    group = np.tile(np.array(groups, np.uint8), 2).reshape(1, 2, 1, -1, 1)
    return float(grouping.ari(grouping.contingency(owner, group))[0, 0])


@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(2, 4),
    st.integers(1, 7),
    st.integers(1, 7),
    st.integers(1, 6),
    st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_ari_is_scikit_learns_frame_by_frame(
    seed: int, n: int, t: int, height: int, width: int, slots: int, objects: int
) -> None:
    rng = np.random.default_rng(seed)
    owners = rng.integers(0, slots, (n, t, height, width), np.uint8)
    groups = rng.integers(0, objects + 1, (n, t, height, width, 1), np.uint8)
    curtain = np.array([[0, 0, rng.integers(0, height + 1), rng.integers(0, width + 1)] for _ in range(n)], np.int16)
    tables = grouping.contingency(owners, groups, curtain)
    expected = [[frame_ari(owners[i, s], groups[i, s], curtain[i]) for s in range(1, t)] for i in range(n)]
    np.testing.assert_allclose(grouping.ari(tables), expected, rtol=1e-9, atol=1e-12)
    videos = [[frame_points(owners[i, s], groups[i, s], curtain[i]) for s in range(1, t)] for i in range(n)]
    whole = [
        points_ari([o for frame, _ in video for o in frame], [g for _, frame in video for g in frame])
        for video in videos
    ]
    np.testing.assert_allclose(grouping.ari_video(tables), whole, rtol=1e-9, atol=1e-12)


def test_two_hundred_thousand_points_do_not_overflow() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(1, 5, (1, 51, 64, 64, 1), np.uint8)
    owners = np.where(rng.random(groups.shape) < 0.8, groups, rng.integers(0, 6, groups.shape))[..., 0].astype(np.uint8)
    video = float(grouping.ari_video(grouping.contingency(owners, groups))[0])
    assert owners[:, 1:].size > 200_000
    assert video == pytest.approx(adjusted_rand_score(groups[:, 1:].ravel(), owners[:, 1:].ravel()), rel=1e-10)


@pytest.mark.parametrize(
    ("owners", "groups", "expected"),
    [
        ([0, 0, 1, 1], [1, 1, 2, 2], 1.0),
        ([4, 4, 2, 2], [1, 1, 2, 2], 1.0),  # names of slots do not matter
        ([0, 0, 0, 0], [1, 1, 2, 2], 0.0),  # one slot, two objects
        ([3, 3, 3, 3], [1, 1, 1, 1], 1.0),  # one slot, one object: published float32 code says 0
        ([0, 1, 2, 3], [1, 1, 1, 1], 0.0),
        ([0, 1], [1, 2], 1.0),  # all apart, in both
        ([0, 0], [1, 2], 0.0),
        ([0, 1, 0, 1], [1, 1, 2, 2], -0.5),
        ([9, 8, 0, 0, 1, 1], [0, 0, 1, 1, 2, 2], 1.0),  # nobody's pixels do not count
    ],
)
def test_closed_forms(owners: list[int], groups: list[int], expected: float) -> None:
    assert one_frame(owners, groups) == expected


def test_true_labels_score_exactly_1_and_random_ones_about_0() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 5, (4, 6, 32, 32, 1), np.uint8)
    assert (grouping.ari(grouping.contingency(groups[..., 0], groups)) == 1.0).all()
    chance = grouping.ari(grouping.contingency(rng.integers(0, 5, groups.shape[:-1], np.uint8), groups))
    assert abs(sums.value(sums.mean_where_defined(chance))) < 0.01


@pytest.mark.parametrize("groups", [[0, 0, 0], [0, 1, 0]])
def test_fewer_than_two_pixels_have_no_index_and_are_left_out_not_zero(groups: list[int]) -> None:
    assert math.isnan(one_frame([0, 1, 2], groups))
    values = np.array([[1.0, math.nan], [0.5, math.nan]])
    assert sums.value(sums.mean_where_defined(values)) == 0.75
    assert math.isnan(sums.value(sums.last(sums.mean_where_defined(values))))


def test_pixels_behind_the_curtain_do_not_count() -> None:
    groups = np.tile(np.array([1, 1, 2, 2, 1, 2], np.uint8), 2).reshape(1, 2, 1, 6, 1)
    owners = np.tile(np.array([0, 0, 1, 1, 1, 0], np.uint8), 2).reshape(1, 2, 1, 6)
    assert grouping.ari(grouping.contingency(owners, groups, np.array([[0, 4, 1, 6]], np.int16)))[0, 0] == 1.0
    assert grouping.ari(grouping.contingency(owners, groups, NO_CURTAIN))[0, 0] < 1.0


def test_the_first_frame_is_not_scored() -> None:
    groups = np.tile(np.array([1, 1, 2, 2], np.uint8), 3).reshape(1, 3, 1, 4, 1)
    owners = groups[..., 0].copy()
    owners[0, 0] = [[0, 1, 0, 1]]
    assert grouping.ari(grouping.contingency(owners, groups)).tolist() == [[1.0, 1.0]]
    assert grouping.ari_video(grouping.contingency(owners, groups)).tolist() == [1.0]


def test_a_slot_that_jumps_to_another_object_pays_in_the_video_alone() -> None:
    groups = np.tile(np.array([1, 1, 1, 2, 2, 2], np.uint8), 5).reshape(1, 5, 1, 6, 1)
    owners = groups[..., 0].copy()
    owners[0, 3:] = 3 - owners[0, 3:]
    tables = grouping.contingency(owners, groups)
    assert (grouping.ari(tables) == 1.0).all()
    assert grouping.ari_video(tables)[0] < 0.1


def test_owner_maps_of_the_wrong_shape_are_refused_in_words() -> None:
    with pytest.raises(ValueError, match=r"owner maps of shape \(1, 2, 3, 3\) need groups of shape \(1, 2, 3, 3, 1\)"):
        grouping.contingency(np.zeros((1, 2, 3, 3), np.uint8), np.zeros((1, 2, 3, 4, 1), np.uint8))


def test_it_is_many_times_faster_than_scikit_learn_in_a_loop() -> None:
    """Measured about 150 times on a quiet machine; a busy one may show less."""
    groups = np.zeros((8, 25, 64, 64, 1), np.uint8)
    for k, (r, c) in enumerate([(5, 5), (5, 40), (40, 5), (40, 40)]):
        groups[:, :, r : r + 12, c : c + 12] = k + 1
    owners = np.random.default_rng(0).integers(0, 5, groups.shape[:-1], np.uint8)
    grouping.ari(grouping.contingency(owners, groups))
    ours = min(_seconds(lambda: grouping.ari(grouping.contingency(owners, groups))) / 200 for _ in range(5))
    theirs = min(
        _seconds(lambda: [frame_by_scikit_learn(owners[0, t], groups[0, t]) for t in range(10)]) / 10 for _ in range(2)
    )
    assert theirs > 20 * ours


def frame_by_scikit_learn(owner: np.ndarray, groups: np.ndarray) -> float:  # type: ignore[type-arg]
    shown = groups[..., 0] > 0
    return adjusted_rand_score(groups[..., 0][shown], owner[shown])


def _seconds(work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return time.perf_counter() - start
