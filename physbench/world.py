"""Worlds, which make the scenes of datasets, and the optional parts that a world may have.

A world is a frozen dataclass whose fields are its parameters; `physbench.fields.parameter` gives a field its help, its
bounds and its choices.
"""

from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import RecipeError
from physbench.recipe import Recipe
from physbench.renamed import find_renamed
from physbench.scene import Fault, Marks, Scenes, Span, Streams, find_most, join_scenes

Memory = Callable[[int], NDArray[np.uint8]]

T = TypeVar("T")


class World(Protocol):
    """A world makes scenes. Raise `version` whenever the same recipe makes different bytes.

    A world may have more attributes and methods: `WorldParts` lists them.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    arrays: ClassVar[tuple[str, ...]]
    """The arrays of its scenes, by their names in the vocabulary (storage/layout.py); columns of events are named like
    "events/time"."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return H, W and C, or zeros if the world has no pixels."""
        ...

    @property
    def objects(self) -> int:
        """Return K, the most objects of a scene, or 0 if the world has none."""
        ...

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Make the sequences of a span. They depend on nothing but the recipe, the split and their numbers.

        only: the arrays that are wanted; the scenes may contain more.
        """
        ...


@dataclass(frozen=True)
class WorldParts:
    """The optional parts of a world; None where it lacks one."""

    spans: Callable[[Recipe, str], Sequence[Span]] | None
    """Return the parts of a split that can only be made as a whole, such as episodes. Together they cover the split
    from 0 to its end, in order. A world without this part can make any stretch of sequences."""
    encode: Callable[[Recipe, Span], tuple[dict[str, Streams], Scenes]] | None
    """Make the pixel arrays in compressed form, without drawing them, and the rest as scenes. Not for worlds with
    spans."""
    draw: Callable[[Recipe, Span, Collection[str] | None, Memory], Scenes] | None
    """Make scenes whose pixels are drawn into memory that the given function returns."""
    check: Callable[[Scenes], Iterator[Fault]] | None
    """Recompute the ground truth of scenes, with code that shares nothing with the code that made them. The arrays may
    come from anyone, so this code must not trust them."""
    checked: tuple[str, ...] | None
    """The arrays of sequences that `check` looks at; None means all of them. Pixels take time to decode."""
    marks: Callable[[Mapping[str, NDArray[Any]], Mapping[str, NDArray[Any]]], Marks] | None
    """Return the marks of one sequence for pictures, from its arrays (T, ...) and its events by name. They may come
    from anyone, so this code must not trust them."""
    obstacle: Callable[[Recipe], str] | None
    """Say why the recipe in a file of unknown origin is not executed: it names code that would run, or needs something
    that is not installed. An empty text means that it is executed."""
    slow: bool
    """Whether the world is so slow that test data are kept in the cache."""
    engine: Literal["threads", "processes"]
    """Whether scenes are made ahead by threads or by processes."""
    actions: int
    """How many actions there are: the last axis of `actions`."""
    box_side: float
    """The side in pixels of the square that its objects move in, which begins at the origin; 0 if there is none."""


def parts_of(world: World) -> WorldParts:
    """Look up the optional parts of a world. No other code does this."""
    defaults = {
        "spans": None,
        "encode": None,
        "draw": None,
        "check": None,
        "checked": None,
        "marks": None,
        "obstacle": None,
        "slow": False,
        "engine": "threads",
        "actions": 0,
        "box_side": 0.0,
    }
    return WorldParts(**cast("Any", {name: getattr(world, name, default) for name, default in defaults.items()}))


def make_by_seed(batch: Callable[[Any, NDArray[np.uint64], int], Scenes]) -> Callable[..., Scenes]:
    """Make the `scenes` method of a world whose sequence i depends only on seeds[i].

    In the class, write `scenes = make_by_seed(batch)` after a method `batch(self, seeds, frames)`.
    """

    def scenes(self: Any, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        return batch(self, recipe.seeds(span.split, span.start, span.stop), recipe.frames)

    return scenes


def make_scenes(
    recipe: Recipe, wanted: Span, only: Collection[str] | None = None, *, memory: Memory | None = None
) -> Scenes:
    """Make any stretch of a split, with exactly the arrays that are wanted, in the order that the world declares."""
    recipe, wanted = recipe.locate(wanted)
    world, parts = recipe.generator, parts_of(recipe.generator)
    if only is not None and (unknown := [name for name in only if name not in world.arrays]):
        raise RecipeError(f"{world.name} has no array {unknown[0]!r}: it has {', '.join(world.arrays)}")
    if parts.spans is not None:
        made = _cut_from_spans(recipe, parts.spans, wanted, only)
    elif parts.draw is not None and memory is not None:
        made = parts.draw(recipe, wanted, only, memory)
    else:
        made = world.scenes(recipe, wanted, only)
    arrays = {**made.arrays(), **{f"events/{name}": column for name, column in made.events.items()}}
    names = [name for name in world.arrays if only is None or name in only]
    if missing := [name for name in names if name not in arrays and name != "events/sequence"]:
        raise RecipeError(f"the world {world.name} declares {missing[0]!r} and did not make it")
    if parts.encode is None and "features" in arrays:  # a world with its own encoder is trusted: it is one of ours
        _require_values(world, arrays["features"])
    columns = [name.removeprefix("events/") for name in names if name.startswith("events/")]
    events = {name: made.events[name] for name in ("offset", *columns) if name != "sequence"} if columns else {}
    return Scenes.of(
        {name: np.ascontiguousarray(arrays[name]) for name in names if not name.startswith("events/")}, events
    )


def _require_values(world: World, features: NDArray[Any]) -> None:
    if most := find_most(features):
        raise RecipeError(
            f"the world {world.name} made 'features' with values up to {most}: with one channel they are 0 or 1; divide"
            " by 255, or use three channels for colours"
        )


def _cut_from_spans(
    recipe: Recipe, make_spans: Callable[[Recipe, str], Sequence[Span]], wanted: Span, only: Collection[str] | None
) -> Scenes:
    """Make the spans that contain a stretch of sequences, and cut the stretch out of them."""
    count = recipe.splits.get(wanted.split, 0)
    if not 0 <= wanted.start < wanted.stop <= count:
        raise RecipeError(
            f"{recipe.name} has {count} sequences for {wanted.split}: there are none from {wanted.start} to"
            f" {wanted.stop - 1}"
        )
    text, names = recipe.to_json(), None if only is None else frozenset(only)
    spans = _SPANS.get(
        (text, wanted.split), lambda: _require_spans(recipe, make_spans(recipe, wanted.split), wanted.split)
    )
    pieces: list[Scenes] = []
    for span in spans[bisect_right(spans, wanted.start, key=lambda span: span.stop) :]:
        if span.start >= wanted.stop:
            break
        made = _SCENES.get((text, span, names), lambda span=span: recipe.generator.scenes(recipe, span, only))
        pieces.append(made.cut(max(wanted.start, span.start) - span.start, min(wanted.stop, span.stop) - span.start))
    return join_scenes(pieces)


def _require_spans(recipe: Recipe, spans: Sequence[Span], split: str) -> Sequence[Span]:
    ends = [0, *(span.stop for span in spans)]
    if [span.start for span in spans] != ends[:-1] or ends != sorted(set(ends)) or ends[-1] != recipe.splits[split]:
        raise RecipeError(
            f"the world {recipe.generator.name} cuts {split} into spans that do not follow one another from 0 to"
            f" {recipe.splits[split]}"
        )
    return spans


class Latest(Generic[T]):
    """A cache of the last few things that were made.

    A thing is made only once, even if several threads ask for it at the same time.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._futures: OrderedDict[Any, Future[T]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Any, make: Callable[[], T]) -> T:
        """Return the thing of this key; make it if it is not here."""
        with self._lock:
            future = self._futures.get(key)
            mine = future is None
            if future is None:
                future = self._futures[key] = Future()
                while len(self._futures) > self._most:
                    self._futures.popitem(last=False)
            self._futures.move_to_end(key)
        if mine:
            try:
                future.set_result(make())
            except BaseException as error:
                with self._lock:
                    self._futures.pop(key, None)
                future.set_exception(error)
                raise
        return future.result()


_SPANS: Latest[Sequence[Span]] = Latest(8)
_SCENES: Latest[Scenes] = Latest(4)
"""Spans and their scenes, kept for callers that go through them in smaller steps."""


def __getattr__(name: str) -> Any:
    return find_renamed(__name__, {"seeded": make_by_seed}, name)
