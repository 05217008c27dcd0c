"""The cache folder of physbench: compiled kernels, the results of unfinished evaluations, and test data that are
slow to make.

Everything in it can be made again.
"""

import contextlib
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

LIMIT = 1 << 28
"""The most bytes that all unfinished evaluations may take together; the oldest are removed first."""

DATA_LIMIT = 1 << 35
"""The most bytes that all test data may take together."""

ROOMS = {"numba": "compiled kernels", "evaluations": "unfinished evaluations", "data": "test data, slow to make"}


@dataclass(frozen=True)
class Room:
    """A folder of the cache folder, and how much it holds."""

    name: str
    about: str
    path: Path
    entries: int
    bytes: int


def directory() -> Path:
    """Return the cache folder: PHYSBENCH_CACHE if that is set, else the usual place of the operating system."""
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
    """List the folders of the cache folder, and how much each holds."""
    found = [(name, about, directory() / name) for name, about in ROOMS.items()]
    return [
        Room(name, about, path, len(list(path.iterdir())) if path.is_dir() else 0, _bytes(path))
        for name, about, path in found
    ]


def clear() -> int:
    """Remove everything in the cache, and nothing else; return how many bytes were freed."""
    freed = sum(room.bytes for room in rooms())
    for name in ROOMS:
        shutil.rmtree(directory() / name, ignore_errors=True)
    return freed


def make_room(folder: Path, limit: int) -> None:
    """Remove the oldest entries of a folder until it holds at most `limit` bytes."""
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
        with contextlib.suppress(FileNotFoundError):  # another process has removed the file
            total += path.stat().st_size if path.is_file() else 0
    return total


def _time_of_change(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0
