"""Ways to spoil a good dataset file. Each of them takes its path."""

from __future__ import annotations

import io
import os
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from physbench.storage.hdf5 import Chunked, Contiguous, Dataset, Group, skeleton
from tests.oracles.contract import AXES

Spoil = Callable[[Path], None]
TRUE_ZEROS = zlib.compress(bytes(6 * 16 * 16))


def scribble(data: bytes) -> Spoil:
    return lambda path: path.write_bytes(data) and None


def change_with(change: Callable[[h5py.File], object]) -> Spoil:
    """A good file, changed through libhdf5."""

    def spoil(path: Path) -> None:
        with h5py.File(path, "r+") as file:
            change(file)

    return spoil


def array_instead(path: str, **more: Any) -> Spoil:
    """An array of a good file, stored differently."""

    def change(file: h5py.File) -> None:
        old = file[path]
        given = {"data": old[()], "dtype": old.dtype, "chunks": old.chunks, **more}
        if old.compression and "compression" not in more:
            given |= {"compression": "gzip", "compression_opts": 1}
        if "shape" in given:
            del given["data"]
        del file[path]
        file.create_dataset(path, **given)

    return change_with(change)


def attribute(name: str, value: Any, owner: str = "/", **more: Any) -> Spoil:
    def change(file: h5py.File) -> None:
        del file[owner].attrs[name]
        file[owner].attrs.create(name, value, **more)

    return change_with(change)


def rename(old: str, new: str) -> Spoil:
    return change_with(lambda file: file.move(old, new))


def link_to(path: str, link: Callable[[h5py.File], Any]) -> Spoil:
    def change(file: h5py.File) -> None:
        target = link(file)
        if path in file:
            del file[path]
        file[path] = target

    return change_with(change)


def in_another_file(path: Path) -> None:
    secret = path.with_name("secret")
    secret.write_bytes(bytes(range(256)) * 4)
    with h5py.File(path, "r+") as file:
        shape = file["training/radius"].shape
        del file["training/radius"]
        file.create_dataset("training/radius", shape, "<f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File) -> None:
    shape = file["training/mass"].shape
    layout = h5py.VirtualLayout(shape, "<f4")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", shape)
    del file["training/mass"]
    file.create_virtual_dataset("training/mass", layout)


def terabytes(file: h5py.File) -> None:
    """Every array as long as the others, none of it stored."""
    many = 10**8
    for path, (dtype, axes) in AXES.items():
        shape = tuple(
            int(axis)
            if axis.isdigit()
            else {"T": 6, "N": many, "O": many + 1, "H": 16, "W": 16, "C": 1, "K": 2, "M": many}[axis]
            for axis in axes
        )
        del file["training/" + path]
        chunk = tuple(min(256, length) if axis == "N" else length for axis, length in zip(axes, shape, strict=True))
        if path in ("features", "groups", "collisions"):
            file.create_dataset(
                "training/" + path, shape, dtype, chunks=(6, 1, 16, 16, 1), compression="gzip", compression_opts=1
            )
        else:
            file.create_dataset("training/" + path, shape, dtype, chunks=None if path.startswith("events") else chunk)


def same_bytes_for_all(path: Path) -> None:
    """A chunk index in which 100,000 chunks are the same few bytes."""
    with h5py.File(path) as file:
        attributes = {
            name: int(value) if name == "format_version" else str(value) for name, value in file.attrs.items()
        }
    many = 100_000
    data = bytearray(2048)
    stream = zlib.compress(bytes(6 * 16 * 16), 1)
    lengths = {"T": 6, "N": many, "O": many + 1, "H": 16, "W": 16, "C": 1, "K": 2, "M": 0}
    data += stream + bytes(-len(stream) % 8) + bytes(40_000)
    arrays: dict[str, Dataset] = {}
    for name, (code, axes) in AXES.items():
        dtype, shape = np.dtype("<" + code), tuple(int(axis) if axis.isdigit() else lengths[axis] for axis in axes)
        if name.startswith("events/"):
            storage: Any = Contiguous(len(data))
            data += bytes(int(np.prod(shape)) * dtype.itemsize)
            data += bytes(-len(data) % 8)
        else:
            pixels = name in ("features", "groups", "collisions")
            step = 1 if pixels else 256
            chunk = tuple(step if axis == "N" else length for axis, length in zip(axes, shape, strict=True))
            count = -(-many // step)
            size = len(stream) if pixels else int(np.prod(chunk)) * dtype.itemsize
            storage = Chunked(
                chunk, np.full(count, 2048, np.uint64), np.full(count, size, np.uint32), 1 if pixels else None
            )
        arrays[name] = Dataset(dtype, shape, storage)
    events = Group(
        {name.removeprefix("events/"): array for name, array in arrays.items() if name.startswith("events/")}
    )
    split = Group(
        {**{name: array for name, array in arrays.items() if "/" not in name}, "events": events},
        {"content_sha256": "0" * 64},
    )
    superblock, body = skeleton(Group({"training": split}, attributes), len(data))
    data[: len(superblock)] = superblock
    path.write_bytes(data + body)


def zip_bytes() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("balls.h5", b"x" * 1000)
    return buffer.getvalue()


def truncate(share: float) -> Spoil:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def a_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def three_byte_float(file: h5py.File) -> h5py.Dataset:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(23, 16, 7, 0, 16)
    kind.set_size(3)
    space = h5py.h5s.create_simple((3, 2))
    return h5py.Dataset(h5py.h5d.create(file.id, None, kind, space))


def wide_integer(file: h5py.File) -> h5py.Dataset:
    kind = h5py.h5t.STD_U8LE.copy()
    kind.set_size(33)
    kind.set_precision(33 * 8)
    return h5py.Dataset(h5py.h5d.create(file.id, None, kind, h5py.h5s.create_simple((3,))))


def chunk_written(name: str, data: bytes, mask: int = 0) -> Spoil:
    return change_with(lambda file: file[name].id.write_direct_chunk((0,) * file[name].ndim, data, filter_mask=mask))
