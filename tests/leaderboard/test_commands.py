"""Tests of the commands of the leaderboard, as they are typed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import physbench
from physbench.cli import main
from physbench_baselines.reference import Copy


@pytest.fixture(scope="module")
def submission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The CSV of a user's own model, which copies."""
    folder = tmp_path_factory.mktemp("handed-in")
    result = physbench.evaluate(Copy(), "smoke", name="mine")
    (folder / "mine.csv").write_text(result.to_csv(), encoding="utf-8")
    result.save_sums(folder / "mine.npz")
    return folder / "mine.csv"


def run_typed(*words: object) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


def test_a_good_submission_is_said_to_be_good_and_a_bad_one_in_words(submission: Path, tmp_path: Path) -> None:
    assert run_typed("check", submission).output.strip().endswith("all is well")
    spoilt = tmp_path / "spoilt.csv"
    spoilt.write_text(submission.read_text().replace(",mine,", ",=cmd(),"), encoding="utf-8")
    refused = run_typed("check", spoilt)
    assert refused.exit_code == 2 and "Traceback" not in refused.output
    assert json.loads(run_typed("check", spoilt, "--json").output)["good"] is False


def test_what_is_added_is_in_the_table_and_on_the_page_and_twice_is_once(submission: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    assert "added" in run_typed("add", submission, "--folder", folder).output
    assert "already" in run_typed("add", submission, "--folder", folder).output
    assert len(list(folder.glob("*.csv"))) == 1
    assert "mine" in run_typed("show", "--suite", "smoke", "--folder", folder).output
    assert "mine" in json.dumps(json.loads(run_typed("show", "--folder", folder, "--json").output))
    built = run_typed("build", "--out", tmp_path / "site", "--folder", folder)
    assert built.exit_code == 0, built.output
    assert "mine" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")


def test_figures_are_recomputed_and_evaluations_run_again(submission: Path, tmp_path: Path) -> None:
    assert "come out" in run_typed("recompute", submission, submission.with_suffix(".npz")).output
    for model in ("copy", "physbench_baselines.reference:Copy"):
        assert "comes out again" in run_typed("verify", submission, "--model", model).output
    refused = run_typed("verify", submission, "--model", "blank")
    assert refused.exit_code == 2 and "does not come out again" in refused.output


@pytest.mark.slow
def test_figures_come_out_of_predictions_too_and_trust_is_written_beside_what_is_listed(tmp_path: Path) -> None:
    predictions, table, folder = tmp_path / "p.h5", tmp_path / "mine.csv", tmp_path / "submissions"
    folder.mkdir()
    for words in (
        ["predict", "copy", "--suite", "smoke", "--out", predictions],
        ["score", predictions, "--csv", table],
    ):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == 0, done.output
    table.write_text(table.read_text().replace(",copy,", ",mine,"), encoding="utf-8")
    assert run_typed("recompute", table, predictions).exit_code == 2  # they are of a model called copy
    table.write_text(table.read_text().replace(",mine,", ",copy,"), encoding="utf-8")
    assert "come out" in run_typed("recompute", table, predictions).output
    assert "not listed" in run_typed("recompute", table, predictions, "--grant", "--folder", folder).output


def test_trust_is_granted_only_to_listed_submissions(submission: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    run_typed("add", submission, "--folder", folder)
    granted = run_typed("recompute", submission, submission.with_suffix(".npz"), "--grant", "--folder", folder)
    assert granted.exit_code == 0, granted.output
    assert "recomputed" in run_typed("show", "--suite", "smoke", "--folder", folder).output


def test_a_submission_is_shown_beside_the_listed_ones_and_nothing_is_written(submission: Path, tmp_path: Path) -> None:
    folder = tmp_path / "submissions"
    folder.mkdir()
    shown = run_typed("show", "--suite", "smoke", "--with", submission, "--folder", folder)
    assert shown.exit_code == 0 and "  mine  " in shown.output and list(folder.iterdir()) == []
    assert "nothing is listed" in run_typed("show", "--folder", folder).output
    as_json = json.loads(run_typed("show", "--with", submission, "--folder", folder, "--json").output)
    assert [model["model"] for board in as_json for model in board["models"]] == ["mine"]


@pytest.mark.parametrize("columns", [60, 150])
def test_a_table_is_as_wide_as_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = run_typed("show", "--suite", "balls").output.splitlines()
    assert columns - 30 < max(map(len, lines)) <= columns
    assert len(run_typed("show", "--suite", "balls", "--all").output.splitlines()) > len(lines) + 10


@pytest.mark.parametrize("kind", ["pipe", "device", "large", "folder"])
def test_a_picture_is_a_file_of_bounded_size(tmp_path: Path, kind: str) -> None:
    picture = tmp_path / "pictures" / "mine.png"
    picture.parent.mkdir()
    match kind:
        case "pipe":
            os.mkfifo(picture)
        case "device":
            picture.symlink_to("/dev/zero")
        case "large":
            with picture.open("wb") as file:
                file.truncate(1 << 40)
        case _:
            picture.mkdir()
    refused = run_typed("build", "--out", tmp_path / "site", "--pictures", picture.parent)
    assert refused.exit_code == 2 and len(refused.output.splitlines()) == 1 and "mine.png" in refused.output
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("command", ["check", "add", "recompute", "verify", "show"])
def test_a_pipe_in_the_place_of_a_submission_is_not_waited_for(tmp_path: Path, submission: Path, command: str) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    words = {"recompute": [submission, pipe], "verify": [pipe, "--model", "copy"], "show": ["--with", pipe]}.get(
        command, [pipe]
    )
    refused = run_typed(command, *words)
    assert refused.exit_code == 2 and "pipe is not a file" in refused.output


@pytest.mark.parametrize(
    "words",
    [
        ["check", "nothing.csv"],
        ["add", "nothing.csv"],
        ["recompute", "nothing.csv", "nothing.npz"],
        ["show", "--suite", "x"],
        ["serve", "--site", "x"],
        ["show", "--folder", "x"],
    ],
)
def test_what_is_not_there_is_said_in_one_line(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = run_typed(*words)
    assert refused.exit_code == 2, refused.output
    assert "Traceback" not in refused.output
