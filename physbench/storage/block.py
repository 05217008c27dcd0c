"""Blocks: consecutive sequences, ready to be stored. The unit of work, of progress and of resuming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.storage.codec import compress
from physbench.storage.layout import BLOCK, EVENTS, PIXELS, STATES, time_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.scene import Events, Scenes


@dataclass(frozen=True)
class Span:
    """Sequences start..stop-1 of a split."""

    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


def spans(recipe: Recipe) -> list[Span]:
    """A dataset as blocks, in the order of its file."""
    return [Span(split, start, min(start + BLOCK, count)) for split, count in recipe.splits.items() for start in range(0, count, BLOCK)]


@dataclass(frozen=True)
class Block:
    span: Span
    streams: Mapping[str, Sequence[bytes]]  # per pixel array, a zlib stream per sequence
    states: Mapping[str, NDArray[Any]]  # time first, as stored
    events: Mapping[str, NDArray[Any]]  # the rows; without `offset`
    rows: NDArray[np.int64]  # collisions per sequence

    def checksums(self, name: str) -> NDArray[np.uint32]:
        """Adler-32 of each decoded chunk: what its zlib stream ends with."""
        return np.frombuffer(b"".join(stream[-4:] for stream in self.streams[name]), ">u4").astype(np.uint32)


def block_of(span: Span, streams: Mapping[str, Sequence[bytes]], states: Mapping[str, NDArray[Any]], events: Events) -> Block:
    """states: sequences first, as in Scenes."""
    rows = np.diff(events.offset)
    columns = {field.name: getattr(events, field.name) for field in EVENTS if field.name not in ("offset", "sequence")}
    columns["sequence"] = np.repeat(np.arange(span.start, span.stop, dtype=np.uint32), rows)
    stored = {field.name: np.ascontiguousarray(time_first(field, states[field.name]).astype(field.dtype, copy=False)) for field in STATES}
    return Block(span, streams, stored, columns, rows)


def deflated(scenes: Scenes) -> dict[str, list[bytes]]:
    """The pixel arrays of scenes, a zlib stream per sequence."""
    return {field.name: [compress(sequence) for sequence in getattr(scenes, field.name)] for field in PIXELS}
