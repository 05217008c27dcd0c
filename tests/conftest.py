"""Fixtures for many tests: small dataset files that are made once, and the command line in this process or in another
one."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from physbench.cli import main
from physbench.generate import generate
from physbench.machine import count_cores
from physbench.recipe import Recipe
from tests.builders.datasets import MadeDataset, recipe_for
from tests.builders.interrupted_runs import COMMAND

if workers := os.environ.get("PYTEST_XDIST_WORKER_COUNT"):  # before anything imports torch
    os.environ.setdefault("OMP_NUM_THREADS", str(max(count_cores() // int(workers), 1)))


def _make(factory: pytest.TempPathFactory, word: str, recipe: Recipe) -> MadeDataset:
    return MadeDataset(generate(recipe, factory.mktemp(word) / f"{word}.h5", workers=2), recipe)


@pytest.fixture(scope="session")
def mass(tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    """Three splits of the dataset of the papers."""
    return _make(tmp_path_factory, "mass", recipe_for("balls4mass64", training=130, validation=4, test=6))


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    """Small sequences in three splits, the first of them more than one block of 256."""
    return _make(
        tmp_path_factory,
        "many",
        recipe_for(training=300, validation=40, test=70, frames=8, n=(4, 4), size=24, radius=2.0),
    )


@pytest.fixture(scope="session")
def curtain(tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    return _make(tmp_path_factory, "curtain", recipe_for("balls3curtain64", training=12, test=5))


@pytest.fixture(scope="session")
def colour(tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    return _make(tmp_path_factory, "colour", recipe_for(training=10, test=4, frames=21, colour=True))


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    """6, 7 or 8 balls: slots that stay empty."""
    return _make(tmp_path_factory, "crowd", recipe_for("balls678mass64", test=20))


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> MadeDataset:
    """A few kilobytes, much of them structure."""
    return _make(tmp_path_factory, "tiny", recipe_for(training=3, test=2, frames=6, n=(2, 2), size=16, radius=2.0))


@pytest.fixture(scope="session", autouse=True)
def _no_notices() -> Iterator[None]:
    """Whether kernels are compiled depends on what ran before: the command line in this process does not say so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("physbench.cli.root.listen", lambda _: nullcontext())
        yield


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[MadeDataset], Path]:
    """A copy that a test may spoil."""

    def copy(made: MadeDataset) -> Path:
        return Path(shutil.copy(made.path, tmp_path / made.path.name))

    return copy


@pytest.fixture
def cli() -> Callable[..., Result]:
    """The command line in this process; an exception that is not a refusal fails the test."""

    def run(*words: object) -> Result:
        result = CliRunner().invoke(main, [str(word) for word in words], prog_name="physbench")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="session")
def command() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command line in a process of its own."""

    def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
        )

    return run


@pytest.fixture(scope="session")
def recipe_of() -> Callable[..., Recipe]:
    return recipe_for


def refused_in_one_line(code: int, stderr: str) -> str:
    """The sentence of a refusal: exit code 2, one line, no traceback."""
    lines = stderr.strip().splitlines()
    assert code == 2, stderr
    assert len(lines) == 1 and lines[0].startswith("Error: "), stderr
    return lines[0]


@pytest.fixture(scope="session")
def refusal() -> Callable[[int, str], str]:
    return refused_in_one_line
