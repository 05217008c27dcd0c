"""Tests of files: they are read within bounds and written completely, and one process at a time works in a folder."""

from __future__ import annotations

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import physbench
import physbench.lock
from physbench.errors import HostileFile, PhysbenchError, StorageError
from physbench.files import open_regular_file, read_regular_file, require_regular_file, require_writable, write_whole
from physbench.lock import LOCK, hold_lock
from physbench.storage.predictions_file import PredictionsHeader, PredictionsWriter
from tests.builders.datasets import recipe_for


@pytest.fixture(
    params=[
        "a pipe",
        "a device",
        "a socket",
        "a folder",
        "a link to a pipe",
        "nothing",
        "a dangling link",
        "below a file",
        "a link to itself",
    ]
)
def irregular(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "x"
    match request.param:
        case "a pipe":
            os.mkfifo(path)
        case "a device":
            path = Path("/dev/zero")
        case "a socket":
            with socket.socket(socket.AF_UNIX) as end:
                end.bind(str(path))
        case "a folder":
            path.mkdir()
        case "a link to a pipe":
            os.mkfifo(tmp_path / "y")
            path.symlink_to("y")
        case "a dangling link":
            path.symlink_to("y")
        case "below a file":
            (tmp_path / "y").touch()
            path = tmp_path / "y" / "x"
        case "a link to itself":
            path.symlink_to("x")
        case _:
            pass
    yield path


def test_a_file_that_is_not_regular_is_refused_and_not_waited_for(irregular: Path) -> None:
    for read in (require_regular_file, open_regular_file, lambda path: read_regular_file(path, 10)):
        with pytest.raises(StorageError, match=rf"{irregular}"):
            read(irregular)


def test_a_file_is_read_up_to_its_bound_and_not_beyond(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    assert (
        read_regular_file(path, 10) == b"0123456789"
        and require_regular_file(path) == require_regular_file(path, 10) == 10
    )
    for read in (require_regular_file, open_regular_file, read_regular_file):
        with pytest.raises(HostileFile, match="x has 10 bytes, and at most 9 are read"):
            read(path, 9)


def test_a_file_that_says_it_is_empty_and_is_not_is_read_up_to_the_bound() -> None:
    endless = Path("/proc/self/environ")  # its size is told as 0
    if not endless.exists():
        pytest.skip("there is no such file on this system")
    with pytest.raises(HostileFile, match="more than 3 bytes"):
        read_regular_file(endless, 3)


def test_what_is_written_is_there_and_nothing_else(tmp_path: Path) -> None:
    for content in (b"one", "zwei ü", b""):
        write_whole(tmp_path / "x", content)
        assert (tmp_path / "x").read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert os.listdir(tmp_path) == ["x"]


def test_a_file_that_is_replaced_keeps_who_may_read_it(tmp_path: Path) -> None:
    write_whole(tmp_path / "x", b"first")
    (tmp_path / "x").chmod(0o640)
    write_whole(tmp_path / "x", b"second")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == 0o640


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to("elsewhere/x")
    for content in (b"first", b"second"):
        write_whole(tmp_path / "link", content)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "elsewhere" / "x").read_bytes() == content


def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path) -> None:
    """Of a pipe alone: a device that were replaced would be missed by everybody."""
    pipe, folder = tmp_path / "pipe.h5", tmp_path / "folder"
    os.mkfifo(pipe)
    folder.mkdir()
    header = PredictionsHeader(
        suite="balls", suite_version=1, size="lite", sequences=1, model="me", seed=0, likelihood="bernoulli"
    )
    for path in (pipe, folder):
        for write in (
            require_writable,
            lambda path: write_whole(path, b"text"),
            lambda path: physbench.generate(recipe_for(test=2), path, overwrite=True),
            lambda path: PredictionsWriter(path, header, overwrite=True).__enter__(),
        ):
            with pytest.raises(StorageError, match=f"{path}( cannot be written: it is| is a folder)"):
                write(path)
    assert pipe.is_fifo() and sorted(os.listdir(tmp_path)) == ["folder", "pipe.h5"] and os.listdir(folder) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """With room for 64 KiB, where this process may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], capture_output=True, check=False
    ).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_on_a_full_disk_the_old_file_stays_and_nothing_is_left_behind(small_disk: Path) -> None:
    write_whole(small_disk / "x", b"old")
    for name in ("x", "new"):
        with pytest.raises(StorageError, match=rf"{name} cannot be written: {os.strerror(errno.ENOSPC)}"):
            write_whole(small_disk / name, bytes(1 << 20))
    assert os.listdir(small_disk) == ["x"] and (small_disk / "x").read_bytes() == b"old"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_whatever_fails_the_old_file_stays_and_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*given: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    (tmp_path / "x").write_bytes(b"old")
    with monkeypatch.context() as broken:
        broken.setattr(os, step, fail)
        with pytest.raises(StorageError, match=f"x cannot be written: {os.strerror(errno.EIO)}"):
            write_whole(tmp_path / "x", b"new")
    assert os.listdir(tmp_path) == ["x"] and (tmp_path / "x").read_bytes() == b"old"


def test_what_could_not_be_written_is_said_beforehand(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="there is no folder .*nowhere"):
        require_writable(tmp_path / "nowhere" / "x")
    require_writable(tmp_path / "x")
    assert os.listdir(tmp_path) == [], "it is only asked"
    (tmp_path / "x").write_bytes(b"old")
    require_writable(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"old"


HOLD = """
import sys, time, pathlib
from physbench.lock import hold_lock
with hold_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "held\n"
    return process


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        with pytest.raises(PhysbenchError, match="another process is at work in"), hold_lock(tmp_path, patience=0):
            pass
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with hold_lock(tmp_path, patience=0):
        assert os.listdir(tmp_path) == []


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(OSError), hold_lock(tmp_path / "nowhere"):
        pass


@pytest.mark.parametrize("system", ["a folder can be locked", "only a file can", "no locks but files"])
def test_only_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str) -> None:
    if system == "no locks but files":
        monkeypatch.setattr(physbench.lock, "fcntl", None)
    elif system == "only a file can":
        monkeypatch.setattr(physbench.lock, "fcntl", OfFilesAlone)
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with hold_lock(tmp_path):
                inside += 1
                most = max(most, inside)
                paused.wait(0.002)
                inside -= 1

    paused = threading.Event()
    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1 and os.listdir(tmp_path) == ([LOCK] if system == "only a file can" else [])


class OfFilesAlone:
    """flock, as NFS has it."""

    import fcntl as _real

    LOCK_EX, LOCK_NB = _real.LOCK_EX, _real.LOCK_NB

    @classmethod
    def flock(cls, handle: int, operation: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        cls._real.flock(handle, operation)
