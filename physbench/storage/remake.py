"""Comparison of stored sequences with the same sequences made again."""

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile
from physbench.scene import Scenes, Span, Streams
from physbench.storage.block import Block
from physbench.storage.codec import adler32, inflate
from physbench.storage.h5py_check import same_bits
from physbench.storage.layout import Field
from physbench.storage.reader import Split


def scenes_of(split: Split, span: Span, names: Collection[str]) -> Scenes:
    """Read some arrays of a span, and its events, as scenes."""
    return Scenes.of(split.only(*names)[span.start : span.stop], split.rows(span.start, span.stop))


def compare_block(split: Split, block: Block) -> int:
    """Check that the file holds every value of a block.

    Return how many streams had to be decoded, because their bytes differ.
    """
    _compare_states(split, block)
    if split.file.layout.events:
        _compare_events(split, block)
    return sum(
        _compare_streams(split, block.span, field, block.streams[field.name]) for field in split.file.layout.pixels
    )


def _compare_states(split: Split, block: Block) -> None:
    stored = split.states(block.span.start, block.span.stop)
    for field in split.file.layout.states:
        made, found = block.states[field.name], stored[field.name]
        if not same_bits(made, found):
            axis = field.axes.index("N")
            other = np.moveaxis(_bits(made) != _bits(found), axis, 0).reshape(len(block.span), -1).any(axis=1)
            raise _difference(split, block.span, int(np.argmax(other)), field.name)


def _compare_events(split: Split, block: Block) -> None:
    rows = split.rows(block.span.start, block.span.stop)
    offset = rows["offset"]
    other = np.diff(offset) != block.rows
    if other.any():
        raise _difference(split, block.span, int(np.argmax(other)), "number of events")
    for name in (field.name for field in split.file.layout.columns):
        made, found = block.events[name], rows[name]
        if not same_bits(made, found):
            row = int(np.argmax((_bits(made) != _bits(found)).reshape(len(made), -1).any(axis=1)))
            raise _difference(split, block.span, int(np.searchsorted(offset, row, "right")) - 1, f"events/{name}")


def _compare_streams(split: Split, span: Span, field: Field, made: Streams) -> int:
    inflated = 0
    ends = np.cumsum(made.sizes, dtype=np.int64).tolist()
    for number, start, end in zip(range(span.start, span.stop), [0, *ends], ends, strict=False):
        stored = split.stream(field.name, number)
        if len(stored) != end - start or not np.array_equal(np.frombuffer(stored, np.uint8), made.data[start:end]):
            _compare_pixels(split, number, field, made.data[start:end])
            inflated += 1
    return inflated


def _compare_pixels(split: Split, number: int, field: Field, stream: NDArray[np.uint8]) -> None:
    """Compare the pixels of two streams that differ; another level or library of compression may be the reason."""
    where = f"{split.file.path}: {split.name} sequence {number}"
    made, found = (np.empty(field.chunk(split.sizes, 1), np.uint8) for _ in range(2))
    if not inflate(stream, made):
        raise ValueError(f"a stream made for {where} cannot be decoded")
    split.inflate_into(field.name, number, found)
    wrong = made != found
    if wrong.any():
        raise DamagedFile(
            f"{where}: {field.name} is wrong in frame {int(np.argwhere(wrong)[0, 0])} ({int(wrong.sum())} values in"
            " all)"
        )
    require_end(split, field.name, number, found)


def require_end(split: Split, name: str, number: int, pixels: NDArray[np.uint8]) -> None:
    """Refuse a stream with bytes after its checksum."""
    if adler32(pixels) != int.from_bytes(split.stream(name, number)[-4:], "big"):
        raise DamagedFile(f"{split.file.path}: {split.name}/{name} sequence {number} has bytes after its end")


def _bits(array: NDArray[Any]) -> NDArray[Any]:
    return array.view(f"u{array.itemsize}")


def _difference(split: Split, span: Span, sequence: int, name: str) -> DamagedFile:
    return DamagedFile(
        f"{split.file.path}: {split.name} sequence {span.start + sequence}: its {name} is not what the recipe makes"
    )
