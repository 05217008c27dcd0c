"""Clips: one sequence, from a file or made on the spot, with descriptions of it and its recipe in words."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physbench import registry
from physbench.errors import PhysbenchError, StorageError, UnknownName
from physbench.printable import printable, shorten
from physbench.recipe import Recipe, expand_split
from physbench.scene import WALL, Marks, Scenes
from physbench.storage.reader import open_dataset
from physbench.storage.shard_index import find_index
from physbench.view.panels import COLOURS, Box, box_of, panels_of, true_colours
from physbench.world import World, parts_of


@dataclass(frozen=True)
class Clip:
    """One sequence: its arrays by name, (T, ...), and the columns of its events."""

    dataset: str
    split: str
    index: int
    arrays: dict[str, NDArray[Any]]
    events: dict[str, NDArray[Any]]
    recipe: str = ""  # in a few words, if it is not the usual one
    world: World | None = None  # which adds marks to pictures; without it, there are none

    @property
    def frames(self) -> int:
        """Count the frames."""
        return len(self._pixels)

    @property
    def size(self) -> tuple[int, int]:
        """Return H and W."""
        height, width = self._pixels.shape[1:3]
        return height, width

    @property
    def _pixels(self) -> NDArray[np.uint8]:
        return self.arrays["features"] if "features" in self.arrays else self.arrays["groups"]

    @cached_property
    def marks(self) -> Marks:
        """Return the marks that the world adds to pictures; none if the world or some of its arrays are missing."""
        mark = parts_of(self.world).marks if self.world else None
        there = {*self.arrays, *(f"events/{name}" for name in self.events), "events/offset", "events/sequence"}
        return (
            mark(self.arrays, self.events) if mark and self.world and there.issuperset(self.world.arrays) else Marks()
        )

    @property
    def objects(self) -> int:
        """Count the objects."""
        if self.marks.names:
            return len(self.marks.names)
        return int(self.arrays["count"] if "count" in self.arrays else self.arrays.get("groups", np.zeros(1)).max())

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """Return the colours by label, (256, 3)."""
        return (
            true_colours(self.arrays["features"], self.arrays["groups"][..., 0])
            if panels_of(self).keys() == {"frames", "objects"}
            else COLOURS
        )

    @property
    def names(self) -> list[str]:
        """Return the names of the objects by label, or numbers if they have none."""
        return [*self.marks.names] or [str(label) for label in range(1, self.objects + 1)]

    @property
    def title(self) -> str:
        """Return the name of the dataset, and what is special about its recipe."""
        return one_line(self.dataset) + f": {one_line(self.recipe, 96)}" * bool(self.recipe)

    @property
    def caption(self) -> str:
        """Return the split, the number of the sequence, and the number of objects."""
        return "  ·  ".join(filter(None, [one_line(self.split), f"{self.noun} {self.index:,}", self.population]))

    @property
    def noun(self) -> str:
        """Return the word for the clip: image or sequence."""
        return "image" if self.frames == 1 else "sequence"

    @property
    def population(self) -> str:
        """Return the number of objects in words, or nothing if there are none."""
        return _count(self.objects, "object") if self.objects else ""

    @property
    def meetings(self) -> str:
        """Return the number of collisions or other events in words."""
        if "impulse" in self.events:
            return _count(int((self.events["b"] != WALL).sum()), "collision")
        return _count(len(self.events["time"]), "event") if "time" in self.events else ""

    @property
    def hits(self) -> NDArray[np.bool_]:
        """Return which objects are outlined in frames t and t + 1, (T, objects)."""
        return self.marks.outlined if self.marks.outlined.size else np.zeros((self.frames, self.objects), bool)

    @property
    def moments(self) -> NDArray[np.bool_]:
        """Return whether something happens in (t, t + 1], (T,).

        That is what the world outlines, or any event if the world outlines nothing.
        """
        if self.marks.outlined.size or "time" not in self.events:
            return np.asarray(self.hits.any(axis=1))
        places = np.ceil(np.nan_to_num(self.events["time"])) - 1
        return np.isin(np.arange(self.frames), np.maximum(places, 0))

    def cores(self, t: int) -> list[list[float]]:
        """Return x, y and radius of the dark disc in each object, or an empty list."""
        return self.marks.cores[t].tolist() if self.marks.cores.size else []

    def hidden_box(self) -> Box | None:
        """Return the box that is hidden from a model, or None."""
        return None if self.marks.hidden is None else box_of(self.marks.hidden, self.size)

    def tell_time(self, t: int) -> str:
        """Say in words which frame it is, and which action is taken in it."""
        taken = np.flatnonzero(self.arrays["actions"][t]).tolist() if "actions" in self.arrays else []
        return f"t = {t}, action {taken[0]}" if len(taken) == 1 else f"t = {t}"


def clip_of(source: str | Path, split: str | None, index: int) -> Clip:
    """Return a sequence of a dataset file, or of a named dataset, which is then made on the spot.

    split: if None, test is used, or the first split if there is no test split.
    """
    path = Path(source)
    if path.is_file() or find_index(path) or path.suffix or len(path.parts) > 1:
        file = open_dataset(path)
        split = _choose_split(str(source), {name: len(file[name]) for name in file}, split, index)
        text = file.attributes["recipe"]
        clip = Clip(
            file.attributes["dataset"],
            split,
            index,
            file[split][index],
            file[split].events(index),
            describe_recipe(text),
            find_world(json.loads(text)),
        )
    else:
        try:
            recipe = registry.datasets.get(str(source))
        except UnknownName as error:
            raise UnknownName(f"there is no file {source}, and {error}") from None
        split = _choose_split(str(source), recipe.splits, split, index)
        clip = clip_from(
            recipe.scenes(split, index, index + 1),
            0,
            dataset=recipe.name,
            split=split,
            index=index,
            world=recipe.generator,
        )
    if not panels_of(clip):
        raise StorageError(f"{source} has no pixels to draw: it holds {', '.join(clip.arrays)}")
    return clip


def clip_from(
    scenes: Scenes, number: int, *, dataset: str, split: str, index: int, recipe: str = "", world: World | None = None
) -> Clip:
    """Return one of a batch of scenes as a clip, with the names that are given."""
    one = scenes.cut(number, number + 1)
    events = {name: column for name, column in one.events.items() if name != "offset"}
    return Clip(dataset, split, index, {name: array[0] for name, array in one.arrays().items()}, events, recipe, world)


def _choose_split(source: str, sizes: Mapping[str, int], split: str | None, index: int) -> str:
    """Return the full name of the split, or raise an error if the split or the sequence does not exist."""
    if split is None:
        split = "test" if "test" in sizes else next(iter(sizes))
    split = expand_split(split)
    if split not in sizes:
        raise StorageError(f"{source} has no split {split!r}: it has {', '.join(sizes)}")
    if not 0 <= index < sizes[split]:
        raise StorageError(f"{source} has no sequence {index} in {split}: index is 0 to {sizes[split] - 1}")
    return split


def one_line(name: str, room: int = 32) -> str:
    """Turn a name into one short line that can be printed. Names in files can be any text."""
    return shorten(printable(name[: room + 48]), room, "…")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"


def describe_recipe(text: str) -> str:
    """Say in words what differs from the usual recipe, such as: n 6-8, gravity 0.1, curtain 24.

    text: the recipe as canonical JSON. The result is empty if nothing differs.
    """
    told: dict[str, Any] = json.loads(text)
    usual = _usual(told)
    expected: dict[str, Any] = json.loads(usual.to_json()) if usual else {}
    given, known = _parameters(told), _parameters(expected)
    order = list(asdict(usual.generator)) if usual else []  # type: ignore[call-overload]
    names = [*(name for name in order if name in given), *(name for name in given if name not in order)]
    words = [_say(name, given[name]) for name in names if name not in known or given[name] != known[name]]
    words += [
        _say(name, told[name]) for name in ("frames", "seed") if name in told and told[name] != expected.get(name)
    ]
    return ", ".join(words)


def _usual(told: Mapping[str, Any]) -> Recipe | None:
    """Return the recipe registered under the name of the dataset, or under that of its generator, or None."""
    for name in (told.get("dataset"), told.get("generator")):
        try:
            return registry.datasets.get(str(name))
        except PhysbenchError:  # unknown, or of a package that is not installed
            continue
    return None


def find_world(told: Mapping[str, Any]) -> World | None:
    """Return the world that a recipe names, with its parameters; None if it is not installed or refuses them."""
    usual = _usual(told)
    if usual is None or usual.generator.name != told.get("generator"):
        return None
    with suppress(Exception):  # a world can raise anything for parameters that it does not accept
        return type(usual.generator)(**_parameters(told))
    return None


def _parameters(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters in a recipe; files of unknown origin may hold anything here."""
    parameters = told.get("parameters")
    return cast("dict[str, Any]", parameters) if isinstance(parameters, dict) else {}


def _say(name: str, value: Any) -> str:
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if isinstance(value, list):
        return f"{name} {'-'.join(dict.fromkeys(map(str, cast('list[Any]', value))))}"
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
