"""Tests that a stopped run continues to the same bytes, whatever happened to its work folder."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.storage.writer import workings_of
from tests.builders.dataset_files import alone_in, digest
from tests.builders.interrupted_runs import start, stored_bytes


@pytest.mark.parametrize("seed", range(2))
def test_a_killed_run_goes_on_to_the_same_bytes(long: Any, tmp_path: Path, seed: int) -> None:
    path, moments = tmp_path / "killed.h5", random.Random(seed)
    reached = 0
    for _ in range(3):
        process = start(path, wait_for=reached + 1)
        time.sleep(moments.uniform(0.0, 0.15))
        process.kill()
        process.communicate()
        if path.exists():
            break
        reached = min(stored_bytes(workings_of(path))[0], 60_000)
    seen: list[Any] = []
    if not path.exists():
        generate(long.recipe, path, progress=seen.append)
        assert seen[0].resumed == seen[0].done
    assert digest(path) == digest(long.path)
    alone_in(tmp_path, path)


def resume(recipe: Recipe, half: Path, directory: Path, damage: Callable[[Path], None]) -> tuple[Path, int]:
    """The file made by going on from damaged workings, and how many sequences were found done."""
    path = directory / "resumed.h5"
    shutil.copytree(half, workings_of(path))
    damage(workings_of(path))
    seen: list[Any] = []
    generate(recipe, path, progress=seen.append)
    alone_in(directory, path)
    path = path.replace(directory / "kept.h5")
    return path, seen[0].resumed


def test_work_found_intact_is_not_done_again(long: Any, half: Path, tmp_path: Path) -> None:
    path, found = resume(long.recipe, half, tmp_path, lambda _: None)
    assert found >= long.recipe.sequences // 2
    assert digest(path) == digest(long.path)


@pytest.mark.parametrize("name", ["journal", "data"])
@pytest.mark.parametrize("seed", range(6))
def test_torn_workings_go_on_to_the_same_bytes(long: Any, half: Path, tmp_path: Path, name: str, seed: int) -> None:
    size = (half / name).stat().st_size
    cut = [0, 1, size - 1, *random.Random(seed).sample(range(size), 3)][seed]
    path, found = resume(long.recipe, half, tmp_path, lambda workings: os.truncate(workings / name, cut))
    assert digest(path) == digest(long.path)
    assert found < long.recipe.sequences


@pytest.mark.parametrize("name", ["journal", "data"])
@pytest.mark.parametrize("seed", range(4))
def test_flipped_bytes_in_the_workings_are_found(long: Any, half: Path, tmp_path: Path, name: str, seed: int) -> None:
    draw = random.Random(seed)

    def flip(workings: Path) -> None:
        stored = bytearray((workings / name).read_bytes())
        for _ in range(draw.choice([1, 5, 50])):
            stored[draw.randrange(len(stored) * 2 // 3, len(stored))] ^= draw.randrange(1, 256)
        (workings / name).write_bytes(stored)

    path, _ = resume(long.recipe, half, tmp_path, flip)
    assert digest(path) == digest(long.path)


@pytest.mark.parametrize("tail", [b"blk1", b"\0" * 100, b"blk1" + b"\xff" * 8, os.urandom(5000)])
def test_what_lies_after_the_last_record_is_dropped(long: Any, half: Path, tmp_path: Path, tail: bytes) -> None:
    def add(workings: Path) -> None:
        for name in ("journal", "data"):
            with (workings / name).open("ab") as file:
                file.write(tail)

    assert digest(resume(long.recipe, half, tmp_path, add)[0]) == digest(long.path)


@pytest.mark.slow
def test_control_c_says_how_to_go_on(long: Any, tmp_path: Path) -> None:
    for attempt in range(5):  # on a busy machine it may be done before anybody stops it
        path = tmp_path / f"stopped-{attempt}.h5"
        process = start(path, wait_for=20_000)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
        if not path.exists():
            break
    assert process.returncode == 130
    assert "Stopped at" in stderr and "same command goes on" in stderr and "Traceback" not in stderr
    assert not path.exists()
    assert digest(generate(long.recipe, path)) == digest(long.path)
