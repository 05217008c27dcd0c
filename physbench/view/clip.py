"""Clips: one sequence, from a file or made on the spot, and what can be said about it in words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench import registry
from physbench.errors import StorageError
from physbench.printable import printable
from physbench.recipe import expand_split
from physbench.scene import HIT_OBJECT, WALL
from physbench.storage.reader import open_dataset
from physbench.view.panels import box_of, true_colours
from physbench.view.recipe_words import describe_recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from physbench.scene import Scenes
    from physbench.view.panels import Box


@dataclass(frozen=True)
class Clip:
    """One sequence, as a reader gives it: arrays by name, (T, ...), and the columns of its events."""

    dataset: str
    split: str
    index: int
    arrays: dict[str, NDArray[Any]]
    events: dict[str, NDArray[Any]]
    recipe: str = ""  # in a few words, where it is not the usual one

    @property
    def frames(self) -> int:
        return len(self.arrays["features"])

    @property
    def size(self) -> tuple[int, int]:
        """H, W."""
        height, width = self.arrays["groups"].shape[1:3]
        return height, width

    @property
    def objects(self) -> int:
        return min(int(self.arrays["count"]), len(self.arrays["mass"]))

    @property
    def weights(self) -> list[float]:
        """The mass of each object as a multiple of the lightest; 1 where masses say nothing."""
        mass = np.nan_to_num(self.arrays["mass"][: self.objects].astype(float))
        lightest = mass.min(initial=np.inf)
        return (mass / lightest).round(3).tolist() if 0 < lightest < np.inf else [1.0] * self.objects

    @cached_property
    def colours(self) -> NDArray[np.uint8]:
        """(256, 3) by label."""
        return true_colours(self.arrays["features"], self.arrays["groups"][..., 0])

    @property
    def names(self) -> list[str]:
        """The objects by label, the heavier ones with how many times heavier they are."""
        return [f"{label}" + f"  ({weight:.3g}x)" * (weight > 1) for label, weight in enumerate(self.weights, 1)]

    @property
    def title(self) -> str:
        """The dataset, and what is special about its recipe."""
        return one_line(self.dataset) + f": {one_line(self.recipe, 96)}" * bool(self.recipe)

    @property
    def caption(self) -> str:
        return f"{one_line(self.split)}  ·  sequence {self.index:,}  ·  {self.population}"

    @property
    def population(self) -> str:
        return _many(self.objects, "object")

    @property
    def meetings(self) -> str:
        return _many(int((self.events["b"] != WALL).sum()), "collision")

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(T, objects) who hits another object in (t, t + 1]."""
        return (self.arrays["contact"][:, : self.objects] & HIT_OBJECT).astype(bool)

    def curtain(self) -> Box | None:
        return box_of(self.arrays["curtain"], self.size)


def clip_of(source: str | Path, split: str | None, index: int) -> Clip:
    """A sequence of a dataset file, or of a dataset known by name, which is made on the spot. No split: test, or the first there is."""
    path = Path(source)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        file = open_dataset(path)
        split = _checked(str(source), {name: len(file[name]) for name in file}, split, index)
        told = describe_recipe(file.attributes["recipe"])
        return Clip(file.attributes["dataset"], split, index, file[split][index], file[split].events(index), told)
    recipe = registry.datasets.get(str(source))
    split = _checked(str(source), recipe.splits, split, index)
    scenes = recipe.scenes(split, index, index + 1)
    return clip_from(scenes, 0, dataset=recipe.name, split=split, index=index)


def clip_from(scenes: Scenes, number: int, *, dataset: str, split: str, index: int, recipe: str = "") -> Clip:
    """One of a batch of scenes, under the name it shall have."""
    one = scenes.cut(number, number + 1)
    events = {name: column for name, column in one.events.items() if name != "offset"}
    return Clip(dataset, split, index, {name: array[0] for name, array in one.arrays().items()}, events, recipe)


def _checked(source: str, sizes: Mapping[str, int], split: str | None, index: int) -> str:
    """The split to take, if it is there and has the sequence."""
    if split is None:
        split = "test" if "test" in sizes else next(iter(sizes))
    split = expand_split(split)
    if split not in sizes:
        raise StorageError(f"{source} has no split {split!r}: it has {', '.join(sizes)}")
    if not 0 <= index < sizes[split]:
        raise StorageError(f"{source} has no sequence {index} in {split}: index is 0 to {sizes[split] - 1}")
    return split


def one_line(name: str, room: int = 32) -> str:
    """Names come from files of strangers: one line, nothing that cannot be printed, not too long."""
    name = printable(name[: room + 48])
    return name if len(name) <= room else name[: room - 1] + "…"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
