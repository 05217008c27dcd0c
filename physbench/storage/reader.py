"""Reading a dataset file: sequences, slices, batches, as plain dictionaries of NumPy arrays, sequence first, uint8 kept
uint8.

HDF5 is asked once where the chunks lie; the bytes are then read through a memory map and inflated here, with a bound on
what comes out. So the handle holds no library state: it is opened again in every process that uses it and can be
pickled, forked or spawned.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile, StorageError
from physbench.recipe import expand_split, mix
from physbench.storage.admit import Admitted, admit, open_hdf5
from physbench.storage.buffers import Buffers
from physbench.storage.chunks import Places, places_of
from physbench.storage.codec import inflate
from physbench.storage.event_table import EventTable
from physbench.storage.layout import BLOCK, EVENTS, FIELDS, PIXELS, Field, Layout

if TYPE_CHECKING:
    import torch.utils.data

Sequences = int | slice | Sequence[int] | NDArray[np.integer[Any]]


def open_dataset(path: str | os.PathLike[str]) -> File:
    """Open a dataset file, or the folder or index of a dataset in shards. What the arrays mean is in docs/format.md.

    >>> with physbench.open("balls.h5") as file:
    ...     sequence = file["test"][1]
    >>> sequence["features"].shape
    (12, 24, 24, 1)
    """
    from physbench.storage.shard_index import find_index
    from physbench.storage.sharded import ShardedFile

    index = find_index(Path(path))
    file = File(Path(path)) if index is None else ShardedFile(index)
    file.admitted  # noqa: B018  (bad files are refused now, not at the first read)
    return file


class File(Mapping[str, "Split"]):
    """A dataset file: its splits by name; `train`, `valid` and `val` are names as well.

    >>> file = physbench.open("balls.h5")
    >>> list(file)
    ['training', 'validation', 'test']
    >>> len(file["train"]), "val" in file
    (40, True)
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.buffers = Buffers()
        self._closed = False

    def __enter__(self) -> File:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file. Arrays that were read stay; nothing more can be read.

        >>> file = physbench.open("balls.h5")
        >>> file.close()
        >>> file["test"][0]
        Traceback (most recent call last):
        physbench.errors.StorageError: balls.h5 is closed: open it again
        """
        self._closed = True
        mapped = self.__dict__.pop("bytes", None)
        if mapped is not None:
            with suppress(BufferError):  # a column is still held: the memory goes with it
                mapped.close()

    @cached_property
    def admitted(self) -> Admitted:
        with open_hdf5(self.path) as file:
            return admit(self.path, file)

    @property
    def attributes(self) -> Mapping[str, str]:
        """Give what the file says of itself, text by text.

        >>> file = physbench.open("balls.h5")
        >>> file.attributes["dataset"], len(file.attributes["content_sha256"])
        ('balls-v1', 64)
        """
        return self.admitted.attributes

    @property
    def layout(self) -> Layout:
        """Give the arrays that each split holds.

        >>> "collisions" in physbench.open("balls.h5").layout.paths
        True
        """
        return self.admitted.layout

    @property
    def recipe(self) -> dict[str, Any]:
        """Give the recipe that the file was made from, as JSON has it. A stranger's file may say anything here.

        >>> physbench.open("balls.h5").recipe["parameters"]["n"]
        [2, 3]
        """
        return json.loads(self.attributes["recipe"])

    @property
    def nbytes(self) -> int:
        """Count the bytes on the disk.

        >>> import os
        >>> physbench.open("balls.h5").nbytes == os.path.getsize("balls.h5")
        True
        """
        return self.path.stat().st_size

    @property
    def splits(self) -> dict[str, int]:
        """Count the sequences of each split.

        >>> physbench.open("balls.h5").splits
        {'training': 40, 'validation': 6, 'test': 8}
        """
        return {split: sizes["N"] for split, sizes in self.admitted.sizes.items()}

    def __getitem__(self, split: str) -> Split:
        split = expand_split(split)
        if split not in self.admitted.sizes:
            raise KeyError(f"{self.path} has no split {split!r}: it has {', '.join(self.admitted.sizes)}")
        return self.make_split(split, tuple(path for path in self.layout.paths if path in FIELDS))

    def make_split(self, split: str, fields: tuple[str, ...]) -> Split:
        """Give a split with some of its arrays.

        >>> physbench.open("balls.h5").make_split("test", ("mass",))
        <test: 8 sequences of mass>
        """
        return Split(self, split, fields)

    def __iter__(self) -> Iterator[str]:
        return iter(self.admitted.sizes)

    def __len__(self) -> int:
        return len(self.admitted.sizes)

    def __repr__(self) -> str:
        counts = ", ".join(f"{split} {sizes['N']:,}" for split, sizes in self.admitted.sizes.items())
        return f"<{self.admitted.attributes['dataset']}: {counts}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"])

    @cached_property
    def bytes(self) -> mmap.mmap:
        """The whole file, mapped."""
        if self._closed:
            raise StorageError(f"{self.path} is closed: open it again")
        with self.path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


class Split:
    """The sequences of a split. Also a map-style dataset as torch's DataLoader expects it.

    >>> test = physbench.open("balls.h5")["test"]
    >>> test[3]["groups"].shape  # one sequence
    (12, 24, 24, 1)
    >>> test[2:5]["groups"].shape, test[[7, 0]]["mass"].shape  # many, sequences first
    ((3, 12, 24, 24, 1), (2, 3))
    """

    def __init__(self, file: File, name: str, fields: tuple[str, ...]) -> None:
        self.file = file
        self.name = name
        self.fields = fields
        self.sizes = file.admitted.sizes[name]
        self._places: dict[str, Places] = {}

    def __len__(self) -> int:
        return self.sizes["N"]

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self):,} sequences of {', '.join(self.fields)}>"

    def only(self, *fields: str) -> Split:
        """Give the same sequences with fewer arrays: what is not asked for is not read.

        >>> list(physbench.open("balls.h5")["test"].only("features", "mass")[0])
        ['features', 'mass']
        """
        for name in fields:
            if name not in (there := self.file[self.name].fields):
                raise StorageError(f"there is no array {name!r}: there is {', '.join(there)}")
        fewer = self.file.make_split(self.name, fields)
        fewer._places = self._places
        return fewer

    def __getitem__(self, which: Sequences) -> dict[str, NDArray[Any]]:
        """One sequence for a number, (T, ...); many for a slice or numbers in any order, (B, T, ...)."""
        if isinstance(which, (int, np.integer)):
            return {name: array[0] for name, array in self[[int(which)]].items()}
        numbers = np.arange(len(self))[which] if isinstance(which, slice) else self._check_numbers(which)
        return {name: self._read(FIELDS[name], numbers) for name in self.fields}

    def events(self, number: int | None = None) -> EventTable:
        """Read the collisions of one sequence, column by column, in order of time.

        Without a number, those of all sequences, with a column `sequence`.

        >>> test = physbench.open("balls.h5")["test"]
        >>> when, who = test.events(5)["time"], test.events(5)["a"]
        >>> everything = test.events().flat()
        >>> list(everything)[:4]
        ['sequence', 'time', 'a', 'b']
        """
        if number is None:
            return EventTable(
                {
                    field.name: self.column(field.name).copy()
                    for field in self.file.layout.events
                    if field.name != "offset"
                }
            )
        place = int(self._check_numbers([number])[0])
        if not self.file.layout.events:
            return EventTable()
        first, end = self.column("offset")[place : place + 2].tolist()
        if not 0 <= first <= end <= self.sizes["M"]:
            raise DamagedFile(f"{self.file.path}: the events of {self.name} sequence {place} are out of range")
        return EventTable({field.name: self.column(field.name)[first:end].copy() for field in self.file.layout.columns})

    def batches(
        self, size: int, *, shuffle_seed: int | None = None, drop_last: bool = False
    ) -> Iterator[dict[str, NDArray[Any]]]:
        """Go through all sequences once, `size` at a time; in file order, or in the order of a seed.

        >>> training = physbench.open("balls.h5")["train"].only("features")
        >>> [len(batch["features"]) for batch in training.batches(16, shuffle_seed=0)]
        [16, 16, 8]
        """
        is_number = isinstance(size, (int, np.integer))  # pyright: ignore[reportUnnecessaryIsInstance]
        whole = is_number and not isinstance(size, bool)
        if not whole or size < 1:
            raise StorageError(f"a batch has at least 1 sequence, not {size}")
        return self._batches(int(size), shuffle_seed, drop_last)

    def _batches(self, size: int, shuffle_seed: int | None, drop_last: bool) -> Iterator[dict[str, NDArray[Any]]]:
        order = (
            np.arange(len(self))
            if shuffle_seed is None
            else np.random.Generator(np.random.Philox(mix(shuffle_seed))).permutation(len(self))
        )
        for start in range(0, len(order), size):
            if drop_last and start + size > len(order):
                return
            yield self[order[start : start + size]]

    def torch(
        self, *, window: int | None = None, dtype: str | None = None, time_first: bool = False, seed: int = 0
    ) -> torch.utils.data.Dataset[dict[str, Any]]:
        """Make a torch Dataset of single sequences, for DataLoader with its default collate.

        window: so many frames of each sequence, from a place drawn by the seed and the sequence's number: give another
        seed in every epoch for other places. dtype: features as such floats, scaled to 0..1, instead of uint8.
        time_first: DataLoader's batches are (T, B, ...) instead of (B, T, ...).

        >>> from torch.utils.data import DataLoader
        >>> data = physbench.open("balls.h5")["train"].torch(window=8, dtype="float32", time_first=True)
        >>> batch = next(iter(DataLoader(data, batch_size=16, shuffle=True)))
        >>> batch["features"].shape, batch["features"].dtype, batch["mass"].shape
        (torch.Size([8, 16, 24, 24, 1]), torch.float32, torch.Size([16, 3]))
        """
        from physbench.storage.framing import Framing
        from physbench.storage.torch_view import TorchSplit

        framing = Framing(window, dtype, time_first, seed)
        framing.require_within(self.sizes.get("T", 1))
        return TorchSplit(self, framing)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_places": {}}

    def _check_numbers(self, which: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        numbers = np.asarray(which)
        if (
            numbers.dtype == bool
            or (numbers.size and not np.issubdtype(numbers.dtype, np.integer))
            or numbers.ndim != 1
        ):
            raise IndexError("sequences are chosen by a number, a slice, or a list of numbers")
        numbers = numbers.astype(np.int64)
        if numbers.size and not (-len(self) <= numbers.min() and numbers.max() < len(self)):
            raise IndexError(f"{self.name} has the sequences 0 to {len(self) - 1}")
        return np.where(numbers < 0, numbers + len(self), numbers)

    def _read(self, field: Field, numbers: NDArray[np.int64]) -> NDArray[Any]:
        """(B, ...), each sequence from its own chunk, or out of its block."""
        shape = field.chunk(self.sizes, 1)
        times = field.timed
        one = (shape[0], *shape[2:]) if times else shape[1:]
        if field in PIXELS:
            nbytes = len(numbers) * int(np.prod(one, dtype=np.int64))
            out = self.file.buffers.take(nbytes).reshape(len(numbers), *one)
            for row, number in enumerate(numbers.tolist()):
                self.inflate_into(field.name, number, out[row])
            return out
        out = np.empty((len(numbers), *one), field.dtype)
        blocks = {block: self.read_chunk(field, block) for block in np.unique(numbers // self._block).tolist()}
        for row, number in enumerate(numbers.tolist()):
            here = (slice(None), number % self._block) if times else number % self._block
            out[row] = blocks[number // self._block][here]
        return out

    def stream(self, name: str, number: int) -> memoryview:
        """The zlib stream of a sequence of a pixel array, as it lies in the file."""
        addresses, lengths = self.places(FIELDS[name])
        return memoryview(self.file.bytes)[addresses[number] : addresses[number] + lengths[number]]

    def trailers(self, name: str) -> NDArray[np.uint32]:
        """Read the Adler-32 that each zlib stream of a pixel array ends with.

        >>> len(physbench.open("balls.h5")["test"].trailers("features"))
        8
        """
        addresses, lengths = self.places(FIELDS[name])
        if (lengths < 4).any():
            raise DamagedFile(f"{self.file.path}: {self.name}/{name} has a chunk too short for a zlib stream")
        stored = np.frombuffer(self.file.bytes, np.uint8)
        return stored[(addresses + lengths)[:, None] + np.arange(-4, 0)].view(">u4")[:, 0].astype(np.uint32)

    def states(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """The small arrays of sequences start..stop-1, all of one block: time first, as they lie in the file."""
        block, here = divmod(start, self._block)
        among = slice(here, here + stop - start)
        return {
            field.name: self.read_chunk(field, block)[(slice(None), among) if field.timed else among]
            for field in self.file.layout.states
        }

    def in_order(self, name: str) -> Iterator[NDArray[Any]]:
        """A small array in C order, piece by piece."""
        field = FIELDS[name]
        blocks: list[NDArray[Any]] = self._blocks(field)
        lengths = [len(self) - start for start in range(0, len(self), self._block)]
        for frame in range(self.sizes["T"] if field.timed else 1):
            for block, length in zip(blocks, lengths, strict=True):
                yield (block[frame] if field.timed else block)[:length]

    def inflate_into(self, name: str, number: int, out: NDArray[np.uint8]) -> None:
        """Decode a sequence of a pixel array: exactly as many bytes as it must have, with the right checksum."""
        if not inflate(self.stream(name, number), out):
            raise DamagedFile(f"{self.file.path}: {self.name}/{name} sequence {number} is damaged")

    @property
    def _block(self) -> int:
        return min(BLOCK, len(self))

    def _blocks(self, field: Field) -> list[NDArray[Any]]:
        return [self.read_chunk(field, block) for block in range(-(-len(self) // self._block))]

    def read_chunk(self, field: Field, block: int) -> NDArray[Any]:
        """Map a whole chunk of a small array, as it lies in the file.

        >>> test = physbench.open("balls.h5")["test"]
        >>> test.read_chunk(test.file.layout.states[1], 0).shape  # of position: time first
        (12, 8, 3, 2)
        """
        shape = field.chunk(self.sizes, self._block)
        return np.frombuffer(
            self.file.bytes, field.dtype, int(np.prod(shape, dtype=np.int64)), self.places(field)[0][block]
        ).reshape(shape)

    def column(self, name: str) -> NDArray[Any]:
        """Map a whole column of the events, as it lies in the file; read-only.

        >>> physbench.open("balls.h5")["test"].column("offset").shape
        (9,)
        """
        columns = self.file.layout.events
        field = next((field for field in columns if field.name == name), None)
        if field is None:
            has = (
                f"they have {', '.join(field.name for field in columns)}"
                if columns
                else f"{self.file.path} holds no events"
            )
            raise StorageError(f"the events have no column {name!r}: {has}")
        (address,), _ = self.places(field)
        shape = field.shape(self.sizes)
        return np.frombuffer(self.file.bytes, field.dtype, int(np.prod(shape, dtype=np.int64)), address).reshape(shape)

    def column_parts(self, name: str) -> Iterator[NDArray[Any]]:
        """Give a whole column of the events piece by piece.

        >>> [len(part) for part in physbench.open("balls.h5")["test"].column_parts("offset")]
        [9]
        """
        yield self.column(name)

    def rows(self, start: int, stop: int) -> dict[str, NDArray[Any]]:
        """Give the events of sequences start..stop-1 as columns, with their `offset` from 0; nothing if there are none.

        >>> rows = physbench.open("balls.h5")["test"].rows(2, 5)
        >>> int(rows["offset"][0]), len(rows["offset"]), len(rows["time"]) == int(rows["offset"][-1])
        (0, 4, True)
        """
        if not self.file.layout.events:
            return {}
        offset = self.column("offset")[start : stop + 1]
        columns = {field.name: self.column(field.name)[offset[0] : offset[-1]] for field in self.file.layout.columns}
        return {"offset": offset - offset[0], **columns}

    def places(self, field: Field) -> Places:
        """Where the chunks of an array lie and how long they are. Looked up once per process."""
        path = f"{self.name}/{'events/' if field in EVENTS else ''}{field.name}"
        if path not in self._places:
            self._places[path] = places_of(self.file.path, path, field, len(self))
        return self._places[path]
