"""Tetris: three tetrominoes of six colours on black, without overlap.

Tetrominoes have 19 shapes, counting rotations. The paper says that it uses 17 of them; its published sample shows 16
and names none. Here the 17th is the horizontal I, and two rotations of J are left out: upright like the letter, and
lying with its hook above. Places are uniform over the whole pixels, and every arrangement without overlap is equally
likely. Only if there are too many pieces for that, they are placed one after another. This is frozen with version 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench_generators.images.compose import Images, empty, require_range
from physbench_generators.images.dsprites import PAPER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from physbench.scene import Fault, Marks, Scenes

PIECES = (
    ("I", "####"),
    ("I", "#/#/#/#"),
    ("L", "###/#.."),
    ("L", "..#/###"),
    ("J", "###/..#"),
    ("L", "##/.#/.#"),
    ("J", "##/#./#."),
    ("L", "#./#./##"),
    ("Z", "##./.##"),
    ("S", ".##/##."),
    ("Z", ".#/##/#."),
    ("S", "#./##/.#"),
    ("T", ".#./###"),
    ("T", "###/.#."),
    ("T", ".#/##/.#"),
    ("T", "#./##/#."),
    ("O", "##/##"),
)
"""The letter and the blocks, row by row, of each shape. Shapes count from 1."""

BLOCK = (
    (191, 255, 255, 255, 223),
    (127, 159, 159, 159, 191),
    (127, 159, 159, 159, 191),
    (127, 159, 159, 159, 191),
    (95, 63, 63, 63, 127),
)
"""The brightness of a block, in the channels that its colour has."""

COLOURS = 255 * np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 1]], np.uint8)

FULLEST = 0.5
"""The largest share of an image that pieces may cover."""

SIDE = len(BLOCK)
AREA = 4 * SIDE * SIDE


@lru_cache(maxsize=1)
def bank() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the shades of every piece (S, 20, 20), 0 outside it, and its height and width in pixels (S, 2)."""
    shades, sizes = np.zeros((len(PIECES), 4 * SIDE, 4 * SIDE), np.uint8), np.zeros((len(PIECES), 2), np.int64)
    for number, (_, drawing) in enumerate(PIECES):
        for y, line in enumerate(drawing.split("/")):
            for x, mark in enumerate(line):
                if mark == "#":
                    shades[number, SIDE * y : SIDE * (y + 1), SIDE * x : SIDE * (x + 1)] = BLOCK
            sizes[number] = SIDE * (y + 1), SIDE * len(line)
    return shades, sizes


@dataclass(frozen=True, kw_only=True)
class Tetris(Images):
    """A world of tetrominoes, made of blocks of 5x5 pixels that are brighter above than below."""

    name: ClassVar[str] = "tetris"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features", "groups", "position", "count", "visible", "shape", "colour")

    n: tuple[int, int] = parameter((3, 3), help="pieces: 3, or a range such as 4-6")
    size: int = parameter(35, help="side of an image in pixels", low=20, high=256)

    def __post_init__(self) -> None:
        given: Any = self.n
        if type(given) is int:
            object.__setattr__(self, "n", (given, given))
        check_fields(self, RecipeError)
        require_range(self.n, "pieces")
        share = AREA * self.n[1] / self.size**2
        if share > FULLEST:
            raise RecipeError(
                f"{self.n[1]} pieces would cover {share:.0%} of an image of {self.size}x{self.size}, at most"
                f" {FULLEST:.0%}: ask for fewer, or a larger --size"
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.size, self.size, 3

    @property
    def objects(self) -> int:
        """How many slots there are for objects."""
        return self.n[1]

    def draw_images(self, seeds: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
        """Make every array of the images with these seeds, without the time axis."""
        from physbench_generators.images.stencils import paint, throw

        arrays = empty(self.arrays, {"N": len(seeds), "H": self.size, "W": self.size, "C": 3, "K": self.objects})
        states = tuple(arrays[name] for name in ("count", "shape", "colour", "position"))
        if throw(np.asarray(seeds, np.uint64), *self.n, self.size, True, *bank(), COLOURS, states) < len(seeds):
            raise RecipeError(
                f"{self.n[1]} pieces found no room in an image of {self.size}x{self.size}: ask for fewer, or a larger"
                " --size"
            )
        paint(*bank(), *states, arrays["features"], arrays["groups"][..., 0], arrays["visible"])
        return arrays

    def check(self, scenes: Scenes) -> Iterator[Fault]:
        """Draw every piece again from its factors, block by block, and yield what differs."""
        from physbench_generators.images.check import TetrisPainter, find_faults

        return find_faults(scenes, TetrisPainter(self.shape))

    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        """Name the objects in a picture of one image."""
        from physbench_generators.images.marks import mark_images

        return mark_images(arrays, [letter for letter, _ in PIECES])


tetris = Recipe(
    dataset="tetris",
    generator=Tetris(),
    frames=1,
    splits=PAPER,
    about="images of 3 tetrominoes of six colours on black, without overlap",
)
tetris456 = Recipe(
    dataset="tetris456",
    generator=Tetris(n=(4, 6)),
    frames=1,
    splits={"test": 5_000},
    about="4, 5 or 6 tetrominoes: more than in training",
)
