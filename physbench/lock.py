"""Locks that let one process at a time work in a folder or on a file.

A lock ends with its process, so a killed process leaves none behind.
"""

import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from physbench.errors import StorageError

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None

PATIENCE = 120.0
"""Seconds that a process waits for others."""

PAUSE = 0.02
"""Seconds between two attempts."""

LOCK = ".lock"
"""The name of the file that is locked where folders cannot be locked."""


def try_lock(file: BinaryIO | int) -> bool:
    """Lock an open file against other processes until it is closed; return whether that worked.

    On systems without such locks the answer is always True.
    """
    try:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def hold_lock(folder: Path, patience: float = PATIENCE) -> Generator[None]:
    """Wait until no other process holds the lock of a folder, and hold it while the work inside goes on."""
    until = time.monotonic() + patience
    while (handle := _lock_file(folder) if fcntl is None else _lock_folder(folder)) is None:
        if time.monotonic() >= until:
            left = f", or remove {folder / LOCK} if there is none" if fcntl is None else ""
            raise StorageError(f"another process is at work in {folder}: wait for it{left}")
        time.sleep(PAUSE)
    try:
        yield
    finally:
        if fcntl is None and not hasattr(os, "O_TEMPORARY"):
            (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)


def _lock_folder(folder: Path) -> int | None:
    """Return the open handle that holds the lock, or None while another process has it."""
    for place, flags in (
        (folder, os.O_RDONLY),
        (folder / LOCK, os.O_RDWR | os.O_CREAT),
    ):  # a folder on NFS cannot be locked itself
        handle = os.open(place, flags)
        try:
            if try_lock(handle):
                return handle
            os.close(handle)
            return None
        except OSError as error:
            os.close(handle)
            said = error.strerror
    raise StorageError(f"{folder} cannot be locked against other processes: {said}")


def _lock_file(folder: Path) -> int | None:
    """Lock a folder by creating a file that only one process can create. Windows removes it when the process ends."""
    try:
        return os.open(folder / LOCK, os.O_CREAT | os.O_EXCL | os.O_RDWR | getattr(os, "O_TEMPORARY", 0))
    except (FileExistsError, PermissionError):
        return None
