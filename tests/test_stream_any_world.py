"""Tests of streams and files of worlds that are not balls: only their arrays, whole episodes, and other processes."""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from torch.utils.data import DataLoader

import physbench
from physbench.errors import RecipeError
from physbench.recipe import Recipe
from physbench.scene import Scenes, Span


@dataclass(frozen=True)
class Counter:
    """Every number of sequence i is i."""

    name: ClassVar[str] = "counter"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features", "actions", "events/time", "events/kind")
    shape: ClassVar[tuple[int, int, int]] = (4, 4, 3)
    objects: ClassVar[int] = 0
    actions: ClassVar[int] = 2

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        numbers = np.arange(span.start, span.stop)
        features = (
            np.zeros((len(span), recipe.frames, 4, 4, 3), np.uint8)
            + (numbers % 256).astype(np.uint8)[:, None, None, None, None]
        )
        actions = np.zeros((len(span), recipe.frames, 2), np.uint8)
        actions[np.arange(len(span)), :, numbers % 2] = 1
        events = {
            "offset": np.arange(len(span) + 1),
            "time": numbers.astype(float),
            "kind": np.zeros(len(span), np.uint8),
        }
        return Scenes(features, None, {"actions": actions}, events)


@dataclass(frozen=True)
class Episodes(Counter):
    """In episodes of 7 sequences."""

    def spans(self, recipe: Recipe, split: str) -> list[Span]:
        count = recipe.splits.get(split, 0)
        return [Span(split, start, min(start + 7, count)) for start in range(0, count, 7)]

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        assert span.start % 7 == 0, "episodes are never cut"
        return Counter.scenes(self, recipe, span, only)


@dataclass(frozen=True)
class Workshop(Counter):
    """Made in processes of its own, which leave their number."""

    arrays: ClassVar[tuple[str, ...]] = ("features",)
    engine: ClassVar[str] = "processes"

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        if folder := os.environ.get("WORKSHOP"):
            (Path(folder) / str(os.getpid())).touch()
        return Scenes(Counter.scenes(self, recipe, span).features)


def recipe_of(world: Any, frames: int = 3) -> Recipe:
    return Recipe(dataset=world.name, generator=world, frames=frames, splits={"training": 20, "test": 5})


def numbers_of(batches: Any, count: int) -> list[list[int]]:
    return [batch["features"][:, 0, 0, 0, 0].tolist() for batch in islice(batches, count)]


def test_a_stream_has_the_arrays_of_its_world_and_goes_on_beyond_the_end() -> None:
    stream = physbench.stream(recipe_of(Counter()), batch=8)
    assert list(next(iter(stream))) == ["features", "actions"]
    assert numbers_of(stream, 4) == [list(range(start, start + 8)) for start in (0, 8, 16, 24)]
    batch = next(iter(physbench.stream(recipe_of(Counter()), batch=8, only=["actions"])))
    assert list(batch) == ["actions"] and batch["actions"][:, 0].argmax(axis=1).tolist() == [0, 1] * 4


def test_an_array_that_a_world_has_not_is_refused_with_those_it_has() -> None:
    with pytest.raises(RecipeError, match="counter has no array 'groups': it has features, actions"):
        physbench.stream(recipe_of(Counter()), only=["groups"])


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("batch", [6, 20, 45])
def test_a_stream_of_episodes_begins_again_with_the_first(workers: int, batch: int) -> None:
    got = numbers_of(physbench.stream(recipe_of(Episodes()), batch=batch, start=4, workers=workers), 5)
    assert [number for numbers in got for number in numbers] == [number % 20 for number in range(4, 4 + 5 * batch)]


def test_episodes_of_a_split_that_is_not_there_are_refused_in_words() -> None:
    with pytest.raises(RecipeError, match="counter-v1 has no validation sequences: it has training, test"):
        physbench.stream(recipe_of(Episodes()), split="valid")


def test_single_images_stream_to_torch_time_first() -> None:
    data = physbench.stream(recipe_of(Counter(), 1), batch=4).torch(dtype="float32", time_first=True)
    batch = next(iter(DataLoader(data, batch_size=None)))
    assert batch["features"].shape == (1, 4, 4, 4, 3) and batch["actions"].shape == (1, 4, 2)


@pytest.mark.parametrize("loaders", [0, 2])
def test_a_world_that_is_made_in_processes_streams_the_same(
    loaders: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of a DataLoader may have no processes of their own."""
    monkeypatch.setenv("WORKSHOP", str(tmp_path))
    data = physbench.stream(recipe_of(Workshop()), batch=4).torch()
    with_loader = numbers_of(DataLoader(data, batch_size=None, num_workers=loaders), 4)
    assert with_loader == [list(range(start, start + 4)) for start in (0, 4, 8, 12)]
    assert str(os.getpid()) not in {path.name for path in tmp_path.iterdir()}


@pytest.mark.slow
def test_one_process_or_many_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = set[str]()
    recipe = Recipe(dataset="counter", generator=Workshop(), frames=2, splits={"training": 1100, "test": 5})
    for workers in (1, 2):
        made = tmp_path / str(workers)
        made.mkdir()
        monkeypatch.setenv("WORKSHOP", str(made))
        file = physbench.open(physbench.generate(recipe, tmp_path / f"{workers}.h5", workers=workers))
        digests.add(file.attributes["content_sha256"])
        processes = {path.name for path in made.iterdir()}
        assert len(processes) >= workers and str(os.getpid()) not in processes
        assert numbers_of([file["test"][:]], 1) == [[0, 1, 2, 3, 4]]
    assert len(digests) == 1


def test_a_file_of_any_world_holds_what_its_stream_gives(tmp_path: Path) -> None:
    recipe = recipe_of(Episodes())
    training = physbench.open(physbench.generate(recipe, tmp_path / "x.h5"))["training"]
    batch: dict[str, NDArray[Any]] = next(iter(physbench.stream(recipe, batch=20)))
    for name, array in training[:].items():
        np.testing.assert_array_equal(array, batch[name])
