"""Tests of the cache of compiled kernels: damaged files are dropped and compiled again, and never run."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
import numpy as np
from kernels_of_a_test import outer
print(outer(np.arange(5.0)), outer(np.arange(5)), len(outer.stats.cache_hits))
"""
KERNELS = """
from physbench_generators.compiled import kernel

@kernel
def inner(x):
    return x * x

@kernel
def outer(a):
    total = 0.5
    for i in range(len(a)):
        total += inner(a[i])
    return total
"""
COMPILED, LOADED = "30.5 30.5 0\n", "30.5 30.5 2\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "kernels_of_a_test.py").write_text(KERNELS)
    return tmp_path


def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """In a process of its own: damaged machine code can end it."""
    monkeypatch.setenv("PHYSBENCH_CACHE", str(folder / "cache"))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder)], capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def list_kept(folder: Path, pattern: str) -> list[Path]:
    return sorted((folder / "cache").rglob(pattern))


@pytest.mark.slow
def test_kernels_are_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(folder, monkeypatch) == COMPILED and list_kept(folder, "*.nbi") and list_kept(folder, "*.nbc")
    assert run(folder, monkeypatch) == LOADED


@pytest.fixture(scope="module")
def compiled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose kernels are compiled; every test that damages them leaves them whole."""
    folder = tmp_path_factory.mktemp("kept")
    (folder / "kernels_of_a_test.py").write_text(KERNELS)
    with pytest.MonkeyPatch.context() as monkeypatch:
        assert run(folder, monkeypatch) == COMPILED
    return folder


@pytest.mark.parametrize("pattern", ["*.nbi", "*.nbc"])
@pytest.mark.parametrize(
    "damage",
    [
        "a bit",
        *(
            pytest.param(damage, marks=pytest.mark.slow)
            for damage in (
                "cut off",
                "a pickle of another thing",
                "begins with others",
                "others within",
                "empty",
                "the code",
            )
        ),
    ],
)
def test_damaged_files_are_made_again(
    compiled_folder: Path, monkeypatch: pytest.MonkeyPatch, pattern: str, damage: str
) -> None:
    draw = random.Random(f"{pattern} {damage}")
    for path in list_kept(compiled_folder, pattern):
        content = bytearray(path.read_bytes())
        match damage:
            case "begins with others":
                content[:20] = draw.randbytes(20)
            case "others within":
                at = draw.randrange(len(content) - 20)
                content[at : at + 20] = draw.randbytes(20)
            case "cut off":
                del content[len(content) // 2 :]
            case "empty":
                content.clear()
            case "a bit":
                content[len(content) // 2] ^= 16
            case "the code":
                at = max(content.find(b"\x7fELF"), len(content) // 3)
                content[at + 16 : at + 16 + len(content) // 4] = bytes(len(content) // 4)
            case _:
                content[:] = b"\x80\x04N."
        path.write_bytes(content)
    assert run(compiled_folder, monkeypatch).startswith("30.5 30.5 ")
    assert run(compiled_folder, monkeypatch) == LOADED, "whole files were put in the place of damaged ones"


@pytest.mark.slow
def test_a_folder_in_the_place_of_a_file_stops_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(folder, monkeypatch)
    for path in list_kept(folder, "*.nb?"):
        path.unlink()
        path.mkdir()
    assert run(folder, monkeypatch) == COMPILED
    shutil.rmtree(folder / "cache")
    assert run(folder, monkeypatch) == COMPILED
