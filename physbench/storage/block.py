"""Blocks: consecutive sequences, ready to be stored. The unit of work, of progress and of resuming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.scene import Scenes, Span, Streams, join_events
from physbench.storage.codec import compress
from physbench.storage.layout import BLOCK, EVENTS, PIXELS, STATES, time_first
from physbench.world import parts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from physbench.recipe import Recipe

AT_ONCE = 16
"""Sequences whose pixels are held at a time while a block is made."""


def spans(recipe: Recipe) -> list[Span]:
    """A dataset as blocks, in the order of its file."""
    return [Span(split, start, min(start + BLOCK, count)) for split, count in recipe.splits.items() for start in range(0, count, BLOCK)]


@dataclass(frozen=True)
class Block:
    span: Span
    streams: Mapping[str, Streams]  # per pixel array
    states: Mapping[str, NDArray[Any]]  # time first, as stored
    events: Mapping[str, NDArray[Any]]  # the rows; without `offset`
    rows: NDArray[np.int64]  # collisions per sequence


def make_block(recipe: Recipe, span: Span) -> Block:
    """Make the sequences of a span, ready to be stored."""
    parts = parts_of(recipe.generator)
    if parts.encode is not None and parts.spans is None:
        return block_of(span, *parts.encode(recipe, span))
    pieces: list[tuple[dict[str, Streams], Scenes]] = []
    for start in range(span.start, span.stop, AT_ONCE):
        scenes = recipe.scenes(span.split, start, min(start + AT_ONCE, span.stop))
        pieces.append((deflated(scenes), scenes))
    streams = {
        name: Streams(np.concatenate([some[name].data for some, _ in pieces]), np.concatenate([some[name].sizes for some, _ in pieces]))
        for name in pieces[0][0]
    }
    states = {name: np.concatenate([scenes.truth[name] for _, scenes in pieces]) for name in pieces[0][1].truth if name not in streams}
    return block_of(span, streams, Scenes(truth=states, events=join_events([scenes.events for _, scenes in pieces])))


def block_of(span: Span, streams: Mapping[str, Streams], scenes: Scenes) -> Block:
    """Make a block of compressed pixel arrays, and of scenes that hold the others."""
    rows = np.diff(scenes.events["offset"])
    columns = {field.name: scenes.events[field.name] for field in EVENTS if field.name not in ("offset", "sequence")}
    columns["sequence"] = np.repeat(np.arange(span.start, span.stop, dtype=np.uint32), rows)
    stored = {field.name: np.ascontiguousarray(time_first(field, scenes.truth[field.name]).astype(field.dtype, copy=False)) for field in STATES}
    return Block(span, streams, stored, columns, rows)


def deflated(scenes: Scenes) -> dict[str, Streams]:
    """The pixel arrays of scenes, compressed."""
    arrays = scenes.arrays()
    return {field.name: Streams.of([compress(sequence) for sequence in arrays[field.name]]) for field in PIXELS}
