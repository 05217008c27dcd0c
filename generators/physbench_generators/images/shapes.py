"""Shapes: three outlines of triangles and squares in white on black, which may overlap.

The pixels of each outline are those in the notebook of the paper's first author. Shapes are drawn with replacement and
placed uniformly over the whole pixels where they fit. This is frozen with version 1.
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

UP = (
    ".....##.....",
    "....####....",
    "...######...",
    "..###..###..",
    ".###....###.",
    "############",
    "############",
)
SQUARE = ("#######", "#######", "##...##", "##...##", "##...##", "#######", "#######")
OUTLINES = {"up": UP, "down": UP[::-1], "square": SQUARE}
"""The outlines in the order of the shapes, which count from 1."""

WHITE = np.full((1, 3), 255, np.uint8)


@lru_cache(maxsize=1)
def bank() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return every outline as zeros and ones (S, 7, 12), and its height and width (S, 2)."""
    pixels, sizes = np.zeros((len(OUTLINES), 7, 12), np.uint8), np.zeros((len(OUTLINES), 2), np.int64)
    for number, lines in enumerate(OUTLINES.values()):
        sizes[number] = len(lines), len(lines[0])
        pixels[number, : len(lines), : len(lines[0])] = [[mark == "#" for mark in line] for line in lines]
    return pixels, sizes


@dataclass(frozen=True, kw_only=True)
class Shapes(Images):
    """A world of triangles that point up or down, 7x12 pixels, and squares, 7x7."""

    name: ClassVar[str] = "shapes"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features", "groups", "position", "count", "visible", "shape")

    n: tuple[int, int] = parameter((3, 3), help="shapes: 3, or a range such as 4-6")
    size: int = parameter(28, help="side of an image in pixels", low=12, high=256)

    def __post_init__(self) -> None:
        given: Any = self.n
        if type(given) is int:
            object.__setattr__(self, "n", (given, given))
        check_fields(self, RecipeError)
        require_range(self.n, "shapes")

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.size, self.size, 1

    @property
    def objects(self) -> int:
        """How many slots there are for objects."""
        return self.n[1]

    def draw_images(self, seeds: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
        """Make every array of the images with these seeds, without the time axis."""
        from physbench_generators.images.stencils import paint, throw

        arrays = empty(self.arrays, {"N": len(seeds), "H": self.size, "W": self.size, "C": 1, "K": self.objects})
        colour = np.zeros((len(seeds), self.objects, 3), np.uint8)
        states = (arrays["count"], arrays["shape"], colour, arrays["position"])
        throw(np.asarray(seeds, np.uint64), *self.n, self.size, False, *bank(), WHITE, states)
        paint(*bank(), *states, arrays["features"], arrays["groups"][..., 0], arrays["visible"])
        return arrays

    def check(self, scenes: Scenes) -> Iterator[Fault]:
        """Draw every outline again from its factors with other formulas, and yield what differs."""
        from physbench_generators.images.check import ShapePainter, find_faults

        return find_faults(scenes, ShapePainter(self.shape))

    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        """Name the objects in a picture of one image."""
        from physbench_generators.images.marks import mark_images

        return mark_images(arrays, ("triangle up", "triangle down", "square"))


shapes = Recipe(
    dataset="shapes",
    generator=Shapes(),
    frames=1,
    splits=PAPER,
    about="images of 3 outlines of triangles and squares in white on black",
)
shapes456 = Recipe(
    dataset="shapes456",
    generator=Shapes(n=(4, 6)),
    frames=1,
    splits={"test": 5_000},
    about="4, 5 or 6 outlines: more than in training",
)
