"""A safe reader for HDF5 files that another program wrote. It gives arrays by their names, whatever their layout.

The HDF5 library is only asked where the bytes are. They are read and decoded here, so that no stream can claim too much
memory, no filter can be loaded and no other file can be opened. All reasonable choices of a program are accepted: any
chunks or none, gzip or not, shuffled or not, either byte order. An array must be complete: parts that were never
written are refused, and not read as zeros.
"""

# h5py has no types
# pyright: basic, reportAttributeAccessIssue=false

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from h5py import h5o
from numpy.typing import NDArray

from physbench.errors import DamagedFile, HostileFile, StorageError
from physbench.recipe import MAX_CHUNK
from physbench.storage.admit import (
    dataset_in,
    group_in,
    members_of,
    open_hdf5,
    require_hard_link,
    require_own_storage,
    require_single,
)
from physbench.storage.chunks import address_of, chunk_table
from physbench.storage.codec import DEFLATE, MOST_DEFLATED, SHUFFLE, undone
from physbench.storage.heaps import require_sound_heaps

AT_ONCE = 1 << 30
"""The most bytes of an array that are read at once."""

KEPT = 1 << 28
"""The most bytes of decoded chunks that are kept for the next read."""

MOST_CHUNKS = 1 << 22
MOST_TEXT = 1 << 20
MOST_NAMES = 4096
DEEPEST = 8

NAMES_OF_FILTERS = {DEFLATE: "gzip", SHUFFLE: "shuffle", 3: "fletcher32", 32000: "lzf"}
TYPES = frozenset(np.dtype(code) for code in ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"))


class Foreign:
    """An HDF5 file of unknown origin. The file is only open while something is read from it."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._sound = False
        with open_hdf5(self.path):
            pass

    def attribute(self, name: str) -> str | int | float | None:
        """Return an attribute of the file, a text or a number; None if there is none of this name."""
        with open_hdf5(self.path) as file:
            if not h5py.h5a.exists(file.id, name.encode()):
                return None
            where = f"{self.path}: the attribute {name!r}"
            kind = require_single(
                file, name, where, most=MOST_TEXT, kinds=(h5py.h5t.STRING, h5py.h5t.INTEGER, h5py.h5t.FLOAT)
            )
            if kind.get_class() == h5py.h5t.STRING and kind.is_variable_str() and not self._sound:
                require_sound_heaps(self.path)
                self._sound = True
            value: Any = file.attrs[name]
        if isinstance(value, bytes):
            value = value.decode(errors="replace")
        if not isinstance(value, str):
            return int(value) if isinstance(value, (int, np.integer)) else float(value)
        if len(value) > MOST_TEXT:
            raise HostileFile(f"{where} is a text of {len(value):,} characters; at most {MOST_TEXT:,} are read")
        return value

    def names(self) -> list[str]:
        """List all arrays with their groups, such as `test/features`.

        Links are refused, and so is anything that is in two places.
        """
        with open_hdf5(self.path) as file:
            return sorted(self._names(file.id, "", set()))

    def _names(self, group: Any, prefix: str, seen: set[int]) -> Iterator[str]:
        where = f"{self.path}: {prefix.rstrip('/') or 'the root'}"
        if prefix.count("/") > DEEPEST:
            raise HostileFile(f"{where} lies deeper than {DEEPEST} groups")
        for name in members_of(group, where):
            if not name.isprintable():
                raise HostileFile(f"{where} holds a name that cannot be printed: {name[:40]!r}")
            info = h5o.get_info(group, name.encode())
            if info.addr in seen or len(seen) >= MOST_NAMES:
                raise HostileFile(
                    f"{where}: {name[:40]!r} is "
                    + ("in the file under two names" if info.addr in seen else "one name too many")
                )
            seen.add(info.addr)
            if info.type == h5o.TYPE_GROUP:
                yield from self._names(h5py.h5g.open(group, name.encode()), f"{prefix}{name}/", seen)
            elif info.type == h5o.TYPE_DATASET:
                yield prefix + name

    def __contains__(self, name: str) -> bool:
        """Return whether there is something of this name; its form is not checked."""
        with open_hdf5(self.path) as file:
            return self._parent(file, name) is not None

    def array(self, name: str) -> Array | None:
        """Return an array, after a check of its form and its completeness; None if there is none of this name."""
        with open_hdf5(self.path) as file:
            parent = self._parent(file, name)
            if parent is None:
                return None
            where = f"{self.path}: {name}"
            return _admit(self.path, where, dataset_in(parent, name.rpartition("/")[2], str(self.path)))

    def _parent(self, file: h5py.File, name: str) -> h5py.Group | None:
        """Return the group that contains the last part of a name, or None if a part is missing.

        Every part on the way must be a group.
        """
        place: h5py.Group = file
        *ways, last = name.split("/")
        for part in ways:
            if not self._has(place, part):
                return None
            place = group_in(place, part, self.path)
        return place if self._has(place, last) else None

    def _has(self, group: h5py.Group, name: str) -> bool:
        raw = name.encode()
        if name in ("", ".") or not group.id.links.exists(raw):
            return False
        require_hard_link(group.id, raw, str(self.path))
        return True


class Pieces(NamedTuple):
    """The chunks of an array, counted in C order."""

    shape: tuple[int, ...]  # of each
    grid: tuple[int, ...]  # how many there are along each axis
    filters: tuple[int, ...]
    addresses: NDArray[np.int64]
    lengths: NDArray[np.int64]
    masks: NDArray[np.uint32]


class Array:
    """An array in a file, whose parts are read when they are needed."""

    def __init__(
        self, path: Path, where: str, dtype: np.dtype[Any], shape: tuple[int, ...], place: int | Pieces
    ) -> None:
        self.path = path
        self.where = where
        self.dtype = dtype  # as stored: in either byte order
        self.shape = shape
        self._place = place
        self._kept: dict[int, NDArray[Any]] = {}

    def read(self, start: int, stop: int, *, axis: int = 0) -> NDArray[Any]:
        """Read rows start..stop-1 along an axis, and everything along the other axes, in the byte order of this
        machine."""
        if not 0 <= start <= stop <= self.shape[axis]:
            raise StorageError(f"{self.where} has {self.shape[axis]} rows: {start} to {stop} are not among them")
        shape = (*self.shape[:axis], stop - start, *self.shape[axis + 1 :])
        nbytes = prod(shape) * self.dtype.itemsize
        if nbytes > AT_ONCE:
            raise StorageError(
                f"{self.where}: {stop - start} rows are {nbytes:,} bytes, and {AT_ONCE:,} are read at once: ask for"
                " fewer"
            )
        out = np.empty(shape, self.dtype)
        if out.size:
            with self.path.open("rb") as file:
                if isinstance(self._place, int):
                    self._fill(out, file, self._place, start, axis)
                else:
                    self._gather(out, file, self._place, start, axis)
        native = out.astype(self.dtype.newbyteorder("="), copy=False)
        return native.view(np.uint8) if native.dtype.kind == "b" else native

    def _fill(self, out: NDArray[Any], file: Any, address: int, start: int, axis: int) -> None:
        """Read rows of an array that is stored in one piece."""
        row = prod(self.shape[axis + 1 :]) * self.dtype.itemsize
        for number, part in enumerate(out.reshape(prod(self.shape[:axis]), -1)):
            part.view(np.uint8)[:] = np.frombuffer(
                self._bytes(file, address + (number * self.shape[axis] + start) * row, part.nbytes), np.uint8
            )

    def _gather(self, out: NDArray[Any], file: Any, pieces: Pieces, start: int, axis: int) -> None:
        """Read rows of an array in chunks. Each chunk is decoded only once if rows are read in order."""
        stop = start + out.shape[axis]
        kept: dict[int, NDArray[Any]] = {}
        along = [range(count) for count in pieces.grid]
        along[axis] = range(start // pieces.shape[axis], -(-stop // pieces.shape[axis]))
        nbytes = prod(pieces.shape) * self.dtype.itemsize
        for place in product(*along):
            number = int(np.ravel_multi_index(place, pieces.grid))
            chunk = self._kept.get(number)
            if chunk is None:
                chunk = self._decode(file, pieces, number)
            source: list[slice] = []
            target: list[slice] = []
            for step, length, whole in zip(place, pieces.shape, self.shape, strict=True):
                source.append(slice(0, min(length, whole - step * length)))
                target.append(slice(step * length, min((step + 1) * length, whole)))
            first = place[axis] * pieces.shape[axis]
            low, high = max(start, first), min(stop, first + pieces.shape[axis])
            source[axis], target[axis] = slice(low - first, high - first), slice(low - start, high - start)
            out[tuple(target)] = chunk[tuple(source)]
            if stop < min(first + pieces.shape[axis], self.shape[axis]) and (len(kept) + 1) * nbytes <= KEPT:
                kept[number] = chunk
        self._kept = kept

    def _decode(self, file: Any, pieces: Pieces, number: int) -> NDArray[Any]:
        stored = self._bytes(file, int(pieces.addresses[number]), int(pieces.lengths[number]))
        nbytes = prod(pieces.shape) * self.dtype.itemsize
        plain = undone(stored, pieces.filters, int(pieces.masks[number]), self.dtype.itemsize, nbytes)
        if plain is None:
            raise DamagedFile(f"{self.where}: the chunk at {_corner(pieces, number)} is damaged")
        return np.frombuffer(plain, self.dtype).reshape(pieces.shape)

    def _bytes(self, file: Any, address: int, length: int) -> bytes:
        file.seek(address)
        stored = file.read(length)
        if len(stored) != length:
            raise DamagedFile(f"{self.where} ends early: the file has become shorter")
        return stored


def _admit(path: Path, where: str, dataset: h5py.h5d.DatasetID) -> Array:
    """Check type, shape, storage and filters of an array, the cheapest checks first, and find its bytes."""
    require_own_storage(dataset, where)
    dtype = _dtype(dataset, where)
    shape = dataset.shape
    if not shape:
        raise HostileFile(f"{where} is {'without values' if shape is None else 'a single value'}, not an array")
    creation = dataset.get_create_plist()
    filters = _filters(creation, dtype, where)
    logical = prod(shape) * dtype.itemsize
    size = path.stat().st_size
    chunk = creation.get_chunk() if creation.get_layout() == h5py.h5d.CHUNKED else None
    grid = tuple(-(-length // step) for length, step in zip(shape, chunk, strict=True)) if chunk else ()
    if chunk and prod(chunk) * dtype.itemsize > MAX_CHUNK:
        raise HostileFile(
            f"{where} has chunks of {prod(chunk) * dtype.itemsize:,} bytes; at most {MAX_CHUNK:,} are read"
        )
    if prod(grid) > min(
        MOST_CHUNKS, size
    ):  # this comes before HDF5 is asked for the stored size, because it would go through all chunks that are claimed
        raise HostileFile(
            f"{where} claims {prod(grid):,} chunks; a file of {size:,} bytes may have {min(MOST_CHUNKS, size):,}"
        )
    stored = dataset.get_storage_size()
    if stored > size or logical > stored * (MOST_DEFLATED if DEFLATE in filters else 1):
        raise HostileFile(f"{where} claims {logical:,} bytes and stores {stored:,} in a file of {size:,}")
    if chunk:
        return Array(path, where, dtype, shape, _pieces(dataset, chunk, grid, filters, dtype.itemsize, size, where))
    if creation.get_layout() != h5py.h5d.CONTIGUOUS or filters:
        raise HostileFile(f"{where} is neither in one piece nor in chunks: store it as either")
    address = address_of(dataset.get_offset()) if logical else 0
    if address < 0 or address + logical > size:
        raise HostileFile(f"{where} points outside the file")
    return Array(path, where, dtype, shape, address)


def _dtype(dataset: h5py.h5d.DatasetID, where: str) -> np.dtype[Any]:
    """Return the type of an array; only numbers that NumPy can read without conversion are accepted."""
    kind = dataset.get_type()
    family = kind.get_class()
    if family in (h5py.h5t.INTEGER, h5py.h5t.FLOAT, h5py.h5t.ENUM):
        dtype = np.dtype(kind.dtype)
        plain = dtype.newbyteorder("=") in TYPES and (dtype.kind == "b") == (family == h5py.h5t.ENUM)
        if plain and h5py.h5t.py_create(dtype, logical=True) == kind:
            return np.dtype(dtype.str)
    raise HostileFile(
        f"{where} is of a type that is not read: integers of up to 8 bytes, floats of 2, 4 or 8, and booleans are"
    )


def _filters(creation: Any, dtype: np.dtype[Any], where: str) -> tuple[int, ...]:
    used = [creation.get_filter(place) for place in range(creation.get_nfilters())]
    codes = tuple(code for code, *_ in used)
    if strange := [code for code in codes if code not in (DEFLATE, SHUFFLE)]:
        name = NAMES_OF_FILTERS.get(strange[0], strange[0])
        raise HostileFile(
            f"{where} uses the filter {name}, which is not read: repack it with gzip or none (h5repack -f GZIP=4 OLD"
            " NEW)"
        )
    if len(set(codes)) < len(codes):
        raise HostileFile(f"{where} has a filter twice: {', '.join(NAMES_OF_FILTERS[code] for code in codes)}")
    if any(code == SHUFFLE and tuple(values) != (dtype.itemsize,) for code, _, values, _ in used):
        raise HostileFile(f"{where} is shuffled by another number of bytes than the {dtype.itemsize} of its type")
    return codes


def _pieces(
    dataset: h5py.h5d.DatasetID,
    chunk: tuple[int, ...],
    grid: tuple[int, ...],
    filters: tuple[int, ...],
    itemsize: int,
    size: int,
    where: str,
) -> Pieces:
    """Find the chunks; each must exist, lie within the file, and not be longer than a compressed chunk can be."""
    pieces = Pieces(chunk, grid, filters, *chunk_table(dataset, chunk, grid, where))
    if (pieces.addresses < 0).any():
        raise DamagedFile(f"{where} lacks the chunk at {_corner(pieces, int(np.argmax(pieces.addresses < 0)))}")
    longest = prod(chunk) * itemsize * 101 // 100 + 4096
    if (
        (pieces.lengths > longest).any()
        or (pieces.addresses + pieces.lengths > size).any()
        or pieces.lengths.sum() > size
    ):
        raise HostileFile(f"{where} has chunks that are longer than they can be, or not within the file")
    return pieces


def _corner(pieces: Pieces, number: int) -> tuple[int, ...]:
    """Return the index of the first value of a chunk."""
    return tuple(
        int(step) * length for step, length in zip(np.unravel_index(number, pieces.grid), pieces.shape, strict=True)
    )
