"""Fixtures of a user's machine: physbench from its wheel, the package of this folder, and the command line."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
import sysconfig
import time
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
PACKAGE = HERE / "physbench-squares"


@dataclass(frozen=True)
class Machine:
    """An environment with both packages installed, and a folder to work in."""

    environment: Path
    folder: Path

    def run(self, *words: object, code: int = 0) -> subprocess.CompletedProcess[str]:
        """`physbench ...`, as a user types it; another exit code than expected fails the test."""
        done = self._start([self.environment / "bin" / "physbench", *words])
        assert done.returncode == code, f"physbench {' '.join(map(str, words))}\n{done.stdout}\n{done.stderr}"
        assert "Traceback" not in done.stderr
        return done

    def stop(self, *words: object, once: Callable[[], bool]) -> None:
        """Start a command, and end it by SIGTERM once something is true."""
        command = [str(word) for word in (self.environment / "bin" / "physbench", *words)]
        with subprocess.Popen(
            command, cwd=self.folder, env=self.settings, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as started:
            while not once() and started.poll() is None:
                time.sleep(0.02)
            started.terminate()

    def python(self, text: str) -> str:
        """What a program prints."""
        done = self._start([self.environment / "bin" / "python", "-c", text])
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _start(self, words: list[object]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*map(str, words)],
            cwd=self.folder,
            env=self.settings,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    @property
    def settings(self) -> dict[str, str]:
        """The variables of a shell in which nothing but the environment is known."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PHYSBENCH"))}
        return {**clean, "XDG_CACHE_HOME": str(self.folder / "cache"), "OMP_NUM_THREADS": "1", "COLUMNS": "120"}


@pytest.fixture(scope="session")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """Install both wheels into a fresh environment. Their dependencies are those of this one: nothing is downloaded."""
    folder = tmp_path_factory.mktemp("machine")
    environment, wheels = folder / "environment", folder / "wheels"
    venv.create(environment, with_pip=False)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    offline = ["--no-deps", "--no-index", "--no-build-isolation"]
    for source in (HERE.parents[1], PACKAGE):
        subprocess.run([*pip, "wheel", *offline, "--wheel-dir", wheels, source], check=True, timeout=300)
    python = environment / "bin" / "python"
    subprocess.run(
        [*pip, "--python", python, "install", "--no-compile", "--no-deps", "--no-index", *wheels.glob("*.whl")],
        check=True,
        timeout=300,
    )
    here = Path(sysconfig.get_path("purelib", vars={"base": str(environment)}))
    (here / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    (folder / "work").mkdir()
    return Machine(environment, folder / "work")


@dataclass(frozen=True)
class GeneratedFile:
    """A dataset file."""

    path: Path
    digest: str


def make(machine: Machine, dataset: str, name: str, *words: object) -> GeneratedFile:
    """Generate a small file of a dataset."""
    report = json.loads(machine.run("generate", dataset, "--out", name, "--json", *words).stdout)
    return GeneratedFile(machine.folder / name, report["content_sha256"])


SMALL = ("--train", 40, "--valid", 16, "--test", 24)


@pytest.fixture(scope="session")
def squares(machine: Machine) -> GeneratedFile:
    return make(machine, "squares", "squares.h5", *SMALL, "--workers", 1)


@pytest.fixture(scope="session")
def walk(machine: Machine) -> GeneratedFile:
    return make(machine, "walk", "walk.h5", *SMALL, "--workers", 1)
