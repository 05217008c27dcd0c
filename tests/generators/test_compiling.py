"""Tests of compiling: a command says when it compiles, and a kernel is compiled as rarely as possible."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

NOTICE = re.compile(r"compiling kernels that this command needs: once for this installation, about \d+ s")
COMMAND = "generate balls --n 1 --size 16 --radius 2 --frames 3 --train 1 --valid 0 --test 0 --overwrite --out"
KERNELS = """
import gc, json, sys
from contextlib import nullcontext
from pathlib import Path
from physbench.compiler import Compiler
from physbench.notices import listen

kernel = Compiler([Path(__file__)], seconds=7)

@kernel
def increase(x, by):
    return x + by

@kernel
def count(n):
    total = 0
    for i in range(n):
        total = increase(increase(total, 1), i)
    return total

heard = []
if "off" in sys.argv:
    gc.disable()
with listen(heard.append) if "listen" in sys.argv else nullcontext():
    results = [count(4), increase(0.5, 1)]
report = {"results": results, "heard": heard, "compiled": len(count.stats.cache_misses), "inner": len(increase.signatures), "gc": gc.isenabled()}
Path("report.json").write_text(json.dumps(report))
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Of a user who has just installed physbench."""
    return {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"} | {
        "PHYSBENCH_CACHE": str(tmp_path / "cache")
    }


def run(folder: Path, environment: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=True
    )


def run_kernels(folder: Path, environment: dict[str, str], *words: str) -> dict[str, object]:
    """What a script with two kernels reports; it must print nothing."""
    (folder / "kernels_of_a_test.py").write_text(KERNELS)
    done = run(folder, environment, "kernels_of_a_test.py", *words)
    assert (done.stdout, done.stderr) == ("", "")
    report: dict[str, object] = json.loads((folder / "report.json").read_text())
    assert report["results"] == [10, 1.5]
    return report


@pytest.mark.slow
def test_a_command_says_once_that_it_compiles_and_nothing_when_it_need_not(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    words = ("-m", "physbench", *COMMAND.split(), "x.h5")
    first, second = run(tmp_path, environment, *words), run(tmp_path, environment, *words)
    notices = [line for line in first.stderr.splitlines() if "compiling" in line]
    assert len(notices) == 1 and NOTICE.fullmatch(notices[0])
    assert first.stderr.startswith(notices[0]), "it comes before any progress"
    assert "compiling" not in second.stderr
    assert "compiling" not in first.stdout and first.stdout == second.stdout


@pytest.mark.slow
def test_python_hears_of_it_when_it_listens_and_prints_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    assert run_kernels(tmp_path, environment, "listen")["heard"] == [
        "compiling kernels that this command needs: once for this installation, about 7 s"
    ]
    assert run_kernels(tmp_path, environment, "listen")["heard"] == [], "the machine code is there"


def test_python_that_does_not_listen_prints_nothing(tmp_path: Path, environment: dict[str, str]) -> None:
    report = run_kernels(tmp_path, environment)
    assert report["compiled"] == 1 and report["heard"] == []


def test_a_kernel_is_not_compiled_anew_for_a_constant(tmp_path: Path, environment: dict[str, str]) -> None:
    """Called with (0, 1), (total, i) and (0.5, 1), that is with two combinations of types."""
    assert run_kernels(tmp_path, environment)["inner"] == 2


@pytest.mark.parametrize(("word", "enabled"), [("on", True), ("off", False)])
def test_the_garbage_collector_is_left_as_it_was(
    tmp_path: Path, environment: dict[str, str], word: str, enabled: bool
) -> None:
    assert run_kernels(tmp_path, environment, word)["gc"] is enabled
