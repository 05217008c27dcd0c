"""Tests without PyTorch and safetensors installed: a command that needs them says so in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Refuse())
"""

WEIGHTS = Path(__file__).parent.parent / "baselines/physbench_baselines/checkpoints/conv3.safetensors"


def run(code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def run_command(words: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return run(f"from physbench.cli import main\nmain({words!r})", folder)


@pytest.mark.parametrize(
    "words",
    [
        ["eval", "r-nem", "--suite", "smoke"],
        ["eval", "conv3", "--suite", "smoke"],
        ["eval", "lstm", "--suite", "smoke"],
        ["eval", str(WEIGHTS), "--suite", "smoke"],
        ["eval", "rmr-mpnn.balls10", "--suite", "trajectories"],
        ["predict", "r-nem", "--suite", "smoke", "--out", "p.h5"],
        ["show", "--model", "r-nem", "--suite", "smoke"],
        ["train", "conv3", "--steps", "1", "--out", "run"],
        ["train", "dqn", "--steps", "10000", "--out", "run"],
        ["audit", "r-nem"],
        ["play", "space_invaders", "--policy", "dqn"],
    ],
    ids=lambda words: " ".join(words[:3]),
)
def test_a_command_names_the_package_and_the_extra(words: list[str], tmp_path: Path) -> None:
    done = run_command(words, tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ") and ("needs" in last or "the package safetensors" in last)
    assert last.endswith("pip install 'physbench[train]'")
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_model_in_python_names_them_too(tmp_path: Path) -> None:
    done = run("import physbench\nphysbench.evaluate('r-nem', suite='smoke', limit=1)", tmp_path)
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("physbench.errors.MissingPackage: ") and "pip install 'physbench[train]'" in last


@pytest.mark.parametrize("words", [["list", "models"], ["eval", "copy", "--suite", "smoke", "--limit", "2"]], ids=str)
def test_what_needs_no_network_goes_on(words: list[str], tmp_path: Path) -> None:
    done = run_command(words, tmp_path)
    assert done.returncode == 0, done.stderr
