"""A check of images: each is drawn again from its factors, in NumPy and with other formulas than the kernels use.

The arrays may come from an untrusted file, so nothing in them is assumed to be valid. K objects, H x W pixels, C
channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np

from physbench.scene import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from physbench.scene import Scenes

    Factors = Mapping[str, NDArray[Any]]

DOUBT = 1e-9
"""A tolerance, relative to the size of a sprite. If the centre of a pixel is nearer than this to the edge of a sprite,
rounding decides on which side it lies, so the pixel is not checked."""

OFF_GRID = "has an object that does not lie on whole pixels within the image"
NO_SHAPE = "has an object whose shape does not exist"


class Painted(NamedTuple):
    """An image drawn again from its factors."""

    features: NDArray[Any]  # (H, W, C)
    groups: NDArray[Any]  # (H, W)
    doubtful: NDArray[np.bool_] | None = None  # (H, W) pixels too near to an edge to be checked


class Painter(Protocol):
    """A function that draws the images of one world."""

    def __call__(self, factors: Factors, count: int) -> Painted | str:
        """Draw one image from its factors, (K, ...) each, or return a sentence that says why it cannot be drawn."""
        ...


def find_faults(scenes: Scenes, paint: Painter) -> Iterator[Fault]:
    """Draw every image again from its factors and yield a fault for each that differs."""
    assert scenes.features is not None and scenes.groups is not None
    slots = scenes.truth["shape"].shape[1]
    for i, (features, groups) in enumerate(zip(scenes.features, scenes.groups[..., 0], strict=True)):
        told = {name: array[i] for name, array in scenes.truth.items()}
        frames = {"features": features, "groups": groups, **{name: told[name] for name in ("position", "visible")}}
        if moving := [name for name, array in frames.items() if (array[1:] != array[0]).any()]:
            yield Fault(i, f"is a still image whose {moving[0]} change")
            continue
        factors = {name: array[0] if name in frames else array for name, array in told.items()}
        if sentence := _compare(features[0], groups[0], factors, slots, paint):
            yield Fault(i, sentence)


def _compare(features: NDArray[Any], groups: NDArray[Any], factors: Factors, slots: int, paint: Painter) -> str:
    """Return a sentence that says what is wrong with one image, or "" if nothing is."""
    count = int(factors["count"])
    if count > slots:
        return f"has {count} objects, and at most {slots} are allowed"
    if kept := [name for name, array in factors.items() if name not in ("count", "background") and array[count:].any()]:
        return f"has an absent object with a {kept[0]}"
    if (np.bincount(groups.reshape(-1), minlength=slots + 1)[1 : slots + 1] != factors["visible"]).any():
        return "has an object with more or fewer pixels than `visible` says"
    painted = paint(factors, count)
    if isinstance(painted, str):
        return painted
    if _differ(painted.groups[..., None], groups[..., None], painted.doubtful):
        return "has a pixel whose owner is not the object that its factors put there"
    return (
        "has a pixel whose colour does not follow from its factors"
        if _differ(painted.features, features, painted.doubtful)
        else ""
    )


def _differ(made: NDArray[Any], stored: NDArray[Any], doubtful: NDArray[np.bool_] | None) -> bool:
    """Return whether pixels (H, W, C) differ anywhere outside the doubtful ones (H, W)."""
    wrong = made != stored
    return bool(wrong.any() and (doubtful is None or wrong[~doubtful].any()))


def _alone(masks: NDArray[np.bool_]) -> NDArray[Any]:
    """Return the owner of each pixel (H, W) from masks (K, H, W): an object from 1 on, or 0 for none or several."""
    groups = np.zeros(masks.shape[1:], np.uint8)
    for k, mask in enumerate(masks):
        groups[mask] = k + 1
    groups[np.count_nonzero(masks, axis=0) > 1] = 0
    return groups


@dataclass(frozen=True)
class SpritePainter:
    """A painter of sprites. It maps each pixel, as a complex number, back into a sprite of scale 1 without rotation."""

    shape: tuple[int, int, int]
    binary: bool

    @cached_property
    def places(self) -> NDArray[np.complex128]:
        """The centres of the pixels (H, W)."""
        centres = np.arange(self.shape[0]) + 0.5
        return centres + 1j * centres[:, None]

    def __call__(self, factors: Factors, count: int) -> Painted | str:
        size = self.shape[0]
        kinds, colours = factors["shape"][:count], factors["colour"][:count]
        if not ((kinds >= 1) & (kinds <= 3)).all():
            return NO_SHAPE
        if self.binary and ((colours != 255).any() or factors["background"].any()):
            return "has a colour although it is black and white"
        masks, doubtful = np.zeros((count, size, size), bool), np.zeros((size, size), bool)
        sizes, angles = size / 64 * factors["scale"].astype(np.float64), factors["rotation"].astype(np.float64)
        if (
            not all(np.isfinite(numbers).all() for numbers in (sizes, angles, factors["position"]))
            or not ((sizes >= 0) & (sizes <= size)).all()
        ):
            return "has a scale, a rotation or a position that is not a valid number"
        for k, kind in enumerate(kinds.tolist()):
            x, y = factors["position"][k].tolist()
            near = _around(y, 13 * sizes[k], size), _around(x, 13 * sizes[k], size)
            turned = (self.places[near] - complex(x, y)) * np.exp(-1j * angles[k])
            depth = cast("NDArray[np.float64]", _DEPTHS[kind - 1](turned / max(sizes[k], DOUBT)))
            masks[(k, *near)] = depth >= 0
            doubtful[near] |= np.abs(depth) < DOUBT
        if self.binary:
            return Painted(np.asarray(masks.any(0))[..., None], _alone(masks), doubtful)
        groups = np.zeros((size, size), np.uint8)
        for k, mask in enumerate(masks):
            groups[mask] = k + 1
        return Painted(np.vstack([factors["background"][None], colours])[groups], groups, doubtful)


def _around(middle: float, reach: float, size: int) -> slice:
    """Return the pixels of a row or a column that a sprite may touch."""
    return slice(int(min(max(middle - reach - 1, 0), size)), int(min(max(middle + reach + 2, 0), size)))


def _square(place: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return how deep a place lies inside a square of side 17: 1 in the middle, 0 on the edge, negative outside."""
    return 1 - (np.abs(place.real + place.imag) + np.abs(place.real - place.imag)) / 17


def _ellipse(place: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the same for an ellipse with half axes 12 and 8, where the distances to the foci add up to 24."""
    focus = np.sqrt(12**2 - 8**2)
    return 1 - (np.abs(place - focus) + np.abs(place + focus)) / 24


def _heart(place: NDArray[np.complex128]) -> NDArray[np.float64]:
    """Return the same for a heart whose unit is 9 pixels and whose centre lies a quarter of a unit above the origin."""
    x, y = place.real / 9, 0.25 - place.imag / 9
    return np.cbrt(x * x) * y - (x * x + y * y - 1)


_DEPTHS: tuple[Callable[[NDArray[np.complex128]], NDArray[np.float64]], ...] = (_square, _ellipse, _heart)


def _corner(position: NDArray[Any], height: int, width: int, shape: tuple[int, int, int]) -> tuple[int, int] | None:
    """Return the top row and the left column of a box around a position.

    Return None if the box does not lie on whole pixels inside the image.
    """
    left, top = (position.astype(np.float64) - (width / 2, height / 2)).tolist()
    if not (0 <= left <= shape[1] - width and 0 <= top <= shape[0] - height) or left % 1 or top % 1:
        return None
    return int(top), int(left)


@dataclass(frozen=True)
class TetrisPainter:
    """A painter of pieces, block by block. A block is lit from above and from the right. The shade of a corner is the
    mean of the two sides that meet there."""

    shape: tuple[int, int, int]

    def __call__(self, factors: Factors, count: int) -> Painted | str:
        features, masks = np.zeros(self.shape, np.uint8), np.zeros((count, *self.shape[:2]), bool)
        bevel = _bevel()[..., None]
        for k in range(count):
            number, colour = int(factors["shape"][k]), factors["colour"][k].tolist()
            if not 1 <= number <= len(_CELLS):
                return NO_SHAPE
            if {*colour} != {0, 255}:
                return "has a piece whose colour is none of the six"
            cells = _CELLS[number - 1]
            corner = _corner(
                factors["position"][k],
                5 * (max(y for y, _ in cells) + 1),
                5 * (max(x for _, x in cells) + 1),
                self.shape,
            )
            if corner is None:
                return OFF_GRID
            for y, x in cells:
                block = slice(corner[0] + 5 * y, corner[0] + 5 * y + 5), slice(corner[1] + 5 * x, corner[1] + 5 * x + 5)
                masks[(k, *block)] = True
                features[block] = bevel * [channel > 0 for channel in colour]
        if (np.count_nonzero(masks, axis=0) > 1).any():
            return "has two pieces on one pixel"
        return Painted(features, _alone(masks))


@cache
def _bevel() -> NDArray[np.int64]:
    """Return the shades of a block (5, 5): its sides, its inside, and its corners."""
    rows, columns = np.full(5, 159), np.full(5, 159)
    rows[0], rows[4], columns[0], columns[4] = 255, 63, 127, 191
    y, x = np.indices((5, 5))
    return np.where(y % 4 > 0, columns[x], np.where(x % 4 > 0, rows[y], (rows[y] + columns[x]) // 2))


_CELLS = (
    ((0, 0), (0, 1), (0, 2), (0, 3)),
    ((0, 0), (1, 0), (2, 0), (3, 0)),
    ((0, 0), (0, 1), (0, 2), (1, 0)),
    ((0, 2), (1, 0), (1, 1), (1, 2)),
    ((0, 0), (0, 1), (0, 2), (1, 2)),
    ((0, 0), (0, 1), (1, 1), (2, 1)),
    ((0, 0), (0, 1), (1, 0), (2, 0)),
    ((0, 0), (1, 0), (2, 0), (2, 1)),
    ((0, 0), (0, 1), (1, 1), (1, 2)),
    ((0, 1), (0, 2), (1, 0), (1, 1)),
    ((0, 1), (1, 0), (1, 1), (2, 0)),
    ((0, 0), (1, 0), (1, 1), (2, 1)),
    ((0, 1), (1, 0), (1, 1), (1, 2)),
    ((0, 0), (0, 1), (0, 2), (1, 1)),
    ((0, 1), (1, 0), (1, 1), (2, 1)),
    ((0, 0), (1, 0), (1, 1), (2, 0)),
    ((0, 0), (0, 1), (1, 0), (1, 1)),
)
"""The blocks of each shape, as pairs of row and column."""


@dataclass(frozen=True)
class ShapePainter:
    """A painter of outlines, which compares the distance of each pixel from the axis of the shape."""

    shape: tuple[int, int, int]

    def __call__(self, factors: Factors, count: int) -> Painted | str:
        masks = np.zeros((count, *self.shape[:2]), bool)
        for k in range(count):
            kind = int(factors["shape"][k])
            if not 1 <= kind <= 3:
                return NO_SHAPE
            width = 7 if kind == 3 else 12
            corner = _corner(factors["position"][k], 7, width, self.shape)
            if corner is None:
                return OFF_GRID
            y, x = np.indices((7, width))
            if kind == 3:
                outline = np.maximum(abs(y - 3), abs(x - 3)) >= 2
            else:
                row, off = (y if kind == 1 else 6 - y), abs(x - 5.5)
                outline = (off < np.minimum(row + 1, 6)) & ~((row < 5) & (off < row - 2))
            masks[k, corner[0] : corner[0] + 7, corner[1] : corner[1] + width] = outline
        return Painted(np.asarray(masks.any(0))[..., None], _alone(masks))
