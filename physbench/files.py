"""Access to local files: they are read up to a maximum size, and written completely or not at all."""

import os
import secrets
import shutil
import stat
from pathlib import Path
from typing import BinaryIO

from physbench.errors import HostileFile, StorageError

READ = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
"""Flags for opening a file. If a pipe has just taken the place of the file, opening it does not block."""


def require_regular_file(path: Path, most_bytes: int | None = None) -> int:
    """Refuse a path that is missing, not a regular file, or too large; return the size of the file.

    A pipe or a device might never come to an end.
    """
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise StorageError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be read: {_reason(error)}") from None
    _require(about, path, most_bytes)
    return about.st_size


def open_regular_file(path: Path, most_bytes: int | None = None) -> BinaryIO:
    """Open a file for reading, if it is a regular file and not too large."""
    require_regular_file(path, most_bytes)  # checked before it is opened, because opening a pipe affects its other end
    try:
        handle = os.open(path, READ)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {_reason(error)}") from None
    file = os.fdopen(handle, "rb")
    try:
        _require(os.fstat(handle), path, most_bytes)
    except StorageError:
        file.close()
        raise
    return file


def read_regular_file(path: Path, most_bytes: int) -> bytes:
    """Read a whole file of at most so many bytes."""
    with open_regular_file(path, most_bytes) as file:
        try:
            content = file.read(most_bytes + 1)
        except OSError as error:
            raise StorageError(f"{path} cannot be read: {_reason(error)}") from None
    if len(content) > most_bytes:
        raise HostileFile(f"{path} has more than {most_bytes:,} bytes, which is too many to be read")
    return content


def require_writable(path: Path) -> None:
    """Refuse a path that cannot be written; called before hours of work."""
    require_folder_for(path)
    require_replaceable(path)
    beside = _beside(path)
    try:
        beside.open("xb").close()
        beside.unlink()
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {_reason(error)}") from None


def require_replaceable(path: Path) -> None:
    """Refuse a path that is a folder, a pipe, a device, or a write-protected file."""
    try:
        about = path.stat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise StorageError(f"{path} cannot be written: {_reason(error)}") from None
    if not stat.S_ISREG(about.st_mode):
        kind = "a folder" if stat.S_ISDIR(about.st_mode) else "a pipe, a socket or a device"
        raise StorageError(f"{path} cannot be written: it is {kind}, not a file")
    if not os.access(path, os.W_OK):
        raise StorageError(f"{path} cannot be written: it is write-protected")


def require_folder_for(path: Path) -> None:
    """Refuse a path whose folder does not exist."""
    if not path.absolute().parent.is_dir():
        raise StorageError(f"there is no folder {path.absolute().parent} to write {path.name} into")


def write_whole(path: Path, content: bytes | str) -> None:
    """Write a file completely or not at all, replacing what was there.

    If an error occurs, the old file stays as it was, and the error names the file.
    """
    require_replaceable(path)
    beside = _beside(path)
    try:
        try:
            with beside.open("xb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            if (there := path.resolve()).exists():
                shutil.copymode(there, beside)
            publish(beside, there)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {_reason(error)}") from None


def publish(partial: Path, path: Path) -> None:
    """Give a complete file its final name, so that it survives a power cut where the system allows that."""
    os.replace(partial, path)
    if os.name != "posix":
        return
    handle = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require(about: os.stat_result, path: Path, most_bytes: int | None) -> None:
    if stat.S_ISDIR(about.st_mode):
        raise StorageError(f"{path} is not a file: it is a folder")
    if not stat.S_ISREG(about.st_mode):
        raise StorageError(f"{path} is not a file: it is a pipe, a socket or a device, which may never end")
    if most_bytes is not None and about.st_size > most_bytes:
        raise HostileFile(f"{path} has {about.st_size:,} bytes, and at most {most_bytes:,} are read")


def _beside(path: Path) -> Path:
    """Return an unused name in the same folder. A symbolic link is followed, so that it remains a link."""
    target = path.resolve()
    return target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")


def _reason(error: OSError | ValueError) -> str:
    return getattr(error, "strerror", None) or str(error)
