"""Tests of forecasts without memory, on all sequences of the suite: a forecast from the distance to the curtain
alone is never below 1, and the best of them knows the rates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import physbench
from physbench import registry
from physbench.evaluation.evaluate import extent
from physbench.evaluation.evaluation_journal import EvaluationJournal
from physbench.evaluation.examples import Examples, Made
from physbench.evaluation.memoryless import memoryless_rates
from physbench.evaluation.predictions import open_predictions, predict, score
from physbench.model import Batch, Bernoulli, Likelihood, Prediction
from physbench.recipe import Recipe
from physbench.result import METRIC_VERSION, Result
from physbench.suites import MEMORYLESS, SUITES
from physbench_baselines.reference import Blank

TASK = SUITES["curtain"].tasks[0]
ROW = "balls3curtain64"


@dataclass(frozen=True)
class Distances:
    """Told where the curtain is, says the same of every frame: at[d - 1] at distance d from it."""

    at: tuple[float, ...]
    likelihood: ClassVar[Likelihood] = Bernoulli()
    privileged: ClassVar[bool] = True

    def begin(self, batch: Batch) -> NDArray[np.float64]:
        height, width, _ = batch.shape
        curtain: Any = batch.truth["curtain"]  # type: ignore[index]
        means = np.zeros((len(curtain), height, width, 1))
        for mean, (y0, x0, y1, x1) in zip(means, curtain.tolist(), strict=True):
            for d in range(10, 0, -1):
                mean[max(y0 - d, 0) : y1 + d, max(x0 - d, 0) : x1 + d] = self.at[d - 1]
        return means

    def observe(self, state: NDArray[np.float64], frame: Any, action: Any) -> tuple[NDArray[np.float64], Prediction]:
        return state, Prediction(state)


def permanence(result: Result) -> float:
    return next(score.value for score in result.scores if score.metric == "permanence_bce")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe: Recipe = registry.datasets.get(ROW)
    return physbench.generate(
        replace(recipe, seed=77, splits={"test": 20, "validation": 9}), tmp_path_factory.mktemp("data") / "mine.h5"
    )


ASKED: dict[str, dict[str, Any]] = {
    "some": {"limit": 17},
    "fresh": {"limit": 30, "fresh": 5},
    "another split": {"limit": 12, "split": "validation"},
    "a file": {"data": ...},
    "some of a file": {"data": ..., "limit": 13},
    "another split of a file": {"data": ..., "split": "validation"},
}


@pytest.mark.parametrize("name", ASKED)
def test_on_any_sequences_the_best_map_of_the_distance_scores_1_and_others_more(name: str, file: Path) -> None:
    asked = {key: file if value is ... else value for key, value in ASKED[name].items()}
    chosen = extent("curtain", **asked)
    rates = memoryless_rates(chosen, chosen.suite.tasks[0], chosen.suite.tasks[0].askings[0])  # type: ignore[arg-type]
    assert rates is not None and len(rates) == 10 and rates[0] > rates[2] >= rates[9]
    assert permanence(physbench.evaluate(Distances(tuple(rates)), "curtain", **asked)) == pytest.approx(
        1, abs=1e-6
    )  # means are kept as float32
    rng = np.random.default_rng(len(name))
    for at in (np.array(rates) * rng.uniform(0.5, 2, 10), np.full(10, 0.0015), rng.random(10), np.zeros(10)):
        assert permanence(physbench.evaluate(Distances(tuple(np.minimum(at, 1))), "curtain", **asked)) > 1


def test_rates_of_other_sequences_are_other_rates() -> None:
    window: Any = TASK.askings[0]
    found = {str(memoryless_rates(extent("curtain", limit=20, fresh=fresh), TASK, window)) for fresh in (None, 1, 2)}
    assert len(found) == 3


@pytest.mark.slow
def test_pinned_sequences_are_held_against_pinned_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 64: counted, they are the same; and if others were pinned, the figure would be another."""
    pinned, counted = physbench.evaluate(Blank(), "smoke"), physbench.evaluate(Blank(), "curtain", limit=64)
    np.testing.assert_array_equal(pinned.sums[ROW, "permanence_bce"], counted.sums[ROW, "permanence_bce"])
    key = (ROW, 51, 64)
    monkeypatch.setitem(MEMORYLESS, key, tuple((2 * on, pixels) for on, pixels in MEMORYLESS[key]))
    assert permanence(physbench.evaluate(Blank(), "smoke")) != permanence(pinned)


def test_batches_and_resuming_change_no_bit(tmp_path: Path) -> None:
    model = Distances((0.02, 0.01, *[0.001] * 8))
    whole = physbench.evaluate(model, "curtain", limit=23)
    for batch in (1, 5, 23):
        np.testing.assert_array_equal(
            whole.sums[ROW, "permanence_bce"],
            physbench.evaluate(model, "curtain", limit=23, batch=batch).sums[ROW, "permanence_bce"],
        )
    stopped = Stopped(model, after=3)
    journal = EvaluationJournal(tmp_path / "journal")
    with pytest.raises(KeyboardInterrupt):
        physbench.evaluate(stopped, "curtain", limit=23, batch=5, journal=journal)
    assert 0 < journal.count_finished() < 5
    resumed = physbench.evaluate(model, "curtain", limit=23, batch=5, journal=journal)
    np.testing.assert_array_equal(whole.sums[ROW, "permanence_bce"], resumed.sums[ROW, "permanence_bce"])


class Stopped:
    """Interrupted after so many blocks."""

    privileged = True
    likelihood = Bernoulli()

    def __init__(self, model: Distances, after: int) -> None:
        self.model, self.left = model, after

    def begin(self, batch: Batch) -> Any:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return self.model.begin(batch)

    def observe(self, state: Any, frame: Any, action: Any) -> Any:
        return self.model.observe(state, frame, action)


def test_predictions_in_a_file_are_held_against_the_same_rates(tmp_path: Path) -> None:
    predict(Blank(), tmp_path / "p.h5", "curtain", limit=11)
    scored, evaluated = score(open_predictions(tmp_path / "p.h5")), physbench.evaluate(Blank(), "curtain", limit=11)
    np.testing.assert_array_equal(scored.sums[ROW, "permanence_bce"], evaluated.sums[ROW, "permanence_bce"])
    assert scored.provenance.metric_version == evaluated.provenance.metric_version == METRIC_VERSION == 2


def test_without_a_curtain_there_are_no_rates_and_no_figure(tmp_path: Path) -> None:
    recipe: Recipe = registry.datasets.get("balls4mass64")
    path = physbench.generate(replace(recipe, splits={"test": 3}), tmp_path / "open.h5")
    chosen = extent("balls", data=path)
    assert memoryless_rates(chosen, chosen.suite.tasks[0], chosen.suite.tasks[0].askings[0]) is None  # type: ignore[arg-type]
    assert not any(score.metric == "permanence_bce" for score in physbench.evaluate(Blank(), "balls", data=path).scores)


@pytest.mark.parametrize("suite", ["balls", "curtain"])
def test_no_frame_is_made_to_learn_that_there_is_no_curtain(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And none that lies behind the first curtain."""
    asked: list[int] = []
    examples = Made.examples

    def count(self: Made, start: int, stop: int) -> Examples:
        asked.append(stop - start)
        return examples(self, start, stop)

    monkeypatch.setattr(Made, "examples", count)
    chosen = extent(suite, limit=70, fresh=3)
    found = memoryless_rates(chosen, chosen.suite.tasks[0], chosen.suite.tasks[0].askings[0])  # type: ignore[arg-type]
    assert (found is None, sum(asked)) == ((True, 0) if suite == "balls" else (False, 70))
