"""Multi-dSprites: two to five sprites in colour, or two or three in white on black.

The paper and the released files leave some choices open. Here, the sizes of sprites are those in `geometry`; centres
are uniform over the square in which every sprite lies within the frame; colours are uniform over the hue wheel; greys
are uniform. docs/images.md explains these choices. They are frozen with version 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench.scene import Fault, Scenes
from physbench_generators.images.compose import Images, empty, require_range

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from physbench.scene import Marks

STATES = ("count", "shape", "colour", "scale", "rotation", "position", "background")
"""The factors, in the order in which the kernels take them."""

PAPER = {"training": 50_000, "validation": 5_000, "test": 5_000}


@dataclass(frozen=True, kw_only=True)
class Sprites(Images):
    """A world of squares, ellipses and hearts of any size, angle and hue on grey, or in white on black."""

    name: ClassVar[str] = "multi-dsprites"
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
        "rotation",
        "background",
    )

    n: tuple[int, int] | None = parameter(
        None, help="sprites: 4, or a range such as 6-8; by default 2-5, or 2-3 in black and white"
    )
    size: int = parameter(64, help="side of an image in pixels", low=16, high=256)
    binary: bool = parameter(False, help="white sprites on black")

    def __post_init__(self) -> None:
        given: Any = self.n
        if type(given) is int:
            object.__setattr__(self, "n", (given, given))
        check_fields(self, RecipeError)
        require_range(self.numbers, "sprites")

    @property
    def numbers(self) -> tuple[int, int]:
        """The fewest and the most sprites."""
        return self.n or ((2, 3) if self.binary else (2, 5))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.size, self.size, 1 if self.binary else 3

    @property
    def objects(self) -> int:
        """How many slots there are for objects."""
        return self.numbers[1]

    def draw_images(self, seeds: NDArray[np.uint64]) -> dict[str, NDArray[Any]]:
        """Make every array of the images with these seeds, without the time axis."""
        from physbench_generators.images.kernels import paint, throw

        height, width, channels = self.shape
        arrays = empty(self.arrays, {"N": len(seeds), "H": height, "W": width, "C": channels, "K": self.objects})
        states = tuple(arrays[name] for name in STATES)
        throw(np.asarray(seeds, np.uint64), *self.numbers, self.size, self.binary, states)
        paint(*states, self.binary, arrays["features"], arrays["groups"][..., 0], arrays["visible"])
        return arrays

    def check(self, scenes: Scenes) -> Iterator[Fault]:
        """Draw every sprite again from its factors with other formulas, and yield what differs."""
        from physbench_generators.images.check import SpritePainter, find_faults

        return find_faults(scenes, SpritePainter(self.shape, self.binary))

    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        """Name the objects in a picture of one image."""
        from physbench_generators.images.marks import mark_images

        return mark_images(arrays, ("square", "ellipse", "heart"))


multi_dsprites = Recipe(
    dataset="multi-dsprites",
    generator=Sprites(),
    frames=1,
    splits=PAPER,
    about="images of 2 to 5 coloured sprites that cover one another, on grey; --binary: 2 or 3 in white on black",
)
multi_dsprites_binary = Recipe(
    dataset="multi-dsprites-binary",
    generator=Sprites(binary=True),
    frames=1,
    splits=PAPER,
    about="images of 2 or 3 white sprites on black",
)
multi_dsprites678 = Recipe(
    dataset="multi-dsprites678",
    generator=Sprites(n=(6, 8)),
    frames=1,
    splits={"test": 5_000},
    about="6, 7 or 8 coloured sprites: more than in training",
)
multi_dsprites_binary456 = Recipe(
    dataset="multi-dsprites-binary456",
    generator=Sprites(binary=True, n=(4, 6)),
    frames=1,
    splits={"test": 5_000},
    about="4, 5 or 6 white sprites: more than in training",
)
