"""Tests of cross-entropy and likelihoods against their definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from physbench.metrics import pixels, sums
from physbench.model import Bernoulli, Gaussian
from tests.metrics.oracle import frame_bce, random_window

windows = st.tuples(
    st.integers(0, 2**32 - 1),
    st.integers(1, 3),
    st.integers(2, 4),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 3),
)


@given(windows)
@settings(max_examples=40, deadline=None)
def test_bce_is_the_sum_over_single_pixels(window: tuple[int, ...]) -> None:
    seed, *shape = window
    frames, means = random_window(np.random.default_rng(seed), *shape)
    expected = [[frame_bce(frames[n, t + 1], means[n, t]) for t in range(shape[1] - 1)] for n in range(shape[0])]
    np.testing.assert_allclose(pixels.bce(frames, means), expected, rtol=1e-9)
    np.testing.assert_allclose(pixels.bce(frames.astype(np.float32), means), expected, rtol=1e-9)
    np.testing.assert_allclose(pixels.bernoulli_surprise(frames[:, 1:], means).sum(axis=(2, 3, 4)), expected, rtol=1e-9)


@given(windows)
@settings(max_examples=40, deadline=None)
def test_relational_bce_is_the_sum_over_the_flagged_pixels_of_the_next_frame(window: tuple[int, ...]) -> None:
    seed, *shape = window
    rng = np.random.default_rng(seed)
    frames, means = random_window(rng, *shape)
    collisions = (rng.random((*frames.shape[:4], 1)) < 0.3).astype(np.uint8) * (
        rng.random((*frames.shape[:2], 1, 1, 1)) < 0.5
    )
    expected = [
        [frame_bce(frames[n, t + 1], means[n, t], collisions[n, t]) for t in range(shape[1] - 1)]
        for n in range(shape[0])
    ]
    np.testing.assert_allclose(pixels.relational_bce(frames, means, collisions), expected, rtol=1e-9)
    np.testing.assert_allclose(
        pixels.masked_sum(pixels.bernoulli_surprise(frames[:, 1:], means), collisions[:, :-1]), expected, rtol=1e-9
    )


@given(windows)
@settings(max_examples=30, deadline=None)
def test_colours_are_scored_by_the_same_formula(window: tuple[int, ...]) -> None:
    seed, *shape = window
    rng = np.random.default_rng(seed)
    frames, means = rng.random((*shape[:4], shape[4])), random_window(rng, *shape)[1]
    expected = [[frame_bce(frames[n, t + 1], means[n, t]) for t in range(shape[1] - 1)] for n in range(shape[0])]
    np.testing.assert_allclose(pixels.bce(frames, means), expected, rtol=1e-9)


def test_collisions_at_t_weight_frame_t_plus_1() -> None:
    frames, means = np.zeros((1, 4, 2, 2, 1), np.uint8), np.full((1, 3, 2, 2, 1), 0.5)
    for t in range(4):
        collisions = np.zeros((1, 4, 2, 2, 1), np.uint8)
        collisions[0, t, 0, 0] = 1
        expected = [
            math.log(2) if step == t else 0.0 for step in range(3)
        ]  # the flags of the last frame belong to a frame that is not there
        np.testing.assert_allclose(pixels.relational_bce(frames, means, collisions)[0], expected)


def test_a_wrong_certain_pixel_costs_13_8_nats_and_a_right_one_a_millionth() -> None:
    frames = np.array([0, 0, 0, 1], np.uint8).reshape(1, 2, 1, 2, 1)
    wrong, right = (
        pixels.bce(frames[..., 1:, :], np.zeros((1, 1, 1, 1, 1)))[0, 0],
        pixels.bce(frames[..., :1, :], np.zeros((1, 1, 1, 1, 1)))[0, 0],
    )
    assert wrong == pytest.approx(-math.log(1e-6), rel=1e-12) and wrong == pytest.approx(13.8, abs=0.02)
    assert right == pytest.approx(-math.log1p(-1e-6), rel=1e-9)


def test_the_oracle_pays_the_clip_and_nothing_else() -> None:
    frames = (np.random.default_rng(0).random((3, 5, 64, 64, 1)) < 0.14).astype(np.uint8)
    np.testing.assert_allclose(pixels.bce(frames, frames[:, 1:].astype(np.float32)), 64 * 64 * 1e-6, rtol=1e-5)


def test_nothing_underflows_however_wrong_a_large_frame_is() -> None:
    frames = np.ones((1, 2, 84, 84, 3), np.uint8)
    np.testing.assert_allclose(
        pixels.bce(frames, np.zeros((1, 1, 84, 84, 3))), 84 * 84 * 3 * -math.log(1e-6), rtol=1e-12
    )


def test_the_copy_predictor_scores_exactly_1_in_every_relative_figure() -> None:
    rng = np.random.default_rng(1)
    frames, _ = random_window(rng, 5, 7, 9, 11)
    collisions = (rng.random(frames.shape) < 0.2).astype(np.uint8)
    as_a_model_says_it = pixels.copy_frames(frames).astype(np.float32)
    for score in (pixels.bce, lambda x, p: pixels.relational_bce(x, p, collisions)):
        figure = sums.ratio(score(frames, as_a_model_says_it), score(frames, pixels.copy_frames(frames)))
        assert sums.value(figure) == 1.0
        assert sums.value(sums.last(figure)) == 1.0


def test_a_mean_outside_0_and_1_is_clipped_not_mirrored() -> None:
    frames = np.array([0, 0, 1, 0], np.uint8).reshape(1, 2, 1, 2, 1)
    beyond, edge = np.array([-0.7, 1.7]).reshape(1, 1, 1, 2, 1), np.array([0.0, 1.0]).reshape(1, 1, 1, 2, 1)
    assert pixels.bce(frames, beyond) == pixels.bce(frames, edge)


def test_a_nan_is_never_averaged_away() -> None:
    frames, means = random_window(np.random.default_rng(2), 3, 4, 5, 5)
    means[1, 2, 0, 0, 0] = math.nan
    for score in (
        pixels.bce(frames, means),
        pixels.bce(frames.astype(np.float64), means),
        pixels.log_likelihood(frames[:, 1:], means, Gaussian(0.3)),
    ):
        assert np.isnan(score).sum() == 1 and np.isnan(score[1, 2])
        assert math.isnan(sums.value(sums.mean(score)))


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 3))
@settings(max_examples=20, deadline=None)
def test_normal_log_likelihood_is_scipys(seed: int, sigma: float) -> None:
    rng = np.random.default_rng(seed)
    frames, means = rng.random((2, 3, 4, 5, 3)), rng.normal(size=(2, 3, 4, 5, 3))
    where = rng.random((2, 3, 4, 5, 1)) < 0.5
    each = norm.logpdf(frames, means, sigma)
    np.testing.assert_allclose(
        pixels.log_likelihood(frames, means, Gaussian(sigma)), each.sum(axis=(2, 3, 4)), rtol=1e-9
    )
    np.testing.assert_allclose(
        pixels.log_likelihood(frames, means, Gaussian(sigma), where),
        (each * where).sum(axis=(2, 3, 4)),
        rtol=1e-9,
        atol=1e-9,
    )


def test_bernoulli_log_likelihood_is_bce_with_the_other_sign() -> None:
    frames, means = random_window(np.random.default_rng(3), 2, 3, 4, 4)
    assert (pixels.log_likelihood(frames[:, 1:], means, Bernoulli()) == -pixels.bce(frames, means)).all()


def test_the_clipped_share_counts_means_outside_0_and_1() -> None:
    means = np.array([[-0.1, 0.0, 0.5, 1.0], [1.1, 2.0, -5.0, 0.1]]).reshape(2, 1, 2, 2, 1)
    share = pixels.clipped_share(means)
    assert sums.value(share) == 0.5
    assert share.numerator.tolist() == [1, 3]


def test_a_curtain_is_half_open_and_zeros_are_none() -> None:
    inside = pixels.curtain_pixels(np.array([[1, 2, 3, 5], [0, 0, 0, 0]], np.int16), 4, 6)
    assert [(int(r), int(c)) for r, c in np.argwhere(inside[0])] == [(r, c) for r in (1, 2) for c in (2, 3, 4)]
    assert not inside[1].any()
    assert not pixels.curtain_pixels(np.zeros((1, 4), np.int16), 40, 40, grown=10).any()


def test_wrong_shapes_and_colours_as_bytes_are_refused_in_words() -> None:
    frames, means = random_window(np.random.default_rng(4), 2, 3, 4, 4)
    with pytest.raises(
        ValueError, match=r"frames of shape \(2, 2, 4, 4, 1\) were predicted with shape \(2, 3, 4, 4, 1\)"
    ):
        pixels.bce(frames, np.repeat(means, 2, axis=1)[:, :3])
    with pytest.raises(ValueError, match="divide colours by 255"):
        pixels.bce(frames * 255, means)
    with pytest.raises(ValueError, match=r"collisions of \(2, 2\) sequences and frames"):
        pixels.relational_bce(frames, means, frames[:, :-1])
