"""Tests of blur and blobs: on any frame, they agree with SciPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from physbench.model import Batch
from physbench_baselines.framewise import Blobs, Blur, blur
from physbench_baselines.regions import label

SHAPES = [(2, 64, 64, 1), (1, 50, 50, 1), (2, 9, 17, 3), (1, 1, 1, 1), (1, 2, 30, 1)]


def batch_for(shape: tuple[int, ...], slots: int | None = None) -> Batch:
    return Batch(np.arange(shape[0], dtype=np.uint64), shape[1:], slots=slots)  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sigma", [0.5, 1.6, 3.0])
def test_a_blur_is_the_convolution_with_a_gaussian(shape: tuple[int, ...], sigma: float) -> None:
    frames = np.random.default_rng(0).random(shape, np.float32)
    expected = ndimage.gaussian_filter(
        frames.astype(np.float64), (0, sigma, sigma, 0), mode="constant", radius=(0, *[int(np.ceil(4 * sigma))] * 2, 0)
    )
    np.testing.assert_allclose(blur(frames, sigma), expected, atol=2e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_blur_extrapolates_from_the_second_frame_on(shape: tuple[int, ...]) -> None:
    one, other = np.random.default_rng(1).random((2, *shape), np.float32)
    model = Blur(ahead=0.5, sigma=1.0, floor=0.01)
    state, first = model.observe(model.begin(batch_for(shape)), one, None)
    _, second = model.observe(state, other, None)
    assert first.mean is not None and second.mean is not None
    np.testing.assert_allclose(first.mean, np.clip(blur(one, 1.0), 0.01, 0.99), atol=1e-6)
    np.testing.assert_allclose(second.mean, np.clip(blur(1.5 * other - 0.5 * one, 1.0), 0.01, 0.99), atol=1e-6)


@settings(max_examples=150, deadline=None)
@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_regions_are_those_of_scipy_and_numbered_as_they_are_met(on: np.ndarray) -> None:
    labels, count = label(on)
    expected, regions = ndimage.label(on)
    assert count == regions and ((labels > 0) == on).all()
    pairs = {*zip(labels[on].tolist(), expected[on].tolist(), strict=True)}
    assert len(pairs) == regions, "one name of ours for one of theirs"
    first_seen = list(dict.fromkeys(labels[on].tolist()))
    assert first_seen == sorted(first_seen)


def test_regions_that_meet_at_a_corner_are_two() -> None:
    assert label(np.eye(2, dtype=bool))[1] == 2


@pytest.mark.parametrize("slots", [None, 1, 2, 3, 5, 300])
def test_blobs_copy_and_keep_to_their_slots(slots: int | None) -> None:
    frame = (np.random.default_rng(2).random((3, 80, 60, 3)) < 0.06).astype(np.float32)
    model = Blobs()
    _, said = model.observe(model.begin(batch_for(frame.shape, slots)), frame, None)
    assert said.owner is not None and said.mean is not None
    assert (said.mean == frame).all() and said.mean is not frame
    assert said.owner.max() == min(slots or 256, 256) - 1, "noise has more regions than there are slots"
    assert ((said.owner > 0) == frame.any(axis=3)).all() or slots == 1


@settings(max_examples=60, deadline=None)
@given(arrays(np.bool_, st.tuples(st.just(2), st.integers(1, 9), st.integers(1, 9))), st.sampled_from([None, 1, 3]))
def test_the_boxes_of_blobs_are_those_of_scipy_in_the_order_of_their_owners(on: np.ndarray, slots: int | None) -> None:
    frame = on[..., None].astype(np.float32)
    _, said = Blobs().observe(Blobs().begin(batch_for(frame.shape, slots)), frame, None)
    assert said.boxes is not None and said.boxes.shape == (2, slots or 255, 5)
    for boxes, labels in zip(said.boxes, map(lambda each: label(each)[0], on), strict=True):
        expected = [
            (
                (across.start + across.stop) / 2,
                (down.start + down.stop) / 2,
                across.stop - across.start,
                down.stop - down.start,
                number,
            )
            for number, (down, across) in enumerate(ndimage.find_objects(labels))
        ]
        there = ~np.isnan(boxes).all(axis=1)
        assert [tuple(box) for box in boxes[there].tolist()] == expected[: slots or 255]
