"""Test data of worlds that are slow to make, kept in the cache directory.

Each unit of work, a whole span or a block, is a file of its own. What is read is held to the digest of its arrays; what fails is made again.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench import cache
from physbench.errors import StorageError
from physbench.files import write_whole
from physbench.npz import read_npz
from physbench.recipe import Recipe
from physbench.scene import Scenes, Span, join_scenes
from physbench.storage.layout import BLOCK
from physbench.world import parts_of

MOST_ARRAYS, MOST_BYTES = 128, 1 << 34
"""Of a unit."""


class SceneCache:
    """The scenes of a recipe, from the cache where they are there and whole."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._spans = parts_of(recipe.generator).spans
        self._folder = cache.directory() / "data" / recipe.sha256[:32]
        self._latest: dict[Span, Scenes] = {}  # sequences are asked for in order, a few at a time

    def scenes(self, split: str, start: int, stop: int, only: Collection[str] | None = None) -> Scenes:
        """Give sequences start..stop-1 of a split, with all their arrays."""
        blocks = range(start // BLOCK * BLOCK, stop, BLOCK)
        units = self._spans(self._recipe, split) if self._spans else [Span(split, first, first + BLOCK) for first in blocks]
        units = [unit for unit in units if unit.start < stop and start < unit.stop]
        if not units or units[-1].stop < stop:
            return self._recipe.scenes(split, start, stop, only)  # which says what there is
        self._latest = {unit: self._latest.get(unit) or self._read_or_make(unit) for unit in units}
        return join_scenes([scenes.cut(max(start - unit.start, 0), min(stop, unit.stop) - unit.start) for unit, scenes in self._latest.items()])

    def _read_or_make(self, unit: Span) -> Scenes:
        path = self._folder / f"{unit.split}-{unit.start}-{unit.stop}.npz"
        with suppress(StorageError, KeyError):
            return _read(path)
        scenes = self._recipe.scenes(unit.split, unit.start, unit.stop)
        arrays = {**scenes.arrays(), **{f"events/{name}": column for name, column in scenes.events.items()}}
        content = io.BytesIO()
        np.savez_compressed(content, allow_pickle=False, sha256=np.array(_digest(arrays)), **arrays)
        with suppress(OSError, StorageError):  # without room for it, it is made again
            cache.make_room(self._folder.parent, cache.DATA_LIMIT)
            self._folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, content.getvalue())
        return scenes


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
