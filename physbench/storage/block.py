"""Blocks: consecutive sequences, ready to be stored. The unit of work, of progress and of resuming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

from physbench.scene import Events
from physbench.storage.codec import compress
from physbench.storage.layout import BLOCK, EVENTS, PIXELS, STATES, time_first

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.scene import Generator, Scenes

    Encoded = tuple[dict[str, "Streams"], dict[str, NDArray[Any]], Events]

AT_ONCE = 16
"""Sequences whose pixels are held at a time while a block is made."""


@runtime_checkable
class Encoder(Protocol):
    """A generator that writes compressed pixel arrays faster than by drawing them."""

    def encode(self, seeds: NDArray[np.uint64], frames: int) -> Encoded: ...


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
class Streams:
    """The zlib streams of a pixel array, one after the other."""

    data: NDArray[np.uint8]
    sizes: NDArray[np.uint32]  # (n,)

    @staticmethod
    def of(streams: Sequence[bytes]) -> Streams:
        return Streams(np.frombuffer(b"".join(streams), np.uint8), np.array([len(stream) for stream in streams], np.uint32))

    @property
    def checksums(self) -> NDArray[np.uint32]:
        """Adler-32 of each decoded chunk: what its zlib stream ends with."""
        ends = np.cumsum(self.sizes, dtype=np.int64)
        return self.data[ends[:, None] + np.arange(-4, 0)].view(">u4")[:, 0].astype(np.uint32)


@dataclass(frozen=True)
class Block:
    span: Span
    streams: Mapping[str, Streams]  # per pixel array
    states: Mapping[str, NDArray[Any]]  # time first, as stored
    events: Mapping[str, NDArray[Any]]  # the rows; without `offset`
    rows: NDArray[np.int64]  # collisions per sequence


def make_block(recipe: Recipe, span: Span) -> Block:
    """Make the sequences of a span, from their seeds."""
    generator, seeds = recipe.generator, recipe.seeds(span.split, span.start, span.stop)
    encoded = generator.encode(seeds, recipe.frames) if isinstance(generator, Encoder) else _encode(generator, seeds, recipe.frames)
    return block_of(span, *encoded)


def _encode(generator: Generator, seeds: NDArray[np.uint64], frames: int) -> Encoded:
    """Any generator's scenes with their pixels deflated, a few at a time."""
    streams: list[dict[str, Streams]] = []
    states: list[dict[str, NDArray[Any]]] = []
    events: list[Events] = []
    for start in range(0, len(seeds), AT_ONCE):
        scenes = generator.batch(seeds[start : start + AT_ONCE], frames)
        streams.append(deflated(scenes))
        states.append({name: array for name, array in scenes.arrays().items() if name not in streams[0]})
        events.append(scenes.events)
    joined = {
        name: Streams(np.concatenate([some[name].data for some in streams]), np.concatenate([some[name].sizes for some in streams])) for name in streams[0]
    }
    return joined, {name: np.concatenate([some[name] for some in states]) for name in states[0]}, _joined(events)


def _joined(events: Sequence[Events]) -> Events:
    counts = np.concatenate([np.diff(some.offset) for some in events])
    columns = {name: np.concatenate([getattr(some, name) for some in events]) for name in ("time", "a", "b", "normal", "impulse", "position")}
    return Events(offset=np.concatenate([[0], np.cumsum(counts)]), **columns)


def block_of(span: Span, streams: Mapping[str, Streams], states: Mapping[str, NDArray[Any]], events: Events) -> Block:
    """states: sequences first, as in Scenes."""
    rows = np.diff(events.offset)
    columns = {field.name: getattr(events, field.name) for field in EVENTS if field.name not in ("offset", "sequence")}
    columns["sequence"] = np.repeat(np.arange(span.start, span.stop, dtype=np.uint32), rows)
    stored = {field.name: np.ascontiguousarray(time_first(field, states[field.name]).astype(field.dtype, copy=False)) for field in STATES}
    return Block(span, streams, stored, columns, rows)


def deflated(scenes: Scenes) -> dict[str, Streams]:
    """The pixel arrays of scenes, compressed."""
    return {field.name: Streams.of([compress(sequence) for sequence in getattr(scenes, field.name)]) for field in PIXELS}
