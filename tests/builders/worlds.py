"""Small worlds that are not balls: a game in episodes, single images, and only the memory of a console."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe, mix
from physbench.scene import Scenes, Span
from physbench.world import make_by_seed

EPISODES = (300, 7, 130, 1, 64)
"""Sequences in an episode, again and again: longer and shorter than a block of 256."""


@dataclass(frozen=True, kw_only=True)
class Game:
    """A dot that goes left or right; an episode must be played from its start. `played` counts how often one was."""

    name: ClassVar[str] = "game"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = (
        "features",
        "groups",
        "actions",
        "reward",
        "episode",
        "events/time",
        "events/kind",
    )
    shape: ClassVar[tuple[int, int, int]] = (6, 9, 3)
    objects: ClassVar[int] = 1
    actions: ClassVar[int] = 2
    played: ClassVar[list[Span]] = []

    pace: int = parameter(1, help="pixels per step", low=1, high=4)

    def __post_init__(self) -> None:
        check_fields(self, RecipeError)

    def spans(self, recipe: Recipe, split: str) -> Sequence[Span]:
        spans: list[Span] = []
        while (start := spans[-1].stop if spans else 0) < recipe.splits[split]:
            spans.append(Span(split, start, min(start + EPISODES[len(spans) % len(EPISODES)], recipe.splits[split])))
        return spans

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        self.played.append(span)
        spans = self.spans(recipe, span.split)
        number, steps = spans.index(span), len(span) * recipe.frames
        state, place, acted, places = mix(recipe.seed + number), 4, [], []
        for _ in range(steps):
            places.append(place)
            state = mix(state + 1)
            acted.append(state % 2)
            place = (place + (self.pace if acted[-1] else -self.pace)) % 9
        dots = np.array(places)[:, None, None] == np.arange(9)
        groups = np.repeat(dots, 6, axis=1).astype(np.uint8).reshape(len(span), recipe.frames, 6, 9, 1)
        action, dot = np.array(acted), np.array(places)
        rows, step = np.divmod(np.flatnonzero(dot == 0), recipe.frames)
        return Scenes(
            features=groups * np.array([255, 40, 7], np.uint8),
            groups=groups,
            truth={
                "reward": action.astype(np.float32).reshape(len(span), -1),
                "actions": np.eye(2, dtype=np.uint8)[action].reshape(len(span), -1, 2),
                "episode": np.stack([np.full(len(span), number), np.arange(len(span)) * recipe.frames], axis=1).astype(
                    np.uint32
                ),
            },
            events={
                "offset": np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(span)))]),
                "time": step.astype(np.float64),
                "kind": np.ones(len(rows), np.uint8),
            },
        )


@dataclass(frozen=True, kw_only=True)
class Squares:
    """Images of one square, and what it looks like."""

    name: ClassVar[str] = "squares"
    version: ClassVar[int] = 3
    arrays: ClassVar[tuple[str, ...]] = ("features", "groups", "count", "shape", "colour", "scale")
    shape: ClassVar[tuple[int, int, int]] = (8, 8, 1)
    objects: ClassVar[int] = 2

    def draw_squares(self, seeds: NDArray[np.uint64], frames: int) -> Scenes:
        side = (seeds % np.uint64(5)).astype(int) + 2
        inside = np.arange(8) < side[:, None]
        groups = (inside[:, :, None] & inside[:, None, :])[:, None, :, :, None].astype(np.uint8)
        none = np.zeros(len(seeds))
        truth = {
            "count": np.ones(len(seeds), np.uint8),
            "shape": np.zeros((len(seeds), 2), np.uint8),
            "colour": np.repeat(np.stack([side, none], axis=1)[..., None], 3, axis=2).astype(np.uint8),
            "scale": np.stack([side, none], axis=1).astype(np.float32),
        }
        return Scenes(np.repeat(groups, frames, axis=1), np.repeat(groups, frames, axis=1), truth)

    scenes = make_by_seed(draw_squares)


@dataclass(frozen=True, kw_only=True)
class Memory:
    """A console that is never looked at."""

    name: ClassVar[str] = "memory"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("ram",)
    shape: ClassVar[tuple[int, int, int]] = (0, 0, 0)
    objects: ClassVar[int] = 0

    def count_up(self, seeds: NDArray[np.uint64], frames: int) -> Scenes:
        steps = np.arange(frames)[:, None] * np.arange(128)
        return Scenes(truth={"ram": ((seeds % np.uint64(256)).astype(int)[:, None, None] + steps).astype(np.uint8)})

    scenes = make_by_seed(count_up)


@dataclass(frozen=True, kw_only=True)
class Apart(Memory):
    """The same, made in processes of their own; the first byte says in which."""

    engine: ClassVar[str] = "processes"

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        scenes = self.count_up(recipe.seeds(span.split, span.start, span.stop), recipe.frames)
        scenes.truth["ram"][:, :, 0] = os.getpid() % 256
        return scenes


game = Recipe(dataset="game", generator=Game(), frames=3, splits={"training": 600, "test": 40}, about="a dot")
squares = Recipe(
    dataset="squares",
    generator=Squares(),
    frames=1,
    splits={"training": 520, "validation": 3, "test": 17},
    about="single images",
)
memory = Recipe(dataset="memory", generator=Memory(), frames=2, splits={"test": 40}, about="memory alone")
WORLDS = {"game": game, "squares": squares, "memory": memory}
