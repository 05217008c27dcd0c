"""A white square that is walked about in whole episodes, 2 pixels a step; it earns 1 in the upper left corner.

An episode is 2 to 5 sequences of a dataset, one after another. It can only be made from its beginning, so it is the
unit of work.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench.scene import Scenes, Span

if TYPE_CHECKING:
    from collections.abc import Collection

STEPS = np.array([[0, 0], [2, 0], [-2, 0], [0, 2], [0, -2]])
"""What each action adds to x and y: stay, right, left, down, up. The square stops at a wall."""

SIDE = 4
"""Of the square."""


@dataclass(frozen=True, kw_only=True)
class Walk:
    """One square, five actions."""

    name: ClassVar[str] = "walk"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = (
        "features",
        "groups",
        "position",
        "count",
        "visible",
        "actions",
        "reward",
        "episode",
    )
    objects: ClassVar[int] = 1
    actions: ClassVar[int] = len(STEPS)
    engine: ClassVar[str] = "processes"

    size: int = parameter(16, help="side of a frame in pixels", low=8, high=64)

    def __post_init__(self) -> None:
        check_fields(self, RecipeError)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 1

    def spans(self, recipe: Recipe, split: str) -> list[Span]:
        """Cut a split into its episodes: how long each is, is in its seed."""
        count = recipe.splits.get(split, 0)
        lengths = 2 + recipe.seeds(split, 0, count) % np.uint64(4)
        stops = [0, *np.minimum(np.cumsum(lengths), count).tolist()]
        return [Span(split, start, stop) for start, stop in pairwise(stops) if start < stop]

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Walk through one episode, and cut it into sequences."""
        episode = self.spans(recipe, span.split).index(span)
        frames, sequences = recipe.frames, len(span)
        (seed,) = recipe.seeds(span.split, episode, episode + 1)
        draws = np.random.Philox(key=int(seed)).random_raw(frames * sequences + 1).astype(np.int64) & 0xFFFF
        chosen, corner = draws[:-1] % len(STEPS), np.empty((frames * sequences, 2), np.int64)
        place = 2 * (np.array([draws[-1] >> 8, draws[-1] & 0xFF]) % ((self.size - SIDE) // 2 + 1))
        for t, action in enumerate(chosen):
            corner[t] = place
            place = np.clip(place + STEPS[action], 0, self.size - SIDE)
        groups = np.zeros((frames * sequences, self.size, self.size, 1), np.uint8)
        for t, (x, y) in enumerate(corner):
            groups[t, y : y + SIDE, x : x + SIDE] = 1
        flat = {
            "position": (corner[:, None] + SIDE / 2).astype(np.float32),
            "visible": np.full((len(corner), 1), SIDE * SIDE, np.uint16),
            "actions": np.eye(len(STEPS), dtype=np.uint8)[chosen],
            "reward": (corner == 0).all(1).astype(np.float32),
        }
        truth = {name: array.reshape(sequences, frames, *array.shape[1:]) for name, array in flat.items()}
        truth["count"] = np.ones(sequences, np.uint8)
        truth["episode"] = np.stack([np.full(sequences, episode), frames * np.arange(sequences)], axis=1).astype(
            np.uint32
        )
        groups = groups.reshape(sequences, frames, *groups.shape[1:])
        return Scenes(features=groups.copy(), groups=groups, truth=truth, events={})


walk = Recipe(
    dataset="walk",
    generator=Walk(),
    frames=12,
    splits={"training": 2_000, "validation": 200, "test": 1_000},
    about="a white square that is walked about, in whole episodes with actions and rewards",
)
