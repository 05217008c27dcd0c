"""Pictures of coloured squares: one frame each, every factor known.

A picture has four cells. An object fills a part of its cell, so no two overlap, and no two of a picture share a colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench.scene import Fault, Scenes
from physbench.world import make_by_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

SQUARE, RING = 1, 2
"""Shapes; 0 is an absent object."""

COLOURS = 255 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], np.uint8)


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Squares and rings of six colours on black."""

    name: ClassVar[str] = "squares"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = (
        "features",
        "groups",
        "position",
        "count",
        "visible",
        "shape",
        "colour",
        "scale",
    )
    objects: ClassVar[int] = 4

    size: int = parameter(24, help="side of a picture in pixels", low=16, high=64)
    most: int = parameter(4, help="most objects in a picture", low=1, high=4)
    rings: bool = True

    def __post_init__(self) -> None:
        check_fields(self, RecipeError)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 3

    def batch(self, seeds: NDArray[np.uint64], frames: int) -> Scenes:
        """Draw one picture for each seed."""
        n, size, cell = len(seeds), self.size, self.size // 2
        features, groups = (
            np.zeros((n, frames, size, size, 3), np.uint8),
            np.zeros((n, frames, size, size, 1), np.uint8),
        )
        truth = {
            "position": np.zeros((n, frames, 4, 2), np.float32),
            "count": np.zeros(n, np.uint8),
            "visible": np.zeros((n, frames, 4), np.uint16),
            "shape": np.zeros((n, 4), np.uint8),
            "colour": np.zeros((n, 4, 3), np.uint8),
            "scale": np.zeros((n, 4), np.float32),
        }
        for i, seed in enumerate(seeds):
            draws = np.random.Philox(key=int(seed)).random_raw(32).astype(np.int64) & 0xFFFF  # the same in every NumPy
            cells, colours = np.argsort(draws[:4], kind="stable"), np.argsort(draws[4:10], kind="stable")
            truth["count"][i] = 1 + draws[10] % self.most
            for k in range(truth["count"][i]):
                side = 5 + draws[12 + k] % (cell - 5)
                top, left = (
                    cell * (cells[k] // 2) + draws[16 + k] % (cell - side + 1),
                    cell * (cells[k] % 2) + draws[20 + k] % (cell - side + 1),
                )
                owned = np.zeros((size, size), bool)
                owned[top : top + side, left : left + side] = True
                shape = RING if self.rings and draws[24 + k] % 2 else SQUARE
                if shape == RING:
                    owned[top + 1 : top + side - 1, left + 1 : left + side - 1] = False
                features[i, :, owned], groups[i, :, owned] = COLOURS[colours[k]], k + 1
                truth["position"][i, :, k] = left + side / 2, top + side / 2
                truth["visible"][i, :, k] = owned.sum()
                truth["shape"][i, k], truth["colour"][i, k], truth["scale"][i, k] = shape, COLOURS[colours[k]], side
        return Scenes(features=features, groups=groups, truth=truth, events={})

    scenes = make_by_seed(batch)

    def check(self, scenes: Scenes) -> Iterator[Fault]:
        """Find each pixel's owner from the factors alone, by its distance from the centres."""
        assert scenes.features is not None and scenes.groups is not None
        centres = np.arange(self.size) + 0.5
        y, x = centres[:, None, None], centres[:, None]
        position, scale = scenes.truth["position"][:, :, None, None], scenes.truth["scale"][:, None, None, None]
        shape, colour = scenes.truth["shape"][:, None, None, None], scenes.truth["colour"]
        distance = np.maximum(abs(x - position[..., 0]), abs(y - position[..., 1]))  # (N, T, H, W, K)
        owned = (distance < scale / 2) & ((shape == SQUARE) | ((shape == RING) & (distance > scale / 2 - 1)))
        groups = (owned * np.arange(1, 5)).sum(-1, keepdims=True)
        features = np.einsum("nthwk,nkc->nthwc", owned.astype(np.uint8), colour)
        for i in range(len(groups)):
            if (groups[i] != scenes.groups[i]).any():
                yield Fault(i, "has a pixel whose owner is not where its factors say")
            elif (features[i] != scenes.features[i]).any():
                yield Fault(i, "has a pixel of another colour than its factors say")


squares = Recipe(
    dataset="squares",
    generator=Pictures(),
    frames=1,
    splits={"training": 2_000, "validation": 200, "test": 1_000},
    about="pictures of one to four squares and rings of their own colours",
)
