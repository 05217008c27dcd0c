"""Tests of codes of frames and the probes on them: the suite on a few games, the rows without learning, and what is
refused."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import f1_score

import physbench
from physbench import registry
from physbench.errors import ModelError, PhysbenchError
from physbench.evaluation.evaluate import evaluate
from physbench.evaluation.export import export_inputs
from physbench.evaluation.predictions import predict
from physbench.evaluation.scored_slots import find_scored_slots
from physbench.evaluation.watch import watch
from physbench.metrics.code_cards import CODE_CARDS
from physbench.metrics.memory_probe import MemoryProbe
from physbench.model import Batch, Bernoulli, Prediction
from physbench.suites import SUITES, Codes, Suite, Task, Window
from physbench_baselines.codes import Pixels
from physbench_baselines.reference import Blank, Copy
from tests.evaluation.test_order import require_identical

Array = NDArray[Any]
SUITE = SUITES["probe"]


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return physbench.generate("invaders84", tmp_path_factory.mktemp("games") / "games.h5", train=10, valid=0, test=6)


@dataclass(frozen=True)
class Counting:
    """Notes how many frames it was shown and the sum of the last one, and predicts nothing."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> tuple[int, Array]:
        assert batch.shape == (84, 84, 1) and batch.actions == 6 and batch.truth is None
        return 0, np.zeros(len(batch.seeds), np.float32)

    def observe(self, state: tuple[int, Array], frame: Array, action: Array | None) -> tuple[Any, Prediction]:
        assert action is not None and action.shape == (len(frame), 6)
        return (state[0] + 1, frame.sum(axis=(1, 2, 3))), Prediction()

    def latents(self, state: tuple[int, Array]) -> Array:
        return np.stack([np.full_like(state[1], state[0]), state[1]], axis=1)[:, None].astype(np.float32)


@pytest.mark.slow
def test_codes_are_taken_after_the_frames_that_are_asked_about(games: Path) -> None:
    split = physbench.open(games)["test"]
    seen: list[Array] = []

    class Looking(Counting):
        def latents(self, state: Any) -> Array:
            seen.append(super().latents(state))
            return seen[-1]

    asking = Codes(25)
    evaluate(Looking(), SUITE, data=games, batch=6)
    assert asking.moments == (6, 12, 18, 24) and len(seen) == 2 * 4  # of six training sequences, then of six others
    for t, codes in zip(asking.moments, seen[-4:], strict=True):
        np.testing.assert_array_equal(codes[:, 0, 0], t + 1)
        np.testing.assert_array_equal(codes[:, 0, 1], split[0:6]["features"][:, t].sum(axis=(1, 2, 3)))


def test_the_figures_are_those_of_a_probe_that_is_fitted_by_hand(games: Path) -> None:
    moments = list(Codes(25).moments)
    file = physbench.open(games)
    codes, ram = {}, {}
    for name, count in (("training", 10), ("test", 6)):
        arrays = file[name][0:count]
        codes[name] = arrays["features"][:, moments].reshape(count, 4, -1).astype(np.float32)
        ram[name] = arrays["ram"][:, moments]
    every = file["test"][0:6]["ram"].reshape(-1, 128)
    shares = [np.unique(every[:, slot], return_counts=True)[1] / len(every) for slot in range(128)]
    slots = np.array([-(share * np.log(share)).sum() > 0.6 for share in shares])
    count = min(10, 6)  # as many training sequences as there are test sequences, up to a thousand
    read = MemoryProbe.fit(codes["training"][:count], ram["training"][:count], slots, [28, 26, 16, 17]).read(
        codes["test"]
    )
    result = evaluate(Pixels(), SUITE, data=games)
    true, said = (np.unpackbits(array[..., slots].reshape(-1)) for array in (ram["test"], read.ram))
    task = result.scores[0].task
    assert result.score(task, "probe_bit_f1").value == pytest.approx(f1_score(true, said), abs=1e-12)
    assert result.score(task, "probe_slot_accuracy").value == pytest.approx(
        (ram["test"] == read.ram)[..., slots].mean(), abs=1e-12
    )
    there = ram["test"][..., [28, 26, 16, 17]].astype(float)
    units, means = (ram["training"][:count][..., [28, 26, 16, 17]].astype(float).reshape(-1, 4) for _ in range(2))
    errors, spread = (
        (there / units.std(axis=0) - read.values) ** 2,
        ((there - means.mean(axis=0)) / units.std(axis=0)) ** 2,
    )
    assert result.score(task, "probe_variables").value == pytest.approx(1 - errors.sum() / spread.sum(), abs=1e-9)
    assert {score.metric for score in result.scores} == {card.name for card in CODE_CARDS}


def test_figures_are_the_same_whatever_the_batches(games: Path) -> None:
    require_identical(evaluate(Pixels(), SUITE, data=games, batch=2), evaluate(Pixels(), SUITE, data=games, batch=5))


def test_without_a_code_nothing_is_known_but_what_is_common(games: Path) -> None:
    floor, pixels = (evaluate(model, SUITE, data=games) for model in (Blank(), Pixels()))
    task = floor.scores[0].task
    assert floor.score(task, "probe_variables").value == pytest.approx(0, abs=1e-12)
    assert pixels.score(task, "probe_variables").value > 0.1


def test_the_rows_are_there_and_the_network_is_always_the_same() -> None:
    assert SUITE.references == ("pixels", "random-cnn", "blank")
    frames, codes = np.random.default_rng(0).integers(0, 2, (2, 84, 84, 1)).astype(np.float32), []
    for _ in range(2):
        model = registry.models.get("random-cnn")()
        state = model.begin(Batch(np.zeros(2, np.uint64), (84, 84, 1), actions=6))
        state, said = model.observe(state, frames, np.zeros((2, 6), np.float32))
        codes.append(model.latents(state))
    assert said.mean is None and codes[0].shape == (2, 128, 64) and codes[0].tobytes() == codes[1].tobytes()


@pytest.mark.slow
def test_the_suite_is_run_from_the_command_line(games: Path, cli: Callable[..., Any], tmp_path: Path) -> None:
    told = cli(
        "eval",
        "pixels",
        "--suite",
        "probe",
        "--limit",
        2,
        "--json",
        "--csv",
        tmp_path / "p.csv",
        "--report",
        tmp_path / "report",
    )
    scores = {score["metric"]: score["value"] for score in json.loads(told.stdout)["scores"]}
    rows = list(csv.DictReader(io.StringIO((tmp_path / "p.csv").read_text())))
    assert {row["metric"]: float(row["value"]) for row in rows} == scores and set(scores) == {
        card.name for card in CODE_CARDS
    }
    text = cli("eval", "pixels", "--suite", "probe", "--data", games).stdout
    assert "probe_bit_f1" in text and "Grouping is not scored" not in text
    assert "probe_slot_accuracy" in (tmp_path / "report" / "index.html").read_text().replace("<wbr>", "")


@pytest.mark.parametrize("command", ["predict", "export"])
def test_files_have_no_place_for_codes(command: str, tmp_path: Path, cli: Callable[..., Any]) -> None:
    refused = cli(
        command, *["pixels"] * (command == "predict"), "--suite", "probe", "--limit", 1, "--out", tmp_path / "x.h5"
    )
    assert refused.exit_code == 2 and "asks for codes of frames, and a file holds predictions alone" in refused.stderr
    assert not (tmp_path / "x.h5").exists()


def test_files_are_refused_in_python_too(tmp_path: Path) -> None:
    for ask in (
        lambda: predict(Copy(), tmp_path / "x.h5", "probe", limit=1),
        lambda: export_inputs(tmp_path / "x.h5", "probe", limit=1),
    ):
        with pytest.raises(PhysbenchError, match="score the model itself"):
            ask()


def test_nothing_of_codes_is_drawn() -> None:
    with pytest.raises(
        PhysbenchError, match="probe asks for codes of frames, and nothing is predicted that could be drawn"
    ):
        watch(Copy(), "probe")


def test_a_model_without_codes_is_refused_in_a_line(cli: Callable[..., Any], games: Path, refusal: Any) -> None:
    refused = cli("eval", "copy", "--suite", "probe", "--data", games)
    assert "reads the codes of a model, its latents(state), and this model has none" in refusal(
        refused.exit_code, refused.stderr
    )


@pytest.mark.parametrize(
    ("codes", "sentence"),
    [
        (lambda n: np.zeros((n, 2, 1 << 13 | 1), np.float32), "16,384 numbers at most: not 16386"),
        (lambda n: np.zeros((n, 4), np.float32), "latents are finite floating-point numbers of shape"),
        (lambda n: np.full((n, 1, 2), np.nan, np.float32), "latents are finite"),
        (lambda n: np.zeros((n, 1, 2), np.int64), "latents are finite"),
        (lambda n: np.zeros((n, 1, n), np.float32), "as long for every sequence: not 4 numbers, and then 2"),
    ],
)
def test_codes_that_no_probe_could_be_fitted_to_are_refused(codes: Any, sentence: str, games: Path) -> None:
    class Odd(Counting):
        def latents(self, state: Any) -> Array:
            return codes(len(state[1]))

    with pytest.raises(ModelError, match=sentence):
        evaluate(Odd(), SUITE, data=games, batch=4)


def test_codes_that_change_their_length_are_refused(games: Path) -> None:
    class Growing(Counting):
        def latents(self, state: Any) -> Array:
            return np.zeros((len(state[1]), 1, state[0]), np.float32)

    with pytest.raises(
        ModelError, match=r"as long after every frame, and has 16,384 numbers at most: not 7, 13, 19, 25"
    ):
        evaluate(Growing(), SUITE, data=games)


def test_data_without_a_memory_or_without_training_are_refused(tmp_path: Path, games: Path) -> None:
    with pytest.raises(PhysbenchError, match="balls4mass64 has no memory of a console to read"):
        evaluate(Pixels(), Suite("mine", 1, "", (Task("balls4mass64", (Codes(8),)),)), limit=1)
    path = physbench.generate("invaders84", tmp_path / "t.h5", train=0, valid=0, test=2)
    with pytest.raises(PhysbenchError, match="no training sequences: it has test"):
        evaluate(Pixels(), SUITE, data=path)


def test_frames_alone_have_no_bytes_that_are_scored() -> None:
    from physbench.evaluation.evaluate import extent

    assert find_scored_slots(extent("smoke", limit=1), Task("balls4mass64", (Window(4),))) is None


def test_shorter_sequences_are_asked_about_at_their_end() -> None:
    assert Codes(4).moments == (3,) and Codes(7).moments == (6,) and replace(Codes(25), stride=10).moments == (10, 20)
