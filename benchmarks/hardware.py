"""The machine on which the benchmarks run, and the best speed that it can reach."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
import zlib
from importlib.metadata import version
from pathlib import Path

import h5py
import numpy as np

from benchmarks.report import Table

COPIED = 1 << 28
WRITTEN = 1 << 28
TRIES = 5


def table(scratch: Path) -> Table:
    """Measure the machine, and return the table."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba", "h5py", "isal", "deflate", "pymunk"))
    return Table(
        "The machine",
        ("", ""),
        [
            ("processor", f"{processor()}, {cores()} cores for this process"),
            ("memory copied by one thread", f"{copied_per_second() / 1e9:.1f} GB/s"),
            ("written to disk, with fsync", f"{written_per_second(scratch) / 1e6:,.0f} MB/s"),
            ("load before the run (1, 5, 15 minutes)", load()),
            ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
            ("packages", f"{packages}; HDF5 {h5py.version.hdf5_version}, zlib {zlib.ZLIB_RUNTIME_VERSION}"),
            ("commit", commit()),
        ],
    )


def copied_per_second() -> float:
    """Return how many bytes are copied per second between memory pages that exist already."""
    source, target = np.ones(COPIED, np.uint8), np.ones(COPIED, np.uint8)
    seconds: list[float] = []
    for _ in range(TRIES):
        began = time.perf_counter()
        np.copyto(target, source)
        seconds.append(time.perf_counter() - began)
    return COPIED / min(seconds)


def written_per_second(scratch: Path) -> float:
    """Return how many bytes are written to disk per second, including fsync."""
    path, noise = scratch / "written", np.random.default_rng(0).bytes(WRITTEN)
    seconds: list[float] = []
    for _ in range(TRIES):
        began = time.perf_counter()
        with path.open("wb") as file:
            file.write(noise)
            file.flush()
            os.fsync(file.fileno())
        seconds.append(time.perf_counter() - began)
    path.unlink()
    return WRITTEN / sorted(seconds)[TRIES // 2]


def processor() -> str:
    """Return the name of the processor."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family', '?')}, model {facts.get('model', '?')})"


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def load() -> str:
    """Return the load averages of the machine."""
    return " ".join(f"{value:.2f}" for value in os.getloadavg())


def commit() -> str:
    """Return the commit of the code that is measured."""

    def git(*words: str) -> str:
        return subprocess.run(
            ["git", *words], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False
        ).stdout.strip()

    changes = (
        ", and changes not committed"
        if git("status", "--porcelain", "--", "physbench", "generators", "benchmarks")
        else ""
    )
    return (git("rev-parse", "--short", "HEAD") or "unknown") + changes
