"""Tests that the seeds given to a model reveal nothing about the data, and that fresh data cannot be found by
search."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import physbench
from physbench import registry
from physbench.audit import audit, has_passed
from physbench.model import Batch, Bernoulli, Prediction
from physbench.recipe import mix
from physbench.seeds import draw_fresh_seed, seed_sequences
from physbench.suites import SUITES
from physbench.world import parts_of
from physbench_baselines.reference import Copy
from tests.evaluation.toys import Array, Witness

BALLS = ("balls4mass64", "balls678mass64", "balls3curtain64")


@dataclass
class SeedCheat:
    """Takes its seeds for the generator's own, as they were once, and makes the future again; copies where no frame
    fits."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()
    recovered: int = 0

    def begin(self, batch: Batch) -> dict[str, Any]:
        words = [batch.seeds ^ np.uint64(mix(seed + 1 + (sample << 32))) for seed in range(3) for sample in range(2)]
        return {
            "t": 0,
            "futures": [
                registry.datasets.get(name).generator.batch(each, 51).features
                for name in BALLS
                for each in [batch.seeds, *words]
            ],
        }

    def observe(self, state: dict[str, Any], frame: Array, action: Any) -> tuple[dict[str, Any], Prediction]:
        t, mean = state["t"], frame.copy()
        for future in state["futures"]:
            fits = (future[:, t] == frame).all(axis=(1, 2, 3))
            mean[fits] = future[fits, min(t + 1, 50)]
            self.recovered += int(fits.sum())
        return {**state, "t": t + 1}, Prediction(mean)


@dataclass
class PlaceCheat:
    """Knows the public recipe: finds its places by their seeds, and then the pinned test sequences. Copies where a
    frame does not fit."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()
    numbers: dict[int, int] = field(
        default_factory=lambda: {word: at for at, word in enumerate(seed_sequences(np.arange(64), seed=0).tolist())}
    )

    def begin(self, batch: Batch) -> dict[str, Any]:
        places = np.array([self.numbers.get(word, 0) for word in batch.seeds.tolist()])
        recipe = registry.datasets.get("balls4mass64")
        return {"t": 0, "future": recipe.generator.batch(recipe.seeds("test", 0, 64), 51).features[places]}

    def observe(self, state: dict[str, Any], frame: Array, action: Any) -> tuple[dict[str, Any], Prediction]:
        t, future, mean = state["t"], state["future"], frame.copy()
        fits = (future[:, t] == frame).all(axis=(1, 2, 3))
        mean[fits] = future[fits, t + 1]
        return {**state, "t": t + 1}, Prediction(mean)


@dataclass
class FreshSearch:
    """Looks through small seeds of fresh data for one whose sequences begin with the frames it sees."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()
    searched: int = 24

    def begin(self, batch: Batch) -> dict[str, Any]:
        return {"t": 0, "future": None, "count": len(batch.seeds)}

    def observe(self, state: dict[str, Any], frame: Array, action: Any) -> tuple[dict[str, Any], Prediction]:
        t, future = state["t"], state["future"] if state["t"] else self.search(frame, state["count"])
        mean = frame if future is None else future[:, t + 1].astype(np.float32)
        return {**state, "t": t + 1, "future": future}, Prediction(mean)

    def search(self, frame: Array, count: int) -> Array | None:
        named = registry.datasets.get("balls4mass64")
        for seed in range(self.searched):
            recipe = replace(named, seed=mix(seed + 1))
            future = recipe.generator.batch(recipe.seeds("test", 0, count), 51).features
            if (future[:, 0] == frame).all():
                return future
        return None


@pytest.mark.parametrize("suite", ["balls", "extrapolation", "curtain"])
@pytest.mark.parametrize("fresh", [None, 4711])
def test_the_seed_cheat_gets_what_copy_gets(suite: str, fresh: int | None) -> None:
    cheat = SeedCheat()
    cheated, honest = (physbench.evaluate(model, suite, limit=4, fresh=fresh) for model in (cheat, Copy()))
    assert cheat.recovered == 0
    mine, theirs = ({(score.task, score.metric): score.value for score in each.scores} for each in (cheated, honest))
    assert mine == theirs


def test_the_seed_cheat_would_know_everything_if_it_were_handed_the_seeds_of_the_data() -> None:
    """The oracle of the test above: a cheat that cannot work proves nothing."""
    recipe = registry.datasets.get("balls4mass64")
    seeds, cheat = recipe.seeds("test", 0, 3), SeedCheat()
    frames = recipe.generator.batch(seeds, 6).features.astype(np.float32)
    state = cheat.begin(Batch(seeds, recipe.generator.shape))
    for t in range(5):
        state, prediction = cheat.observe(state, frames[:, t], None)
        np.testing.assert_array_equal(prediction.mean, frames[:, t + 1])


def test_a_small_fresh_seed_can_be_searched_and_one_of_the_system_cannot() -> None:
    searched, drawn = (
        physbench.evaluate(FreshSearch(), "balls", limit=4, fresh=seed) for seed in (17, draw_fresh_seed())
    )
    assert searched.score("balls4mass64", "relative_bce").value < 1e-5
    assert drawn.score("balls4mass64", "relative_bce").value == 1.0


@pytest.mark.parametrize(
    "suite",
    [
        name
        for name, suite in SUITES.items()
        if name != "smoke" and not any(parts_of(task.recipe.generator).slow for task in suite.tasks)
    ],
)
def test_the_seeds_of_a_suite_are_those_of_the_places_whatever_the_data(suite: str) -> None:
    pinned, fresh = Witness(), Witness()
    physbench.evaluate(pinned, suite, limit=3)
    physbench.evaluate(fresh, suite, limit=3, fresh=99)
    assert [batch.seeds.tolist() for batch in pinned.batches] == [batch.seeds.tolist() for batch in fresh.batches]
    assert {tuple(batch.seeds.tolist()) for batch in pinned.batches} <= {
        tuple(seed_sequences(np.arange(3), seed=0, sample=sample).tolist()) for sample in range(5)
    }


@given(st.integers(0, 2**63 - 1), st.integers(0, 4), st.integers(0, 2**40))
def test_a_seed_is_eight_bytes_of_a_hash_of_seed_sample_and_place(seed: int, sample: int, place: int) -> None:
    digest = hashlib.sha256(b"physbench model %d %d %d" % (seed, sample, place)).hexdigest()
    expected = sum(int(digest[2 * byte : 2 * byte + 2], 16) << (8 * byte) for byte in range(8))
    assert seed_sequences(np.array([place]), seed=seed, sample=sample).tolist() == [expected]


def test_what_a_model_is_handed_holds_no_recipe() -> None:
    witness = Witness()
    physbench.evaluate(witness, "balls", limit=1, fresh=123456789)
    told = witness.batches[0].training_mean
    assert told is not None and "seed" not in repr(vars(told) if hasattr(told, "__dict__") else told).lower()
    assert not hasattr(told, "__self__")


def test_audit_finds_a_model_that_knows_sequences_by_their_places() -> None:
    verdicts = {verdict.check: verdict for verdict in audit(PlaceCheat(), sequences=8, frames=8, batch=4)}
    assert verdicts["no foresight"].passed, "it needs no foresight: it knows"
    assert verdicts["recall"].passed is False and "seeds tell it the data" in verdicts["recall"].finding
    assert not has_passed(verdicts.values())


def test_audit_finds_a_model_that_knows_the_test_data_by_heart() -> None:
    @dataclass
    class Memory(PlaceCheat):
        """Recognises a pinned sequence by its first frame, whatever the seeds."""

        def begin(self, batch: Batch) -> dict[str, Any]:
            return {"t": 0, "future": None}

        def observe(self, state: dict[str, Any], frame: Array, action: Any) -> tuple[dict[str, Any], Prediction]:
            if state["future"] is None:
                recipe = registry.datasets.get("balls4mass64")
                known = recipe.generator.batch(recipe.seeds("test", 0, 64), 51).features
                places = [int((known[:, 0] == each).all(axis=(1, 2, 3)).argmax()) for each in frame]
                state = {**state, "future": known[places]}
            return super().observe(state, frame, action)

    verdicts = {verdict.check: verdict for verdict in audit(Memory(), sequences=8, frames=8, batch=4)}
    assert verdicts["recall"].passed is False and "knows the test data" in verdicts["recall"].finding


def test_fresh_seeds_of_the_system_differ_and_have_63_bits() -> None:
    drawn = {draw_fresh_seed() for _ in range(200)}
    assert len(drawn) == 200 and max(drawn) < 2**63 and max(drawn) > 2**58
