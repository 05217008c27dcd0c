"""Tests that the score of a sequence depends only on that sequence, not on its batch or its place in it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

import physbench
from physbench import registry
from physbench.evaluation import evaluate as evaluation
from physbench.evaluation.examples import Examples, Source, source_of
from physbench.evaluation.scoring import score_answer
from physbench.result import Result
from physbench.suites import ROWS, SUITES, Task
from physbench_baselines.reference import ConstantVelocity, Copy
from tests.evaluation.toys import Noisy, Normal, Slots

MODELS: dict[str, Any] = {name: registry.models.get(name) for name in ROWS} | {
    "with slots": Slots,
    "normal": Normal,
    "random by seed": Noisy,
}


def require_identical(one: Result, other: Result) -> None:
    """To the last bit, intervals included."""
    assert [(score.task, score.metric) for score in one.scores] == [
        (score.task, score.metric) for score in other.scores
    ]
    for a, b in zip(one.scores, other.scores, strict=True):
        for x, y in ((a.value, b.value), (a.low, b.low), (a.high, b.high), (a.sequences, b.sequences)):
            assert x == y or (math.isnan(x) and math.isnan(y)), (a, b)
    assert one.sums.keys() == other.sums.keys() and one.provenance.data_sha256 == other.provenance.data_sha256
    for key, sums in one.sums.items():
        np.testing.assert_array_equal(sums, other.sums[key], err_msg=str(key))


@pytest.mark.parametrize("suite", ["smoke", "crop50"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "tracker")) for name in MODELS]
)
def test_batches_of_1_7_and_64_give_identical_numbers(name: str, suite: str) -> None:
    one, *others = (physbench.evaluate(MODELS[name](), suite, limit=9, batch=batch) for batch in (64, 7, 1))
    for other in others:
        require_identical(one, other)


def test_a_last_batch_of_one_is_scored_like_any_other() -> None:
    whole, split = (physbench.evaluate(Slots(), "balls", limit=65, batch=batch) for batch in (65, 64))
    require_identical(whole, split)
    assert {score.sequences for score in split.scores} == {65}
    assert all(len(part) == 65 for sums in split.sums.values() for part in sums)
    counted = split.sums["balls4mass64", "bce"][1]
    assert counted.tolist() == [30.0] * 65  # transitions
    shorter = physbench.evaluate(Slots(), "balls", limit=64)
    for key, sums in shorter.sums.items():
        np.testing.assert_array_equal(np.array(split.sums[key])[:, :64], sums)


@dataclass
class Reordered:
    """The first sequences of a source in another order."""

    source: Source
    order: list[int]

    def __post_init__(self) -> None:
        self.shape, self.frames = self.source.shape, self.source.frames
        self.all = self.source.examples(0, len(self.order))
        self.training_mean = self.source.training_mean

    def __len__(self) -> int:
        return len(self.order)

    def examples(self, start: int, stop: int) -> Examples:
        chosen, known = self.order[start:stop], self.all
        events = [np.flatnonzero(known.events["sequence"] == number) for number in chosen]
        where = np.concatenate(events)
        told = {name: known.events[name][where] for name in ("time", "a", "b")}
        sequence = np.repeat(np.arange(len(chosen)), [len(each) for each in events])
        arrays = {name: np.asarray(array)[chosen] for name, array in known.truth.items()}
        return Examples(
            known.places[chosen],
            known.frames[chosen],
            arrays["groups"],
            arrays["collisions"],
            truth=arrays,
            events={"sequence": sequence, **told},
        )

    def digest(self, count: int) -> str:
        return "reordered"


@pytest.mark.parametrize("suite", ["smoke", "crop50"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name == "tracker")) for name in MODELS]
)
def test_in_any_order_every_sequence_scores_the_same(name: str, suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = physbench.evaluate(MODELS[name](), suite, limit=9)
    order = np.random.default_rng(0).permutation(9).tolist()

    def reorder(task: Task, **settings: Any) -> Source:
        return Reordered(source_of(task, **settings), order)

    monkeypatch.setattr(evaluation, "source_of", reorder)
    other = physbench.evaluate(MODELS[name](), suite, limit=9, batch=4)
    for key, sums in usual.sums.items():
        np.testing.assert_array_equal(np.array(sums)[:, order], other.sums[key], err_msg=str(key))
    for a, b in zip(usual.scores, other.scores, strict=True):
        assert (a.task, a.metric) == (b.task, b.metric)
        assert a.value == b.value or (math.isnan(a.value) and math.isnan(b.value)), a


def test_who_is_beside_a_sequence_changes_nothing() -> None:
    """A neighbour that is all ones, all zeros, or another world."""
    task = Task("balls4mass64", SUITES["smoke"].tasks[0].askings)
    source = source_of(task)
    shown = source.examples(0, 3)
    for level in (0, 1):
        beside = replace(shown, frames=np.concatenate([shown.frames[:2], np.full_like(shown.frames[2:], level)]))
        for asking in task.askings:
            for model in (Slots(), ConstantVelocity(), Copy()):
                usual, other = (
                    score_answer(
                        asking, evaluation.answers_of(model, 0)(task, asking, each, source, 0), each, model.likelihood
                    )
                    for each in (shown, beside)
                )
                for metric in usual:
                    np.testing.assert_array_equal(usual[metric].numerator[:2], other[metric].numerator[:2])
                    np.testing.assert_array_equal(usual[metric].denominator[:2], other[metric].denominator[:2])
