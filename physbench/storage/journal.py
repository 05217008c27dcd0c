"""Work in progress: a folder beside the final file, into which finished blocks are appended and from which a killed
run goes on.

`data` is the dataset file to be, without its HDF5 structures: room for the superblock, then block after block as they
will stay. `journal` says what lies in it: a line with the recipe, then a record per block with its sizes, checksums and
events. A record is appended after the bytes it speaks of and carries a CRC of both, so whatever a kill or a power cut
leaves, the records that check out are whole blocks.
"""

import contextlib
import json
import os
import shutil
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from physbench.errors import StorageError
from physbench.lock import try_lock
from physbench.recipe import Recipe
from physbench.scene import Span, Streams
from physbench.storage.block import Block, layout_for, sizes_of
from physbench.storage.codec import crc32
from physbench.storage.layout import BLOCK, Field

HEADER = 2048
"""Bytes kept free for the superblock."""

_FRAME = struct.Struct("<4sII")  # mark, length, CRC-32 of what follows
_MARK = b"blk1"
_FIXED = struct.Struct("<BQQQI")  # split, start, stop, bytes of data, CRC-32 of them
_VERSION = 1


@dataclass(frozen=True)
class JournalRecord:
    span: Span
    address: int  # of its data
    length: int
    crc: int
    sizes: NDArray[np.uint32]  # (pixel arrays, n) bytes of each stream
    checksums: NDArray[np.uint32]  # (pixel arrays, n) Adler-32 of what they decode to
    rows: NDArray[np.int64]  # (n,) collisions per sequence
    events_at: int  # of its events, in the journal


class DatasetJournal:
    """Open, and lock, the working folder of a recipe; make it if there is none."""

    def __init__(self, recipe: Recipe, directory: Path, *, afresh: bool = False) -> None:
        """afresh: work on another recipe is dropped, not refused."""
        self.recipe = recipe
        self.layout = layout_for(recipe)
        self.directory = directory
        self._columns = [field for field in self.layout.events if field.name != "offset"]
        self.records: list[JournalRecord] = []
        self._splits: list[str] = list(recipe.splits)
        self._reading = threading.Lock()
        directory.mkdir(parents=True, exist_ok=True)
        self.data = _open(directory / "data")
        self._log = _open(directory / "journal")
        try:
            if not try_lock(self._log):
                raise StorageError(f"another process is at work in {directory}: wait for it, or give another --out")
            self._resume(afresh)
        except BaseException:
            self.close()
            raise

    def append(self, block: Block) -> None:
        """Add the next block. Either it is there as a whole afterwards, or not at all."""
        streams = [block.streams[field.name] for field in self.layout.pixels]
        data = [
            *(stream.data for stream in streams),
            *(_pad_block(self.recipe, block, field) for field in self.layout.states),
        ]
        crc = 0
        for piece in data:
            self.data.write(piece.data)
            crc = crc32(piece, crc)
        length = sum(piece.nbytes for piece in data)
        sizes, checksums = (
            np.array(numbers, np.uint32) for numbers in ([s.sizes for s in streams], [s.checksums for s in streams])
        )
        fixed = _FIXED.pack(self._splits.index(block.span.split), block.span.start, block.span.stop, length, crc)
        columns = [np.ascontiguousarray(block.events[field.name], field.dtype).tobytes() for field in self._columns]
        record = b"".join([fixed, sizes.tobytes(), checksums.tobytes(), block.rows.astype("<i8").tobytes(), *columns])
        self.data.flush()
        self._log.write(_FRAME.pack(_MARK, len(record), crc32(record)) + record)
        self._log.flush()
        self._remember(record, self._log.tell() - len(record))

    def write_at(self, stored: bytes, address: int) -> None:
        """For the sealing, beyond the blocks."""
        self.data.seek(address)
        self.data.write(stored)

    def read_at(self, length: int, address: int) -> bytes:
        return self._read_at(self.data, length, address)

    def read(self, record: JournalRecord) -> Block:
        """A block, as it was appended."""
        count = len(record.span)
        stored = memoryview(self.read_at(record.length, record.address))
        ends = np.cumsum(record.sizes.sum(axis=1, dtype=np.int64)).tolist()
        parts = zip(self.layout.pixels, [0, *ends], ends, record.sizes, strict=False)
        streams = {
            field.name: Streams(np.frombuffer(stored[start:end], np.uint8), sizes) for field, start, end, sizes in parts
        }
        states = {
            field.name: array[_sequences(field, count)].copy() for field, _, array in self._states(record, stored)
        }
        return Block(record.span, streams, states, self.events(record), record.rows)

    def events(self, record: JournalRecord) -> dict[str, NDArray[Any]]:
        """The collisions of a block, column by column."""
        count = int(record.rows.sum())
        sizes = {"M": count}
        stored = self._read_at(self._log, count * sum(_width(field) for field in self._columns), record.events_at)
        columns: dict[str, NDArray[Any]] = {}
        at = 0
        for field in self._columns:
            columns[field.name] = np.frombuffer(
                stored, field.dtype, count * _width(field) // field.dtype.itemsize, at
            ).reshape(field.shape(sizes))
            at += count * _width(field)
        return columns

    def state_addresses(self, record: JournalRecord) -> dict[str, int]:
        return {field.name: record.address + at for field, at, _ in self._states(record, None)}

    def matches(self, record: JournalRecord) -> bool:
        """Whether the bytes of a block are the ones that were appended."""
        return crc32(self.read_at(record.length, record.address)) == record.crc

    @property
    def end(self) -> int:
        return self.records[-1].address + self.records[-1].length if self.records else HEADER

    def close(self) -> None:
        """Every block has been flushed: what a full disk refuses now was never counted."""
        for file in (self.data, self._log):
            with contextlib.suppress(OSError):
                file.close()

    def discard(self) -> None:
        self.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _read_at(self, file: BinaryIO, length: int, address: int) -> bytes:
        """Leaves the file where it was: at the end of what has been appended. Workers may read side by side."""
        with self._reading:
            here = file.tell()
            file.seek(address)
            try:
                return file.read(length)
            finally:
                file.seek(here)

    def _resume(self, afresh: bool) -> None:
        head = json.dumps({"format": _VERSION, "recipe": self.recipe.to_json()}).encode() + b"\n"
        found = self._log.read(len(head))
        if not head.startswith(found) and not afresh:
            raise StorageError(
                f"{self.directory} holds unfinished work on another recipe: finish it with its own command, or begin"
                " anew with --overwrite"
            )
        if found != head:
            self._log.seek(0)
            self._log.write(head)
            self._log.truncate()
        good = len(head)
        for at, record in list(self._intact(good)):
            self._remember(record, at)
            if not self.matches(self.records[-1]):
                self.records.pop()
                break
            good = at + len(record)
        self._log.seek(good)
        self._log.truncate()
        self.data.truncate(max(self.end, HEADER))
        self.data.seek(self.end)

    def _intact(self, at: int) -> Iterator[tuple[int, bytes]]:
        self._log.seek(at)
        while len(frame := self._log.read(_FRAME.size)) == _FRAME.size:
            mark, length, crc = _FRAME.unpack(frame)
            record = self._log.read(length) if mark == _MARK else b""
            if mark != _MARK or len(record) < length or crc32(record) != crc:
                return
            yield at + _FRAME.size, record
            at += _FRAME.size + length

    def _remember(self, record: bytes, at: int) -> None:
        split, start, stop, length, crc = _FIXED.unpack_from(record)
        count, kinds = stop - start, len(self.layout.pixels)
        numbers = np.frombuffer(record, "<u4", 2 * kinds * count, _FIXED.size).reshape(2, kinds, count)
        rows_at = _FIXED.size + numbers.nbytes
        rows = np.frombuffer(record, "<i8", count, rows_at).astype(np.int64)
        span = Span(self._splits[int(split)], int(start), int(stop))
        self.records.append(
            JournalRecord(
                span, self.end, length, crc, numbers[0].copy(), numbers[1].copy(), rows, at + rows_at + rows.nbytes
            )
        )

    def _states(self, record: JournalRecord, stored: memoryview | None) -> Iterator[tuple[Field, int, Any]]:
        """Each state array of a block with its place in the block's data; as an array when the data are given."""
        sizes = sizes_of(self.recipe, record.span.split)
        at = int(record.sizes.sum(dtype=np.int64))
        for field in self.layout.states:
            shape = field.chunk(sizes, chunk_length(sizes))
            count = int(np.prod(shape, dtype=np.int64))
            yield field, at, None if stored is None else np.frombuffer(stored, field.dtype, count, at).reshape(shape)
            at += count * field.dtype.itemsize


def chunk_length(sizes: dict[str, int]) -> int:
    """Sequences in a chunk of the small arrays of a split."""
    return min(BLOCK, sizes["N"])


def _sequences(field: Field, count: int) -> tuple[slice, ...]:
    """The index of the first `count` sequences of a stored array."""
    return (slice(None), slice(count)) if field.timed else (slice(count),)


def _pad_block(recipe: Recipe, block: Block, field: Field) -> NDArray[Any]:
    """A state array as a whole chunk: the last block of a split is filled up with zeros."""
    sizes = sizes_of(recipe, block.span.split)
    array = block.states[field.name]
    if len(block.span) == chunk_length(sizes):
        return np.ascontiguousarray(array)
    whole = np.zeros(field.chunk(sizes, chunk_length(sizes)), field.dtype)
    whole[_sequences(field, len(block.span))] = array
    return whole


def _width(field: Field) -> int:
    """Bytes of one row of an event column."""
    return field.dtype.itemsize * prod(field.shape({"M": 1}))


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b")
