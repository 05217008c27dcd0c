"""Blocks: consecutive sequences, ready to be stored. Work is done, reported and resumed block by block."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import RecipeError
from physbench.recipe import Recipe
from physbench.scene import Scenes, Span, Streams, join_events, join_streams
from physbench.storage.codec import compress
from physbench.storage.layout import ARRAYS, AXES, BLOCK, Field, Layout, layout_of, time_first
from physbench.world import parts_of

AT_ONCE = 16
"""How many sequences have their pixels in memory at a time while a block is made."""


def spans(recipe: Recipe) -> list[Span]:
    """Divide a dataset into blocks, in the order of its file."""
    return [
        Span(split, start, min(start + BLOCK, count))
        for split, count in recipe.splits.items()
        for start in range(0, count, BLOCK)
    ]


def layout_for(recipe: Recipe) -> Layout:
    """Return the layout of the arrays that the world of a recipe declares, or raise an error if that is impossible."""
    names, world = recipe.generator.arrays, f"the world {recipe.generator.name}"
    if not names:
        raise RecipeError(
            f"{world} declares no arrays: its `arrays` names one of the vocabulary at least, such as 'features'"
        )
    for name in names:
        if name not in ARRAYS:
            raise RecipeError(
                f"{world} declares an array {name!r}, which the vocabulary does not have: it has {', '.join(ARRAYS)}"
            )
        if names.count(name) > 1:
            raise RecipeError(f"{world} declares {name!r} twice")
    layout, lengths = layout_of(names), lengths_of(recipe)
    for path, field in layout.paths.items():
        for axis in field.axes:
            if lengths.get(axis, 1) < 1:
                raise RecipeError(f"{world} declares {path!r}, and the number of its {AXES[axis]} is {lengths[axis]}")
    return layout


def lengths_of(recipe: Recipe) -> dict[str, int]:
    """Return the lengths of the axes that are the same in all splits."""
    height, width, channels = recipe.generator.shape
    world = recipe.generator
    return {
        "T": recipe.frames,
        "H": height,
        "W": width,
        "C": channels,
        "K": world.objects,
        "A": parts_of(world).actions,
    }


def sizes_of(recipe: Recipe, split: str) -> dict[str, int]:
    """Return the lengths of all axes of a split except M."""
    count = recipe.splits[split]
    return {**lengths_of(recipe), "N": count, "O": count + 1}


@dataclass(frozen=True)
class Block:
    """A span of sequences in the form in which they are stored."""

    span: Span
    streams: Mapping[str, Streams]  # per pixel array
    states: Mapping[str, NDArray[Any]]  # time first, as stored
    events: Mapping[str, NDArray[Any]]  # the rows; without `offset`
    rows: NDArray[np.int64]  # collisions per sequence


def make_block(recipe: Recipe, span: Span) -> Block:
    """Make the sequences of a span, ready to be stored."""
    parts = parts_of(recipe.generator)
    if parts.encode is not None and parts.spans is None:
        return block_of(recipe, span, *parts.encode(*recipe.locate(span)))
    layout = layout_for(recipe)
    streams: dict[str, list[Streams]] = {field.name: [] for field in layout.pixels}
    states: dict[str, list[NDArray[Any]]] = {field.name: [] for field in layout.states}
    events: list[Mapping[str, NDArray[Any]]] = []
    for start in range(span.start, span.stop, AT_ONCE):
        scenes = recipe.scenes(span.split, start, min(start + AT_ONCE, span.stop))
        arrays = scenes.arrays()
        for field in (*layout.pixels, *layout.states):
            _require_field(recipe, field, arrays[field.name], len(scenes))
        for name, pieces in streams.items():
            pieces.append(Streams.of([compress(sequence) for sequence in arrays[name]]))
        for name, arrays_of in states.items():
            arrays_of.append(arrays[name])
        events.append(scenes.events)
    truth = {name: np.concatenate(pieces) for name, pieces in states.items()}
    return block_of(
        recipe,
        span,
        {name: join_streams(pieces) for name, pieces in streams.items()},
        Scenes(truth=truth, events=join_events(events)),
    )


def block_of(recipe: Recipe, span: Span, streams: Mapping[str, Streams], scenes: Scenes) -> Block:
    """Make a block from compressed pixel arrays and from scenes that hold the other arrays."""
    layout, world = layout_for(recipe), f"the world {recipe.generator.name}"
    stored: dict[str, NDArray[Any]] = {}
    for field in layout.states:
        _require_field(recipe, field, scenes.truth[field.name], len(span))
        stored[field.name] = np.ascontiguousarray(time_first(field, scenes.truth[field.name]))
    if not layout.events:
        return Block(span, streams, stored, {}, np.zeros(len(span), np.int64))
    offset = scenes.events["offset"]
    rows = np.diff(offset)
    if len(offset) != len(span) + 1 or offset[0] != 0 or (rows < 0).any():
        raise RecipeError(f"{world} made an 'events/offset' that does not lead from 0 through {len(span)} sequences")
    columns: dict[str, NDArray[Any]] = {"sequence": np.repeat(np.arange(span.start, span.stop, dtype=np.uint32), rows)}
    for field in layout.columns:
        columns[field.name] = scenes.events[field.name]
        _require_array(
            f"{world} made 'events/{field.name}'", field, columns[field.name], field.shape({"M": int(offset[-1])})
        )
    return Block(span, streams, stored, columns, rows)


def _require_field(recipe: Recipe, field: Field, array: NDArray[Any], count: int) -> None:
    """Refuse an array without the type and the axes of the vocabulary; sequences are the first axis."""
    _require_array(
        f"the world {recipe.generator.name} made {field.name!r}",
        field,
        array,
        field.memory_shape({**lengths_of(recipe), "N": count}),
    )


def _require_array(what: str, field: Field, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape or array.dtype != field.dtype:
        raise RecipeError(f"{what} as {array.dtype} of shape {array.shape}: it is {field.dtype} of shape {shape}")
