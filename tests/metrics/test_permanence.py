"""Tests of permanence_bce against a pixel-by-pixel reading.

No forecast that remembers only the distance to the curtain is below 1.
"""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physbench.evaluation.memoryless import count_pinned
from physbench.metrics import permanence, sums
from physbench.registry import datasets
from physbench.scene import Scenes
from physbench.suites import MEMORYLESS, SIZES, SUITES
from tests.metrics.oracle import frame_bce, in_collar, pixel_bce

Array = NDArray[Any]

CLIP = 1e-6


def scenes_of(name: str, count: int, frames: int) -> Scenes:
    return datasets.get(name).generator.batch(np.arange(count, dtype=np.uint64), frames)


@pytest.fixture(scope="module")
def behind() -> Scenes:
    return scenes_of("balls3curtain64", 8, 51)


def rates_of(scenes: Scenes) -> list[float]:
    return sums.curve(
        permanence.count_on(scenes.features, scenes.groups, scenes.truth["visible"], scenes.truth["curtain"])
    )


def figure(scenes: Scenes, means: Array) -> sums.Sums:
    return permanence.permanence_bce(
        scenes.features, means, scenes.groups, scenes.truth["visible"], scenes.truth["curtain"], rates=rates_of(scenes)
    )


def chebyshev(r: int, c: int, curtain: Array) -> int:
    """To the nearest pixel of the curtain, by looking at each of them."""
    y0, x0, y1, x1 = (int(side) for side in curtain)
    return min(max(abs(r - y), abs(c - x)) for y in range(y0, y1) for x in range(x0, x1))


def pixels_that_count(scenes: Scenes, sequence: int) -> list[tuple[int, int, int, int]]:
    """t, row, column, distance: slowly."""
    groups, visible, curtain = (
        scenes.groups[sequence],
        scenes.truth["visible"][sequence],
        scenes.truth["curtain"][sequence],
    )
    y0, x0, y1, x1 = (int(side) for side in curtain)
    near = [(r, c) for r in range(max(y0 - 10, 0), min(y1 + 10, 64)) for c in range(max(x0 - 10, 0), min(x1 + 10, 64))]
    return [
        (t, r, c, chebyshev(r, c, curtain))
        for t in range(len(groups) - 1)
        for r, c in near
        if in_collar(r, c, t, groups, visible, curtain)
    ]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_collar_is_what_a_reading_pixel_by_pixel_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 3, (2, 6, 14, 15, 1), np.uint8)
    visible = ((rng.random((2, 6, 2)) < 0.4) * rng.integers(1, 9, (2, 6, 2))).astype(np.uint16)
    curtain = np.array([[1, 1, 3, 4], [0, 0, 0, 0]], np.int16)
    expected = [
        [
            [[[in_collar(r, c, t, groups[n], visible[n], curtain[n])] for c in range(15)] for r in range(14)]
            for t in range(5)
        ]
        for n in range(2)
    ]
    assert (permanence.collar(groups, visible, curtain) == np.array(expected)).all()


def test_the_distance_to_the_curtain_is_that_to_its_nearest_pixel() -> None:
    curtain = np.array([[3, 5, 6, 7], [0, 0, 1, 1], [0, 0, 12, 13]], np.int16)
    expected = [[[chebyshev(r, c, each) for c in range(13)] for r in range(12)] for each in curtain]
    assert permanence.curtain_distance(curtain, 12, 13).tolist() == expected


@pytest.mark.slow
def test_rates_numerators_and_denominators_are_those_of_a_slow_loop() -> None:
    scenes = scenes_of("balls3curtain64", 3, 30)
    means = np.random.default_rng(0).random((3, 29, 64, 64, 1), dtype=np.float32) * 0.1
    counting = [pixels_that_count(scenes, sequence) for sequence in range(3)]
    at: dict[int, list[int]] = defaultdict(list)
    for sequence, pixels in enumerate(counting):
        for t, r, c, distance in pixels:
            at[distance].append(int(scenes.features[sequence, t + 1, r, c, 0]))
    assert len(at) == 10 and any(map(sum, at.values()))
    rates = {distance: sum(shown) / len(shown) for distance, shown in at.items()}
    assert rates_of(scenes) == pytest.approx([rates[distance] for distance in range(1, 11)], rel=1e-12)
    ours = figure(scenes, means)
    for sequence, pixels in enumerate(counting):
        for t in range(29):
            here = [
                (scenes.features[sequence, t + 1, r, c, 0], means[sequence, t, r, c, 0], rates[d])
                for at_t, r, c, d in pixels
                if at_t == t
            ]
            assert ours.numerator[sequence, t] == pytest.approx(sum(pixel_bce(x, p) for x, p, _ in here), rel=1e-9)
            assert ours.denominator[sequence, t] == pytest.approx(
                sum(pixel_bce(x, rate) for x, _, rate in here), rel=1e-8
            )


def test_a_frame_counts_as_its_collar_does(behind: Scenes) -> None:
    means = np.random.default_rng(0).random((8, 50, 64, 64, 1), dtype=np.float32) * 0.1
    where = permanence.collar(behind.groups, behind.truth["visible"], behind.truth["curtain"])
    ours = figure(behind, means)
    loud = where.any(axis=(2, 3, 4))
    for n, t in np.argwhere(loud)[:40].tolist():
        assert ours.numerator[n, t] == pytest.approx(
            frame_bce(behind.features[n, t + 1], means[n, t], where[n, t]), rel=1e-9
        )
        assert ours.denominator[n, t] > 0
    assert loud.any() and not ours.numerator[~loud].any() and not ours.denominator[~loud].any()


def map_of_distance(scenes: Scenes, at: list[float]) -> Array:
    """(N, T - 1, H, W, 1): at[d - 1] at distance d of the curtain, in every frame."""
    count, frames, height, width, _ = scenes.features.shape
    means = np.zeros((count, frames - 1, height, width, 1))
    for n, (y0, x0, y1, x1) in enumerate(scenes.truth["curtain"].tolist()):
        for d in range(10, 0, -1):
            means[n, :, max(y0 - d, 0) : y1 + d, max(x0 - d, 0) : x1 + d] = at[d - 1]
    return means


probabilities = st.one_of(st.floats(0, 1), st.floats(0, 0.03), st.sampled_from([0.0, 1e-7, CLIP, 1 - CLIP, 1.0]))


@pytest.fixture(scope="module")
def few() -> Scenes:
    """Few enough for rates of 0 at some distances and of much more than 0 at others."""
    return scenes_of("balls3curtain64", 3, 51)


@given(at=st.lists(probabilities, min_size=10, max_size=10))
@settings(max_examples=60, deadline=None)
def test_no_map_of_the_distance_that_is_constant_in_time_is_below_1(few: Scenes, at: list[float]) -> None:
    assert 0 in rates_of(few) and max(rates_of(few)) > 0
    assert sums.value(figure(few, map_of_distance(few, at))) >= 1 - 1e-12


@given(place=st.integers(0, 9), factor=st.floats(0.3, 3))
@settings(max_examples=30, deadline=None)
def test_the_rates_themselves_score_1_and_any_other_map_near_them_more(few: Scenes, place: int, factor: float) -> None:
    rates = rates_of(few)
    assert sums.value(figure(few, map_of_distance(few, rates))) == pytest.approx(1, abs=1e-12)
    changed = [min(rate * factor, 1) if number == place else rate for number, rate in enumerate(rates)]
    if abs(factor - 1) > 0.01 and rates[place] > 0:
        assert sums.value(figure(few, map_of_distance(few, changed))) > 1


def test_rates_of_0_and_of_1_are_clipped_as_predictions_are() -> None:
    groups, visible = (
        np.array([0, 1, 1, 0], np.uint8).reshape(1, 4, 1, 1, 1).repeat(3, axis=3),
        np.array([1, 0, 0, 1], np.uint16).reshape(1, 4, 1),
    )
    groups[..., 1:, :] = 1 - groups[..., 1:, :]
    curtain = np.array([[0, 0, 1, 1]], np.int16)
    features = groups * np.array([0, 1, 0], np.uint8).reshape(3, 1)  # at distance 1 always on, at distance 2 never
    truth = groups, visible, curtain
    rates = sums.curve(permanence.count_on(features, *truth))
    assert rates[:2] == [1.0, 0.0] and all(map(math.isnan, rates[2:]))
    surest = permanence.permanence_bce(
        features, np.tile(np.array([0.0, 1, 0]).reshape(3, 1), (1, 3, 1, 1, 1)), *truth, rates=rates
    )
    assert surest.denominator[0, 2] == pytest.approx(-2 * math.log1p(-CLIP), rel=1e-9)
    assert sums.value(surest) == pytest.approx(1, abs=1e-12)


def test_channels_count_one_by_one() -> None:
    """Of a grey picture in 3 equal channels, every sum is 3 times as large."""
    scenes = scenes_of("balls3curtain64", 2, 40)
    coloured = np.repeat(scenes.features, 3, axis=-1).astype(np.float32)
    means = np.full((2, 39, 64, 64, 1), 0.01)
    truth = scenes.groups, scenes.truth["visible"], scenes.truth["curtain"]
    rates = sums.curve(permanence.count_on(coloured, *truth))
    assert rates == rates_of(scenes)
    one, three = (
        figure(scenes, means),
        permanence.permanence_bce(coloured, np.repeat(means, 3, axis=-1), *truth, rates=rates),
    )
    np.testing.assert_allclose(three.numerator, 3 * one.numerator, rtol=1e-9)
    np.testing.assert_allclose(three.denominator, 3 * one.denominator, rtol=1e-12)


def test_copy_and_blank_score_the_same(behind: Scenes) -> None:
    """Whatever shows at t is outside the collar, so copying says nothing there, as blank does."""
    copy, blank = (
        sums.value(figure(behind, means))
        for means in (behind.features[:, :-1], np.zeros((8, 50, 64, 64, 1), np.float32))
    )
    assert copy == blank > 1


def test_without_a_curtain_permanence_is_undefined() -> None:
    balls = scenes_of("balls4mass64", 6, 21)
    assert math.isnan(sums.value(figure(balls, balls.features[:, :-1].astype(np.float32))))


@pytest.mark.parametrize(
    ("visible", "counts"),
    [
        ([5, 0, 0, 4], [False, False, True, False]),  # at t = 2: hidden at 1 and 2, seen at 0
        ([5, 0, 4, 0], [False, False, False, False]),  # hidden for one frame only
        ([0, 0, 0, 4], [False, False, False, False]),  # never seen before
        ([5, 4, 0, 0], [False, False, False, True]),
    ],
)
def test_someone_hides_if_seen_before_and_hidden_twice(visible: list[int], counts: list[bool]) -> None:
    assert permanence.hides_object(np.array(visible).reshape(1, 4, 1)).tolist() == [counts]


def test_a_false_alarm_costs_as_a_miss_does() -> None:
    groups = np.zeros((1, 4, 1, 3, 1), np.uint8)
    groups[0, [1, 2], 0, 0] = 1
    groups[0, [0, 3], 0, 1] = 1  # seen right of the curtain, hidden twice, out again
    features = (groups > 0).astype(np.uint8)
    features[0, :, 0, 0] = 0
    visible = np.array([1, 0, 0, 1], np.uint16).reshape(1, 4, 1)
    curtain = np.array([[0, 0, 1, 1]], np.int16)

    def cost(prediction: list[float]) -> float:
        means = np.zeros((1, 3, 1, 3, 1))
        means[0, 2, 0] = np.array(prediction)[:, None]
        return float(
            permanence.permanence_bce(features, means, groups, visible, curtain, rates=[0.1] * 10).numerator.sum()
        )

    right, miss, false_alarm = cost([0, 1, 0]), cost([0, 0, 0]), cost([0, 1, 1])
    assert miss == pytest.approx(false_alarm, rel=1e-6) and miss > 1e5 * right


def test_every_size_of_every_suite_with_a_curtain_is_pinned() -> None:
    windows = [
        (task, asking, suite)
        for suite in SUITES.values()
        for task in suite.tasks
        for asking in task.askings
        if asking.name == ""
    ]
    curtained = [each for each in windows if "curtain" in each[0].name]
    sizes = {
        (task.name, asking.frames, count)
        for task, asking, suite in curtained
        for count in ([suite.sequences] if suite.sequences else SIZES.values())
    }
    assert sizes == MEMORYLESS.keys()
    assert all(len(counts) == 10 and all(0 <= on <= pixels for on, pixels in counts) for counts in MEMORYLESS.values())


def test_the_pinned_rates_of_64_sequences_are_counted_again_to_the_last_pixel(monkeypatch: pytest.MonkeyPatch) -> None:
    key = ("balls3curtain64", 51, 64)
    monkeypatch.setattr("physbench.evaluation.memoryless.MEMORYLESS", {key: MEMORYLESS[key]})
    assert count_pinned() == {key: MEMORYLESS[key]}


@pytest.mark.slow
def test_all_pinned_rates_are_counted_again_to_the_last_pixel() -> None:
    assert count_pinned() == MEMORYLESS
