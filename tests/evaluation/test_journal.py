"""Tests of the journal of an evaluation: a killed one continues and ends with identical numbers.

What is kept for that is bounded in size, and never trusted.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physbench
from physbench import cache
from physbench.evaluation import evaluation_journal
from physbench.evaluation.evaluation_journal import EvaluationJournal, Part
from physbench.metrics.sums import Sums
from physbench.notices import listen
from physbench_baselines.reference import Copy, Mean
from tests.evaluation.test_order import require_identical
from tests.evaluation.test_window import Sure
from tests.evaluation.toys import Array, Witness

LONG = ["eval", "mean", "--suite", "balls", "--limit", "240", "--batch", "2", "--json"]


def blocks(folder: Path) -> list[Path]:
    return sorted(folder.glob("evaluations/*/*.npz"))


def numbers(told: str) -> Any:
    result = json.loads(told)
    return result["scores"], result["curves"], result["provenance"]["data_sha256"]


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_ends_with_identical_numbers(
    own_cache: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "physbench", *LONG], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)
    )
    deadline = time.monotonic() + 60
    while len(blocks(own_cache)) < 3:
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    finished = len(blocks(own_cache))
    assert 3 <= finished < 120

    asked: list[int] = []
    begin = Mean.begin

    def count(self: Mean, batch: Any) -> Array:
        asked.append(len(batch.seeds))
        return begin(self, batch)

    monkeypatch.setattr(Mean, "begin", count)
    resumed = cli(*LONG)
    assert resumed.exit_code == 0 and f"going on after {finished} finished blocks" in resumed.stderr
    assert len(asked) == 2 * (120 - finished), "the window and the single frame of every block that was not finished"
    assert list((own_cache / "evaluations").iterdir()) == [], "nothing is kept of what has ended"
    asked.clear()
    anew = cli(*LONG)
    assert len(asked) == 240 and "going on" not in anew.stderr
    assert numbers(resumed.stdout) == numbers(anew.stdout)


class Stopped(Copy):
    """Pulled out after so many blocks."""

    left = 0

    def begin(self, batch: Any) -> None:
        if Stopped.left == 0:
            raise KeyboardInterrupt
        Stopped.left -= 1


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> type[Stopped]:
    monkeypatch.setattr(Copy, "begin", Stopped.begin)
    return Stopped


def test_a_stopped_evaluation_says_how_to_go_on(own_cache: Path, cli: Any, stopped: type[Stopped]) -> None:
    words = ["eval", "copy", "--suite", "curtain", "--limit", "6", "--batch", "2"]
    stopped.left = 2
    result = cli(*words)
    assert result.exit_code == 130 and "The same command goes on from there." in result.stderr and not result.stdout
    assert len(blocks(own_cache)) == 2
    stopped.left = 1
    assert cli(*words).exit_code == 0, "one block was left"
    assert blocks(own_cache) == []


@pytest.mark.parametrize(
    "other",
    [["--seed", "1"], ["--batch", "3"], ["--limit", "7"], ["--fresh", "1"], ["--suite", "balls"], ["--size", "full"]],
)
def test_who_asks_for_something_else_begins_anew(
    own_cache: Path, cli: Any, stopped: type[Stopped], other: list[str]
) -> None:
    words = ["eval", "copy", "--suite", "curtain", "--limit", "8", "--batch", "2"]
    for extra in ([], other):
        stopped.left = 2
        result = cli(*words, *extra)
        assert result.exit_code == 130 and "going on" not in result.stderr
    assert len(list((own_cache / "evaluations").iterdir())) == 2


def test_where_nothing_can_be_kept_it_is_said_and_the_evaluation_goes_on(
    tmp_path: Path, cli: Any, stopped: type[Stopped], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("PHYSBENCH_CACHE", str(tmp_path / "file" / "cache"))
    said: list[str] = []
    monkeypatch.setattr(evaluation_journal, "announce", said.append)
    words = ["eval", "copy", "--suite", "curtain", "--limit", "6", "--batch", "2", "--json"]
    stopped.left = 3
    result = cli(*words)
    assert result.exit_code == 0 and json.loads(result.stdout)["scores"]
    assert len(said) == 1 and "cannot be written (Not a directory): if this evaluation is stopped" in said[0]
    stopped.left = 2
    result = cli(*words)
    assert result.exit_code == 130 and "goes on from there" not in result.stderr


@pytest.mark.parametrize("model", [["copy"], ["--model", "physbench_baselines.reference:Copy"]])
def test_restart_forgets_what_was_finished(own_cache: Path, cli: Any, stopped: type[Stopped], model: list[str]) -> None:
    words = ["eval", *model, "--suite", "curtain", "--limit", "6", "--batch", "2"]
    stopped.left = 2
    cli(*words, "--resume")
    assert len(blocks(own_cache)) == 2
    stopped.left = 1
    again = cli(*words, "--restart")
    assert again.exit_code == 130 and "going on" not in again.stderr
    assert "Without --restart, the same command" in again.stderr
    assert len(blocks(own_cache)) == 1, "the two of before are gone"
    stopped.left = 3
    assert cli(*words, "--restart").exit_code == 0 and blocks(own_cache) == []


FORECAST = """
from physbench_baselines.reference import Copy
from tests.evaluation.test_journal import Stopped

class Mine(Copy):
    begin = Stopped.begin

    def observe(self, state, frame, action):
        state, prediction = super().observe(state, frame, action)
        return state, type(prediction)(prediction.mean * {factor})
"""


def test_blocks_of_other_code_are_not_taken(own_cache: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command, in another folder or after the code was changed, does not go on."""
    words = ["eval", "--model", "forecast:Mine", "--suite", "curtain", "--limit", "6", "--batch", "2", "--resume"]
    for folder, factor, told in (("a", 0.9, False), ("a", 0.9, True), ("b", 0.9, False), ("a", 0.8, False)):
        Path(folder).mkdir(exist_ok=True)
        (Path(folder) / "forecast.py").write_text(FORECAST.format(factor=factor))
        monkeypatch.delitem(sys.modules, "forecast", raising=False)
        with monkeypatch.context() as here:
            here.chdir(folder)
            here.setattr(sys, "path", [*sys.path])
            Stopped.left = 1
            result = cli(*words)
        assert result.exit_code == 130 and ("going on" in result.stderr) is told, (folder, factor, result.stderr)


def test_blocks_of_another_file_are_not_taken(own_cache: Path, cli: Any, stopped: type[Stopped]) -> None:
    words = ["eval", "copy", "--data", "data.h5", "--limit", "6", "--batch", "2", "--resume"]
    for seed, told in ((1, False), (1, True), (2, False)):
        generated = ["generate", "balls", "--train", 0, "--valid", 0, "--test", 8, "--seed", seed, "--frames", 8]
        if not told:
            assert cli(*map(str, generated), "--out", "data.h5", "--overwrite").exit_code == 0
        stopped.left = 1
        result = cli(*words)
        assert result.exit_code == 130 and ("going on" in result.stderr) is told, (seed, result.stderr)


def test_code_that_may_have_changed_is_never_gone_on_with(own_cache: Path, cli: Any, stopped: type[Stopped]) -> None:
    words = [
        "eval",
        "--model",
        "physbench_baselines.reference:Copy",
        "--suite",
        "curtain",
        "--limit",
        "6",
        "--batch",
        "2",
    ]
    stopped.left = 2
    assert cli(*words).exit_code == 130
    assert blocks(own_cache) == []


@pytest.fixture(scope="module")
def whole() -> Any:
    return physbench.evaluate(Witness(), "smoke", limit=6, batch=2)


def evaluate_in(folder: Path) -> tuple[Any, int]:
    """With what lies in a folder; the result, and how many blocks of the first task were asked for."""
    model = Witness()
    result = physbench.evaluate(model, "smoke", limit=6, batch=2, journal=EvaluationJournal(folder))
    return result, sum(batch.shape == (64, 64, 1) and batch.slots == 8 for batch in model.batches)


SPOILS: dict[str, Any] = {
    "empty": lambda content: b"",
    "cut off": lambda content: content[: len(content) // 2],
    "without its end": lambda content: content[:-1],
    "a byte changed": lambda content: content[:300] + bytes([content[300] ^ 255]) + content[301:],
    "another file": lambda content: b"<html>not found</html>",
    "a pickle": lambda content: b"\x80\x04N.",
    "a shape that was not written": lambda content: content.replace(b"'shape': (2, ", b"'shape': (9, "),
    "an archive of nothing": lambda content: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_damaged_block_is_done_again(tmp_path: Path, name: str, whole: Any) -> None:
    evaluate_in(tmp_path)
    path = tmp_path / "balls678mass64-2.npz"
    path.write_bytes(SPOILS[name](path.read_bytes()))
    again, asked = evaluate_in(tmp_path)
    assert asked == 1
    require_identical(again, whole)
    assert evaluate_in(tmp_path)[1] == 0, "and was written anew"


@pytest.mark.parametrize("inside", [None, "precious"])
def test_a_folder_in_place_of_a_block_is_replaced(tmp_path: Path, inside: str | None, whole: Any) -> None:
    evaluate_in(tmp_path)
    path = tmp_path / "balls678mass64-2.npz"
    path.unlink()
    path.mkdir()
    if inside:
        (path / inside).write_text("nothing")
    again, asked = evaluate_in(tmp_path)
    assert asked == 1 and path.is_file()
    require_identical(again, whole)


@pytest.mark.parametrize(
    "error",
    [MemoryError, SystemError, NotImplementedError, RuntimeError, OverflowError, AttributeError, RecursionError],
)
def test_a_block_whose_reading_raises_anything_is_done_again(
    tmp_path: Path, error: type[Exception], whole: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate_in(tmp_path)

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("physbench.evaluation.evaluation_journal.read_npz", fail)
    again, asked = evaluate_in(tmp_path)
    assert asked == 3
    require_identical(again, whole)


def test_a_block_with_a_flipped_byte_reads_as_it_was_or_not_at_all(tmp_path: Path) -> None:
    """The directory of an archive holds bytes that decide nothing; every other one is noticed."""
    journal = EvaluationJournal(tmp_path)
    journal.write("toy", 0, Part({("toy", "bce"): Sums(np.array([[1.5]]), np.array([[2.0]]))}, ("own-code",)))
    path = tmp_path / "toy-0.npz"
    content = path.read_bytes()
    noticed = 0
    for place in range(0, len(content), 2):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x55]) + content[place + 1 :])
        part = journal.read("toy", 0)
        noticed += part is None
        if part is not None:
            assert part.notes == ("own-code",) and list(part.figures) == [("toy", "bce")]
            assert part.figures["toy", "bce"].numerator.tolist() == [[1.5]] and part.figures[
                "toy", "bce"
            ].denominator.tolist() == [[2.0]]
    assert noticed > len(content) / 4


def test_a_block_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    def full(*_: Any, **__: Any) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(np, "savez", full)
    with listen(said.append):
        EvaluationJournal(tmp_path).write("toy", 0, Part({}))
    assert len(said) == 1 and "no space left" in said[0]
    assert EvaluationJournal(tmp_path).read("toy", 0) is None and EvaluationJournal(tmp_path).count_finished() == 0


def test_what_a_reader_must_know_outlives_a_kill(tmp_path: Path) -> None:
    """The first task alone brings the note, and it is finished when the evaluation is killed."""
    first = physbench.evaluate(Sure(), "smoke", limit=2, journal=EvaluationJournal(tmp_path))
    assert first.provenance.notes == ("self-computed-likelihood",)
    resumed = physbench.evaluate(Copy(), "smoke", limit=2, journal=EvaluationJournal(tmp_path))
    assert resumed.provenance.notes == first.provenance.notes
    require_identical(first, resumed)


def keep(folder: Path, name: str, size: int, age: float) -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "block.npz").write_bytes(bytes(size))
    then = time.time() - age
    os.utime(folder / name, (then, then))
    return folder / name


def test_beyond_the_limit_the_oldest_evaluations_go_first(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "LIMIT", 1000)
    room = own_cache / "evaluations"
    oldest, newest, middle = keep(room, "a", 600, 300), keep(room, "b", 600, 100), keep(room, "c", 300, 200)
    EvaluationJournal.of({"model": "copy"})
    assert not oldest.exists() and middle.exists() and newest.exists()
    EvaluationJournal.of({"model": "copy"})
    assert middle.exists() and newest.exists(), "within the limit nothing goes"
    monkeypatch.setattr(cache, "LIMIT", 0)
    EvaluationJournal.of({"model": "copy"})
    assert list(room.iterdir()) == []


def test_the_cache_is_looked_at_and_cleared_and_nothing_else_is_touched(own_cache: Path, cli: Any) -> None:
    (own_cache / "numba").unlink(missing_ok=True)
    keep(own_cache / "evaluations", "a", 5_000_000, 0)
    keep(own_cache / "numba", "k", 2_000_000, 0)
    mine = keep(own_cache, "thesis", 10, 0)
    (own_cache / "notes.txt").write_text("mine")
    shown = cli("cache")
    assert str(own_cache) in shown.stdout
    assert (
        "unfinished evaluations       1        5.0 MB" in shown.stdout
        and "compiled kernels             1        2.0 MB" in shown.stdout
    )
    told = json.loads(cli("cache", "--json").stdout)
    assert told["directory"] == str(own_cache) and told["freed"] == 0
    assert {room["name"]: room["bytes"] for room in told["rooms"]} == {
        "numba": 2_000_000,
        "evaluations": 5_000_000,
        "data": 0,
    }
    assert "7.0 MB removed" in cli("cache", "--clear").stdout
    assert not (own_cache / "evaluations").exists() and not (own_cache / "numba").exists()
    assert (mine / "block.npz").stat().st_size == 10 and (own_cache / "notes.txt").read_text() == "mine"
    assert json.loads(cli("cache", "--clear", "--json").stdout)["freed"] == 0


def test_a_link_in_the_cache_is_not_followed_when_it_is_cleared(own_cache: Path, tmp_path: Path, cli: Any) -> None:
    elsewhere = keep(tmp_path / "elsewhere", "precious", 10, 0)
    (own_cache / "evaluations").symlink_to(tmp_path / "elsewhere")
    assert cli("cache", "--clear").exit_code == 0
    assert elsewhere.exists()
