"""Tests of `physbench eval` on the command line: what it prints and writes, which files it takes, and what it
refuses."""

from __future__ import annotations

import csv
import errno
import io
import json
import math
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.evaluation import known
from physbench.evaluation.evaluate import extent
from physbench.evaluation.examples import Plain, StoredExamples
from physbench.evaluation.known import Known
from physbench.evaluation.result_text import as_text
from physbench.metrics.catalogue import stands_in_tables
from physbench.model import Origin
from physbench.result import COLUMNS, Result, load_run
from physbench.suites import DIGESTS, PRIVILEGED, ROWS, SUITES
from physbench_baselines import bundled
from physbench_baselines.reference import ConstantVelocity, Copy, Mean, Oracle
from physbench_leaderboard.submission import NUMBERED_NOTE
from tests.builders.datasets import MadeDataset
from tests.evaluation.test_order import require_identical
from tests.evaluation.toys import Slots

QUICK = ["eval", "copy", "--suite", "balls", "--limit", "2"]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "path", [*sys.path])


def error_of(result: Any) -> str:
    """One line, exit code 2, nothing on stdout, no traceback."""
    assert result.exit_code == 2, result.output
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("Error: ") and not result.stdout, result.output
    return lines[0]


REFUSED: dict[str, tuple[list[str], str]] = {
    "no model": (["eval"], "give a model, or --model"),
    "a model twice": (["eval", "copy", "--model", "a:b"], "give a model, or --model"),
    "an unknown model": (["eval", "copi"], "did you mean 'copy'?"),
    "an unknown suite": (["eval", "copy", "--suite", "ball"], "no suite is called 'ball'"),
    "an unknown size": (["eval", "copy", "--size", "huge"], "not 'huge'"),
    "no sequences": (["eval", "copy", "--limit", "0"], "not 0"),
    "fewer than none": (["eval", "copy", "--limit", "-3"], "not -3"),
    "a limit in words": (["eval", "copy", "--limit", "few"], "'few'"),
    "no batch": ([*QUICK, "--batch", "0"], "not 0"),
    "half a batch": ([*QUICK, "--batch", "0.5"], "'0.5'"),
    "a negative seed": ([*QUICK, "--seed", "-1"], "not -1"),
    "a seed without end": ([*QUICK, "--seed", str(1 << 70)], "a seed is a whole number"),
    "a fresh seed of 64 bits": ([*QUICK, "--fresh", str(2**63)], f"not {2**63}"),
    "a fresh seed that is no number": ([*QUICK, "--fresh", "soon"], "no whole number"),
    "a device that a model cannot have": ([*QUICK, "--device", "cuda"], "cannot be moved to cuda"),
    "nothing to set": (
        [*QUICK, "--set", "noise=0"],
        "there is no 'noise' to set in this model: it leaves nothing open",
    ),
    "another thing to set": (
        ["eval", "r-nem", "--set", "hidden=3"],
        "there is no 'hidden' to set in this model: there is slots, noise",
    ),
    "a setting in words": (["eval", "r-nem", "--set", "noise=off"], "'noise=off' is no setting such as noise=0"),
    "a setting without a name": (["eval", "r-nem", "--set", "=0"], "is no setting"),
    "a setting without end": (["eval", "r-nem", "--set", "slots=inf"], "is no setting"),
    "half a slot": (["eval", "r-nem", "--set", "slots=2.5"], "slots is a whole number from 1 to 64, not 2.5"),
    "other slots for one slot": (
        ["eval", "rnn", "--set", "slots=5"],
        "there is no 'slots' to set in this model: there is noise",
    ),
    "a thing set twice": (
        ["eval", "r-nem", "--set", "noise=0", "--set", "noise=0.1"],
        "--set gives the same name twice",
    ),
    "more sequences than there are": (
        ["eval", "copy", "--limit", "10001"],
        "a limit is at most 10,000 sequences, as many as full has, not 10,001",
    ),
    "a table that cannot be written": ([*QUICK, "--csv", "/proc/x.csv"], "/proc/x.csv cannot be written"),
    "a model without a name": (["eval", ""], "no model is called ''"),
    "settings for a user's own code": (["eval", "--model", "a:b", "--set", "noise=0"], "--set is for trained models"),
    "a file that is not there": (["eval", "copy", "--data", "no.h5"], "no.h5"),
    "a file that is none": (["eval", "copy", "--data", "text.h5"], "text.h5 is not an HDF5 file"),
    "a folder as data": (["eval", "copy", "--data", "."], "."),
    "fresh sequences of a file": (
        ["eval", "copy", "--data", "text.h5", "--fresh", "1"],
        "leave out either the seed or the file",
    ),
    "an unknown option": ([*QUICK, "--quickly"], "--quickly"),
    "two models": (["eval", "copy", "blank"], "blank"),
    "no folder for the CSV": ([*QUICK, "--csv", "nowhere/a.csv"], "no folder"),
    "no folder for the sums": ([*QUICK, "--per-sequence", "nowhere/a.npz"], "no folder"),
    "no folder for the page": ([*QUICK, "--report", "nowhere/page"], "no folder"),
    "a folder as CSV": ([*QUICK, "--csv", "."], "is a folder"),
    "a folder as sums": ([*QUICK, "--per-sequence", "."], "is a folder"),
    "predictions without a batch": (
        ["predict", "copy", "--suite", "smoke", "--limit", "2", "--batch", "0", "--out", "p.h5"],
        "not 0",
    ),
    "predictions of a negative seed": (
        ["predict", "copy", "--suite", "smoke", "--limit", "2", "--seed", "-1", "--out", "p.h5"],
        "-1",
    ),
    "predictions into nowhere": (
        ["predict", "copy", "--suite", "smoke", "--limit", "2", "--out", "nowhere/p.h5"],
        "no folder",
    ),
    "predictions without a model": (["predict", "--out", "p.h5"], "give a model"),
    "scores of nothing": (["score", "p.h5"], "p.h5"),
    "scores of a text": (["score", "text.h5"], "text.h5 is not an HDF5 file"),
    "weights that are none": (["eval", "bad.pt"], "bad.pt"),
    "weights that are not there": (["eval", "gone.safetensors"], "gone.safetensors"),
    "an unknown metric": (["explain", "relativ_bce"], "did you mean 'relative_bce'"),
    "runs that are not there": (["compare", "a.npz", "b.npz"], "no file a.npz"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_refused_in_one_line(cli: Any, name: str) -> None:
    Path("text.h5").write_text("not what it seems")
    Path("bad.pt").write_text("not what it seems")
    words, sentence = REFUSED[name]
    assert sentence in error_of(cli(*words))
    assert not Path("p.h5").exists()


@pytest.mark.parametrize("option", ["--csv", "--per-sequence", "--report"])
def test_a_missing_folder_is_said_before_the_work(cli: Any, monkeypatch: pytest.MonkeyPatch, option: str) -> None:
    def work(*_: Any) -> None:
        raise AssertionError("it has begun")

    monkeypatch.setattr(Copy, "begin", work)
    assert "nowhere" in error_of(cli(*QUICK, option, "nowhere/x"))


@pytest.mark.parametrize("option", ["--csv", "--per-sequence"])
def test_a_full_disk_is_one_line_with_the_name_and_leaves_what_was_there(
    own_cache: Path, cli: Any, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    """The blocks of the evaluation are kept, too: the second time it goes on."""

    class Full(io.FileIO):
        def write(self, content: Any) -> int:
            if len(content) > 100:
                super().write(bytes(content)[:100])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(content)

    there = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda path, mode="r", *rest, **more: (
            Full(path, mode) if "x" in mode and "mine.x" in path.name else there(path, mode, *rest, **more)
        ),
    )
    for before in ([], ["mine.x"]):
        for name in before:
            Path(name).write_text("what was there")
        result = cli(*QUICK, "--overwrite", option, "mine.x")
        assert (
            result.exit_code == 2
            and result.stderr.splitlines()[-1] == f"Error: mine.x cannot be written: {os.strerror(errno.ENOSPC)}"
        )
        assert os.listdir() == before and all(Path(name).read_text() == "what was there" for name in before)


@pytest.mark.slow
def test_a_model_is_called_and_linked_as_one_says(cli: Any) -> None:
    labels = [
        "--name",
        "my-model.v2",
        "--link",
        "https://example.org/code",
        "--paper",
        "https://arxiv.org/abs/1802.10353",
    ]
    assert cli("predict", "copy", "--suite", "smoke", "--limit", "2", "--out", "p.h5").exit_code == 0
    for command in (["eval", "copy", "--suite", "smoke", "--limit", "2"], ["score", "p.h5"]):
        done = cli(*command, *labels, "--csv", "mine.csv", "--per-sequence", "mine.npz", "--overwrite")
        assert done.exit_code == 0, done.output
        rows = list(csv.DictReader(io.StringIO(Path("mine.csv").read_text())))
        assert {(row["model"], row["model_link"], row["paper_link"]) for row in rows} == {tuple(labels[1::2])}
        assert load_run(Path("mine.npz")).provenance["model"] == "my-model.v2"


@pytest.mark.parametrize(
    ("option", "text", "words"),
    [
        ("--name", "my model", "model: 'my model' is not a name"),
        ("--name", "=1+1", "would be a formula in a spreadsheet"),
        ("--name", "\uff1d1+1", "would be a formula in a spreadsheet"),
        ("--name", "", "model: nothing is not a name"),
        ("--name", "x" * 65, "is not a name: at most 64"),
        ("--link", "http://example.org", "model_link: 'http://example.org' is not an https link"),
        ("--paper", "https://x.org/" + "a" * 200, "paper_link: 'https://x.org/"),
        ("--paper", "javascript:alert(1)", "is not an https link"),
    ],
)
def test_a_name_or_a_link_that_no_table_takes_is_refused_before_the_work(
    cli: Any, monkeypatch: pytest.MonkeyPatch, option: str, text: str, words: str
) -> None:
    def work(*_: Any) -> None:
        raise AssertionError("it has begun")

    monkeypatch.setattr(Copy, "begin", work)
    assert words in error_of(cli(*QUICK, option, text))


RUN = ["=1+1", "\uff1d1+1", " =1", "\uff0b1", "\ufe63a", "\uff20a", "-a", "+a", "@a", "  \uff1d"]
UNSEEN = {
    "\t=1": "?=1",
    "\r=1": "?=1",
    "\n=1": "?=1",
    "a\r=1": "a?=1",
    "a\n=1": "a?=1",
    "\u200b=1": "?=1",
    "\ufeff@a": "?@a",
    "\u2007-1": "?-1",
    "a\0": "a?",
}


@pytest.mark.parametrize(("name", "cell"), [*((name, f"'{name}") for name in RUN), *UNSEEN.items()])
def test_a_name_that_a_spreadsheet_would_run_is_text_in_one_cell(name: str, cell: str) -> None:
    found = physbench.evaluate(Copy(), "smoke", limit=2, name=name)
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))  # every kind of line end ends a row here
    assert {row["model"] for row in rows} == {cell} and len(rows) == len(found.scores)


@pytest.mark.parametrize("name", ["a=1", "r-nem", "1", "\u03b2-model", "a b"])
def test_another_name_stays_as_it_is(name: str) -> None:
    found = physbench.evaluate(Copy(), "smoke", limit=2, name=name)
    assert {row["model"] for row in csv.DictReader(io.StringIO(found.to_csv()))} == {name}


OWN = """
from physbench_baselines.reference import Copy

class Mine(Copy):
    def observe(self, state, frame, action):
        return self.foresee(frame)

    def foresee(self, frame):
        raise ZeroDivisionError("mine alone")

class Wrong(Copy):
    def observe(self, state, frame, action):
        return None
"""


@pytest.mark.parametrize("command", [["eval", "--limit", "2"], ["predict", "--limit", "2", "--out", "p.h5"]])
def test_the_traceback_of_a_users_own_code_is_shown_and_then_one_line(cli: Any, command: list[str]) -> None:
    Path("raising_model.py").write_text(OWN)
    result = cli(*command, "--model", "raising_model:Mine")
    lines = result.stderr.strip().splitlines()
    assert result.exit_code == 2 and not result.stdout
    assert lines[0] == "running the code of raising_model:Mine" and lines[1] == "Traceback (most recent call last):"
    assert "in foresee" in result.stderr and "ZeroDivisionError: mine alone" in result.stderr
    assert lines[-1] == "Error: raising_model:Mine raised ZeroDivisionError: see above"
    assert not list(Path().glob("p.h5*"))


def test_an_answer_that_cannot_be_scored_needs_no_traceback(cli: Any) -> None:
    Path("raising_model.py").write_text(OWN)
    result = cli("eval", "--limit", "2", "--model", "raising_model:Wrong")
    assert result.exit_code == 2 and "Traceback" not in result.stderr
    assert result.stderr.strip().splitlines()[1:] == [
        "Error: the model returned a NoneType where (state, prediction) is expected"
    ]


def test_a_module_that_is_not_there_needs_no_traceback(cli: Any) -> None:
    result = cli("eval", "--model", "nowhere_at_all:build")
    assert result.exit_code == 2 and not result.stdout
    assert result.stderr.strip().splitlines() == [
        "running the code of nowhere_at_all:build",
        "Error: 'nowhere_at_all:build' does not lead to a model: No module named 'nowhere_at_all'; run this in the folder"
        " that holds nowhere_at_all.py, or name that folder in PYTHONPATH",
    ]


def test_code_that_cannot_be_imported_shows_why(cli: Any) -> None:
    Path("broken_model.py").write_text("import a_package_that_is_not_there\n")
    result = cli("eval", "--limit", "2", "--model", "broken_model:build")
    assert result.exit_code == 2 and 'broken_model.py", line 1' in result.stderr
    assert result.stderr.strip().splitlines()[-1] == "Error: broken_model:build raised ModuleNotFoundError: see above"


def test_a_users_own_code_is_named_and_marked(cli: Any) -> None:
    Path("good_model.py").write_text(
        "from physbench_baselines.reference import Copy\n\n\ndef build():\n    return Copy()\n"
    )
    result = cli("eval", "--limit", "2", "--model", "good_model:build", "--csv", "a.csv")
    assert result.exit_code == 0 and "Note: made by running the user's own code." in result.stdout
    assert {(row["model"], row["notes"]) for row in table("a.csv")} == {("good_model:build", "own-code")}


def table(path: str | Path) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(path).read_text(encoding="utf-8").splitlines()))


def test_a_limit_is_marked_wherever_the_scores_go(cli: Any) -> None:
    result = cli(*QUICK, "--csv", "a.csv", "--per-sequence", "a.npz")
    assert "copy on balls v2, limit-2: 2 sequences" in result.stdout
    assert {row["size"] for row in table("a.csv")} == {"limit-2"}
    assert load_run(Path("a.npz")).provenance["size"] == "limit-2"


def test_fresh_sequences_are_marked_and_the_same_seed_makes_the_same(cli: Any) -> None:
    told = [json.loads(cli(*QUICK, "--fresh", seed, "--json").stdout) for seed in ("0", "0", "1")]
    assert [each["provenance"]["size"] for each in told] == ["fresh-0-limit-2", "fresh-0-limit-2", "fresh-1-limit-2"]
    assert told[0]["scores"] == told[1]["scores"] != told[2]["scores"]
    assert told[0]["provenance"]["data_sha256"] not in (
        told[2]["provenance"]["data_sha256"],
        {"balls4mass64": DIGESTS["balls4mass64", 1000]},
    )


def test_the_json_has_scores_and_curves_and_no_number_that_is_none(cli: Any) -> None:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    told = json.loads(cli("eval", "copy", "--suite", "smoke", "--limit", "2", "--json").stdout, parse_constant=refuse)
    assert set(told) == {"title", "provenance", "scores", "curves"}
    scores = {(score["task"], score["metric"]): score for score in told["scores"]}
    assert scores["balls4mass64", "relative_bce"]["value"] == 1.0
    curves = {(curve["task"], curve["metric"]): curve["values"] for curve in told["curves"]}
    assert len(curves["balls4mass64", "relative_bce"]) == 30 and set(curves["balls4mass64", "relative_bce"]) == {1.0}
    assert len(curves["balls4mass64/rollout-5+10", "rollout_relative_bce"]) == 10
    assert curves["balls4mass64", "bce"][-1] == scores["balls4mass64", "bce_last"]["value"]
    assert None in {score["value"] for score in told["scores"]}, "nothing collided 3 times in 2 sequences"


def test_the_csv_is_tidy(cli: Any) -> None:
    assert cli("eval", "copy", "--suite", "smoke", "--limit", "2", "--csv", "a.csv").exit_code == 0
    rows = table("a.csv")
    assert tuple(rows[0]) == COLUMNS
    assert len({(row["task"], row["metric"]) for row in rows}) == len(rows)
    for row in rows:
        assert all(row[name] == "" or math.isfinite(float(row[name])) for name in ("value", "low", "high"))
        assert row["value"] == "" or repr(float(row["value"])) == row["value"]
        assert (row["suite"], row["suite_version"], row["sequences"], row["trust"], row["device"], row["batch"]) == (
            "smoke", "2", "2", "self-reported", "cpu", "16",
        )  # fmt: skip
        assert row["parameters"] == row["train_seed"] == row["weights_sha256"] == ""


@pytest.mark.parametrize("name", ['=HYPERLINK("https://a")', "+1", "-2", "@SUM(A1)"])
def test_a_cell_of_text_is_never_a_formula(name: str) -> None:
    model = Copy()
    object.__setattr__(model, "origin", Origin(model_link=name))
    rows = list(csv.DictReader(physbench.evaluate(model, "balls", limit=1, name=name).to_csv().splitlines()))
    assert {(row["model"], row["model_link"]) for row in rows} == {(f"'{name}", f"'{name}")}
    assert any(row["value"].startswith("-") for row in rows), "a number may be below 0"


def lines_of(text: str, task: str) -> dict[str, list[str]]:
    """The figures of one task in a table, by metric; the head under ''."""
    block = text.split(f"\n{task} ")[1].split("\n\n")[0].splitlines()
    return {"": block[0].split()} | {line[2:].split()[0]: line.split() for line in block[1:]}


@pytest.mark.slow
def test_the_table_shows_the_reference_rows_beside_the_model(
    cli: Any, rows: dict[str, Result], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = lines_of(cli("eval", "mean", "--suite", "smoke").stdout, "balls4mass64")
    names = shown[""]
    assert names[0] == "mean" and {"copy", "constant-velocity", "oracle", "blank"} <= set(names)
    figures = [cell for cell in shown["relative_bce"] if cell[0].isdigit() and not cell.endswith("]")]
    expected = [rows[name].score("balls4mass64", "relative_bce").value for name in names if name in rows]
    assert figures[0] == f"{expected[0]:.4g}" and all(f"{value:.4g}" in figures for value in expected)


def test_reference_rows_of_few_sequences_are_scored_on_the_spot(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = lines_of(cli("eval", "mean", "--suite", "balls", "--limit", "3").stdout, "balls4mass64")
    truth = physbench.evaluate(ConstantVelocity(), "balls", limit=3).score("balls4mass64", "relative_bce").value
    assert "constant-velocity" in shown[""] and f"{truth:.4g}" in shown["relative_bce"]


@pytest.mark.parametrize("width", [60, 80, 100, 132])
def test_a_table_fits_the_terminal_with_the_ranked_figure_first_and_marked(
    cli: Any, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    for words in (["--suite", "simulation"], ["--suite", "extrapolation", "--all"], ["--suite", "curtain"]):
        shown = cli("eval", "copy", *words, "--limit", "2").stdout.splitlines()
        assert max(map(len, shown)) <= max(width, 80), shown
        first = next(number for number, line in enumerate(shown) if line.startswith("*"))
        assert shown[first - 1].startswith("balls") and SUITES[words[1]].ranked_by[1] in shown[first]  # type: ignore[index]


def test_figures_that_repeat_others_are_for_those_who_ask(cli: Any) -> None:
    few, all_of_them = (
        cli("eval", "copy", "--suite", "balls", "--limit", "2", *more).stdout for more in ([], ["--all"])
    )
    assert " bce " not in few and " bce " in all_of_them and "log_likelihood" in all_of_them
    assert "10 more figures: --all" in few and "more figures" not in all_of_them


def test_what_a_paper_reported_stands_under_its_own_model_alone(cli: Any) -> None:
    for name, own in (("rnn", False), ("oracle", False)):
        assert ("in its paper" in cli("eval", name, "--suite", "balls", "--limit", "2").stdout) == own
    found = physbench.evaluate(Oracle(), "balls", limit=2, name="r-nem")
    assert "ari in its paper, on the paper's own data: 0.8 (about, read off its figure 3)" in as_text(
        found, extent("balls", limit=2)
    )
    assert all(row.link.startswith("https://") and row.paper for row in known.PUBLISHED)


def test_a_model_is_named_after_its_paper_and_what_it_learnt() -> None:
    shapes = {
        name: physbench.evaluate("blobs", "segmentation-shapes", limit=2, name=name)
        for name in ("iodine", "iodine.shapes", "iodine.tetris", "blobs")
    }
    told = {
        name: as_text(found, extent("segmentation-shapes", limit=2)).count("in its paper")
        for name, found in shapes.items()
    }
    assert told == {"iodine": 1, "iodine.shapes": 1, "iodine.tetris": 0, "blobs": 0}


def test_the_rows_of_a_suite_stand_in_its_own_order_where_others_are_among_them(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    shown = cli("eval", "copy", "--suite", "segmentation-shapes", "--limit", "2").stdout
    heading = next(line for line in shown.splitlines() if line.startswith("shapes "))
    bar, *others = heading.split()[2:]
    references = SUITES["segmentation-shapes"].references
    assert bar not in PRIVILEGED and others == [name for name in references if name != bar]


def lay_out_rows(width: int | None) -> list[str]:
    """The first line of a table of `blank` on two sequences of balls, beside all reference rows."""
    chosen = extent("balls", limit=2)
    rows = {name: [physbench.evaluate(name, "balls", limit=2)] for name in ROWS if name != "blank"}
    beside = [
        Known(score.task, score.metric, name, score.value, score.low, score.high)
        for name, (result,) in rows.items()
        for score in result.scores
    ]
    found = physbench.evaluate("blank", "balls", limit=2)
    return next(line for line in as_text(found, chosen, beside, width=width).splitlines() if "balls4mass64" in line)


def test_the_bar_comes_first_and_a_file_gets_every_row() -> None:
    """The bar is the tracker, the best row that is not told the truth."""
    assert lay_out_rows(80).split()[:3] == ["balls4mass64", "blank", "tracker"]
    everything = lay_out_rows(None).split()
    assert everything[2] == "tracker" and set(everything[2:]) == set(ROWS) - {"blank"}


def test_into_a_pipe_no_row_is_left_out(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    shown = cli("eval", "copy", "--suite", "balls", "--limit", "2").stdout
    assert "no room for" not in shown and set(ROWS) <= set(shown.split())
    monkeypatch.setenv("COLUMNS", "60")
    assert "no room for" in cli("eval", "copy", "--suite", "balls", "--limit", "2").stdout


def test_how_many_sequences_have_a_value_is_said_where_it_is_not_all() -> None:
    found = physbench.evaluate("copy", "curtain", limit=64)
    score = found.score("balls3curtain64", "permanence_bce")
    by_hand = int((found.sums["balls3curtain64", "permanence_bce"][1] != 0).sum())
    assert 0 < by_hand < 64 and score.contributing == by_hand
    shown = as_text(found, extent("curtain", limit=64))
    assert f"] ~{by_hand}" in shown
    assert f"  ~{by_hand}: only {by_hand} of the 64 sequences have a value" in shown


def test_a_model_without_owners_is_said_to_have_no_grouping(cli: Any) -> None:
    assert "Grouping is not scored" in cli("eval", "copy", "--suite", "balls", "--limit", "2").stdout
    assert "Grouping is not scored" not in cli("eval", "oracle", "--suite", "balls", "--limit", "2").stdout


@pytest.mark.parametrize("option", ["--csv", "--per-sequence", "--report"])
def test_results_are_not_overwritten_without_being_asked(cli: Any, option: str) -> None:
    assert cli(*QUICK, option, "x").exit_code == 0
    before = Path("x/index.html" if option == "--report" else "x").read_bytes()
    assert "exists already: use --overwrite" in error_of(cli(*QUICK, option, "x"))
    if option != "--csv":
        assert "have the same path" in error_of(cli(*QUICK, option, "y", "--csv", "y"))
    assert Path("x/index.html" if option == "--report" else "x").read_bytes() == before
    assert cli(*QUICK, option, "x", "--overwrite").exit_code == 0


def plain_copy(
    made: MadeDataset,
    path: Path,
    *,
    names: tuple[str, ...] = ("features", "groups", "collisions"),
    dtype: str = "float32",
    split: str = "test",
) -> Path:
    """As published R-NEM code has it: time first, floats, no attributes."""
    with h5py.File(made.path) as source, h5py.File(path, "w") as target:
        for name in names:
            target[f"{split}/{name}"] = source[f"{split}/{name}"][:].astype(dtype)  # type: ignore[index]
    return path


def same_scores(one: Result, other: Result, task: str, metrics: set[str] | None = None) -> int:
    """How many figures of a file are those of the recipe, to the last bit."""
    found = [score for score in one.scores if stands_in_tables(score.metric)]
    for score in found:
        whole = other.score(score.task.replace(task, "balls4mass64"), score.metric)
        assert (score.value, score.low, score.high, score.sequences) == (
            whole.value,
            whole.low,
            whole.high,
            whole.sequences,
        ), score
    return len(found)


def test_a_dataset_file_scores_as_the_recipe_that_it_was_made_from(mass: MadeDataset) -> None:
    for model in (Slots(), Mean()):
        one, other = physbench.evaluate(model, "balls", data=mass.path), physbench.evaluate(model, "balls", limit=6)
        assert (
            one.provenance.size == "file"
            and one.provenance.data_sha256["mass"] == physbench.open(mass.path).attributes["content_sha256"]
        )
        if isinstance(model, Slots):  # the mean of the file's own training sequences is another
            assert same_scores(one, other, "mass") == len(other.scores) == 16
    rolled, whole = (
        physbench.evaluate(Slots(), "simulation", data=mass.path, limit=4),
        physbench.evaluate(Slots(), "simulation", limit=4),
    )
    assert rolled.provenance.size == "file-limit-4" and rolled.score("mass/rollout-5+10", "event_error[5,0]").value > 0
    assert same_scores(rolled, whole, "mass") > 4


@pytest.mark.parametrize("dtype", ["float32", "uint8", "float64", "int8", "bool"])
def test_a_plain_r_nem_file_scores_as_the_recipe_whatever_its_numbers_are_stored_as(
    mass: MadeDataset, tmp_path: Path, dtype: str
) -> None:
    if dtype in ("int8", "bool"):
        path = plain_copy(mass, tmp_path / "plain.h5", names=("features", "collisions"), dtype=dtype)
    else:
        path = plain_copy(mass, tmp_path / "plain.h5", dtype=dtype)
    one, other = physbench.evaluate(Slots(), "balls", data=path), physbench.evaluate(Slots(), "balls", limit=6)
    assert same_scores(one, other, "plain") == (12 if dtype in ("int8", "bool") else 16)


def test_of_a_file_what_cannot_be_computed_is_left_out(mass: MadeDataset, tmp_path: Path, cli: Any) -> None:
    path = plain_copy(mass, tmp_path / "only frames.h5", names=("features",))
    found = {(score.task, score.metric) for score in physbench.evaluate(Slots(), "balls", data=path).scores}
    assert found == {
        ("only-frames", metric + suffix)
        for metric in ("bce", "relative_bce", "log_likelihood")
        for suffix in ("", "_last")
    }
    rolled = {score.metric.partition("[")[0] for score in physbench.evaluate(Slots(), "simulation", data=path).scores}
    assert rolled == {"rollout_relative_bce", "rollout_bce", "rollout_overlap"}
    shown = cli("eval", "copy", "--data", path, "--csv", "a.csv")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("copy on only frames.h5, asked as in balls v2, file: 6 sequences")
    assert len({row["data_sha256"] for row in table("a.csv")}) == 1 and len(table("a.csv")[0]["data_sha256"]) == 64
    assert "is told the truth, and these data have no 'groups'" in error_of(cli("eval", "oracle", "--data", path))
    assert "is told the truth, and these data have no 'position'" in error_of(
        cli("eval", "constant-velocity", "--data", path)
    )


def test_a_result_on_a_file_is_named_after_the_file(mass: MadeDataset, cli: Any) -> None:
    """In words, in JSON and on the page; the keys of a table are those of the suite, and no leaderboard takes it."""
    words = ("eval", "copy", "--data", mass.path, "--limit", "3")
    told = json.loads(cli(*words, "--json", "--report", "page", "--csv", "a.csv").stdout)
    assert told["title"] == f"copy on {mass.path.name}" and told["provenance"]["data_file"] == mass.path.name
    page = Path("page/index.html").read_text(encoding="utf-8")
    assert f"<title>copy on {mass.path.name}</title>" in page and f"<h1>copy on {mass.path.name}</h1>" in page
    assert f"of {mass.path.name}, and asked what the suite balls asks," in page and "asked as in balls v2" in page
    assert {(row["suite"], row["size"]) for row in table("a.csv")} == {("balls", "file-limit-3")}
    assert "cannot be compared" in cli("leaderboard", "check", "a.csv").stderr
    usual = json.loads(cli("eval", "copy", "--suite", "smoke", "--limit", "2", "--json").stdout)
    assert usual["title"] == "copy on smoke" and usual["provenance"]["data_file"] is None


def test_the_mean_row_is_the_mean_of_the_files_own_training_frames(mass: MadeDataset, tmp_path: Path) -> None:
    expected = physbench.open(mass.path)["training"]
    frames = np.mean([expected[number]["features"] for number in range(len(expected))], axis=(0, 1)).astype(np.float32)
    path = plain_copy(mass, tmp_path / "plain.h5", names=("features",), dtype="uint8", split="training")
    for source in (StoredExamples(mass.path, "test"), Plain(path, "training")):
        np.testing.assert_allclose(source.training_mean(), frames, atol=1e-6)


def test_frames_of_black_and_white_in_three_channels_stay_black_and_white(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(2, size=(4, 3, 6, 6, 3))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["test/features"] = frames.astype(np.float32)
    result = physbench.evaluate(Copy(), "balls", data=tmp_path / "x.h5")
    wrong = np.abs(np.diff(frames, axis=0)).sum()
    assert result.score("x", "bce").value == pytest.approx(-wrong * np.log(1e-6) / 9, rel=1e-4)


@pytest.mark.parametrize(("frames", "suite"), [(1, "curtain"), (14, "simulation"), (9, "crop50")])
def test_a_file_of_too_few_frames_is_refused(cli: Any, frames: int, suite: str) -> None:
    with h5py.File("short.h5", "w") as file:
        file["test/features"] = np.zeros((frames, 2, 6, 6, 1), np.float32)
    assert f"has {frames} frames a sequence: too few" in error_of(
        cli("eval", "copy", "--suite", suite, "--data", "short.h5")
    )


def test_a_file_with_nothing_to_predict_is_refused(cli: Any) -> None:
    """The suite asks for the frame after three."""
    with h5py.File("short.h5", "w") as file:
        file["test/features"] = np.zeros((3, 2, 6, 6, 3), np.float32)
    assert "has 3 frames a sequence: too few" in error_of(
        cli("eval", "copy", "--suite", "pixels", "--data", "short.h5")
    )


@pytest.mark.parametrize(
    ("array", "suite"), [("events/a", "simulation"), ("events/b", "simulation"), ("groups", "balls")]
)
def test_labels_of_objects_that_are_not_there_are_refused(mass: MadeDataset, cli: Any, array: str, suite: str) -> None:
    shutil.copy(mass.path, "odd.h5")
    with h5py.File("odd.h5", "r+") as file:
        values = file["test"][array][...]
        values.flat[0] = 77
        file["test"][array][...] = values
    told = error_of(cli("eval", "copy", "--suite", suite, "--data", "odd.h5"))
    assert "speaks of object 7" in told, told


def test_of_single_images_only_the_owners_of_their_pixels_can_be_asked(cli: Any) -> None:
    with h5py.File("images.h5", "w") as file:
        file["test/features"] = file["test/groups"] = np.eye(6)[None, None, :, :, None].repeat(2, 1).astype(np.float32)
    assert cli("eval", "blobs", "--data", "images.h5", "--csv", "images.csv").exit_code == 0
    assert {(row["task"], row["metric"]) for row in table("images.csv")} == {("images/frames", "ari")}
    assert "only owner maps are asked for here" in error_of(cli("eval", "copy", "--data", "images.h5"))


def test_the_name_of_a_file_becomes_a_name_of_a_task(cli: Any) -> None:
    with h5py.File("=cmd|' x'!a:b.h5", "w") as file:
        file["test/features"] = np.zeros((3, 2, 6, 6, 1), np.float32)
    assert (
        cli("eval", "blank", "--data", "=cmd|' x'!a:b.h5", "--csv", "a.csv", "--per-sequence", "a.npz").exit_code == 0
    )
    assert {row["task"] for row in table("a.csv")} == {"cmd---x--a-b"}
    assert load_run(Path("a.npz")).sums


def test_a_dataset_file_and_its_sums_are_the_same_in_any_batch(mass: MadeDataset) -> None:
    require_identical(
        physbench.evaluate(Slots(), "balls", data=mass.path, batch=4),
        physbench.evaluate(Slots(), "balls", data=mass.path),
    )


@pytest.mark.slow
def test_what_was_set_stands_in_the_result_and_changes_it(cli: Any) -> None:
    words = ["eval", "rnn", "--limit", "2", "--csv", "scores.csv", "--overwrite"]
    always, figures = {"trained-less-than-the-paper", *bundled.load_bundled("rnn").origin.cost.notes}, []
    for settings, notes in (
        ([], set()),
        (["--set", "noise=0"], {"set-noise-0"}),
        (["--set", "noise=0.2"], set()),
        (["--set", "noise=0.05"], {"set-noise-0.05"}),
    ):
        shown = cli(*words, *settings)
        assert shown.exit_code == 0, shown.output
        with open("scores.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        assert {frozenset(row["notes"].split()) for row in rows} == {frozenset(notes | always)}
        assert all(NUMBERED_NOTE.fullmatch(note) for note in notes if note.startswith("set-")), (
            "a submission may say so"
        )
        assert ("it was given noise" in shown.stdout) == bool(notes)
        figures.append(next(row["value"] for row in rows if row["metric"] == "bce"))
    assert len(set(figures)) == 3


def test_a_comparison_of_what_was_not_measured_says_so_and_is_json(cli: Any) -> None:
    for name in ("copy", "blank"):
        assert cli("eval", name, "--suite", "balls", "--limit", "1", "--per-sequence", f"{name}.npz").exit_code == 0
    told = json.loads(
        cli("compare", "copy.npz", "blank.npz", "--json").stdout,
        parse_constant=lambda name: pytest.fail(f"{name} is not JSON"),
    )
    unknown = [line["metric"] for line in told["lines"] if line["comparison"]["difference"]["value"] is None]
    text = cli("compare", "copy.npz", "blank.npz", "--all").stdout
    assert text.count("not measured") == len(unknown) > 0 and "nan" not in text
