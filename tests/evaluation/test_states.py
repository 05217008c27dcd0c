"""Tests of states instead of frames: inputs and scores against loops over the stored arrays, from a model to a
table."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

import physbench
from physbench import registry
from physbench.audit import audit
from physbench.errors import PhysbenchError
from physbench.evaluation import scored_slots
from physbench.evaluation.evaluate import extent
from physbench.evaluation.examples import Examples
from physbench.evaluation.export import export_inputs
from physbench.evaluation.predictions import open_predictions, predict, score
from physbench.evaluation.scoring import score_answer
from physbench.evaluation.window import ask
from physbench.metrics import sums
from physbench.metrics.state_cards import STATE_CARDS
from physbench.model import Batch, Bernoulli, Prediction
from physbench.states import read_memory, show_memory
from physbench.suites import SUITES, Flight, Memory, Suite, Task, Trajectory, Window
from physbench_baselines.reference import Copy
from physbench_baselines.reference_states import Inertia, constant_velocity, oracle
from tests.evaluation.test_order import require_identical
from tests.evaluation.toys import Box

Array = NDArray[Any]
SMALL = Suite("small", 1, "ten balls, briefly", (Task("balls10", (Trajectory(8), Flight(3, 4))),))


@pytest.fixture(scope="module")
def states() -> dict[str, Array]:
    scenes = registry.datasets.get("balls10").scenes("test", 0, 6, only=("position", "velocity", "radius"))
    return {name: array.astype(np.float64) for name, array in scenes.arrays().items()}


def test_the_error_of_inertia_is_that_of_a_loop_over_windows(states: dict[str, Array]) -> None:
    position = states["position"] / 64
    one, copied, far = [], [], []
    for n in range(6):
        for t in range(3, 8):
            one += ((2 * position[n, t - 1] - position[n, t - 2] - position[n, t]) ** 2).ravel().tolist()
            copied += ((position[n, t - 1] - position[n, t]) ** 2).ravel().tolist()
        for h in range(1, 5):
            flown = position[n, 2] + h * (position[n, 2] - position[n, 1])
            far += ((flown - position[n, 2 + h]) ** 2).ravel().tolist()
    result = physbench.evaluate(Inertia(), SMALL, limit=6, batch=4)
    assert result.score("balls10", "position_mse").value == pytest.approx(np.mean(one), rel=1e-4)
    assert result.score("balls10", "relative_position_mse").value == pytest.approx(
        np.sum(one) / np.sum(copied), rel=1e-4
    )
    assert result.score("balls10/rollout-3+4", "position_mse").value == pytest.approx(np.mean(far), rel=1e-4)
    assert result.score("balls10/rollout-3+4", "rollout_position_mse[1]").value == pytest.approx(
        np.mean(np.reshape(far, (6, 4, -1))[:, 0]), rel=1e-4
    )
    assert len(result.curves["balls10/rollout-3+4", "energy_error"]) == 4


def test_straight_flight_goes_by_the_true_velocity(states: dict[str, Array]) -> None:
    position, velocity = states["position"], states["velocity"]
    errors = [((position[n, t] + velocity[n, t] - position[n, t + 1]) / 64) ** 2 for n in range(6) for t in range(2, 7)]
    far = [((position[n, 2] + 4 * velocity[n, 2] - position[n, 6]) / 64) ** 2 for n in range(6)]
    result = physbench.evaluate(constant_velocity(), SMALL, limit=6)
    assert result.score("balls10", "position_mse").value == pytest.approx(np.mean(errors), rel=1e-4)
    assert result.score("balls10/rollout-3+4", "position_mse").value > result.score("balls10", "position_mse").value
    copied = physbench.evaluate(Copy(), replace(SMALL, tasks=(Task("balls10", (Flight(3, 4),)),)), limit=6)
    assert math.isclose(copied.score("balls10/rollout-3+4", "energy_error").value, 1.0)
    steps = sums.value(sums.mean(np.array(far)))
    assert result.curves["balls10/rollout-3+4", "position_mse"][3] == pytest.approx(steps, rel=1e-4)


def test_what_is_true_costs_nothing_and_a_copy_is_a_copy() -> None:
    knowing, copying = physbench.evaluate(oracle(), SMALL, limit=4), physbench.evaluate(Copy(), SMALL, limit=4)
    assert {score.value for score in knowing.scores if score.metric != "penetration"} == {0.0}
    assert knowing.score("balls10/rollout-3+4", "penetration").value < 1e-5
    assert copying.score("balls10", "relative_position_mse").value == 1.0 and "privileged" in knowing.provenance.notes


@dataclass(frozen=True)
class Spoilt:
    """Copies, but for one step."""

    at: int
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> int:
        assert batch.shape == (10, 2, 1) and batch.shows == "position" and batch.box_side == 64 and batch.truth is None
        return 0

    def observe(self, state: int, frame: Array, action: Array | None) -> tuple[int, Prediction]:
        assert frame.dtype == np.float32 and frame.min() > 0 and frame.max() < 1
        return state + 1, Prediction(frame - 7 * (state == self.at))


def test_nothing_is_scored_before_three_states_are_shown_and_places_may_lie_anywhere() -> None:
    suite = replace(SMALL, tasks=(Task("balls10", (Trajectory(8),)),))
    errors = [
        physbench.evaluate(Spoilt(at), suite, limit=2).score("balls10", "position_mse").value for at in (99, 0, 1, 2)
    ]
    assert errors[0] == errors[1] == errors[2] and errors[3] > 49 / 5


def test_a_file_of_predictions_scores_as_the_model_does(tmp_path: Path) -> None:
    predict(Inertia(), tmp_path / "p.h5", "trajectories", name="inertia", limit=3, batch=2)
    require_identical(
        score(open_predictions(tmp_path / "p.h5")), physbench.evaluate(Inertia(), "trajectories", limit=3)
    )
    with pytest.raises(PhysbenchError, match="too coarse for positions"):
        predict(Inertia(), tmp_path / "h.h5", "trajectories", limit=1, half=True)


def test_a_file_of_states_is_asked_about_as_its_recipe_is(tmp_path: Path) -> None:
    path = physbench.generate("balls10", tmp_path / "b.h5", train=0, valid=0, test=4)
    result = physbench.evaluate(Inertia(), "trajectories", data=path)
    assert (
        result.score("b", "position_mse").value
        == physbench.evaluate(Inertia(), "trajectories", limit=4).score("balls10", "position_mse").value
    )
    assert physbench.verify(path).sequences_replayed == 4


def test_inputs_are_places_and_nothing_of_the_truth(tmp_path: Path, states: dict[str, Array]) -> None:
    export_inputs(tmp_path / "i.h5", "trajectories", limit=2)
    with h5py.File(tmp_path / "i.h5") as file:
        one, far = file["balls10"], file["balls10/rollout-3+30"]
        assert (one.attrs["kind"], far.attrs["kind"], far.attrs["frames_shown"]) == ("window", "rollout", 3)
        np.testing.assert_allclose(one["input"][..., 0], states["position"][:2] / 64, rtol=1e-6)
        assert far["input"].shape == (2, 3, 10, 2, 1)


def test_models_of_states_are_audited() -> None:
    verdicts = {
        verdict.check: verdict.passed for verdict in audit(Inertia(), dataset="balls10", sequences=4, frames=5, batch=2)
    }
    assert verdicts["runs"] and False not in verdicts.values()


@pytest.mark.parametrize(
    ("suite", "data", "sentence"),
    [
        (SMALL, "balls4mass64-crop50", "does not say in how large a box its objects move"),
        (
            replace(SMALL, tasks=(Task("balls10", (Memory(4),)),)),
            None,
            "balls10-v1 has no memory of a console to show a model: it has contact, position",
        ),
        (replace(SMALL, tasks=(Task("balls10", (Window(4),)),)), None, "balls10-v1 has no frames to show a model"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(
    suite: Suite, data: str | None, sentence: str, tmp_path: Path
) -> None:
    file = physbench.generate(data, tmp_path / "d.h5", train=0, valid=0, test=1) if data else None
    with pytest.raises(PhysbenchError, match=sentence):
        physbench.evaluate(Copy(), suite, data=file, limit=1)


def test_a_suite_asks_about_frames_or_about_states() -> None:
    with pytest.raises(PhysbenchError, match="'both' asks about frames and about states of balls4mass64"):
        Suite("both", 1, "", (Task("balls4mass64", (Window(4), Trajectory(8))),))


def test_places_in_a_box_that_has_pixels_are_asked_about_too() -> None:
    result = physbench.evaluate(oracle(), replace(SMALL, tasks=(Task("balls4mass64", (Trajectory(8),)),)), limit=2)
    assert result.score("balls4mass64", "position_mse").value == 0


def test_inertia_is_of_things_that_move(cli: Any) -> None:
    refused = cli("eval", "inertia", "--suite", "smoke", "--limit", 1)
    assert (
        refused.exit_code == 2
        and "inertia is for things that move" in refused.stderr
        and "Traceback" not in refused.stderr
    )


def memories(count: int = 5, frames: int = 6) -> Examples:
    """Half of the bytes are a constant, some are coins, and the last is any."""
    rng = np.random.default_rng(4)
    ram = np.full((count, frames, 128), 7, np.uint8)
    ram[..., 64:] = rng.integers(0, 2, (count, frames, 64))
    ram[..., 127] = rng.integers(0, 256, (count, frames))
    actions = np.eye(18, dtype=np.uint8)[rng.integers(0, 18, (count, frames))]
    return Examples(np.arange(count), show_memory(ram), truth={"ram": ram}, actions=actions)


@dataclass(frozen=True)
class Memories:
    """Where they come from."""

    known: Examples

    def examples(self, start: int, stop: int) -> Examples:
        return replace(self.known, truth={"ram": self.known.truth["ram"][start:stop]})


@pytest.mark.parametrize("at_once", [2, 64])
def test_bytes_that_are_nearly_always_the_same_are_not_scored(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    known = memories(50)
    monkeypatch.setattr(scored_slots, "source_of", lambda *_, **__: Memories(known))
    monkeypatch.setattr(scored_slots, "AT_ONCE", at_once)
    chosen = replace(extent(SMALL, limit=1), count=50)
    found = scored_slots.find_scored_slots(chosen, Task("balls10", (Memory(6),)))
    assert found is not None and found.tolist() == [slot >= 64 for slot in range(128)]
    assert scored_slots.find_scored_slots(chosen, SMALL.tasks[0]) is None


def test_a_copied_memory_is_scored_on_the_bytes_that_count() -> None:
    known, scored = memories(), np.arange(128) >= 64
    answer = ask(Copy(), Task("toy", (Memory(6),)), Memory(6), known, Box((128, 8, 1), 6), seed=0)
    assert answer.means is not None and answer.means.shape == (5, 5, 128, 8, 1)
    figures = score_answer(Memory(6), answer, known, Bernoulli(), scored_slots=scored)
    ram = known.truth["ram"]
    assert list(figures) == ["slot_accuracy", "bit_f1"]
    assert sums.value(figures["slot_accuracy"]) == pytest.approx((ram[:, 1:, 64:] == ram[:, :-1, 64:]).mean())
    np.testing.assert_array_equal(read_memory(answer.means), ram[:, :-1])


def test_the_action_stands_beside_the_memory_that_it_is_taken_in() -> None:
    seen: list[tuple[Array, Array]] = []

    class Looking(Copy):
        def observe(self, state: None, frame: Array, action: Array | None) -> tuple[None, Prediction]:
            assert action is not None
            seen.append((frame, action))
            return super().observe(state, frame, action)

    known = memories()
    ask(Looking(), Task("toy", (Memory(6),)), Memory(6), known, Box((128, 8, 1), 6), seed=0)
    assert len(seen) == 6
    for t, (frame, action) in enumerate(seen):
        np.testing.assert_array_equal(read_memory(frame), known.truth["ram"][:, t])
        np.testing.assert_array_equal(action, known.actions[:, t])  # type: ignore[index]


def test_every_figure_of_states_is_asked_by_a_suite() -> None:
    kinds = {asking.kind for name in ("trajectories", "ram") for task in SUITES[name].tasks for asking in task.askings}
    assert {kind for card in STATE_CARDS for kind in card.asked_of} == kinds == {"trajectory", "flight", "memory"}
