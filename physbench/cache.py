"""The one directory that physbench keeps for itself: compiled kernels, what unfinished evaluations have found, and test
data that are slow to make.

All of it can be made again.
"""

import contextlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

LIMIT = 1 << 28
"""Bytes that unfinished evaluations may hold together; the oldest go first."""

DATA_LIMIT = 1 << 35
"""Bytes that test data may hold together."""

ROOMS = {"numba": "compiled kernels", "evaluations": "unfinished evaluations", "data": "test data, slow to make"}


@dataclass(frozen=True)
class Room:
    name: str
    about: str
    path: Path
    entries: int
    bytes: int


def directory() -> Path:
    """PHYSBENCH_CACHE, or where the system keeps such things."""
    if own := os.environ.get("PHYSBENCH_CACHE"):
        return Path(own)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local"
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "physbench"


def rooms() -> list[Room]:
    """What is kept, and how much of it."""
    found = [(name, about, directory() / name) for name, about in ROOMS.items()]
    return [
        Room(name, about, path, len(list(path.iterdir())) if path.is_dir() else 0, _bytes(path))
        for name, about, path in found
    ]


def clear() -> int:
    """Remove everything that is kept, and nothing else; the bytes that were freed."""
    freed = sum(room.bytes for room in rooms())
    for name in ROOMS:
        shutil.rmtree(directory() / name, ignore_errors=True)
    return freed


def make_room(folder: Path, limit: int) -> None:
    """Remove the oldest entries of a room until it holds so many bytes at most."""
    entries = [entry for entry in folder.iterdir() if entry.is_dir()] if folder.is_dir() else []
    sizes = {entry: _bytes(entry) for entry in entries}
    for entry in sorted(entries, key=_time_of_change):
        if sum(sizes.values()) <= limit:
            return
        shutil.rmtree(entry, ignore_errors=True)
        del sizes[entry]


def _bytes(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        with contextlib.suppress(FileNotFoundError):  # another process has finished
            total += path.stat().st_size if path.is_file() else 0
    return total


def _time_of_change(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
