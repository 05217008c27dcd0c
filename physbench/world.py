"""Worlds: what a dataset is made of, and the parts that a world may have beside.

A world is a frozen dataclass whose fields are its parameters; `physbench.fields.bounded` gives a field its help, its bounds and its choices.
"""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, cast

import numpy as np

from physbench.errors import RecipeError
from physbench.scene import Scenes, Span, join_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.scene import Fault, Marks, Streams

    Memory = Callable[[int], NDArray[np.uint8]]

KEPT = 2
"""Spans that are kept after they were made, for whoever walks through them in smaller steps."""


class World(Protocol):
    """Make scenes. Bump `version` whenever the same recipe makes other bytes.

    A world may have more: `Parts` lists what.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    arrays: ClassVar[tuple[str, ...]]
    """Names of the vocabulary (storage/layout.py) that its scenes carry; columns of events as "events/time"."""

    @property
    def shape(self) -> tuple[int, int, int]: ...  # H, W, C; zeros where it has no pixels

    @property
    def objects(self) -> int: ...  # K; 0 where it has none

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Make the sequences of a span, from the recipe, the split and their numbers alone. only: the arrays that are wanted; there may be more."""
        ...


@dataclass(frozen=True)
class Parts:
    """The parts that a world may have or lack; None where it lacks one."""

    spans: Callable[[Recipe, str], Sequence[Span]] | None
    """The units of a split that cannot be cut, such as whole episodes: they follow one another from 0 to its end. Without, any stretch can be made."""
    encode: Callable[[Recipe, Span], tuple[dict[str, Streams], Scenes]] | None
    """Make the pixel arrays compressed, without drawing them, and the rest as scenes. Not for worlds with spans."""
    draw: Callable[[Recipe, Span, Collection[str] | None, Memory], Scenes] | None
    """Make scenes whose pixels lie in memory that is handed out."""
    check: Callable[[Scenes], Iterator[Fault]] | None
    """Recompute the truth of scenes without pixels, sharing no code with what made them. Nothing in the arrays may be believed: they can be a stranger's."""
    marks: Callable[[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]], Marks] | None
    """Mark one sequence in pictures, from its arrays (T, ...) and its events by name. Nothing in them may be believed."""
    slow: bool
    """Whether test data are kept once they are made."""
    engine: Literal["threads", "processes"]
    """How the world wants to be made ahead."""
    actions: int
    """How many actions there are: the last axis of `actions`."""


def parts_of(world: World) -> Parts:
    """Look up, once and here alone, what a world has beside what every world has."""
    defaults = {"spans": None, "encode": None, "draw": None, "check": None, "marks": None, "slow": False, "engine": "threads", "actions": 0}
    return Parts(**cast("Any", {name: getattr(world, name, default) for name, default in defaults.items()}))


def seeded(batch: Callable[[Any, NDArray[np.uint64], int], Scenes]) -> Callable[..., Scenes]:
    """Make the `scenes` of a world whose sequence i depends on seeds[i] alone: `scenes = seeded(batch)` with batch(self, seeds, frames)."""

    def scenes(self: Any, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        return batch(self, recipe.seeds(span.split, span.start, span.stop), recipe.frames)

    return scenes


def make_scenes(recipe: Recipe, wanted: Span, only: Collection[str] | None = None, *, memory: Memory | None = None) -> Scenes:
    """Make any stretch of a split, with exactly the arrays that are wanted, in the order in which the world declares them."""
    world, parts = recipe.generator, parts_of(recipe.generator)
    if only is not None and (unknown := [name for name in only if name not in world.arrays]):
        raise RecipeError(f"{world.name} has no array {unknown[0]!r}: it has {', '.join(world.arrays)}")
    if parts.spans is not None:
        made = _cut_from_spans(recipe, parts.spans(recipe, wanted.split), wanted, only)
    elif parts.draw is not None and memory is not None:
        made = parts.draw(recipe, wanted, only, memory)
    else:
        made = world.scenes(recipe, wanted, only)
    arrays = {**made.arrays(), **{f"events/{name}": column for name, column in made.events.items()}}
    names = [name for name in world.arrays if only is None or name in only]
    if missing := [name for name in names if name not in arrays and name != "events/sequence"]:
        raise RecipeError(f"the world {world.name} declares {missing[0]!r} and did not make it")
    columns = [name.removeprefix("events/") for name in names if name.startswith("events/")]
    events = {name: made.events[name] for name in ("offset", *columns) if name != "sequence"} if columns else {}
    return Scenes.of({name: np.ascontiguousarray(arrays[name]) for name in names if not name.startswith("events/")}, events)


def _cut_from_spans(recipe: Recipe, spans: Sequence[Span], wanted: Span, only: Collection[str] | None) -> Scenes:
    """Make the whole spans that hold a stretch, and cut it out of them."""
    end = spans[-1].stop if spans else 0
    if not 0 <= wanted.start < wanted.stop <= end:
        raise RecipeError(f"{recipe.name} has {end} sequences for {wanted.split}: there are none from {wanted.start} to {wanted.stop - 1}")
    pieces: list[Scenes] = []
    for span in spans:
        if span.start < wanted.stop and wanted.start < span.stop:
            made = _made(recipe, span, None if only is None else frozenset(only))
            pieces.append(made.cut(max(wanted.start, span.start) - span.start, min(wanted.stop, span.stop) - span.start))
    return join_scenes(pieces)


_LATEST: OrderedDict[Any, Future[Scenes]] = OrderedDict()
_LOCK = Lock()


def _made(recipe: Recipe, span: Span, only: frozenset[str] | None) -> Scenes:
    """A whole span; made once where several threads walk through it together."""
    key = (recipe.to_json(), span, only)
    with _LOCK:
        future = _LATEST.get(key)
        if mine := future is None:
            future = _LATEST[key] = Future()
            while len(_LATEST) > KEPT:
                _LATEST.popitem(last=False)
        _LATEST.move_to_end(key)
    if mine:
        try:
            future.set_result(recipe.generator.scenes(recipe, span, only))
        except BaseException as error:
            with _LOCK:
                _LATEST.pop(key, None)
            future.set_exception(error)
            raise
    return future.result()
