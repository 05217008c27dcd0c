"""HDF5 files that are written completely or not at all: under another name and a lock, and renamed at the end."""
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
    """Open a new HDF5 file for writing. If anything goes wrong, an older file of this name stays as it was."""
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
    """Turn the errors that h5py and the system raise, such as for a full disk, into a sentence for the user."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).splitlines() or [type(error).__name__]
        raise StorageError(f"{path} cannot be written: {reason[0]}") from None


def lock_beside(path: Path) -> BinaryIO:
    """Open and lock a file, so that only one process at a time writes it.

    The lock ends with the process, however that ends, and the next process takes over what it left.
    """
    file = path.open("ab")
    if not try_lock(file):
        file.close()
        raise StorageError(f"another process is writing {path}: wait for it, or give another name")
    return file


def require_free(path: Path, overwrite: bool) -> None:
    """Refuse a path that cannot be written, or that exists already unless it may be overwritten."""
    require_folder_for(path)
    require_replaceable(path)
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already: use --overwrite to replace it, or another --out")
