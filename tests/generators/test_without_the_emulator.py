"""Tests without ale-py installed: everything except its games works, and its datasets can still be described."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


def run(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"""
import importlib.metadata, importlib.util, sys
real_version, real_spec = importlib.metadata.version, importlib.util.find_spec

def version(name):
    if name == "ale-py":
        raise importlib.metadata.PackageNotFoundError(name)
    return real_version(name)

def find_spec(name, package=None):
    return None if name.partition(".")[0] == "ale_py" else real_spec(name, package)

importlib.metadata.version, importlib.util.find_spec = version, find_spec
sys.modules["ale_py"] = None  # an import of it fails
from physbench.cli import main
main({words!r})
"""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.parametrize(
    "words",
    [["list"], ["list", "suites"], ["list", "models"], ["leaderboard", "show", "--suite", "balls"]],
    ids=" ".join,
)
def test_what_needs_no_game_goes_on(words: list[str], tmp_path: Path) -> None:
    done = run(words, tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_game_says_what_is_missing(tmp_path: Path) -> None:
    done = run(["show", "invaders84"], tmp_path)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "pip install 'physbench[atari]'" in done.stderr
