"""Tests of `physbench train` on the command line: what it prints, what it writes, and what it refuses."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from physbench_baselines.training import run

QUICK = ["--batch", "1", "--frames", "2", "--validation", "1"]


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "name a model, or give --resume and the --out folder of a run"),
        (["--resume"], "name a model, or give --resume and the --out folder of a run"),
        (["--resume", "--out", "nowhere"], "there is no run in nowhere to resume"),
        (["r-mem"], "no model that can be trained is called 'r-mem': did you mean 'r-nem'?"),
        (["rnn", "--initial", ""], "--initial names no weights"),
        (["rnn", "--initial", "nobody"], "this run cannot begin with 'nobody': there is no file nobody"),
        (["rnn", "--initial", "lstm"], "it is another model or of other sizes"),
        (["rnn", "--frames", "8,twelve"], "'8,twelve' is no list of whole numbers"),
        (["rnn", "--slots", "5"], "rnn is a model of one slot"),
        (["rnn", "--learning-rate", "-1"], "learning rate is a number above 0, not -1.0"),
        (["rnn", "--data", "balls678mass64"], "is for tests only"),
        (["nowhere:sizes"], "does not lead to anything"),
    ],
)
def test_what_cannot_be_trained_is_refused_in_one_line(cli: Any, words: list[str], sentence: str) -> None:
    told = cli("train", *words)
    errors = [line for line in told.stderr.splitlines() if line.startswith("Error: ")]
    assert told.exit_code == 2 and len(errors) == 1 and sentence in errors[0] and "Traceback" not in told.output
    assert not told.stdout and not list(Path("runs").glob("*/*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["r-mem"], "did you mean 'r-nem'?"),
        (["rnn", "--steps", "0"], "steps is 1 or more, not 0"),
        (["rnn", "--minutes", "-1"], "minutes is above 0"),
        (["rnn", "--workers", "65"], "workers is 0 to 64, not 65"),
        (["rnn", "--out", "full"], "full holds a run already"),
        (["rnn", "--learning-rate", "-1"], "learning rate is a number above 0"),
    ],
)
def test_what_is_plainly_wrong_is_said_alone_and_without_pytorch(
    words: list[str], sentence: str, refusal: Any, tmp_path: Path
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "recipe.json").write_text("{}")
    code = f"import sys; sys.modules['torch'] = None; import physbench.cli; physbench.cli.main({['train', *words]!r})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert sentence in refusal(done.returncode, done.stderr)


@pytest.mark.slow
def test_a_run_is_told_as_json_and_goes_on_as_what_it_was(cli: Any) -> None:
    told = cli("train", "rnn", *QUICK, "--steps", "1", "--out", "here", "--json")
    assert told.exit_code == 0, told.output
    assert "training into here: here/log.csv tells how it goes" in told.stderr, "nobody sees a bar"
    found = json.loads(told.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert (found["folder"], found["step"], found["ended"]) == ("here", 1, "steps") and math.isfinite(
        found["validation_loss"]
    )
    again = cli("train", "rnn", "--out", "here", "--resume", "--steps", "2")
    assert again.exit_code == 0 and "here: 2 steps" in again.stdout and "all steps are done" in again.stdout, (
        again.output
    )
    other = cli("train", "--out", "here", "--resume", "--data", "balls3curtain64", "--steps", "3")
    assert (
        other.exit_code == 2
        and "has data 'balls4mass64', not 'balls3curtain64': resume it as it was started" in other.stderr
    )


@pytest.mark.parametrize("saved", [False, True])
def test_who_stops_it_is_told_what_there_is_to_go_on_with(
    cli: Any, monkeypatch: pytest.MonkeyPatch, saved: bool
) -> None:
    def stop(recipe: Any, out: Path, **words: Any) -> None:
        if saved:
            out.mkdir()
            (out / "last.safetensors").write_bytes(b"weights")
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "train", stop)
    told = cli("train", "rnn", "--out", "here", "--steps", "1")
    assert told.exit_code == 130
    assert ("Stopped and saved. Go on with: physbench train --out here --resume" in told.stderr) == saved
    assert ("Stopped before anything was saved. Nothing is left behind." in told.stderr) != saved
