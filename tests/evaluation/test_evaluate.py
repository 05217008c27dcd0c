"""Tests of the evaluator: copying scores 1, knowing scores 0, and nothing depends on how sequences are batched."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score

import physbench
from physbench import registry
from physbench.cli import main
from physbench.compare import compare
from physbench.errors import DamagedFile, ModelError, PhysbenchError
from physbench.model import Batch, Bernoulli, Prediction
from physbench.recipe import Recipe
from physbench.result import COLUMNS, Result, load_run
from physbench.suites import DIGESTS, SUITES, Suite
from physbench_baselines.reference import Blank, ConstantVelocity, Copy, Mean, Oracle
from tests.evaluation.toys import Slots

RELATIVE = (
    "relative_bce",
    "relative_bce_last",
    "relative_relational_bce",
    "relative_relational_bce_last",
    "rollout_relative_bce",
)


@pytest.mark.slow
def test_copying_is_exactly_one_in_every_relative_figure(rows: dict[str, Result]) -> None:
    relative = [
        score for score in rows["copy"].scores if score.metric in RELATIVE or score.metric.startswith("event_error")
    ]
    assert len(relative) > 20
    assert {score.value for score in relative} == {1.0}
    assert all(
        (score.low, score.high) == (1.0, 1.0) or math.isnan(score.low) for score in relative
    )  # a rare event has no interval


def test_the_oracle_is_next_to_nothing_and_true_owners_have_an_index_of_one(rows: dict[str, Result]) -> None:
    for score in rows["oracle"].scores:
        if score.metric.startswith("ari"):
            assert score.value == 1.0
        elif score.metric in RELATIVE:
            assert 0 < score.value < 1e-5
        elif score.metric.startswith("rollout_position_error"):
            assert 0 < score.value < 0.1  # centroids of pixels are not centres of discs
    assert rows["oracle"].score("balls4mass64", "bce").value == pytest.approx(64 * 64 * -math.log(1 - 1e-6), rel=1e-9)


def test_no_constant_row_beats_straight_flight_one_frame_ahead(rows: dict[str, Result]) -> None:
    """Ranked figures of the one-step suites.

    Far ahead a blurred guess beats a sharp one that is late: the mean frame wins rollout_relative_bce, and `explain`
    says so.
    """
    for task in ("balls4mass64", "balls678mass64"):
        flight = rows["constant-velocity"].score(task, "relative_bce").value
        assert all(rows[name].score(task, "relative_bce").value > 1.5 * flight for name in ("copy", "mean", "blank"))
    flight = rows["constant-velocity"].score("balls3curtain64", "permanence_bce").value
    assert flight < 1, "who forgets everything but the distance to the curtain scores 1"
    assert all(
        rows[name].score("balls3curtain64", "permanence_bce").value > 2 * flight for name in ("copy", "mean", "blank")
    )


def test_bce_and_ari_are_what_a_slow_loop_over_the_file_says(tmp_path: Path) -> None:
    result = physbench.evaluate(Slots(), "balls", limit=5)
    recipe: Recipe = registry.datasets.get("balls4mass64")
    test = physbench.open(physbench.generate(replace(recipe, splits={"test": 5}), tmp_path / "x.h5"))["test"]
    losses, indices = [], []
    for number in range(5):
        sequence = test[number]
        frames = sequence["features"][:31].astype(np.float64)
        for t in range(30):
            p = np.clip(
                (0.8 * frames[t].astype(np.float32) + 0.1).astype(np.float32).astype(np.float64), 1e-6, 1 - 1e-6
            )
            losses.append(-(frames[t + 1] * np.log(p) + (1 - frames[t + 1]) * np.log(1 - p)).sum())
        rows, columns = np.indices((64, 64))
        owner = 2 * (rows >= 32) + (columns >= 32)
        for t in range(1, 31):
            counted = sequence["groups"][t, :, :, 0] > 0
            indices.append(adjusted_rand_score(sequence["groups"][t, :, :, 0][counted], owner[counted]))
    assert result.score("balls4mass64", "bce").value == pytest.approx(np.mean(losses), rel=1e-9)
    assert result.score("balls4mass64", "ari").value == pytest.approx(np.mean(indices), rel=1e-9)


def test_a_model_sees_the_frames_one_by_one_and_cannot_change_them() -> None:
    seen: list[bytes] = []

    class Vandal(Copy):
        def observe(self, state: None, frame: NDArray[np.float32], action: Any) -> tuple[None, Prediction]:
            seen.append(frame.tobytes())
            prediction = Prediction(frame.copy())
            frame[:] = 7.0
            return None, prediction

    result = physbench.evaluate(Vandal(), "balls", limit=3)
    assert (
        len(seen) == 31 + 1
    )  # every frame of the window, and the single frame once: who names no owners is not asked again
    assert result.score("balls4mass64", "relative_bce").value == 1.0


def test_a_model_without_imagine_observes_its_own_mean() -> None:
    """The mean of a mean of a mean: 0.8 x + 0.1 again and again."""
    result = physbench.evaluate(Slots(), "smoke", limit=2)
    recipe: Recipe = registry.datasets.get("balls4mass64")
    frames = recipe.generator.batch(recipe.seeds("test", 0, 2), 51).features.astype(np.float64)
    p = frames[:, 4]
    for step in range(1, 11):
        p = 0.8 * p + 0.1
        target = frames[:, 4 + step]
        expected = -(target * np.log(p) + (1 - target) * np.log(1 - p)).sum(axis=(1, 2, 3)).mean()
        assert result.score("balls4mass64/rollout-5+10", f"rollout_bce[{step}]").value == pytest.approx(
            expected, rel=1e-5
        )


def test_test_data_are_the_pinned_ones_and_anything_else_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    result = physbench.evaluate(Copy(), "smoke")
    for task in SUITES["smoke"].tasks:
        recipe: Recipe = registry.datasets.get(task.dataset)
        path = physbench.generate(replace(recipe, splits={"test": 64}), tmp_path / f"{task.name}.h5")
        assert (
            physbench.open(path).attributes["content_sha256"]
            == result.provenance.data_sha256[task.name]
            == DIGESTS[task.name, 64]
        )
    monkeypatch.setitem(DIGESTS, ("balls3curtain64", 64), "0" * 64)
    with pytest.raises(DamagedFile, match="would not compare"):
        physbench.evaluate(Copy(), "smoke")


def test_fresh_sequences_are_others_and_score_alike() -> None:
    pinned, fresh = (physbench.evaluate(ConstantVelocity(), "balls", limit=200, fresh=seed) for seed in (None, 5))
    assert pinned.provenance.data_sha256 != fresh.provenance.data_sha256
    assert fresh.provenance.size != pinned.provenance.size
    one, other = (result.score("balls4mass64", "relative_bce") for result in (pinned, fresh))
    assert one.value != other.value
    assert one.low < other.high and other.low < one.high


@pytest.mark.parametrize("suite", SUITES.values(), ids=lambda suite: suite.name)
def test_a_suite_is_complete(suite: Suite) -> None:
    for task in suite.tasks:
        assert all(asking.frames <= registry.datasets.get(task.dataset).frames for asking in task.askings)
        assert len({task.place(asking) for asking in task.askings}) == len(task.askings)
        assert all(suite.is_pinned(count) for count in ((suite.sequences,) if suite.sequences else (1_000, 10_000)))
    if suite.ranked_by:
        assert math.isfinite(physbench.evaluate(suite.references[0], suite.name, limit=2).score(*suite.ranked_by).value)


class Wrong:
    likelihood = Bernoulli()

    def __init__(self, spoil: Any) -> None:
        self.spoil = spoil

    def begin(self, batch: Batch) -> None:
        return None

    def observe(self, state: None, frame: NDArray[np.float32], action: Any) -> tuple[None, Prediction]:
        return None, self.spoil(frame)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda frame: Prediction(frame * np.nan),
            r"nan, which is not a finite number \(on balls4mass64, sequence 0, after",
        ),
        (lambda frame: Prediction(frame + np.inf), "inf, which is not a finite number"),
        (lambda frame: Prediction(frame + np.float64(1e300)), r"1e\+300, which float32 cannot hold"),
        (lambda frame: Prediction(frame * np.float32(1.00001)), r"from 0 to 1.00001: they lie in 0 to 1 \(on"),
        (lambda frame: Prediction(frame * 1.000003), r"from 0 to 1.000003: they lie in 0 to 1 \(on"),
        (lambda frame: Prediction(frame > 0), "numbers of type bool: they are floating-point numbers"),
        (lambda frame: Prediction(frame + 0.5), "probabilities from 0.5 to 1.5"),
        (
            lambda frame: Prediction(frame[:, :10]),
            r"an array of shape .* \(on balls4mass64, sequences 0 to 1, after frame 0\)",
        ),
        (lambda frame: Prediction(None), r"no mean for the next frame \(on balls4mass64"),
        (
            lambda frame: Prediction(frame, log_likelihood=frame[..., 0] * np.nan),
            "a map of log-likelihoods holds nan.*after frame 0",
        ),
        (lambda frame: Prediction(frame, boxes=frame[..., 0]), "boxes are floating-point .*after frame 0"),
        (
            lambda frame: Prediction(frame.astype(np.int64)),
            "numbers of type int64: they are floating-point numbers, such as float32",
        ),
        (lambda frame: Prediction(frame, frame[..., 0]), "an owner map is uint8"),
        (lambda frame: Prediction(frame, np.zeros((1, 2, 3), np.uint8)), "an owner map is uint8"),
    ],
)
def test_a_prediction_that_cannot_be_scored_is_named(spoil: Any, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        physbench.evaluate(Wrong(spoil), "balls", limit=2)


@pytest.mark.parametrize(
    ("suite", "where"),
    [
        ("balls", "on balls4mass64, sequence 5, after frame 7"),
        ("simulation", "on balls4mass64/rollout-5+30, sequence 5, after frame 7"),
        ("segmentation-shapes", "on shapes, sequence 5, after frame 0"),
    ],
)
def test_where_a_prediction_is_wrong_is_said(suite: str, where: str) -> None:
    """In the last sequence of the second batch."""

    class Late:
        likelihood = Bernoulli()

        def begin(self, batch: Batch) -> tuple[int, bool]:
            return 0, len(batch.seeds) == 2

        def observe(self, state: tuple[int, bool], frame: NDArray[np.float32], action: Any) -> Any:
            (steps, is_second), mean = state, 0.5 * frame
            if is_second and steps == 7:
                mean[-1, 2, 3] = np.nan
            return (steps + 1, is_second), Prediction(mean)

    with pytest.raises(ModelError) as refused:
        physbench.evaluate(Late(), suite, limit=6, batch=4)
    assert where in str(refused.value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", [np.float16, np.float64, np.longdouble])
def test_every_kind_of_floating_point_number_is_taken_without_a_warning(kind: Any) -> None:
    """Halves are exact in each of them."""
    halves = [
        Wrong(lambda frame, kind=kind: Prediction((frame / 2).astype(kind), log_likelihood=-frame[..., 0].astype(kind)))
        for kind in (np.float32, kind)
    ]
    same, other = (physbench.evaluate(model, "balls", limit=2, name="same").scores for model in halves)
    assert [*map(repr, same)] == [*map(repr, other)]


@pytest.mark.parametrize(("factor", "shift"), [(1.0000001, 0.0), (1.0000009, 0.0), (1.0, -4e-7)])
def test_a_mean_that_rounding_takes_out_of_its_bounds_is_clipped(factor: float, shift: float) -> None:
    def bend(frame: NDArray[np.float32]) -> NDArray[np.float32]:
        return frame * np.float32(factor) + np.float32(shift)

    bent, clipped = (
        Wrong(lambda frame: Prediction(bend(frame))),
        Wrong(lambda frame: Prediction(bend(frame).clip(0, 1))),
    )
    ours, expected = (physbench.evaluate(model, "balls", limit=2, name="same").scores for model in (bent, clipped))
    assert [*map(repr, ours)] == [*map(repr, expected)]


def test_a_model_that_raises_shows_its_own_error() -> None:
    def fail(frame: Any) -> Prediction:
        raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        physbench.evaluate(Wrong(fail), "balls", limit=2)


@pytest.mark.parametrize("wrong", [{"suite": "ball"}, {"size": "huge"}, {"limit": 0}, {"batch": 0}])
def test_an_evaluation_that_is_impossible_is_refused_in_words(wrong: dict[str, Any]) -> None:
    with pytest.raises(PhysbenchError):
        physbench.evaluate(Copy(), **wrong)


def test_the_csv_has_the_columns_of_the_contract_and_says_what_was_limited(rows: dict[str, Result]) -> None:
    table = list(csv.DictReader(io.StringIO(rows["copy"].to_csv())))
    assert tuple(table[0]) == COLUMNS
    assert len(table) == len(rows["copy"].scores)
    assert {row["data_sha256"] for row in table if row["task"].split("/")[0] == "balls4mass64"} == {
        DIGESTS["balls4mass64", 64]
    }
    assert all(row["value"] == "" or float(row["value"]) >= 0 for row in table if "likelihood" not in row["metric"])
    limited = physbench.evaluate(Copy(), "balls", limit=3).to_csv()
    assert {row["size"] for row in csv.DictReader(io.StringIO(limited))} == {"limit-3"}


def test_mean_and_blank_see_nothing() -> None:
    for model in (Mean(), Blank()):
        predictions = [model.observe(model.begin(batch), frame, None)[1].mean for batch, frame in two_worlds()]
        np.testing.assert_array_equal(*predictions)


def two_worlds() -> list[tuple[Batch, NDArray[np.float32]]]:
    batch = Batch(np.zeros(2, np.uint64), (8, 8, 1), training_mean=lambda: np.full((8, 8, 1), 0.25, np.float32))
    return [(batch, np.full((2, 8, 8, 1), level, np.float32)) for level in (0.0, 1.0)]


def test_the_oracle_needs_the_truth() -> None:
    assert Oracle.privileged and ConstantVelocity.privileged
    assert not any(getattr(model, "privileged", False) for model in (Copy(), Mean(), Blank()))


def test_the_command_line_prints_writes_and_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mymodel.py").write_text(
        "from physbench_baselines.reference import Copy\n\n\ndef build():\n    return Copy()\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    runner = CliRunner()
    done = runner.invoke(
        main,
        [
            "eval",
            "--model",
            "mymodel:build",
            "--suite",
            "balls",
            "--limit",
            "3",
            "--csv",
            "a.csv",
            "--per-sequence",
            "a.npz",
        ],
    )
    assert done.exit_code == 0, done.output
    assert "relative_bce" in done.output and "limit-3" in done.output
    assert (tmp_path / "a.csv").read_text().startswith("suite,suite_version")
    with np.load(tmp_path / "a.npz") as kept:
        assert kept["balls4mass64|bce|numerator"].shape == (3,)
    scores = json.loads(runner.invoke(main, ["eval", "copy", "--suite", "balls", "--limit", "2", "--json"]).output)
    assert scores["provenance"]["size"] == "limit-2"
    for words in (
        ["eval"],
        ["eval", "copi"],
        ["eval", "--model", "nowhere:build"],
        ["eval", "--model", "mymodel"],
        ["eval", "copy", "--suite", "x"],
    ):
        refused = runner.invoke(main, words)
        assert refused.exit_code == 2, refused.output
    explained = runner.invoke(main, ["explain", "relative_bce"])
    assert "ratio of sums" in explained.output and ">>>" in explained.output
    assert "ari_video" in runner.invoke(main, ["explain"]).output


def test_two_runs_are_compared_sequence_by_sequence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("copy", "mean", "blank"):
        physbench.evaluate(registry.models.get(name)(), "balls", limit=40, name=name).save_sums(
            tmp_path / f"{name}.npz"
        )
    physbench.evaluate(Copy(), "balls", limit=39, name="other").save_sums(tmp_path / "other.npz")
    copy, mean, blank = (load_run(tmp_path / f"{name}.npz") for name in ("copy", "mean", "blank"))
    verdicts = {line.metric: line.comparison.verdict for line in compare(mean, copy)}
    assert verdicts["relative_bce"] == "a better"
    assert {line.metric: line.comparison.verdict for line in compare(blank, copy)}["bce"] == "b better"
    assert {line.comparison.verdict for line in compare(copy, copy)} == {"cannot be told apart"}
    runner = CliRunner()
    assert "a better" in runner.invoke(main, ["compare", "mean.npz", "copy.npz"]).output
    assert json.loads(runner.invoke(main, ["compare", "mean.npz", "copy.npz", "--json"]).output)["a"] == "mean"
    refused = runner.invoke(main, ["compare", "copy.npz", "other.npz"])
    assert refused.exit_code == 2 and "limit-40" in refused.output


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04N.", b"<html>", bytes(1000)])
def test_files_that_hold_no_sums_are_refused_in_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(PhysbenchError):
        load_run(tmp_path / "x.npz")
    with pytest.raises(PhysbenchError, match="there is no file"):
        load_run(tmp_path / "missing.npz")


class Bomb:
    """What unpickling would run."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path("exploded").touch, ()


@pytest.mark.slow
def test_sums_are_never_unpickled_and_sizes_are_looked_at_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    good = physbench.evaluate(Copy(), "balls", limit=2)
    good.save_sums(tmp_path / "good.npz")
    with np.load("good.npz") as arrays:
        content = dict(arrays)
    spoils: dict[str, dict[str, Any]] = {
        "pickled": {"provenance": np.array([Bomb()], object)},
        "bomb": {"balls4mass64|bce|numerator": np.zeros(1 << 26)},
        "ragged": {"balls4mass64|bce|numerator": np.zeros(3)},
        "square": {"balls4mass64|bce|numerator": np.zeros((2, 2)), "balls4mass64|bce|denominator": np.zeros((2, 2))},
        "text": {"balls4mass64|bce|numerator": np.array(["a", "b"])},
        "silent": {"provenance": np.array("{}")},
        "list": {"provenance": np.array("[]")},
        "named": {"a|b|c|numerator": np.zeros(2)},
    }
    for name, spoil in spoils.items():
        np.savez_compressed(f"{name}.npz", **{**content, **spoil})
        with pytest.raises(PhysbenchError):
            load_run(tmp_path / f"{name}.npz")
    assert not Path("exploded").exists()
