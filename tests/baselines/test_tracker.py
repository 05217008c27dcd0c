"""Tests of the tracker as a model: it is better than straight flight, remembers hidden balls, and withstands any
input."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import physbench
from benchmarks import tune
from physbench.errors import ModelError
from physbench.model import Batch
from physbench.result import Result
from physbench_baselines.framewise import Blobs
from physbench_baselines.reference import ConstantVelocity
from physbench_baselines.tracking.tracker import Settings, Tracker, tracker, tracker_80

FRESH = 20261126


def score(suite: str, model: Any, limit: int) -> Result:
    return physbench.evaluate(model, suite, limit=limit, fresh=FRESH)


def test_on_fresh_sequences_it_is_ten_times_as_good_as_straight_flight_with_the_truth() -> None:
    found, flight = (score("balls", model, 12) for model in (tracker(), ConstantVelocity()))
    assert found.score("balls4mass64", "relative_bce").value < 0.1 * flight.score("balls4mass64", "relative_bce").value
    assert found.score("balls4mass64", "ari_video").value > 0.99


def test_more_balls_are_no_harder_to_tell_apart() -> None:
    found = score("extrapolation", tracker(), 8)
    assert found.score("balls678mass64", "ari_video").value > 0.98
    assert found.score("balls678mass64", "relative_bce").value < 0.03


def test_what_it_imagines_overlaps_with_what_comes() -> None:
    found, flight = (
        score("simulation", model, 12).score("balls4mass64/rollout-5+10", "rollout_overlap").value
        for model in (tracker(), ConstantVelocity())
    )
    assert found > 0.85 > flight


def test_behind_a_curtain_memory_is_what_makes_it_good() -> None:
    found, forgetful, flight = (
        score("curtain", model, 16) for model in (tracker(), tracker({"memory": 0}), ConstantVelocity())
    )
    assert (
        found.score("balls3curtain64", "permanence_bce").value
        < 0.5 * forgetful.score("balls3curtain64", "permanence_bce").value
    )
    assert (
        found.score("balls3curtain64", "relative_bce").value
        < 0.5 * flight.score("balls3curtain64", "relative_bce").value
    )
    assert "set-memory-0" in forgetful.provenance.notes and not any("set" in note for note in found.provenance.notes)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"memry": 0}, "no 'memry' to set in tracker"),
        ({"gate": float("nan")}, "gate of tracker"),
        ({"edge": -1}, "-1"),
        ({"box": 64.5}, "whole number of pixels from 1 to 1024, not 64.5"),
        ({"box": 1e9}, "1024"),
        ({"box": 0}, "box of tracker"),
    ],
)
def test_settings_are_checked(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ModelError, match=words):
        tracker(settings)


def test_who_knows_how_large_the_box_is_expects_balls_back_and_knows_them_again() -> None:
    found, misled, blobs = (score("leave", model, 24) for model in (tracker_80(), tracker(), Blobs()))

    def figure(result: Result, metric: str) -> float:
        return result.score("balls-leave50", metric).value

    assert figure(found, "log_likelihood") > 0.2 * figure(misled, "log_likelihood")
    assert (
        figure(found, "identity_regained")
        > 0.9
        > 0.5
        > figure(blobs, "identity_regained")
        > figure(misled, "identity_regained")
    )
    for metric in ("count_accuracy", "box_recall", "box_precision", "identity_kept"):
        assert figure(found, metric) > 0.97, metric
    assert "set-box-80" in found.provenance.notes


def test_no_two_discs_of_a_sequence_ever_have_the_same_identity() -> None:
    """A small light disc, then nothing for so long that it is forgotten, then a large one elsewhere."""
    rows, columns = np.indices((64, 64)) + 0.5
    shown = [((20, 30), 6.0)] * 4 + [None] * 30 + [((44, 30), 7.5)] * 4
    model, names = tracker(), []
    state = model.begin(Batch(np.zeros(1, np.uint64), (64, 64, 1)))
    for disc in shown:
        frame = np.zeros((1, 64, 64, 1), np.float32)
        if disc:
            (x, y), radius = disc
            frame[0, (columns - x) ** 2 + (rows - y) ** 2 <= radius**2] = 1
        state, said = model.observe(state, frame, None)
        assert said.boxes is not None
        there = said.boxes[0, ~np.isnan(said.boxes[0, :, 0])]
        assert len(there) == bool(disc)
        if disc:
            np.testing.assert_allclose(there[0, :4], (*disc[0], 2 * disc[1], 2 * disc[1]), atol=0.2)
            names.append(int(there[0, 4]))
    assert names == [0] * 4 + [1] * 4


def test_what_it_imagines_has_boxes_too_as_far_as_it_lies_in_the_frame() -> None:
    rows, columns = np.indices((50, 50)) + 0.5
    model = tracker_80()
    state = model.begin(Batch(np.zeros(1, np.uint64), (50, 50, 1)))
    for t in range(6):
        frame = ((columns - 30 - 2 * t) ** 2 + (rows - 25) ** 2 <= 36)[None, ..., None].astype(np.float32)
        state, _ = model.observe(state, frame, None)
    places = []
    for _ in range(12):
        state, said = model.imagine(state, None)
        assert said.boxes is not None
        places.append([box[:2].tolist() for box in said.boxes[0] if not np.isnan(box[0])])
    expected = [42, 44, 46, 48, 50, 52, 54, 56, 58, 58, 56, 54]  # the wall is at 65, and the edge of the frame at 50
    for found, x in zip(places, expected, strict=True):
        assert x == 56 or len(found) == (x < 56), (found, x)
        for place in found:
            np.testing.assert_allclose(place, (x, 25), atol=0.7)


NOISE: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "noise": lambda rng, shape: rng.random(shape),
    "sparse": lambda rng, shape: rng.random(shape) < 0.03,
    "ones": lambda rng, shape: np.ones(shape),
    "zeros": lambda rng, shape: np.zeros(shape),
    "grey": lambda rng, shape: np.full(shape, 0.6),
    "flashes": lambda rng, shape: np.full(shape, float(rng.random() < 0.5)),
}


@pytest.mark.parametrize("shape", [(64, 64, 1), (50, 50, 1), (64, 64, 3), (1, 1, 1), (5, 30, 3), (70, 90, 1)])
@pytest.mark.parametrize("kind", NOISE)
def test_whatever_it_is_shown_it_says_probabilities(kind: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(3)
    model = tracker()
    state = model.begin(Batch(np.zeros(1, np.uint64), shape, slots=3))
    for _ in range(5):
        state, said = model.observe(state, NOISE[kind](rng, (1, *shape)).astype(np.float32), None)
        assert said.mean is not None and said.owner is not None and said.owner.max() < 3
        assert said.mean.min() > 0 and said.mean.max() < 1 and said.mean.shape == (1, *shape)
    for _ in range(3):
        state, said = model.imagine(state, None)
        assert said.mean is not None and said.mean.min() > 0 and said.mean.max() < 1


def test_a_ball_keeps_its_colour() -> None:
    frames = np.zeros((3, 1, 64, 64, 3), np.float32)
    rows, columns = np.indices((64, 64)) + 0.5
    for t, frame in enumerate(frames):
        frame[0][(rows - 30) ** 2 + (columns - 20 - 2 * t) ** 2 <= 36] = (0.2, 0.9, 0.0)
    model = tracker()
    state = model.begin(Batch(np.zeros(1, np.uint64), (64, 64, 3)))
    for frame in frames:
        state, said = model.observe(state, frame, None)
    assert said.mean is not None
    np.testing.assert_allclose(said.mean[0, 30, 26], (0.2, 0.9, model.settings.floor), atol=1e-6)
    assert said.mean[0, 30, 18].max() < 0.01, "it has moved on"


def test_a_state_stays_as_it_is_and_can_be_gone_on_from_twice() -> None:
    frames = np.random.default_rng(1).random((4, 2, 64, 64, 1)).astype(np.float32)
    model = tracker()
    state, _ = model.observe(model.begin(Batch(np.zeros(2, np.uint64), (64, 64, 1))), frames[0], None)
    before = [array.copy() for array in state.scenes]
    ends = [model.observe(state, frames[1], None)[1].mean, model.observe(state, frames[1], None)[1].mean]
    model.imagine(state, None)
    assert all((a == b).all() for a, b in zip(before, state.scenes, strict=True))
    assert (ends[0] == ends[1]).all()


@pytest.mark.slow
@pytest.mark.parametrize("field", tune.SEARCHED["tracker"])
def test_the_defaults_are_what_the_command_chooses(field: str) -> None:
    """On fewer sequences than the command looks at, no number can be changed so that the loss falls by a twentieth."""
    least = tune.loss(Tracker(), tune.TASKS["tracker"], 24)
    for factor in (0.5, 2.0):
        changed = Settings(**{field: getattr(Settings(), field) * factor})
        assert tune.loss(Tracker(changed), tune.TASKS["tracker"], 24) > 0.95 * least


def test_tuning_lowers_the_loss_and_looks_at_training_sequences_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    splits = []
    monkeypatch.setattr(
        tune,
        "evaluate",
        lambda *given, **options: splits.append(options["split"]) or physbench.evaluate(*given, **options),
    )
    monkeypatch.setattr(tune, "FACTORS", (0.5, 1.4))
    start = tune.loss(tune.Blur(), tune.TASKS["blur"], 4)
    _, least = tune.tune("blur", sequences=4)
    assert least <= start and set(splits) == {"training"}


@pytest.mark.parametrize("words", [["r-nem"], ["tracker", "0"], ["tracker", "-3"], ["blur", "3", "x"]])
def test_the_command_says_what_it_takes(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="Error: say tracker or blur"):
        tune.main(words)
