"""Tests of the command line: what it prints, what it makes, and what it refuses."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

import physbench
from physbench import registry
from physbench.cli import main
from physbench.suites import SUITES
from physbench_baselines import bundled

SMALL = ["--train", "3", "--valid", "0", "--test", "2", "--frames", "4", "--n", "2", "--size", "24", "--radius", "3"]
BALLS = [
    "balls4mass64",
    "balls678mass64",
    "balls3curtain64",
    "balls4mass64-crop50",
    "balls678mass64-crop50",
    "balls-leave50",
    "balls10",
    "balls10-colour",
    "balls",
]
IMAGES = [
    "multi-dsprites",
    "multi-dsprites678",
    "multi-dsprites-binary",
    "multi-dsprites-binary456",
    "tetris",
    "tetris456",
    "shapes",
    "shapes456",
]
DATASETS = [*BALLS, *IMAGES, "invaders84", "invaders", "atari-ram", "invaders-ram"]
HELPS = [
    [],
    ["list"],
    ["eval"],
    ["train"],
    ["info"],
    ["verify"],
    ["show"],
    ["generate"],
    *(["generate", name] for name in DATASETS),
]
seeing = pytest.mark.skipif(importlib.util.find_spec("physbench.view") is None, reason="physbench.view is not there")


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def left() -> list[str]:
    return sorted(path.name for path in Path().iterdir())


def error_of(result: Any) -> str:
    """The one line that begins with Error; usage may stand before it."""
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("Error:")]
    assert len(lines) == 1 and result.stderr.rstrip().endswith(lines[0]), result.stderr
    assert "Traceback" not in result.output and not result.stdout
    return lines[0]


def examples(text: str) -> list[list[str]]:
    """The lines of a help text that are commands, without what is said of them."""
    found = re.findall(r"^ *physbench (\S.*?)(?: {2,}.*)?$", text, re.MULTILINE)
    return [shlex.split(line) for line in found]


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_everywhere(cli: Any, words: list[str], flag: str) -> None:
    result = cli(*words, flag)
    assert result.exit_code == 0 and result.stdout.startswith("Usage: physbench") and not result.stderr


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_shows_a_command_that_runs(cli: Any, words: list[str]) -> None:
    found = [example for example in examples(cli(*words, "--help").stdout) if example[: len(words)] == words]
    assert found, "no example"
    for example in found:
        context: Any = click.Context(main, info_name="physbench", **main.context_settings)
        command: Any = main
        rest = example
        while isinstance(command, click.Group):  # parsed to its end, and not run
            _, command, rest = command.resolve_command(context, rest)
            context = click.Context(command, parent=context)
        command.make_context(command.name, rest, parent=context.parent)


def test_the_version_is_the_packages(cli: Any) -> None:
    assert cli("--version").stdout.split()[-1] == physbench.__version__


def test_the_list_names_what_can_be_made(cli: Any) -> None:
    text = cli("list").stdout
    assert [name for name in DATASETS if name in text] == DATASETS
    told = json.loads(cli("list", "--json").stdout)
    assert [entry["dataset"] for entry in told] == DATASETS
    assert told[0]["splits"] == {"training": 50_000, "validation": 10_000, "test": 10_000} and all(
        entry["about"] for entry in told
    )


def test_the_list_of_suites_says_what_they_ask_and_what_they_are_ranked_by(cli: Any) -> None:
    text = cli("list", "suites").stdout
    told = {entry["suite"]: entry for entry in json.loads(cli("list", "suites", "--json").stdout)}
    assert list(told) == list(SUITES)
    for name, suite in SUITES.items():
        assert f"{name}\n    {suite.about}\n" in text
        ranked = told[name]["ranked_by"]
        assert (tuple(ranked.values()) if ranked else None) == suite.ranked_by
        assert ranked is None or (
            ranked["task"] in told[name]["tasks"] and f"ranked by {ranked['metric']} on {ranked['task']}" in text
        )


def test_the_list_of_models_tells_the_scores_on_their_cards(cli: Any) -> None:
    text = cli("list", "models").stdout
    told = {entry["model"]: entry for entry in json.loads(cli("list", "models", "--json").stdout)}
    assert list(told) == registry.models.names()
    for name in bundled.names():
        card, entry = bundled.card(name), told[name]
        assert (
            entry["parameters"] == card.parameters and entry["training"] == card.training and entry["data"] == card.data
        )
        assert entry["scores"] and all(row in card.scores for row in entry["scores"])
        assert f"{entry['scores'][0]['metric']} {entry['scores'][0]['value']:.3f}" in text
    assert told["copy"]["about"] and f"copy\n    {told['copy']['about']}" in text
    assert all(entry["about"].endswith(".") for entry in told.values() if entry["about"]), "whole sentences"
    assert {row["suite"]: row["value"] for row in told["copy"]["scores"]}["balls"] == 1


REFUSED: dict[str, tuple[list[str], str]] = {
    "no balls": (["balls", "--n", "0"], "1 to 16"),
    "200 balls": (["balls", "--n", "200"], "1 to 16"),
    "a range backwards": (["balls", "--n", "8-6"], "8-6"),
    "half a range": (["balls", "--n", "4-x"], "'4-x'"),
    "no number": (["balls", "--n", "many"], "'many'"),
    "16 balls that do not fit": (["balls", "--n", "16"], "cannot be placed"),
    "a ball too large": (["balls", "--radius", "40"], "does not fit"),
    "a heavy ball too large": (["balls", "--radius", "20", "--radius-ratio", "3"], "radius 60 does not fit"),
    "a curtain too large": (["balls", "--curtain", "80"], "curtain of 80"),
    "a crop too large": (["balls", "--crop", "65"], "crop of 65"),
    "a negative radius": (["balls", "--radius", "-1"], "-1"),
    "no mass": (["balls", "--mass-ratio", "0"], "mass ratio"),
    "a speed that is no number": (["balls", "--speed", "nan"], "nan"),
    "gravity without end": (["balls", "--gravity", "inf"], "inf"),
    "negative gravity": (["balls", "--gravity", "-1"], "gravity"),
    "a box too large": (["balls", "--size", "100000"], "size"),
    "no frames": (["balls", "--frames", "0"], "frames"),
    "too many frames": (["balls", "--frames", "1000000"], "frames"),
    "a negative count": (["balls4mass64", "--train", "-5"], "-5"),
    "too many sequences": (["balls4mass64", "--train", str(2**32)], "sequences"),
    "nothing at all": (["balls4mass64", "--train", "0", "--valid", "0", "--test", "0"], "nothing to make"),
    "a negative seed": (["balls4mass64", "--seed", "-1"], "-1"),
    "a seed too large": (["balls4mass64", "--seed", str(2**64)], "seed"),
    "an unknown dataset": (["balls4mas64"], "did you mean 'balls4mass64'?"),
    "a dataset like no other": (["xyzzy"], "there is balls4mass64, balls678mass64, balls3curtain64, balls"),
    "an unknown option": (["balls4mass64", "--gravity", "1"], "--gravity"),
    "no directory": (["balls", *SMALL, "--out", "nowhere/x.h5"], "no folder nowhere"),
    "a directory": (["balls", *SMALL, "--out", "."], "folder"),
    "no workers": (["balls", *SMALL, "--workers", "0"], "workers"),
    "too many workers": (["balls", *SMALL, "--workers", "100000"], "workers"),
    "part is no share": (["balls", *SMALL, "--part", "3"], "3/8"),
    "part of words": (["balls", *SMALL, "--part", "a/b"], "3/8"),
    "part beyond the last": (["balls", *SMALL, "--part", "3/2"], "part 3 of 2"),
    "part 0": (["balls", *SMALL, "--part", "0/2"], "part 0 of 2"),
    "parts of nothing": (["balls", *SMALL, "--part", "1/0"], "part"),
    "more parts than blocks": (["balls", *SMALL, "--part", "1/500"], "shared out"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_made_is_refused_and_leaves_nothing(cli: Any, name: str) -> None:
    words, sentence = REFUSED[name]
    assert sentence in error_of(cli("generate", *words))
    assert left() == []


@pytest.mark.parametrize(
    "words", [["list", "--all"], ["nothing"], ["verify"], ["info"], ["verify", "a.h5", "b.h5"], ["show"]], ids=" ".join
)
def test_an_unknown_command_is_refused(cli: Any, words: list[str]) -> None:
    error_of(cli(*words))
    assert left() == []


def test_an_unknown_dataset_is_refused_in_a_process_of_its_own(command: Any, refusal: Any, tmp_path: Path) -> None:
    done = command("generate", "ball", cwd=tmp_path)
    assert "did you mean 'balls'?" in refusal(done.returncode, done.stderr)


def test_an_existing_file_is_refused_and_kept(cli: Any) -> None:
    Path("x.h5").write_text("mine")
    assert "--overwrite" in error_of(cli("generate", "balls", *SMALL, "--out", "x.h5"))
    assert left() == ["x.h5"] and Path("x.h5").read_text() == "mine"
    assert cli("generate", "balls", *SMALL, "--out", "x.h5", "--overwrite").exit_code == 0
    assert left() == ["x.h5"] and physbench.open("x.h5")["training"].sizes["N"] == 3


def test_a_finished_command_can_be_run_again(cli: Any) -> None:
    words = ["generate", "balls", *SMALL, "--out", "x.h5"]
    made = json.loads(cli(*words, "--json").stdout)
    before = Path("x.h5").stat().st_mtime_ns
    again = cli(*words)
    assert again.exit_code == 0 and not again.stderr
    assert (
        f"x.h5 is there already: 5 sequences, {again.stdout.split('sequences, ')[1].split(',')[0]}, content"
        f" {made['content_sha256'][:16]}" in again.stdout
    )
    assert json.loads(cli(*words, "--json").stdout) == made
    assert cli(*words, "--part", "1/2").exit_code == 0
    assert left() == ["x.h5"] and Path("x.h5").stat().st_mtime_ns == before
    other = error_of(cli(*words, "--gravity", "0.5", "--seed", "3"))
    assert "gravity is 0.0 there, 0.5 here; seed is 0 there, 3 here: use --overwrite" in other
    assert Path("x.h5").stat().st_mtime_ns == before


@seeing
def test_a_dry_run_of_thousands_of_millions_does_not_count_them_out(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        importlib.import_module("physbench.generate"),
        "spans",
        lambda recipe: pytest.fail("every block is written down"),
    )
    words = ["balls4mass64", "--train", 3 * 10**9, "--out", "x.h5", "--workers", 1, "--dry-run"]
    text = cli("generate", *words).stdout
    assert re.search(
        r"would hold 3,000,020,000 sequences in about \d+\.\d TB and take about [\d.,]+ (h|days)\n", text
    ), text
    told = json.loads(cli("generate", *words, "--json").stdout)
    assert 1e13 < told["bytes"] < 1e14 and left() == ["x.png"]


def test_generate_info_and_verify_agree(cli: Any) -> None:
    made = json.loads(cli("generate", "balls", *SMALL, "--out", "x.h5", "--json").stdout)
    told = json.loads(cli("info", "x.h5", "--json").stdout)
    checked = json.loads(cli("verify", "x.h5", "--json").stdout)
    assert made["file"] == "x.h5" and made["sequences"] == 5 and made["bytes"] == Path("x.h5").stat().st_size
    assert made["content_sha256"] == told["content_sha256"] == checked["content_sha256"]
    assert (
        told["recipe"]["parameters"]["n"] == [2, 2]
        and told["splits"]["test"]["sequences"] == 2
        and "numpy" in told["created_with"]
    )
    assert (checked["depth"], checked["sequences"], checked["sequences_remade"], checked["sequences_replayed"]) == (
        "plain",
        5,
        5,
        5,
    )


def test_what_is_printed_says_what_was_done(cli: Any) -> None:
    made = cli("generate", "balls", *SMALL, "--out", "x.h5")
    assert made.exit_code == 0 and "x.h5: 5 sequences" in made.stdout and not made.stderr
    assert "balls-v1" in cli("info", "x.h5").stdout
    assert "x.h5: balls-v1 is good (5 sequences" in cli("verify", "x.h5").stdout
    quick = cli("verify", "x.h5", "--quick").stdout
    assert "no accidental damage" in quick and "good" not in quick


def test_the_options_are_the_recipe(cli: Any) -> None:
    words = (
        "--n 2-3 --size 32 --radius 3 --radius-ratio 1.5 --mass-ratio 2 --speed 1.5 --gravity 0.1 --curtain 8 --crop 30"
        " --colour --frames 5 --seed 7"
    )
    assert (
        cli("generate", "balls", *words.split(), "--train", 2, "--valid", 0, "--test", 0, "--out", "x.h5").exit_code
        == 0
    )
    recipe = json.loads(cli("info", "x.h5", "--json").stdout)["recipe"]
    assert recipe["parameters"] == {
        "n": [2, 3], "size": 32, "radius": 3.0, "radius_ratio": 1.5, "mass_ratio": 2.0, "speed": 1.5,
        "gravity": 0.1, "curtain": 8, "crop": 30, "colour": True,
    }  # fmt: skip
    assert (recipe["frames"], recipe["seed"], recipe["splits"]) == (5, 7, {"training": 2})


def test_a_curtain_without_a_number_is_24_pixels(cli: Any) -> None:
    assert (
        cli(
            "generate", "balls", "--n", 1, "--curtain", "--train", 1, "--valid", 0, "--test", 0, "--out", "x.h5"
        ).exit_code
        == 0
    )
    top, left_edge, bottom, right = physbench.open("x.h5")["training"][0]["curtain"].tolist()
    assert (bottom - top, right - left_edge) == (24, 24)


def test_parts_are_made_and_joined(cli: Any) -> None:
    for number in (1, 2):
        told = json.loads(cli("generate", "balls", *SMALL, "--out", "x.h5", "--part", f"{number}/2", "--json").stdout)
        assert told == {"part": f"x.h5.part-{number}-of-2"} and not Path("x.h5").exists()
    assert cli("generate", "balls", *SMALL, "--out", "x.h5").exit_code == 0
    assert left() == ["x.h5"]


NAMES: dict[str, tuple[list[str], list[str]]] = {
    "the number of balls": (["--n", "2"], ["balls", "n2"]),
    "a range": (["--n", "1-2"], ["balls", "n1-2"]),
    "gravity": (["--gravity", "0.5"], ["gravity0.5"]),
    "the curtain": (["--curtain"], ["curtain24"]),
    "colour": (["--colour"], ["colour"]),
    "the frames": (["--frames", "9"], ["frames9"]),
    "the seed": (["--seed", "3"], ["seed3"]),
    "the counts": ([], ["2"]),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_usual_name_says_what_is_inside(cli: Any, name: str) -> None:
    words, parts = NAMES[name]
    assert cli("generate", "balls", "--train", 2, "--valid", 0, "--test", 0, *words).exit_code == 0
    (made,) = left()
    assert made.startswith("balls") and made.endswith(".h5")
    assert all(re.search(rf"(^|-){re.escape(part)}(-|\.h5$)", made) for part in parts), made


def test_different_datasets_have_different_names(cli: Any) -> None:
    for words, _ in NAMES.values():
        assert cli("generate", "balls", "--train", 2, "--valid", 0, "--test", 0, *words).exit_code == 0
    assert len(left()) == len(NAMES)


@seeing
def test_a_dry_run_makes_the_contact_sheet_alone(cli: Any) -> None:
    result = cli("generate", "balls", *SMALL, "--out", "x.h5", "--dry-run")
    assert result.exit_code == 0 and "5 sequences" in result.stdout
    assert left() == ["x.png"] and Path("x.png").read_bytes().startswith(b"\x89PNG")
    told = json.loads(cli("generate", "balls", *SMALL, "--out", "x.h5", "--dry-run", "--json").stdout)
    assert told["sequences"] == 5 and told["bytes"] > 0 and told["seconds"] >= 0 and told["contact_sheet"] == "x.png"
    assert left() == ["x.png"] and told["finished"] is False


@seeing
def test_a_dry_run_replaces_no_other_picture_and_knows_what_is_there(cli: Any) -> None:
    Path("x.png").write_bytes(b"a picture of mine")
    words = ("generate", "balls", *SMALL, "--out", "x.h5")
    assert "x.png exists already: use --overwrite" in error_of(cli(*words, "--dry-run"))
    assert Path("x.png").read_bytes() == b"a picture of mine" and left() == ["x.png"]
    assert "x.png is a picture of the first sequences" in cli(*words, "--dry-run", "--overwrite").stdout
    assert Path("x.png").read_bytes().startswith(b"\x89PNG")
    assert cli(*words).exit_code == 0
    before = Path("x.h5").read_bytes()
    assert "x.h5 is there already" in cli(*words, "--dry-run").stdout
    assert json.loads(cli(*words, "--dry-run", "--json").stdout)["finished"] is True
    assert "gravity is 0.0 there, 0.5 here" in error_of(cli(*words, "--gravity", "0.5", "--dry-run"))
    assert "leave out --part" in error_of(cli(*words, "--part", "1/2", "--dry-run"))
    assert Path("x.h5").read_bytes() == before


@seeing
@pytest.mark.parametrize(
    "words",
    [["--n", "0"], ["--radius", "40"], ["--n", "16"], ["--out", "nowhere/x.h5"], ["--workers", "0"]],
    ids=" ".join,
)
def test_a_dry_run_refuses_what_a_run_refuses(cli: Any, words: list[str]) -> None:
    error_of(cli("generate", "balls", "--train", 3, "--valid", 0, "--test", 0, "--dry-run", *words))
    assert left() == []


def test_a_reader_that_goes_away_is_no_error(command: Any) -> None:
    """`physbench list | head -0`: no traceback."""
    import subprocess
    import sys

    script = f"{shlex.quote(sys.executable)} -m physbench list --json | head -c 1"
    done = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [[], ["leaderboard"]])
def test_no_line_of_a_list_of_commands_is_cut_off(cli: Any, words: list[str]) -> None:
    shown = cli(*words, "--help").stdout
    commands = shown.partition("Commands:\n")[2].splitlines()
    assert len(commands) > 6 and not any(line.rstrip().endswith("...") for line in commands)


def test_who_stops_a_command_before_it_has_begun_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("physbench.evaluation.contestant.contestant", stop)
    done = CliRunner().invoke(main, ["eval", "copy", "--suite", "smoke"])
    assert done.exit_code == 130 and done.stderr.split() == ["Stopped."]


@pytest.mark.parametrize(
    ("name", "meant"), [("balls4", "balls4mass64"), ("ball", "balls"), ("invaders-", "invaders-ram"), ("bals", "balls")]
)
def test_a_name_that_begins_as_it_was_typed_is_suggested(cli: Any, name: str, meant: str) -> None:
    done = cli("show", name)
    assert f"there is no file {name}, and no dataset is called {name!r}: did you mean {meant!r}?" in done.stderr


def test_the_default_suite_is_named_where_none_is_given(cli: Any) -> None:
    words = ("eval", "copy", "--limit", "1")
    assert "suite balls, as no --suite is given" in cli(*words).stderr
    assert "as no --suite is given" not in cli(*words, "--suite", "balls").stderr


def test_lists_say_nothing_of_pixels_or_numbers_that_are_not_there(cli: Any) -> None:
    shown = cli("list").stdout
    assert "0x0x0" not in shown and "1 frames" not in shown.replace("51 frames", "")
    assert "as states without pixels" in shown and "one image of 64x64x3" in shown


def test_a_size_has_a_word_for_each_of_its_numbers(cli: Any) -> None:
    assert cli("generate", "balls", *SMALL, "--out", "x.h5").exit_code == 0
    for line in cli("info", "x.h5").stdout.splitlines():
        if size := re.search(r" (\d+(?:x\d+)+) \(([^)]*)\)", line):
            assert len(size[1].split("x")) == len(size[2].split(", ")), line
