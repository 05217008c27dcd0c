"""A dataset in shards, read as one file: each sequence comes out of the shard that holds it."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile, HostileFile, StorageError
from physbench.storage.admit import Admitted
from physbench.storage.event_table import EventTable
from physbench.storage.layout import BLOCK, FORMAT, Field, Layout
from physbench.storage.reader import File, Split
from physbench.storage.shard_index import Shard, ShardIndex, read_index

MOST_OPEN = 512
"""Shards that are kept open."""

MOST_GATHERED = 1 << 27
"""Bytes of a small array that are gathered from the shards at a time."""


class ShardedFile(File):
    """A dataset in shards. `path` is its index."""

    def __init__(self, path: Path, index: ShardIndex | None = None) -> None:
        """index: one that is not written yet."""
        super().__init__(path)
        if index is not None:
            self.__dict__["index"] = index
        self._open: OrderedDict[str, Split] = OrderedDict()
        self._forms: dict[str, tuple[Layout, dict[str, int]]] = {}  # of the first shard of each split that was opened
        self._lock = threading.Lock()

    @cached_property
    def index(self) -> ShardIndex:
        return read_index(self.path)

    @cached_property
    def admitted(self) -> Admitted:
        """Take the texts from the index, and what the arrays are from the first shard of each split."""
        index = self.index
        texts = {name: getattr(index, name) for name in ("dataset", "recipe", "recipe_sha256", "content_sha256")}
        sizes: dict[str, dict[str, int]] = {}
        layouts: dict[str, Layout] = {}
        for split, count in index.splits.items():
            shards = self.shards(split)
            first = self.open_shard(shards[0])
            layouts[split] = first.file.layout
            sizes[split] = {**first.sizes, "N": count}
            if "O" in sizes[split]:
                sizes[split] |= {"O": count + 1, "M": sum(shard.events for shard in shards)}
        layout = next(iter(layouts.values()))
        if any(other != layout for other in layouts.values()):
            raise HostileFile(f"{self.path}: its splits hold different arrays")
        attributes = {"format": FORMAT, "created_with": index.created_with, **texts}
        return Admitted(attributes, layout, sizes, index.digests)

    @property
    def nbytes(self) -> int:
        return sum(shard.bytes for shard in self.index.shards)

    def shards(self, split: str) -> list[Shard]:
        """List the shards of a split, in order."""
        return [shard for shard in self.index.shards if shard.split == split]

    def open_shard(self, shard: Shard) -> Split:
        """Open a shard, which must be the one that the index speaks of, and give its only split."""
        with self._lock:
            if self._closed:
                raise StorageError(f"{self.path} is closed: open it again")
            split = self._open.get(shard.file)
            if split is None:
                split = self._open[shard.file] = self._admit(shard)[shard.split]
                while len(self._open) > MOST_OPEN:
                    self._open.popitem(last=False)
            self._open.move_to_end(shard.file)
            return split

    def close(self) -> None:
        with self._lock:
            super().close()
            for split in self._open.values():
                split.file.close()
            self._open.clear()

    def make_split(self, split: str, fields: tuple[str, ...]) -> Split:
        return ShardedSplit(self, split, fields)

    def _admit(self, shard: Shard) -> File:
        path = self.path.parent / shard.file
        if path.resolve().parent != self.path.parent.resolve():
            raise HostileFile(f"{self.path} names the shard {shard.file}, which leads out of its folder")
        file = File(path)
        texts, counts = file.attributes, file.splits
        if texts["recipe"] != self.index.shard_recipe(shard) or counts != {shard.split: len(shard.span)}:
            raise DamagedFile(f"{path} is not the shard that {self.path.name} names: it was made from another recipe")
        if texts["content_sha256"] != shard.content_sha256:
            raise DamagedFile(
                f"{path} is not the shard that {self.path.name} names: its content is"
                f" {texts['content_sha256'][:16]}..., not {shard.content_sha256[:16]}..."
            )
        if file.admitted.sizes[shard.split].get("M", 0) != shard.events:
            raise DamagedFile(f"{path} holds another number of events than {self.path.name} says")
        alike = {axis: size for axis, size in file.admitted.sizes[shard.split].items() if axis not in "NOM"}
        if self._forms.setdefault(shard.split, (file.layout, alike)) != (file.layout, alike):
            raise DamagedFile(f"{path} holds arrays of other sizes than the other shards of {shard.split}")
        return file


class ShardedSplit(Split):
    """A split whose sequences lie in several files. Every shard but the last holds whole blocks."""

    file: ShardedFile

    def __init__(self, file: ShardedFile, name: str, fields: tuple[str, ...]) -> None:
        super().__init__(file, name, fields)
        self._shards = file.shards(name)
        self._starts = [shard.start for shard in self._shards]

    def events(self, number: int | None = None) -> EventTable:
        if number is None:
            return super().events()
        place = int(self._check_numbers([number])[0])
        split, here = self._find(place)
        return split.events(here)

    def trailers(self, name: str) -> NDArray[np.uint32]:
        return np.concatenate([self._open(shard).trailers(name) for shard in self._shards])

    def stream(self, name: str, number: int) -> memoryview:
        split, here = self._find(number)
        return split.stream(name, here)

    def in_order(self, name: str) -> Iterator[NDArray[Any]]:
        """Give a small array in C order: as many frames at a time as may be gathered, or frame by frame and shard by
        shard where even one is too large."""
        field = next(field for field in self.file.layout.states if field.name == name)
        frames = self.sizes["T"] if field.timed else 1
        row = field.dtype.itemsize * int(np.prod(field.shape(self.sizes)[int(field.timed) :], dtype=np.int64))
        step = max(1, min(frames, MOST_GATHERED // row))
        for first in range(0, frames, step):
            some = slice(first, min(first + step, frames))
            pieces = (self._read_shard(shard, field, some) for shard in self._shards)
            if row > MOST_GATHERED or not field.timed:
                yield from pieces
            else:
                yield np.concatenate(list(pieces), axis=1)

    def inflate_into(self, name: str, number: int, out: NDArray[np.uint8]) -> None:
        split, here = self._find(number)
        split.inflate_into(name, here, out)

    def column(self, name: str) -> NDArray[Any]:
        """Join a column of the events: sequences and rows are counted through all shards."""
        return np.concatenate(list(self.column_parts(name)))

    def column_parts(self, name: str) -> Iterator[NDArray[Any]]:
        """Give a column of the events shard by shard."""
        rows = 0
        for shard in self._shards:
            column = self._open(shard).column(name)
            if name == "offset":
                yield column[bool(shard.start) :] + rows
                rows += shard.events
            else:
                yield column + column.dtype.type(shard.start) if name == "sequence" else column

    def rows(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Give the events of sequences of one shard."""
        split, here = self._find(start)
        return split.rows(here, here + stop - start)

    def read_chunk(self, field: Field, block: int) -> NDArray[Any]:
        split, here = self._find(block * self._block)
        return split.read_chunk(field, here // self._block)

    def _read_shard(self, shard: Shard, field: Field, frames: slice) -> NDArray[Any]:
        """Some frames of a small array, of all sequences of a shard, time first; all of one without frames."""
        split = self._open(shard)
        blocks = [split.read_chunk(field, block) for block in range(-(-len(split) // BLOCK))]
        joined = np.concatenate([block[frames] if field.timed else block for block in blocks], int(field.timed))
        return joined[:, : len(split)] if field.timed else joined[: len(split)]

    def _find(self, number: int) -> tuple[Split, int]:
        """The shard of a sequence, and the sequence's number there."""
        shard = self._shards[bisect_right(self._starts, number) - 1]
        return self._open(shard), number - shard.start

    def _open(self, shard: Shard) -> Split:
        return self.file.open_shard(shard)
