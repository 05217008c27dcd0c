"""Tests that a file is complete or absent: nothing unfinished has its name, and an older file stays until it is
replaced."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import physbench
from physbench.errors import StorageError
from physbench.generate import generate
from physbench.storage.journal import DatasetJournal
from physbench.storage.writer import workings_of
from tests.builders.dataset_files import alone_in, content, digest
from tests.builders.interrupted_runs import LONG_WORDS, room_for, start, stored_bytes


def test_nothing_is_under_the_final_name_while_it_is_made(many: Any, tmp_path: Path) -> None:
    path, seen = tmp_path / "x.h5", []
    generate(many.recipe, path, progress=lambda progress: seen.append((progress.done, path.exists())))
    assert [done for done, _ in seen] == [0, 256, 300, 340, 410]
    assert not any(there for _, there in seen)


def test_an_existing_file_is_kept_unless_told_otherwise(tiny: Any, copied: Any, tmp_path: Path) -> None:
    path = copied(tiny)
    other = replace(tiny.recipe, seed=1)
    with pytest.raises(
        StorageError, match="exists already, made from another recipe: seed is 0 there, 1 here: use --overwrite"
    ):
        generate(other, path)
    assert digest(path) == digest(tiny.path)
    generate(other, path, overwrite=True)
    assert content(path) != content(tiny.path)
    alone_in(tmp_path, path)


def test_an_existing_file_stays_whole_while_it_is_replaced(tiny: Any, copied: Any) -> None:
    path = copied(tiny)
    during: list[str] = []
    generate(replace(tiny.recipe, seed=1), path, overwrite=True, progress=lambda _: during.append(digest(path)))
    assert set(during) == {digest(tiny.path)}


def test_unfinished_work_on_another_recipe_is_not_touched(tiny: Any, long: Any, half: Path, tmp_path: Path) -> None:
    path = tmp_path / "resumed.h5"
    shutil.copytree(half, workings_of(path))
    before = stored_bytes(workings_of(path))
    with pytest.raises(StorageError, match="unfinished work on another recipe"):
        generate(tiny.recipe, path)
    assert stored_bytes(workings_of(path)) == before
    generate(tiny.recipe, path, overwrite=True)
    assert digest(path) == digest(tiny.path)


@pytest.mark.parametrize("more", [[], ["--overwrite"]])
def test_a_second_process_is_told_in_one_line(
    long: Any, tmp_path: Path, cli: Any, refusal: Any, more: list[str]
) -> None:
    path = tmp_path / "both.h5"
    first = start(path, "--train", "20000", wait_for=20_000)
    try:
        os.kill(first.pid, signal.SIGSTOP)
        second = cli("generate", "balls", *LONG_WORDS, "--train", 20000, "--out", path, *more)
        assert "another process is at work" in refusal(second.exit_code, second.stderr)
        assert (workings_of(path) / "data").exists()
    finally:
        os.kill(first.pid, signal.SIGCONT)
        first.send_signal(signal.SIGINT)
        _, stderr = first.communicate(timeout=60)
    assert first.returncode == 130, stderr


Usage = namedtuple("Usage", "total used free")


def test_too_little_room_is_said_before_anything_is_made(
    mass: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(StorageError, match=r"needs about [\d.]+ [kM]B and .* has [\d.]+ (bytes|kB) free"):
        generate(mass.recipe, tmp_path / "x.h5")
    alone_in(tmp_path)


FILLING = ["generate", "balls4mass64", "--train", "300", "--valid", "0", "--test", "0", "--out"]


@pytest.mark.parametrize("limit", [0, 100, 3000, 2_000_000])
def test_a_disk_that_fills_up_half_way(tmp_path: Path, cli: Any, refusal: Any, limit: int) -> None:
    with room_for(limit):
        result = cli(*FILLING, tmp_path / "x.h5")
    assert "no space is left" in refusal(result.exit_code, result.stderr)
    alone_in(tmp_path)


def test_what_is_finished_is_kept_when_the_disk_is_full(tmp_path: Path, cli: Any, refusal: Any) -> None:
    with room_for(6_000_001):
        result = cli(*FILLING, tmp_path / "x.h5")
    assert "what is done waits in" in refusal(result.exit_code, result.stderr)
    (kept,) = tmp_path.iterdir()
    assert kept == workings_of(tmp_path / "x.h5")
    told: list[int] = []
    sizes = {"train": 300, "valid": 0, "test": 0}
    generate("balls4mass64", tmp_path / "x.h5", **sizes, progress=lambda now: told.append(now.resumed))
    generate("balls4mass64", tmp_path / "y.h5", **sizes)
    assert told[0] == 256 and digest(tmp_path / "x.h5") == digest(tmp_path / "y.h5")


def test_parts_of_another_recipe_are_replaced_when_asked(tmp_path: Path, cli: Any) -> None:
    words = ["generate", "balls", "--train", 0, "--valid", 0, "--test", 520, "--frames", 4, "--out", tmp_path / "x.h5"]
    assert cli(*words, "--seed", 1, "--part", "1/2").exit_code == 0
    refused = cli(*words, "--seed", 2)
    assert refused.exit_code == 2 and "unfinished work on another recipe" in refused.stderr
    replaced = cli(*words, "--seed", 2, "--overwrite")
    assert replaced.exit_code == 0, replaced.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["x.h5"]
    assert physbench.open(tmp_path / "x.h5").recipe["seed"] == 2


def test_a_disk_that_fills_up_half_way_in_a_process_of_its_own(tmp_path: Path, command: Any, refusal: Any) -> None:
    with room_for(2_000_000):
        done = command(*FILLING, tmp_path / "x.h5")
    assert "no space is left" in refusal(done.returncode, done.stderr)
    alone_in(tmp_path)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("unshare") is None, reason="mounting needs root"
)
@pytest.mark.parametrize("known_beforehand", [True, False])
def test_a_disk_that_is_really_full(tmp_path: Path, refusal: Any, known_beforehand: bool) -> None:
    """In a mount namespace of its own, so that nothing stays mounted."""
    words = "generate balls4mass64 --train 300 --valid 0 --test 0 --out disk/x.h5 --workers 1"
    blind = "import shutil, collections; shutil.disk_usage = lambda _: collections.namedtuple('U', 'free')(1 << 60); "
    python = (
        f'{sys.executable} -c "{"" if known_beforehand else blind}from physbench.cli import main;'
        " main(prog_name='physbench')\""
    )
    script = (
        f"mkdir disk && mount -t tmpfs -o size=2m tmpfs disk || exit 77; {python} {words}; code=$?; ls -A disk; exit"
        " $code"
    )
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode in (1, 77):
        pytest.skip("mounting is not allowed here")
    assert ("MB free" if known_beforehand else "no space is left") in refusal(done.returncode, done.stderr)
    assert done.stdout == "", "something was left on the disk"


def test_an_error_of_the_disk_is_not_hidden(tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(DatasetJournal, "append", fail)
    with pytest.raises(OSError, match="Input/output"):
        generate(tiny.recipe, tmp_path / "x.h5")
    assert not (tmp_path / "x.h5").exists()
