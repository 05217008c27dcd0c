"""Tests that what the cards say about predictors that know nothing is true of real scenes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from physbench.metrics import collisions, grouping, permanence, pixels, rollout, sums
from physbench.registry import datasets
from physbench.scene import Scenes

Array = NDArray[Any]


@pytest.fixture(scope="module")
def balls() -> Scenes:
    return datasets.get("balls4mass64").generator.batch(np.arange(7, 31, dtype=np.uint64), 31)


@pytest.fixture(scope="module")
def behind() -> Scenes:
    return datasets.get("balls3curtain64").generator.batch(np.arange(7, 71, dtype=np.uint64), 51)


def constant(scenes: Scenes, level: float | Array) -> Array:
    frames = scenes.features
    return np.broadcast_to(np.asarray(level, np.float32), (frames.shape[0], frames.shape[1] - 1, *frames.shape[2:]))


def relative(scenes: Scenes, means: Array) -> float:
    return sums.value(
        sums.ratio(pixels.bce(scenes.features, means), pixels.bce(scenes.features, pixels.copy_frames(scenes.features)))
    )


def relative_relational(scenes: Scenes, means: Array) -> float:
    above, below = (
        pixels.relational_bce(scenes.features, each, scenes.truth["collisions"])
        for each in (means, pixels.copy_frames(scenes.features))
    )
    return sums.value(sums.ratio(above, below))


def straight_flight(scenes: Scenes) -> Array:
    """Discs at position + velocity, whatever is in their way, drawn pixel by pixel; behind the curtain nothing."""
    frames = scenes.features
    centre = (scenes.truth["position"] + scenes.truth["velocity"])[:, :-1].astype(np.float64)
    middle = np.arange(frames.shape[2]) + 0.5
    across = (middle - centre[..., 0, None])[..., None, :] ** 2 + (middle - centre[..., 1, None])[..., :, None] ** 2
    discs = (across <= scenes.truth["radius"].astype(np.float64)[:, None, :, None, None] ** 2).any(axis=2)
    return (discs & ~pixels.curtain_pixels(scenes.truth["curtain"], *frames.shape[2:4])[:, None])[..., None].astype(
        np.float32
    )


def test_a_constant_does_well_in_relational_figures(balls: Scenes) -> None:
    assert relative_relational(balls, constant(balls, 0.9)) < 0.2
    assert relative_relational(balls, constant(balls, 1.0)) < 0.8
    assert relative(balls, constant(balls, 0.9)) > 2
    assert relative(balls, constant(balls, 1.0)) > 10


def test_grey_and_the_mean_frame_beat_copying_but_no_constant_beats_straight_flight(balls: Scenes) -> None:
    grey, mean = (
        relative(balls, constant(balls, 0.5)),
        relative(balls, constant(balls, balls.features.mean(axis=(0, 1)))),
    )
    assert 0.8 < grey < 1.0
    assert 0.4 < mean < 0.6
    assert relative(balls, straight_flight(balls)) < 0.5 * mean


def test_ten_steps_ahead_the_mean_frame_is_far_better_than_repeating(balls: Scenes) -> None:
    means = constant(balls, balls.features.mean(axis=(0, 1)))[:, :10]
    assert (
        sums.curve(
            sums.ratio(rollout.rollout_bce(balls.features, means, 5), rollout.repeat_bce(balls.features, 5, 10))
        )[9]
        < 0.2
    )


def test_an_event_curve_of_the_mean_frame_is_flat(balls: Scenes) -> None:
    table, count = balls.events, len(balls.truth["count"])
    sequence = np.repeat(np.arange(count), np.diff(table["offset"]))
    collided = collisions.collisions_between(
        sequence, table["time"], table["a"], table["b"], shape=balls.truth["radius"].shape, first=4, last=14
    )
    means = constant(balls, balls.features.mean(axis=(0, 1)))[:, :10]
    error = collisions.event_error(
        balls.features,
        means,
        context=5,
        ahead=10,
        position=balls.truth["position"],
        radius=balls.truth["radius"],
        collided=collided,
    )
    curve = sums.curve(error)
    assert max(curve) - min(curve) < 0.05


def test_slots_that_are_places_score_well_in_ari_and_less_in_the_video(balls: Scenes) -> None:
    half = np.arange(64) >= 32
    quarters = np.broadcast_to((2 * half[:, None] + half).astype(np.uint8), balls.groups.shape[:-1])
    tables = grouping.contingency(quarters, balls.groups)
    frames, video = (
        sums.value(sums.mean_where_defined(index)) for index in (grouping.ari(tables), grouping.ari_video(tables))
    )
    assert 0.5 < frames < 0.7
    assert video < frames - 0.1


def test_no_constant_is_below_1_in_permanence_and_straight_flight_is(behind: Scenes) -> None:
    """Knowing how often objects come out is not knowing that one is behind the curtain."""
    where = permanence.collar(behind.groups, behind.truth["visible"], behind.truth["curtain"])
    rate = float((behind.features[:, 1:] * where).sum() / where.sum())
    truth = behind.groups, behind.truth["visible"], behind.truth["curtain"]
    rates = sums.curve(permanence.count_on(behind.features, *truth))

    def score(means: Array) -> float:
        return sums.value(permanence.permanence_bce(behind.features, means, *truth, rates=rates))

    assert 1 < score(constant(behind, rate)) < 1.6
    assert score(constant(behind, 0.5)) > 10
    assert score(constant(behind, behind.features.mean(axis=(0, 1)))) > 1
    assert score(straight_flight(behind)) < 0.8
