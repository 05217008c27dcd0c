"""The sequences that a model is shown: made from a recipe, or read from a file of the user.

B sequences, T frames, K objects, H x W pixels, C channels.
"""

import hashlib
import io
import math
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from physbench import cache
from physbench.errors import DamagedFile, StorageError, UnsuitableModel
from physbench.files import write_whole
from physbench.lock import hold_lock
from physbench.npz import read_npz
from physbench.recipe import Recipe, mix, resolve_split
from physbench.scene import WALL, Scenes, Span, describe_values, find_most, join_scenes
from physbench.states import Shows
from physbench.storage.digest import SplitDigest, SplitSummary
from physbench.storage.display import Display
from physbench.storage.foreign import Foreign
from physbench.storage.layout import BLOCK, FORMAT
from physbench.storage.plain import PlainSplit, open_plain
from physbench.storage.reader import Split, open_dataset
from physbench.storage.shard_index import find_index
from physbench.storage.verify import read_recipe
from physbench.suites import Task
from physbench.world import Latest, parts_of

MEAN_OF = 1_000
"""How many training sequences the reference row `mean` averages."""


@dataclass(frozen=True)
class Examples:
    """Some test sequences and what is known about them; None for what a file lacks."""

    places: NDArray[np.int64]  # (B,) in the split, counted from 0
    frames: NDArray[Any]  # (B, T, H, W, C) 0 or 1 as uint8, otherwise 0..1 as float32; or states instead
    groups: NDArray[np.uint8] | None = None  # (B, T, H, W, 1)
    collisions: NDArray[np.uint8] | None = None  # (B, T, H, W, 1)
    truth: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])  # every stored array, by name
    events: Mapping[str, NDArray[Any]] = field(
        default_factory=dict[str, Any]
    )  # (M,) each: sequence in the batch, time, a, b
    actions: NDArray[np.uint8] | None = None  # (B, T, A) one-hot
    box_side: float = 0.0  # in pixels, where positions are shown: their unit


class Source(Protocol):
    """A source of test sequences, which have numbers."""

    shape: tuple[int, int, int]
    frames: int

    def __len__(self) -> int: ...

    def examples(self, start: int, stop: int) -> Examples:
        """Return sequences start..stop-1."""
        ...

    def summarize(self, start: int, stop: int) -> tuple[Examples, SplitSummary | None]:
        """Give examples, and what they add to the digest: nothing where a file says its own."""
        ...

    def append(self, summary: SplitSummary | None) -> None:
        """Take down what the next sequences add, wherever they were asked for."""
        ...

    def curtains(self, start: int, stop: int) -> NDArray[Any] | None:
        """Return where the curtain of each sequence is, (B, 4), all zeros without one; None where nothing says it."""
        ...

    def digest(self, count: int) -> str:
        """Return the digest of the first sequences, after they were asked for in order."""
        ...

    @property
    def training_mean(self) -> Callable[[], NDArray[np.float32]]:
        """Return a function that computes the mean frame of training, (H, W, C)."""
        ...


class Made:
    """A split of a recipe, made when it is needed, which is faster than reading it from a disk."""

    def __init__(self, recipe: Recipe, split: str, *, usual: Recipe | None = None, shows: Shows = "features") -> None:
        """Prepare a split. usual: the recipe whose training sequences count, where `recipe` has another seed."""
        self.display = _display_of(recipe, shows)
        self.display.require(recipe.name, recipe.generator.arrays)
        self._scenes, self._split = _maker_of(recipe), split
        self._digest = SplitDigest(split, recipe.generator.arrays)
        self._has_curtains = "curtain" in recipe.generator.arrays
        self.shape, self.frames = self.display.shape(recipe.generator.shape, recipe.generator.objects), recipe.frames
        self.training_mean = partial(_training_mean, usual or recipe, self.display)
        """A model gets this function. A bound method would give it access to the seed of fresh sequences."""

    def __len__(self) -> int:
        return 1 << 32

    def examples(self, start: int, stop: int) -> Examples:
        """Make sequences start..stop-1."""
        examples, summary = self.summarize(start, stop)
        self.append(summary)
        return examples

    def summarize(self, start: int, stop: int) -> tuple[Examples, SplitSummary | None]:
        scenes = self._scenes(self._split, start, stop)
        events = {name: column for name, column in scenes.events.items() if name != "offset"}
        if events:
            events["sequence"] = np.repeat(np.arange(stop - start), np.diff(scenes.events["offset"]))
        examples = _examples(np.arange(start, stop), scenes.arrays(), events, self.display)
        return examples, self._digest.summarize(scenes)

    def append(self, summary: SplitSummary | None) -> None:
        if summary is not None:
            self._digest.append(summary)

    def curtains(self, start: int, stop: int) -> NDArray[Any] | None:
        """Make only the curtains."""
        return self._scenes(self._split, start, stop, ("curtain",)).truth.get("curtain") if self._has_curtains else None

    def digest(self, count: int) -> str:
        """Return the digest of all sequences that were made so far."""
        return self._digest.hexdigest()


class StoredExamples:
    """A split of a dataset file."""

    def __init__(self, path: Path, split: str, *, shows: Shows = "features") -> None:
        self._file = open_dataset(path)
        if split not in self._file:
            raise StorageError(f"{path} has no {split} sequences: it has {', '.join(self._file)}")
        self._split: Split = self._file[split]
        made = read_recipe(self._file) if shows == "position" else None
        self.display = _display_of(made, shows) if isinstance(made, Recipe) else Display(shows)
        self.display.require(str(path), self._split.fields)
        height, width, channels, objects = (self._split.sizes.get(axis, 0) for axis in "HWCK")
        self.shape, self.frames = self.display.shape((height, width, channels), objects), self._split.sizes["T"]

    def __len__(self) -> int:
        return len(self._split)

    def examples(self, start: int, stop: int) -> Examples:
        """Read sequences start..stop-1."""
        events: dict[str, NDArray[Any]] = {}
        if self._file.layout.columns:
            happened = [self._split.events(number) for number in range(start, stop)]
            events = {name: np.concatenate([each[name] for each in happened]) for name in happened[0]}
            events["sequence"] = np.repeat(
                np.arange(stop - start), [len(next(iter(each.values()))) for each in happened]
            )
        arrays = self._split[start:stop]
        if "features" in arrays and (most := find_most(arrays["features"])):
            raise DamagedFile(f"{self._file.path}: {describe_values(self._split.name, most)}; make the file again")
        self._require_objects(arrays, events)
        return _examples(np.arange(start, stop), arrays, events, self.display)

    def _require_objects(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> None:
        """Refuse labels of objects that the file does not have."""
        objects = self._split.sizes.get("K")
        if objects is None:
            return
        hit = [column[column != WALL] for name, column in events.items() if name in ("a", "b")]
        wrong = [
            *[int(each.max()) + 1 for each in hit if each.size],
            *[int(arrays[name].max(initial=0)) for name in ("groups",) if name in arrays],
        ]
        if max(wrong, default=0) > objects:
            raise DamagedFile(
                f"{self._file.path}: {self._split.name} speaks of object {max(wrong)}, and has {objects}: make the file"
                " again"
            )

    def summarize(self, start: int, stop: int) -> tuple[Examples, SplitSummary | None]:
        return self.examples(start, stop), None

    def append(self, summary: SplitSummary | None) -> None:
        pass

    def curtains(self, start: int, stop: int) -> NDArray[Any] | None:
        """Read only the curtains."""
        return self._split.only("curtain")[start:stop]["curtain"] if "curtain" in self._split.fields else None

    def digest(self, count: int) -> str:
        """Return the content digest that the file states."""
        return self._file.attributes["content_sha256"]

    def training_mean(self) -> NDArray[np.float32]:
        """Return the mean frame of the training split of the file, (H, W, C), which is computed once."""
        return self._mean

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        if "training" not in self._file:
            raise UnsuitableModel(f"{self._file.path} has no training split to take the mean of")
        split = self._file["training"].only(self.display.array)
        return np.mean(
            [self.display.show(split[number]).mean(axis=0) for number in range(min(len(split), MEAN_OF))], axis=0
        ).astype(np.float32)


class Plain:
    """A split of a file with features, groups and perhaps collisions, in the format of the published R-NEM code."""

    def __init__(self, path: Path, split: str) -> None:
        self._path = path
        self._split: PlainSplit = open_plain(path, split)
        self.shape, self.frames = self._split.shape, self._split.frames

    def __len__(self) -> int:
        return len(self._split)

    def examples(self, start: int, stop: int) -> Examples:
        """Read sequences start..stop-1."""
        arrays = {name: array for name, array in self._split.read(start, stop).items() if array is not None}
        return Examples(
            np.arange(start, stop), arrays["features"], arrays.get("groups"), arrays.get("collisions"), truth=arrays
        )

    def summarize(self, start: int, stop: int) -> tuple[Examples, SplitSummary | None]:
        return self.examples(start, stop), None

    def append(self, summary: SplitSummary | None) -> None:
        pass

    def curtains(self, start: int, stop: int) -> NDArray[Any] | None:
        """Return None: such a file says nothing of it."""
        return None

    def digest(self, count: int) -> str:
        """Return the digest of the first sequences."""
        return self._split.digest(count)

    def training_mean(self) -> NDArray[np.float32]:
        """Return the mean frame of the training split of the file, (H, W, C), which is computed once."""
        return self._mean

    @cached_property
    def _mean(self) -> NDArray[np.float32]:
        split = open_plain(self._path, "training")
        count = min(len(split), MEAN_OF)
        frames = [cast("Any", split.read(number, number + 1)["features"]) for number in range(count)]
        means = [each.mean(axis=(0, 1)) for each in frames]
        return np.mean(means, axis=0).astype(np.float32)


def source_of(task: Task, *, split: str = "test", fresh: int | None = None, data: Path | None = None) -> Source:
    """Return the source of the sequences of a task.

    fresh: a seed for other sequences of the same recipe. data: a file to read instead.
    """
    split = resolve_split(split)
    if data is not None:
        if find_index(data) is not None or Foreign(data).attribute("format") == FORMAT:
            return StoredExamples(data, split, shows=task.shows)
        plain = Plain(data, split)
        Display(task.shows).require(str(data), ("features",))
        return plain
    recipe = task.recipe
    return Made(
        recipe if fresh is None else replace(recipe, seed=mix(fresh + 1)), split, usual=recipe, shows=task.shows
    )


def _display_of(recipe: Recipe, shows: Shows) -> Display:
    return Display(shows, parts_of(recipe.generator).box_side if shows == "position" else 0.0)


def _examples(
    places: NDArray[np.int64], arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]], display: Display
) -> Examples:
    labels, actions = (arrays.get("groups"), arrays.get("collisions")), arrays.get("actions")
    return Examples(places, display.show(arrays), *labels, arrays, events, actions, display.box_side)


def _maker_of(recipe: Recipe) -> Callable[..., Scenes]:
    """Return the function that makes sequences of a recipe; if that is slow, it keeps them in the cache folder."""
    return SceneCache(recipe).scenes if parts_of(recipe.generator).slow else recipe.scenes


_MEANS: Latest[NDArray[np.float32]] = Latest(64)
"""The means of training sequences, by the text of a recipe and what is shown; each is computed once."""


def _training_mean(recipe: Recipe, display: Display) -> NDArray[np.float32]:
    """Return the mean of the first training sequences, (H, W, C)."""
    return _MEANS.get((recipe.to_json(), display), lambda: _mean_of_training(recipe, display))


def _mean_of_training(recipe: Recipe, display: Display) -> NDArray[np.float32]:
    generator = recipe.generator
    total = np.zeros(display.shape(generator.shape, generator.objects), np.float64)
    count = min(MEAN_OF, recipe.splits.get("training", 0)) if parts_of(generator).spans else MEAN_OF
    if not count:
        raise UnsuitableModel(f"{recipe.name} has no training sequences to take a mean of")
    for start in range(0, count, 50):
        arrays = _maker_of(recipe)("training", start, min(start + 50, count), (display.array,)).arrays()
        total += display.show(arrays).sum(axis=(0, 1), dtype=np.float64)
    return (total / (count * recipe.frames)).astype(np.float32)


MOST_ARRAYS, MOST_BYTES = 128, 1 << 34
"""The limits of a file in the cache."""


class SceneCache:
    """The scenes of a recipe that is slow to make, read from the cache folder if they are there.

    Each unit of work, a span or a block, is a separate file. A file that does not match its digest is made again.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._spans = parts_of(recipe.generator).spans
        self._folder = cache.directory() / "data" / recipe.sha256[:32]
        self._latest: dict[Span, Scenes] = {}  # sequences are asked for in order, a few at a time

    def scenes(self, split: str, start: int, stop: int, only: Collection[str] | None = None) -> Scenes:
        """Return sequences start..stop-1 of a split, with all their arrays."""
        blocks = range(start // BLOCK * BLOCK, stop, BLOCK)
        units = (
            self._spans(self._recipe, split) if self._spans else [Span(split, first, first + BLOCK) for first in blocks]
        )
        units = [unit for unit in units if unit.start < stop and start < unit.stop]
        if not units or units[-1].stop < stop:
            return self._recipe.scenes(split, start, stop, only)  # which raises an error that says what there is
        self._latest = {unit: self._latest.get(unit) or self._read_or_make(unit) for unit in units}
        return join_scenes(
            [
                scenes.cut(max(start - unit.start, 0), min(stop, unit.stop) - unit.start)
                for unit, scenes in self._latest.items()
            ]
        )

    def _read_or_make(self, unit: Span) -> Scenes:
        path = self._folder / f"{unit.split}-{unit.start}-{unit.stop}.npz"
        with suppress(StorageError, KeyError):
            return _read(path)
        making = path.with_suffix(".making")
        with ExitStack() as stack:
            with suppress(OSError, StorageError):  # where nothing can be kept, nothing can be shared
                making.mkdir(parents=True, exist_ok=True)
                stack.callback(_remove_if_there, making)
                stack.enter_context(hold_lock(making, math.inf))  # another worker may be at it, for a minute
            with suppress(StorageError, KeyError):
                return _read(path)
            return self._make(unit, path)

    def _make(self, unit: Span, path: Path) -> Scenes:
        scenes = self._recipe.scenes(unit.split, unit.start, unit.stop)
        arrays = {**scenes.arrays(), **{f"events/{name}": column for name, column in scenes.events.items()}}
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, sha256=np.array(_digest(arrays)), **arrays)
        with suppress(OSError, StorageError):  # if it cannot be stored, it is made again next time
            cache.make_room(self._folder.parent, cache.DATA_LIMIT)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, content.getvalue())
        return scenes


def _remove_if_there(folder: Path) -> None:
    with suppress(OSError):  # another process may wait in it, or have removed it
        folder.rmdir()


def _read(path: Path) -> Scenes:
    arrays = read_npz(path, "test data", most_arrays=MOST_ARRAYS, most_bytes=MOST_BYTES)
    if str(arrays.pop("sha256")) != _digest(arrays):
        raise StorageError(f"{path} is not what its digest says")
    events = {name.removeprefix("events/"): array for name, array in arrays.items() if name.startswith("events/")}
    return Scenes.of({name: array for name, array in arrays.items() if not name.startswith("events/")}, events)


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape} ".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
