"""Tests of predictions in a file: they score like the model that wrote them, and the file is not trusted."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.errors import PhysbenchError
from physbench.evaluation.predictions import open_predictions, predict, score
from physbench.model import Prediction
from physbench.result import Result
from physbench.suites import SUITES, Rollout, Still, Window
from physbench_baselines.reference import Copy, Oracle
from tests.evaluation.test_order import require_identical
from tests.evaluation.test_window import Sure
from tests.evaluation.toys import Noisy, Normal, Slots

MODELS: dict[str, Any] = {
    "copy": Copy,
    "with slots": Slots,
    "normal": Normal,
    "random by seed": Noisy,
    "sure of itself": Sure,
    "oracle": Oracle,
}


@pytest.mark.parametrize("suite", ["smoke", "crop50"])
@pytest.mark.parametrize("name", MODELS)
def test_scores_of_a_file_are_those_of_the_model_to_the_last_bit(tmp_path: Path, name: str, suite: str) -> None:
    model = MODELS[name]()
    predict(model, tmp_path / "p.h5", suite, name=name, limit=5, batch=2, seed=3)
    evaluated = physbench.evaluate(model, suite, limit=5, seed=3)
    told = score(open_predictions(tmp_path / "p.h5"), batch=3)
    require_identical(told, evaluated)
    assert {key: list(map(repr, values)) for key, values in told.curves.items()} == {
        key: list(map(repr, values)) for key, values in evaluated.curves.items()
    }
    assert (told.provenance.model, told.provenance.seed, told.provenance.size) == (name, 3, "limit-5")


def test_the_row_says_that_the_making_of_the_predictions_was_not_observed(tmp_path: Path, cli: Any) -> None:
    path, table = tmp_path / "p.h5", tmp_path / "a.csv"
    assert cli("predict", "copy", "--suite", "curtain", "--limit", 2, "--out", path).exit_code == 0
    shown = cli("score", path, "--suite", "curtain", "--csv", table)
    assert (
        "Note: scored from a file: it was not observed that each prediction was made before its frame was shown."
        in shown.stdout
    )
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert {(row["notes"], row["model"], row["device"]) for row in rows} == {("predictions-file", "copy", "")}
    predict(Sure(), tmp_path / "own.h5", "curtain", limit=1)
    assert score(open_predictions(tmp_path / "own.h5")).provenance.notes == (
        "predictions-file",
        "self-computed-likelihood",
    )


def test_half_precision_costs_the_fourth_digit_and_saves_half_the_bytes(tmp_path: Path, cli: Any) -> None:
    for half in (False, True):
        predict(Noisy(), tmp_path / f"{half}.h5", "smoke", limit=4, half=half)
    whole, halved = (score(open_predictions(tmp_path / f"{half}.h5")) for half in (False, True))
    for a, b in zip(whole.scores, halved.scores, strict=True):
        if not a.metric.endswith("_std"):  # a difference of nearly equal figures
            assert b.value == pytest.approx(a.value, rel=1e-3, nan_ok=True), a
    assert (tmp_path / "True.h5").stat().st_size < 0.6 * (tmp_path / "False.h5").stat().st_size
    predict(Copy(), tmp_path / "certain.h5", "smoke", limit=4, half=True)
    relative = score(open_predictions(tmp_path / "certain.h5")).score("balls4mass64", "relative_bce")
    assert relative.value == pytest.approx(1.0, rel=1e-3), "certainty is kept: logits of 1e-6 and 1 - 1e-6"
    assert "a gaussian likelihood has means as they are" in error_of(
        lambda: predict(Normal(), tmp_path / "n.h5", "smoke", limit=1, half=True)
    )
    told = json.loads(
        cli(
            "predict", "copy", "--suite", "curtain", "--limit", 1, "--half", "--out", tmp_path / "x.h5", "--json"
        ).stdout
    )
    assert told == {"file": str(tmp_path / "x.h5"), "bytes": (tmp_path / "x.h5").stat().st_size}


def error_of(run: Callable[[], Any]) -> str:
    with pytest.raises(PhysbenchError) as caught:
        run()
    return str(caught.value)


def write_predictions(path: Path, *, suite: str = "smoke", count: int = 3, **attributes: Any) -> Path:
    """By h5py alone, as docs/predictions.md has it: a constant and a slot for each half of the frame."""
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {
                "format": "physbench-predictions", "version": 1, "suite": suite, "suite_version": 2, "size": f"limit-{count}", "sequences": count,
                "model": "my model", "seed": 0, "likelihood": "bernoulli", "values": "probabilities",
            }
            | attributes
        )  # fmt: skip
        for task in SUITES[suite].tasks:
            side = 50 if "crop50" in task.name else 64
            for asking in task.askings:
                group = file.require_group(task.place(asking))
                if not isinstance(asking, Still):
                    steps = asking.horizon if isinstance(asking, Rollout) else asking.frames - 1
                    group["mean"] = np.full((count, steps, side, side, 1), 0.1, np.float32)
                if not isinstance(asking, Rollout):
                    maps = asking.frames if isinstance(asking, Window) else 1
                    owner = np.zeros((count, maps, side, side), np.uint8)
                    owner[..., side // 2 :] = 1
                    group.create_dataset(
                        "owner",
                        data=owner,
                        chunks=(1, maps, side, side),
                        compression="gzip",
                        compression_opts=1,
                        shuffle=True,
                    )
    return path


class Tenth(Copy):
    """What `written` writes."""

    def observe(self, state: Any, frame: Any, action: Any) -> Any:
        owner = np.zeros(frame.shape[:3], np.uint8)
        owner[..., frame.shape[2] // 2 :] = 1
        return state, Prediction(np.full_like(frame, 0.1), owner)


def test_a_file_that_h5py_alone_has_written_is_scored(tmp_path: Path) -> None:
    told = score(open_predictions(write_predictions(tmp_path / "p.h5")))
    require_identical(told, physbench.evaluate(Tenth(), "smoke", limit=3))
    assert told.provenance.model == "my model"


def test_owner_maps_are_not_asked_of_a_model_that_has_none(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.h5")
    with h5py.File(path, "a") as file:
        del file["balls4mass64/frames"], file["balls4mass64/owner"]
    tasks = {(score.task, score.metric) for score in score(open_predictions(path)).scores}
    assert ("balls4mass64", "bce") in tasks and ("balls678mass64", "ari") in tasks
    assert not {("balls4mass64", "ari"), ("balls4mass64/frames", "ari")} & tasks


def put(name: str, place: tuple[int, ...], value: float) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        file[name][place] = value  # type: ignore[index]

    return spoil


def attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        file.attrs[name] = value

    return spoil


def drop(name: str) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        del file[name]

    return spoil


def store(name: str, change: Callable[[Any], Any]) -> Callable[[h5py.File], None]:
    def spoil(file: h5py.File) -> None:
        values = change(file[name][:]) if name in file else change(None)  # type: ignore[index]
        if name in file:
            del file[name]
        file[name] = values

    return spoil


LIKELY = "balls4mass64/log_likelihood"
SPOILS: dict[str, tuple[Callable[[h5py.File], None], str]] = {
    "NaN in the last sequence": (put("balls3curtain64/mean", (2, 49, 63, 63, 0), np.nan), "not a finite"),
    "more than certain": (put("balls4mass64/mean", (1, 3, 5, 7, 0), 1.5), "from 0.1 to 1.5"),
    "less than impossible": (put("balls4mass64/mean", (0, 0, 0, 0, 0), -0.5), "from -0.5"),
    "an infinite one": (put("balls4mass64/rollout-5+10/mean", (0, 9, 0, 0, 0), np.inf), "not a finite"),
    "too few sequences": (
        store("balls4mass64/mean", lambda mean: mean[:2]),
        "has shape (2, 30, 64, 64, 1); it should be (3, 30, 64, 64, 1)",
    ),
    "too many sequences": (store("balls4mass64/mean", lambda mean: np.concatenate([mean, mean])), "has shape (6,"),
    "too few steps": (store("balls4mass64/mean", lambda mean: mean[:, 1:]), "has shape (3, 29,"),
    "doubles": (store("balls4mass64/mean", lambda mean: mean.astype(np.float64)), "is of type float64"),
    "owners of another type": (store("balls4mass64/owner", lambda owner: owner.astype(np.int32)), "is of type int32"),
    "owners without a frame": (store("balls4mass64/owner", lambda owner: owner[:, 1:]), "has shape (3, 30, 64, 64)"),
    "a likelihood of NaN": (store(LIKELY, lambda _: np.full((3, 31, 64, 64), np.nan, np.float32)), "finite"),
    "a likelihood without end": (store(LIKELY, lambda _: np.full((3, 31, 64, 64), np.inf, np.float32)), "finite"),
    "an asking that is missing": (drop("balls678mass64"), "predicts nothing for 'balls678mass64'"),
    "owners without means": (drop("balls3curtain64/mean"), "has no means for 'balls3curtain64'"),
    "another suite": (attribute("suite", "simulation"), "predicts nothing for 'balls4mass64/rollout-5+30'"),
    "an unknown suite": (attribute("suite", "snooker"), "no suite is called 'snooker'"),
    "another version of the suite": (attribute("suite_version", 3), "is for smoke v3; today's is v2: predict again"),
    "another version of the format": (attribute("version", 2), "this physbench reads version 1"),
    "another format": (attribute("format", "physbench-dataset"), "this is not a file of predictions"),
    "a size that is none": (attribute("size", "huge"), "3 sequences of size 'huge'"),
    "a size that is another": (attribute("size", "lite"), "3 sequences of size 'lite': lite has 64"),
    "a count that is another": (attribute("sequences", 64), "64 sequences of size 'limit-3'"),
    "a count without end": (attribute("sequences", 1 << 62), "a limit is at most 10,000 sequences"),
    "no sequences": (attribute("sequences", 0), "'sequences' is a whole number"),
    "a likelihood that is none": (
        attribute("likelihood", "poisson"),
        "'likelihood' is bernoulli or gaussian, not 'poisson'",
    ),
    "a gaussian without sigma": (attribute("likelihood", "gaussian"), "'sigma' above 0"),
    "logits that are none": (attribute("values", "logits"), "in a file of logits it is float16"),
    "a name of many lines": (attribute("model", "a\nb"), "printable text"),
    "a link": (
        lambda file: file.__setitem__("balls4mass64/log_likelihood", h5py.SoftLink("/balls4mass64/owner")),
        "link",
    ),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_file_that_cannot_be_scored_is_refused_in_one_line(tmp_path: Path, cli: Any, refusal: Any, name: str) -> None:
    spoil, words = SPOILS[name]
    path = write_predictions(tmp_path / "p.h5")
    with h5py.File(path, "a") as file:
        spoil(file)
    result = cli("score", path)
    assert words in refusal(result.exit_code, result.stderr)
    assert not result.stdout


def _bend(path: Path, value: float, at: tuple[int, ...]) -> Path:
    with h5py.File(path, "r+") as file:
        mean = file["balls4mass64/mean"][()]
        mean[at] = value
        del file["balls4mass64/mean"]
        file["balls4mass64"].create_dataset("mean", data=mean, chunks=(1, *mean.shape[1:]), compression="gzip")
    return path


def test_a_file_says_where_its_numbers_are_wrong_and_rounding_is_clipped(tmp_path: Path) -> None:
    predict(Copy(), tmp_path / "p.h5", "balls", limit=5, batch=2)
    for value, words in (
        (np.nan, "nan, which is not a finite number (in balls4mass64/mean[4, 7])"),
        (1.5, "probabilities from 0 to 1.5: they lie in 0 to 1 (in balls4mass64/mean[4, 7])"),
    ):
        with pytest.raises(PhysbenchError) as refused:
            score(open_predictions(_bend(tmp_path / "p.h5", value, (4, 7, 3))), batch=3)
        assert words in str(refused.value)
    scores = [score(open_predictions(_bend(tmp_path / "p.h5", value, (4, 7, 3)))).scores for value in (1.0, 1 + 6e-7)]
    assert [*map(repr, scores[0])] == [*map(repr, scores[1])]


def test_a_sample_that_is_missing_is_not_made_up(tmp_path: Path, cli: Any, refusal: Any) -> None:
    path = write_predictions(tmp_path / "p.h5", suite="crop50")
    assert score(open_predictions(path)).score("balls4mass64-crop50/rollout-9+1", "log_likelihood_std").value == 0.0
    with h5py.File(path, "a") as file:
        del file["balls4mass64-crop50/rollout-9+1/sample-3"]
    result = cli("score", path)
    assert "predicts nothing for 'balls4mass64-crop50/rollout-9+1/sample-3'" in refusal(result.exit_code, result.stderr)


def test_predictions_for_another_suite_than_was_named_are_refused(tmp_path: Path, cli: Any, refusal: Any) -> None:
    result = cli("score", write_predictions(tmp_path / "p.h5"), "--suite", "balls")
    assert "holds predictions for the suite smoke, not for balls" in refusal(result.exit_code, result.stderr)


def test_a_gaussian_file_may_leave_0_to_1_and_a_name_in_it_is_no_formula(tmp_path: Path) -> None:
    path = write_predictions(tmp_path / "p.h5", suite="curtain", likelihood="gaussian", sigma=0.5, model="=1+1")
    with h5py.File(path, "a") as file:
        mean = np.full((3, 50, 64, 64, 1), 0.1, np.float32)
        mean[:, :, :, :16] = 1.5
        store("balls3curtain64/mean", lambda _: mean)(file)
    told: Result = score(open_predictions(path))
    assert told.score("balls3curtain64", "clipped_share").value == 0.25
    assert {row["model"] for row in csv.DictReader(told.to_csv().splitlines())} == {"'=1+1"}


def test_predictions_are_whole_or_absent_and_never_replace_a_file_unasked(
    tmp_path: Path, cli: Any, refusal: Any
) -> None:
    path = tmp_path / "p.h5"
    path.write_text("mine")
    words = ["predict", "copy", "--suite", "curtain", "--limit", 1, "--out", path]
    result = cli(*words)
    assert "exists already: use --overwrite" in refusal(result.exit_code, result.stderr) and path.read_text() == "mine"
    assert cli(*words, "--overwrite").exit_code == 0 and open_predictions(path).extent.count == 1

    class Failing(Copy):
        def observe(self, state: Any, frame: Any, action: Any) -> Any:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        predict(Failing(), tmp_path / "q.h5", "curtain", limit=1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["p.h5"]


def test_the_settings_of_a_score_are_the_files(tmp_path: Path) -> None:
    told = open_predictions(write_predictions(tmp_path / "p.h5", suite="curtain"))
    result = score(told)
    assert result.provenance == replace(result.provenance, suite="curtain", size="limit-3", seed=0, model="my model")


def test_a_file_by_a_name_that_no_table_may_hold_is_refused_before_it_is_scored(
    tmp_path: Path, cli: Any, refusal: Any
) -> None:
    path, table = tmp_path / "p.h5", tmp_path / "a.csv"
    predict(Copy(), path, "smoke", name="my model!", limit=2)
    refused = cli("score", path, "--csv", table)
    line = refusal(refused.exit_code, refused.stderr)
    assert "model: 'my model!' is not a name: at most 64 letters, digits and _ . + : -" in line and "--name" in line
    assert not table.exists()
    assert "my model!" in cli("score", path).stdout
    assert cli("score", path, "--csv", table, "--name", "my-model").exit_code == 0
    assert "my-model" in table.read_text() and "my model!" not in table.read_text()
