"""Tests of files of physbench that are given to the wrong command: the error says what they are and what takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from tests.pages import ROOT

Command = Callable[..., Result]

WEIGHTS = ROOT / "baselines/physbench_baselines/checkpoints/conv3.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from click.testing import CliRunner

    from physbench.cli import main

    place = tmp_path_factory.mktemp("kinds")
    for words in (
        ["export", "--suite", "smoke", "--limit", "1", "--out", place / "inputs.h5"],
        ["predict", "copy", "--suite", "smoke", "--limit", "1", "--out", place / "predictions.h5"],
        ["eval", "copy", "--suite", "smoke", "--limit", "1", "--json", "--csv", place / "scores.csv"],
        ["eval", "copy", "--suite", "smoke", "--limit", "1", "--json", "--per-sequence", place / "sums.npz"],
        ["generate", "balls", "--train", "0", "--valid", "0", "--test", "300", "--out", place / "balls.h5"],
    ):
        done = CliRunner().invoke(main, [str(word) for word in words])
        assert done.exit_code == 0, done.output
    (place / "conv3.safetensors").write_bytes(WEIGHTS.read_bytes())
    return place


@pytest.mark.parametrize("command", ["info", "verify"])
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("inputs.h5", "is no dataset; it holds the inputs of a suite, written by `physbench export`"),
        ("predictions.h5", "is no dataset; it holds predictions of a model: `physbench score FILE` scores them"),
        ("scores.csv", "it looks like a table of scores: `physbench leaderboard check FILE` reads it"),
        ("sums.npz", "`physbench compare` takes two that eval wrote with --per-sequence"),
        ("conv3.safetensors", "it looks like the weights of a model (safetensors): `physbench eval FILE` scores them"),
    ],
)
def test_a_file_that_is_no_dataset_is_named(cli: Command, folder: Path, command: str, file: str, words: str) -> None:
    done = cli(command, folder / file)
    assert done.exit_code == 2 and words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("file", ["scores.csv", "balls.h5", "conv3.safetensors"])
def test_compare_asks_for_what_per_sequence_writes(cli: Command, folder: Path, file: str) -> None:
    done = cli("compare", folder / "sums.npz", folder / file)
    assert done.exit_code == 2
    assert (
        f"{file} is no file of per-sequence sums, which `physbench eval --per-sequence FILE.npz` writes" in done.stderr
    )


def test_a_dataset_is_no_submission_however_large(cli: Command, tmp_path: Path) -> None:
    large = tmp_path / "balls.h5"
    with large.open("wb") as file:
        file.write(b"\x89HDF\r\n\x1a\n")
        file.truncate(40_000_000)
    done = cli("leaderboard", "check", large)
    assert done.exit_code != 0
    assert "this is an HDF5 file, not CSV: `physbench eval --csv FILE` writes what is listed here" in done.output
