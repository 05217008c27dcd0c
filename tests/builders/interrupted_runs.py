"""`physbench generate` in another process that is stopped or killed, or whose disk fills up."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from physbench.storage.writer import workings_of

COMMAND = [sys.executable, "-m", "physbench"]

LONG = {"--train": 2560, "--valid": 40, "--test": 300, "--n": 3, "--size": 32, "--radius": 4, "--frames": 26}
LONG_WORDS = [str(word) for pair in LONG.items() for word in pair]


def start(path: Path, *words: str, wait_for: int = 0) -> subprocess.Popen[str]:
    """The command at work on a file, once its first `wait_for` bytes are in the journal."""
    process = subprocess.Popen(
        [*COMMAND, "generate", "balls", *LONG_WORDS, "--out", str(path), "--workers", "1", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    journal = workings_of(path) / "journal"
    deadline = time.monotonic() + 60
    while not (journal.exists() and journal.stat().st_size >= wait_for):
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.001)
    return process


def stored_bytes(directory: Path) -> tuple[int, int]:
    return (directory / "journal").stat().st_size, (directory / "data").stat().st_size


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """No file can grow beyond a size: a disk that fills up half-way, as far as a program can tell."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, usual[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
