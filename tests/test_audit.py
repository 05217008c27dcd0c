"""Tests of the audit: an honest model passes, and a model that breaks one rule fails exactly that check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from physbench import registry
from physbench.audit import Verdict, audit, has_passed
from physbench.errors import PhysbenchError
from physbench.model import Batch, Bernoulli, Gaussian, Prediction
from physbench.suites import ROWS

Frame = NDArray[np.float32]
SMALL = {"sequences": 6, "frames": 6, "batch": 3}


class Honest:
    """Remembers the last frame, draws one number per sequence from its own seed, groups by brightness, boxes a place,
    and never changes what it is given."""

    likelihood: ClassVar[Any] = Bernoulli()

    def begin(self, batch: Batch) -> Any:
        drawn = np.array([np.random.default_rng(seed).random() for seed in batch.seeds], np.float32)
        return {
            "t": 0,
            "drawn": drawn[:, None, None, None],
            "previous": np.zeros((len(drawn), *batch.shape), np.float32),
        }

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        mean = 0.1 + 0.5 * frame + 0.2 * state["previous"] + 0.1 * state["drawn"]
        boxes = np.full((len(frame), 2, 5), np.nan, np.float32)
        boxes[:, 1] = np.column_stack(
            [30 * state["drawn"].ravel(), frame.sum(axis=(1, 2, 3)), *np.full((3, len(frame)), 4)]
        )
        return {**state, "t": state["t"] + 1, "previous": frame.copy()}, Prediction(
            mean, (mean[..., 0] > 0.4).astype(np.uint8), boxes=boxes
        )

    def imagine(self, state: Any, action: Any) -> tuple[Any, Any]:
        return state, Prediction(0.5 * state["previous"])


def verdicts(model: Any, **other: Any) -> dict[str, Verdict]:
    return {verdict.check: verdict for verdict in audit(model, **{**SMALL, **other})}


def list_failures(model: Any, **other: Any) -> set[str]:
    return {name for name, verdict in verdicts(model, **other).items() if verdict.passed is False}


def spoilt(spoil: Any) -> Honest:
    """An honest model whose every prediction is changed by spoil(prediction, state, frame)."""

    class Spoilt(Honest):
        def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
            after, prediction = super().observe(state, frame, action)
            return after, spoil(prediction, state, frame)

    return Spoilt()


def shift(by: Any) -> Honest:
    """An honest model whose means are moved by an amount that may depend on (state, frame)."""
    return spoilt(
        lambda prediction, state, frame: replace(
            prediction, mean=(prediction.mean + by(state, frame)).astype(np.float32)
        )
    )


def test_an_honest_model_passes_everything_that_can_be_checked() -> None:
    found = verdicts(Honest())
    assert {name for name, verdict in found.items() if verdict.passed is not True} == {"own likelihood"}
    assert has_passed(found.values())
    assert "no difference" in found["batch size"].finding and "something else" in found["another seed"].finding


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("dataset", ["balls4mass64", "balls678mass64", "balls3curtain64"])
def test_reference_rows_pass(name: str, dataset: str) -> None:
    model = registry.models.get(name)()
    found = verdicts(model, dataset=dataset)
    assert has_passed(found.values()), found
    assert (found["no foresight"].passed is None) == getattr(model, "privileged", False)


def test_a_reference_row_is_said_to_be_told_the_truth_and_whether_it_uses_what_comes() -> None:
    assert (
        "told the truth, a reference row; what it says depends"
        in verdicts(registry.models.get("oracle")())["no foresight"].finding
    )
    assert "does not depend" in verdicts(registry.models.get("constant-velocity")())["no foresight"].finding


@pytest.mark.parametrize(
    ("spoil", "check", "words"),
    [
        (lambda said, state, frame: None, "runs", "a state and None, not a state and a Prediction"),
        (lambda said, state, frame: said.mean, "runs", "a state and float32 of shape (3, 64, 64, 1), not"),
        (lambda said, state, frame: 1 / 0, "runs", "it raised ZeroDivisionError: division by zero"),
        (lambda said, state, frame: replace(said, mean=None), "mean", "it predicted no mean (step 0)"),
        (
            lambda said, state, frame: replace(said, mean=said.mean[:, :9]),
            "mean",
            "not float32 of shape (3, 9, 64, 1) (step 0)",
        ),
        (
            lambda said, state, frame: replace(said, mean=said.mean[..., 0]),
            "mean",
            "of shape (3, 64, 64, 1), not float32 of shape (3, 64, 64)",
        ),
        (lambda said, state, frame: replace(said, mean=frame.astype(np.int64)), "mean", "not int64"),
        (lambda said, state, frame: replace(said, mean=said.mean.tolist()), "mean", "not a list"),
        (
            lambda said, state, frame: replace(said, mean=said.mean * np.nan),
            "finite",
            "100.00% of the pixels are not finite (sequence 0, step 0)",
        ),
        (lambda said, state, frame: replace(said, mean=said.mean + np.float32(np.inf)), "finite", "inf"),
        (
            lambda said, state, frame: replace(said, mean=np.full_like(frame, 1.0001)),
            "range",
            "a probability of 1.0001",
        ),
        (lambda said, state, frame: replace(said, mean=np.full_like(frame, -1e-6)), "range", "a probability of -"),
        (
            lambda said, state, frame: replace(said, owner=said.owner.astype(np.int64)),
            "owner maps",
            "not int64 of shape (3, 64, 64) (step 0)",
        ),
        (lambda said, state, frame: replace(said, owner=said.owner.astype(str)), "owner maps", "not <U3 of shape"),
        (
            lambda said, state, frame: replace(said, owner=said.owner.astype(object)),
            "owner maps",
            "not object of shape",
        ),
        (lambda said, state, frame: replace(said, owner=said.owner[..., None]), "owner maps", "(3, 64, 64, 1)"),
        (
            lambda said, state, frame: replace(said, owner=said.owner if state["t"] else None),
            "owner maps",
            "10 owner maps for 12 frames",
        ),
        (
            lambda said, state, frame: replace(said, boxes=said.boxes[..., :4]),
            "boxes",
            "not float32 of shape (3, 2, 4) (step 0)",
        ),
        (
            lambda said, state, frame: replace(said, boxes=said.boxes.astype(str)),
            "boxes",
            "of shape (3, 2, 5) (step 0)",
        ),
        (lambda said, state, frame: replace(said, boxes=[]), "boxes", "not float64 of shape (0,) (step 0)"),
        (
            lambda said, state, frame: replace(said, boxes=said.boxes + np.float32(0.5)),
            "boxes",
            "whole number from 0 to 16777215, not 4.5 (step 0)",
        ),
        (
            lambda said, state, frame: replace(said, boxes=said.boxes if state["t"] else None),
            "boxes",
            "10 sets of boxes for 12 frames: all or none",
        ),
        (
            lambda said, state, frame: replace(said, boxes=said.boxes[:, -1 - (state["t"] > 2) :]),
            "boxes",
            "boxes come in 1 to 2 rows",
        ),
        (
            lambda said, state, frame: replace(said, owner=said.owner * np.uint8(7)),
            "slots",
            "asked for 5 slots, 0 to 4, it uses slot 7",
        ),
        (
            lambda said, state, frame: replace(said, log_likelihood=said.mean[..., 0] * np.nan),
            "own likelihood",
            "NaN (sequence 0, step 0)",
        ),
        (
            lambda said, state, frame: replace(said, log_likelihood=said.mean),
            "own likelihood",
            "not float32 of shape (3, 64, 64, 1)",
        ),
    ],
)
def test_what_cannot_be_scored_fails_the_check_of_its_name_alone(spoil: Any, check: str, words: str) -> None:
    found = verdicts(spoilt(spoil))
    assert {name for name, verdict in found.items() if verdict.passed is False} == {check}
    assert words in found[check].finding
    assert not has_passed(found.values())


def test_boxes_that_hang_on_the_other_sequences_of_a_batch_are_seen() -> None:
    def spoil(said: Prediction, state: Any, frame: Frame) -> Prediction:
        assert said.boxes is not None
        return replace(said, boxes=said.boxes + np.float32([len(frame), 0, 0, 0, 0]))

    assert list_failures(spoilt(spoil)) == {"batch size"}
    found = verdicts(
        spoilt(
            lambda said, state, frame: replace(said, boxes=said.boxes + np.float32([1000 * frame.mean(), 0, 0, 0, 0]))
        )
    )
    assert found["companions"].passed is False and "of the boxes are others" in found["companions"].finding


def test_nothing_is_concluded_from_a_model_that_does_not_run() -> None:
    found = verdicts(spoilt(lambda said, state, frame: 1 / 0))
    assert {verdict.passed for name, verdict in found.items() if name != "runs"} == {None}


class Raises(Honest):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def begin(self, batch: Batch) -> Any:
        raise self.error


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("first\nlast"), "it raised ValueError: last"),
        (SystemExit(3), "it raised SystemExit: 3"),
        (StopIteration(), "it raised StopIteration"),
        (Speechless(), "Speechless"),
        (ValueError("\x1b[2Jx"), "it raised ValueError: ?[2Jx"),
        (PhysbenchError("mine"), "it raised physbench.errors.PhysbenchError: mine"),
    ],
)
def test_an_exception_is_a_verdict_with_its_last_line(error: BaseException, words: str) -> None:
    found = verdicts(Raises(error))
    assert found["runs"].passed is False
    assert words in found["runs"].finding and "\n" not in found["runs"].finding


def test_an_interrupt_is_not_blamed_on_the_model() -> None:
    with pytest.raises(KeyboardInterrupt):
        audit(Raises(KeyboardInterrupt()), **SMALL)


class SaysNothing(Honest):
    def observe(self, state: Any, frame: Frame, action: Any) -> Any:
        return None


@pytest.mark.parametrize("nothing", [None, 3, object(), SaysNothing()])
def test_something_that_is_no_model_does_not_run(nothing: Any) -> None:
    assert list_failures(nothing) == {"runs"}


@pytest.mark.parametrize(
    ("likelihood", "checks"), [(None, {"range"}), (Gaussian(0.1), set[str]()), (Bernoulli, {"range"})]
)
def test_the_likelihood_says_what_a_mean_may_be(likelihood: Any, checks: set[str]) -> None:
    model = shift(lambda state, frame: np.float32(0 if checks else 5))
    type(model).likelihood = likelihood
    assert list_failures(model) == checks


class Generator(Honest):
    """One generator for all of its life, whatever the seeds."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        state, prediction = super().observe(state, frame, action)
        return state, replace(prediction, mean=prediction.mean + 0.01 * self.random.random(dtype=np.float32))


class Writes(Honest):
    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        said = super().observe(state, frame, action)
        frame[-1, 0, 0] = 7.0
        return said


class Reshapes(Honest):
    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        said = super().observe(state, frame, action)
        frame.shape = (-1,)
        return said


class Borrows(Honest):
    """Keeps the array it was shown, not a copy."""

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        after, prediction = super().observe(state, frame, action)
        return {**after, "previous": frame}, prediction


class PeeksAtTheBase(Honest):
    """The next frame, where the frame shown is a window on an array that has it."""

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        after, prediction = super().observe(state, frame, action)
        whole = frame.base
        if whole is not None and whole.ndim == 5 and state["t"] + 1 < len(whole):
            prediction = replace(prediction, mean=whole[state["t"] + 1].copy())
        return after, prediction


class PeeksAtTheTruth(Honest):
    def begin(self, batch: Batch) -> Any:
        return {**super().begin(batch), "truth": batch.truth}

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        after, prediction = super().observe(state, frame, action)
        if state["truth"] is not None:
            features = state["truth"]["features"]
            prediction = replace(
                prediction, mean=features[:, min(state["t"] + 1, features.shape[1] - 1)].astype(np.float32)
            )
        return after, prediction


class RemembersTheLastBeginning(Honest):
    def begin(self, batch: Batch) -> Any:
        self.drawn = super().begin(batch)["drawn"]
        return super().begin(batch)

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        return super().observe({**state, "drawn": self.drawn}, frame, action)


class RemembersTheLastFrame(Honest):
    def begin(self, batch: Batch) -> Any:
        self.previous = np.zeros((len(batch.seeds), *batch.shape), np.float32)
        return super().begin(batch)

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        said = super().observe({**state, "previous": self.previous}, frame, action)
        self.previous = frame.copy()
        return said


class BeginsAtTheFirstFrame(Honest):
    """Two batches one after the other are well; two in turns are not."""

    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        previous = self.previous if state["t"] else state["previous"]
        self.previous = frame.copy()
        return super().observe({**state, "previous": previous}, frame, action)


class ChangesItsState(Honest):
    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        after, prediction = super().observe(state, frame, action)
        state.update(after)
        return state, prediction


class CannotBeAlone(Honest):
    def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
        if len(frame) == 1:
            raise IndexError("too many indices")
        return super().observe(state, frame, action)


class Imagines(Honest):
    def __init__(self, level: float, drawn: float = 0.0) -> None:
        self.level, self.drawn = level, drawn
        self.random = np.random.default_rng(0)

    def imagine(self, state: Any, action: Any) -> tuple[Any, Any]:
        return state, Prediction(np.full_like(state["previous"], self.level + self.drawn * self.random.random()))


def position(state: Any, frame: Frame) -> NDArray[np.float32]:
    return 0.01 * np.arange(len(frame), dtype=np.float32)[:, None, None, None]


@pytest.mark.parametrize(
    ("model", "checks", "words"),
    [
        (Generator(), {"same twice"}, "different by up to"),
        (shift(lambda state, frame: 0.01 * (len(frame) == 1)), {"batch size"}, "in batches of 1 different by up to"),
        (
            CannotBeAlone(),
            {"batch size"},
            "in batches of 1 it raised IndexError: too many indices, in batches of 6 no difference",
        ),
        (shift(position), {"batch order", "batch size"}, "different by up to"),
        (shift(lambda state, frame: 0.1 * frame.mean()), {"companions", "batch size"}, "sequence 0"),
        (Writes(), {"frames untouched"}, "0.01% of the frame it was shown (sequence 2, step 0)"),
        (Reshapes(), {"frames untouched"}, "the shape of the frame"),
        (Borrows(), {"frames let go"}, "by then it holds something else"),
        (PeeksAtTheBase(), {"no foresight"}, "frames not yet shown"),
        (PeeksAtTheTruth(), {"no foresight"}, "in batch.truth, without privileged = True"),
        (RemembersTheLastBeginning(), {"state"}, "outside of `state`"),
        (RemembersTheLastFrame(), {"state", "branching"}, "outside of `state`"),
        (BeginsAtTheFirstFrame(), {"state", "branching"}, "outside of `state`"),
        (Imagines(1.0001), {"imagine"}, "a probability of 1.0001"),
        (Imagines(float("nan")), {"imagine"}, "not finite (sequence 0, step 3)"),
        (Imagines(0.1, 0.1), {"imagine"}, "3 steps after 3 frames, twice: different"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Honest) else None,
)
def test_one_sin_is_caught_at_its_own_check(model: Any, checks: set[str], words: str) -> None:
    found = verdicts(model)
    assert {name for name, verdict in found.items() if verdict.passed is False} == checks
    assert any(words in found[name].finding for name in checks), [found[name].finding for name in checks]
    assert not has_passed(found.values())


def test_a_model_that_changes_its_state_in_place_is_told_so_and_still_fit_to_be_scored() -> None:
    found = verdicts(ChangesItsState())
    assert {name for name, verdict in found.items() if verdict.passed is False} == {"branching"}
    assert "changes the state it was given" in found["branching"].finding
    assert has_passed(found.values())


@pytest.mark.parametrize(("share", "checks"), [(5e-5, set[str]()), (5e-4, {"batch size"})])
def test_rounding_may_differ_with_the_size_of_a_batch_and_is_measured(share: float, checks: set[str]) -> None:
    model = spoilt(lambda said, state, frame: replace(said, mean=said.mean * np.float32(1 - share * (len(frame) == 1))))
    found = verdicts(model)
    assert {name for name, verdict in found.items() if verdict.passed is False} == checks
    assert f"different by up to {share:.2g}" in found["batch size"].finding
    assert ("within 0.0001" in found["batch size"].finding) == (not checks)


def test_owner_maps_that_depend_on_the_batch_are_counted_in_pixels() -> None:
    def rewritten(said: Prediction, state: Any, frame: Frame) -> Prediction:
        assert said.owner is not None
        if len(frame) == 1 and state["t"] == 2:
            said.owner[:, :32] = 1 - said.owner[:, :32]
        return said

    found = verdicts(spoilt(rewritten))
    assert {name for name, verdict in found.items() if verdict.passed is False} == {"batch size"}
    assert f"{1 / 12:.2%} of the pixels of sequence 0 have another owner" in found["batch size"].finding


def test_the_place_of_a_fault_is_named() -> None:
    class Stumbles(Honest):
        begun = 0

        def begin(self, batch: Batch) -> Any:
            self.begun += 1
            return {**super().begin(batch), "number": self.begun}

        def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
            after, prediction = super().observe(state, frame, action)
            if state["number"] == 2 and state["t"] == 4:
                prediction.mean[1, 5, 6] = np.nan
            return after, prediction

    assert "(sequence 4, step 4)" in verdicts(Stumbles())["finite"].finding


def test_a_model_without_imagine_is_tried_on_its_own_mean() -> None:
    class OnlyFrames(Honest):
        imagine = None

        def observe(self, state: Any, frame: Frame, action: Any) -> tuple[Any, Any]:
            if not np.isin(frame, (0, 1)).all():
                raise ValueError("a frame is 0 or 1")
            return super().observe(state, frame, action)

    found = verdicts(OnlyFrames())
    assert {name for name, verdict in found.items() if verdict.passed is False} == {"imagine"}
    assert "a frame is 0 or 1" in found["imagine"].finding


def test_what_takes_several_sequences_is_left_open_with_one() -> None:
    found = verdicts(Honest(), sequences=1, batch=1)
    assert {name for name, verdict in found.items() if verdict.passed is None} == {
        "own likelihood",
        "batch size",
        "batch order",
        "companions",
        "recall",
    }
    assert list_failures(Honest(), sequences=2, batch=64, frames=2) == set()


def test_progress_counts_the_checks() -> None:
    calls: list[tuple[int, int, str]] = []
    found = audit(Honest(), **SMALL, progress=lambda done, total, doing: calls.append((done, total, doing)))
    assert calls == [(number + 1, len(found), verdict.check) for number, verdict in enumerate(found)]


@pytest.mark.parametrize("wrong", [{"sequences": 0}, {"batch": 0}, {"frames": 1}, {"dataset": "balls4mass65"}])
def test_an_audit_that_cannot_be_made_is_said(wrong: dict[str, Any]) -> None:
    with pytest.raises(PhysbenchError, match="not 0 in|batches of 0|not 1|did you mean"):
        audit(Honest(), **{**SMALL, **wrong})
