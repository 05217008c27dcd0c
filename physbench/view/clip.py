"""Clips: one sequence, from a file or made on the spot, and what can be said about it in words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench import registry
from physbench.errors import StorageError
from physbench.printable import printable
from physbench.scene import HIT_OBJECT, WALL
from physbench.storage.reader import open_dataset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from physbench.scene import Scenes

EVENT_COLUMNS = ("time", "a", "b", "normal", "impulse", "position")


@dataclass(frozen=True)
class Clip:
    """One sequence, as a reader gives it: arrays by name, (T, ...), and the columns of its events."""

    dataset: str
    split: str
    index: int
    arrays: dict[str, NDArray[Any]]
    events: dict[str, NDArray[Any]]

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

    @property
    def names(self) -> list[str]:
        """The objects by label, the heavier ones with how many times heavier they are."""
        return [f"{label}" + f"  ({weight:.3g}x)" * (weight > 1) for label, weight in enumerate(self.weights, 1)]

    @property
    def title(self) -> str:
        return _one_line(self.dataset)

    @property
    def caption(self) -> str:
        return f"{_one_line(self.split)}  ·  sequence {self.index:,}  ·  {self.population}"

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

    def curtain(self) -> tuple[int, int, int, int] | None:
        """y0, x0, y1, x1 within the frame, or None."""
        (height, width), (y0, x0, y1, x1) = self.size, self.arrays["curtain"].tolist()
        y0, x0, y1, x1 = max(y0, 0), max(x0, 0), min(y1, height), min(x1, width)
        return (y0, x0, y1, x1) if y0 < y1 and x0 < x1 else None


def clip_of(source: str | Path, split: str | None, index: int) -> Clip:
    """A sequence of a dataset file, or of a dataset known by name, which is made on the spot. No split: test, or the first there is."""
    path = Path(source)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        file = open_dataset(path)
        split = _checked(str(source), {name: len(file[name]) for name in file}, split, index)
        return Clip(file.attributes["dataset"], split, index, file[split][index], file[split].events(index))
    recipe = registry.datasets.get(str(source))
    split = _checked(str(source), recipe.splits, split, index)
    scenes = recipe.generator.batch(recipe.seeds(split, index, index + 1), recipe.frames)
    return clip_from(scenes, 0, dataset=recipe.name, split=split, index=index)


def clip_from(scenes: Scenes, number: int, *, dataset: str, split: str, index: int) -> Clip:
    """One of a batch of scenes, under the name it shall have."""
    rows = slice(*scenes.events.offset[number : number + 2].tolist())
    events = {name: getattr(scenes.events, name)[rows] for name in EVENT_COLUMNS}
    return Clip(dataset, split, index, {name: array[number] for name, array in scenes.arrays().items()}, events)


def _checked(source: str, sizes: Mapping[str, int], split: str | None, index: int) -> str:
    """The split to take, if it is there and has the sequence."""
    if split is None:
        split = "test" if "test" in sizes else next(iter(sizes))
    if split not in sizes:
        raise StorageError(f"{source} has no split {split!r}: it has {', '.join(sizes)}")
    if not 0 <= index < sizes[split]:
        raise StorageError(f"{source} has no sequence {index} in {split}: index is 0 to {sizes[split] - 1}")
    return split


def _one_line(name: str) -> str:
    """Names come from files of strangers: one line, nothing that cannot be printed, not too long."""
    name = printable(name[:80])
    return name if len(name) <= 32 else name[:31] + "…"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
