"""An HDF5 file that is whole or absent: written beside its name, under a lock, and given the name at the end."""
# h5py has no types
# pyright: basic

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import h5py

from physbench.errors import StorageError
from physbench.files import publish, require_folder_for, require_replaceable
from physbench.lock import try_lock


@contextlib.contextmanager
def write_whole_hdf5(path: Path, *, overwrite: bool = False) -> Iterator[h5py.File]:
    """Open a new HDF5 file for writing. Whatever goes wrong, what was under its name stays as it was."""
    require_free(path, overwrite)
    partial = path.with_name(path.name + ".partial")
    with refused_in_words(path), lock_beside(partial) as lock:
        try:
            with h5py.File(partial, "w", locking=False) as file:
                yield file
            os.fsync(lock.fileno())
            require_free(path, overwrite)
            publish(partial, path)
        finally:
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def refused_in_words(path: Path) -> Iterator[None]:
    """Say of whatever h5py raises of a full disk, or the system of a folder, that the file cannot be written."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).splitlines() or [type(error).__name__]
        raise StorageError(f"{path} cannot be written: {reason[0]}") from None


def lock_beside(path: Path) -> BinaryIO:
    """Let one process at a time write.

    The lock goes with the process, however it ends, and the next one takes over what it left.
    """
    file = path.open("ab")
    if not try_lock(file):
        file.close()
        raise StorageError(f"another process is writing {path}: wait for it, or give another name")
    return file


def require_free(path: Path, overwrite: bool) -> None:
    require_folder_for(path)
    require_replaceable(path)
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already: use --overwrite to replace it, or another --out")
