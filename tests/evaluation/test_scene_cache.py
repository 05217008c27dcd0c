"""Tests of the cache of test data: data of slow worlds are made once, and cached data are checked before they are
used."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from physbench import cache
from physbench.evaluation.examples import SceneCache, source_of
from physbench.recipe import Recipe
from physbench.registry import datasets
from physbench.scene import Scenes, Span
from physbench.suites import Task

MADE: list[Span] = []


@dataclass(frozen=True)
class Slow:
    """Sequence i is a frame of the number i; its events are i % 3 times."""

    name: ClassVar[str] = "slow"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features", "count", "events/offset", "events/time")
    shape: ClassVar[tuple[int, int, int]] = (2, 2, 3)
    objects: ClassVar[int] = 1
    slow: ClassVar[bool] = True

    shade: int = 0

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        MADE.append(span)
        numbers = np.arange(span.start, span.stop)
        pixels = np.broadcast_to(
            (numbers + self.shade).astype(np.uint8)[:, None, None, None, None], (len(span), recipe.frames, 2, 2, 3)
        )
        offset = np.concatenate([[0], np.cumsum(numbers % 3)])
        return Scenes(
            pixels,
            None,
            {"count": np.ones(len(span), np.uint8)},
            {"offset": offset, "time": np.repeat(numbers, numbers % 3).astype(float)},
        )


@dataclass(frozen=True)
class Episodes(Slow):
    """Work comes in episodes of 10 sequences."""

    def spans(self, recipe: Recipe, split: str) -> list[Span]:
        return [Span(split, start, start + 10) for start in range(0, recipe.splits.get(split, 0), 10)]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PHYSBENCH_CACHE", str(tmp_path / "cache"))
    MADE.clear()
    return tmp_path / "cache"


def recipe_of(world: Slow = Slow()) -> Recipe:
    return Recipe(dataset="slow", generator=world, frames=3, splits={"test": 600})


def require_same(one: Scenes, other: Scenes) -> None:
    assert [*one.arrays()] == [*other.arrays()] and {*one.events} == {*other.events}
    for name, array in {**one.arrays(), **one.events}.items():
        np.testing.assert_array_equal(array, {**other.arrays(), **other.events}[name])
        assert array.dtype == {**other.arrays(), **other.events}[name].dtype


@pytest.mark.parametrize("world", [Slow(), Episodes()])
@pytest.mark.parametrize(("start", "stop"), [(0, 10), (3, 7), (250, 270), (255, 256), (590, 600), (0, 600)])
def test_what_is_kept_is_what_the_world_makes(world: Slow, start: int, stop: int) -> None:
    recipe = recipe_of(world)
    truth = recipe.scenes("test", start, stop)
    require_same(SceneCache(recipe).scenes("test", start, stop), truth)
    MADE.clear()
    require_same(SceneCache(recipe).scenes("test", start, stop), truth)
    assert MADE == [], "it was there already"


def test_another_recipe_finds_nothing_of_this_one() -> None:
    SceneCache(recipe_of()).scenes("test", 0, 5)
    require_same(
        SceneCache(recipe_of(Slow(shade=1))).scenes("test", 0, 5), recipe_of(Slow(shade=1)).scenes("test", 0, 5)
    )


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "other data"])
def test_what_was_damaged_is_made_again(damage: str, own_cache: Path) -> None:
    recipe = recipe_of()
    SceneCache(recipe).scenes("test", 0, 5)
    (path,) = own_cache.rglob("*.npz")
    content = bytearray(path.read_bytes())
    if damage == "other data":  # whole in itself, with the digest of something else
        arrays = dict(np.load(path))
        np.savez_compressed(path, allow_pickle=False, **{**arrays, "features": arrays["features"] + 1})
    else:
        middle = len(content) // 2
        content[middle] ^= 1
        path.write_bytes({"flip": content, "cut": content[:middle], "empty": b""}[damage])
    MADE.clear()
    require_same(SceneCache(recipe).scenes("test", 0, 5), recipe.scenes("test", 0, 5))
    assert MADE[0] == Span("test", 0, 256)
    MADE.clear()
    SceneCache(recipe).scenes("test", 0, 5)
    assert MADE == [], "and is whole again"


def test_an_evaluation_of_a_slow_world_makes_its_data_once_with_one_digest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(datasets), "get", lambda self, name: recipe_of())
    digests = []
    for _ in range(2):
        source = source_of(Task("slow", ()))
        for start in range(0, 48, 16):
            examples = source.examples(start, start + 16)
            pixels = (255 * examples.frames[:, 0, 0, 0, 0]).round().astype(int)
            assert pixels.tolist() == list(range(start, start + 16))
        digests.append(source.digest(48))
    assert [Span("test", 0, 256)] == MADE and digests[0] == digests[1]


def test_the_cache_shows_and_clears_what_is_kept(own_cache: Path) -> None:
    SceneCache(recipe_of()).scenes("test", 0, 5)
    (room,) = [room for room in cache.rooms() if room.name == "data"]
    assert room.entries == 1 and room.bytes > 0
    assert cache.clear() >= room.bytes and not (own_cache / "data").exists()


def test_without_room_for_it_nothing_is_kept_and_nothing_is_lost(own_cache: Path) -> None:
    own_cache.parent.mkdir(exist_ok=True)
    own_cache.write_text("a file where the directory should be")
    require_same(SceneCache(recipe_of()).scenes("test", 0, 5), recipe_of().scenes("test", 0, 5))
