"""The ball worlds: what can be asked for, and the named datasets.

Sizes and speeds are not in the R-NEM paper. Its figures show balls of about a fifth of the frame's width, and its ancestor [Sutskever, Hinton, Taylor 2009]
lets a ball of radius 1.2 move about 0.25 a frame in a box of 10. Here: radius 6 and 7.5 of 64 pixels (the paper's ratio 1.25), speeds from 0.6 to 3 pixels a
frame, so four balls fill a sixth of the frame and meet about ten times in 51 frames. Frozen with version 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from physbench.errors import RecipeError
from physbench.recipe import Recipe
from physbench.scene import Events, Fault, Scenes
from physbench.storage.block import Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from numpy.typing import NDArray

MOST_BALLS = 16
SMALLEST_BOX, LARGEST_BOX = 8, 256


def parameter(default: object, help: str, **more: object) -> object:
    """A field with the words the command line shows for it."""
    return field(default=default, metadata={"help": help, **more})


@dataclass(frozen=True, kw_only=True)
class Balls:
    """Elastic discs of two kinds in a box, the heavy kind drawn with probability one half."""

    name: ClassVar[str] = "balls"
    version: ClassVar[int] = 1

    n: tuple[int, int] = parameter((4, 4), f"balls: 4, or a range such as 6-8 (1 to {MOST_BALLS})")  # type: ignore[assignment]
    size: int = parameter(64, "side of the box in pixels")  # type: ignore[assignment]
    radius: float = parameter(6.0, "radius of the light kind in pixels")  # type: ignore[assignment]
    radius_ratio: float = parameter(1.25, "how many times larger the heavy kind is")  # type: ignore[assignment]
    mass_ratio: float = parameter(6.0, "how many times heavier the heavy kind is")  # type: ignore[assignment]
    speed: float = parameter(3.0, "highest speed at the start in pixels per frame; the lowest is a fifth of it")  # type: ignore[assignment]
    gravity: float = parameter(0.0, "downward acceleration in pixels per frame squared")  # type: ignore[assignment]
    curtain: int = parameter(0, "side of an invisible curtain in pixels (24 if no number is given)", flag=24)  # type: ignore[assignment]
    crop: int = parameter(0, "keep only the centre of this side; 0 keeps the whole box")  # type: ignore[assignment]
    colour: bool = parameter(False, "three channels, a colour of its own for every ball")  # type: ignore[assignment]

    def __post_init__(self) -> None:
        fewest, most = self._checked_types()
        if not 1 <= fewest <= most <= MOST_BALLS:
            asked = fewest if fewest == most else f"{fewest}-{most}"
            raise RecipeError(f"n is 1 to {MOST_BALLS} balls, or a range from few to many such as 6-8, not {asked}")
        if not SMALLEST_BOX <= self.size <= LARGEST_BOX:
            raise RecipeError(f"size is {SMALLEST_BOX} to {LARGEST_BOX} pixels, not {self.size}")
        for name, value, low, high in (
            ("radius", self.radius, 0.5, LARGEST_BOX),
            ("radius-ratio", self.radius_ratio, 0.01, 100.0),
            ("mass-ratio", self.mass_ratio, 1e-3, 1e3),
            ("speed", self.speed, 1e-3, float(self.size)),
            ("gravity", self.gravity, 0.0, float(self.size)),
        ):
            if not low <= value <= high:
                raise RecipeError(f"{name} is {low:g} to {high:g}, not {value:g}")
        for radius, _ in self.kinds:
            if 2.0 * radius >= self.size:
                raise RecipeError(f"a ball of radius {radius:g} does not fit in a box of {self.size}x{self.size} pixels")
        if self.crop and not 2 <= self.crop <= self.size:
            raise RecipeError(f"a crop of {self.crop} pixels cannot be cut from a box of {self.size}: it is 2 to {self.size}")
        if not 0 <= self.curtain <= self.side:
            raise RecipeError(f"a curtain of {self.curtain} pixels does not fit in a frame of {self.side}")

    def _checked_types(self) -> tuple[int, int]:
        """The fields in the types they are declared with, and the range of n; an error in words for anything else."""
        given = (self.n, self.n) if isinstance(self.n, int) else self.n
        if not (isinstance(given, (tuple, list)) and len(given) == 2 and all(type(end) is int for end in given)):
            raise RecipeError(f"n is a number of balls or a pair such as (6, 8), not {given!r}")
        for name, kind in (("size", int), ("curtain", int), ("crop", int), ("colour", bool)):
            if type(getattr(self, name)) is not kind:
                raise RecipeError(f"{name} is {'a whole number' if kind is int else 'True or False'}, not {getattr(self, name)!r}")
        for name in ("radius", "radius_ratio", "mass_ratio", "speed", "gravity"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise RecipeError(f"{name} is a number, not {value!r}")
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "n", (given[0], given[1]))
        return given[0], given[1]

    @property
    def side(self) -> int:
        """The side of a frame."""
        return self.crop or self.size

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.side, self.side, 3 if self.colour else 1

    @property
    def objects(self) -> int:
        return self.n[1]

    @property
    def kinds(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """(radius, mass) of the light and of the heavy kind, rounded as they are stored."""
        large = float(np.float32(self.radius * self.radius_ratio))
        return (float(np.float32(self.radius)), 1.0), (large, float(np.float32(self.mass_ratio)))

    def batch(self, seeds: Sequence[int] | NDArray[np.uint64], frames: int) -> Scenes:
        from physbench_generators.balls.pixels import pixels_of

        states, streams, events = self.throw(np.asarray(seeds, np.uint64), frames)
        pixels = pixels_of(states, streams, self.shape)
        return Scenes(**pixels, **states, events=events)

    def arrays(self, seeds: NDArray[np.uint64], frames: int, wanted: Collection[str], empty: Callable[[int], NDArray[np.uint8]]) -> dict[str, NDArray[Any]]:
        """The wanted arrays of the same scenes; the others are not drawn. Pixels lie in memory from `empty`."""
        from physbench_generators.balls.pixels import pixels_of

        states, streams, _ = self.throw(seeds, frames)
        drawn = {**states, **pixels_of(states, streams, self.shape, wanted=wanted, empty=empty)}
        return {name: drawn[name] for name in wanted}

    def encode(self, seeds: NDArray[np.uint64], frames: int) -> tuple[dict[str, Streams], dict[str, NDArray[Any]], Events]:
        """The same scenes with their pixel arrays as zlib streams: written from runs, never drawn, where there is no colour."""
        from physbench_generators.balls.encode import streams_of_pixels, streams_of_runs

        states, streams, events = self.throw(seeds, frames)
        made = (streams_of_pixels if self.colour else streams_of_runs)(states, streams, self.shape)
        return made, states, events

    def check(self, states: Mapping[str, NDArray[Any]], events: Events) -> Fault | None:
        """Replay the motion from frame to frame, through the events in between; return the first sequence that breaks a law."""
        from physbench_generators.balls.motion import SENTENCES, find_fault

        cut = (self.size - self.side) // 2
        moving = tuple(np.array(states[name], order="C") for name in ("position", "velocity", "radius", "mass", "count", "contact"))
        columns = tuple(np.array(getattr(events, name)) for name in ("time", "a", "b", "normal", "impulse", "position"))
        sequence, fault = find_fault(moving, np.array(events.offset), columns, float(self.gravity), float(-cut), float(self.size - cut))
        return Fault(int(sequence), SENTENCES[fault]) if fault else None

    def throw(self, seeds: NDArray[np.uint64], frames: int) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint64], Events]:
        """The motion alone: states by name (`visible` still zero), the random stream as each sequence leaves it, and the events."""
        from physbench_generators.balls.kernels import CROWDED, FULL, MOST_EVENTS, throw

        self._room  # noqa: B018  (balls that cannot be placed are refused before the first of them is thrown)
        count, slots = len(seeds), self.objects
        states = {
            "contact": np.zeros((count, frames, slots), np.uint8),
            "position": np.zeros((count, frames, slots, 2), np.float32),
            "velocity": np.zeros((count, frames, slots, 2), np.float32),
            "radius": np.zeros((count, slots), np.float32),
            "mass": np.zeros((count, slots), np.float32),
            "count": np.zeros(count, np.uint8),
            "curtain": np.zeros((count, 4), np.int16),
        }
        visible = np.zeros((count, frames, slots), np.uint16)  # left for those who draw
        streams = np.zeros(count, np.uint64)
        offset = np.zeros(count + 1, np.int64)
        rows = _empty_rows(count * (16 + slots * slots * 4) + 64)
        done, light, heavy = 0, *self.kinds
        while True:
            done, stopped = throw(
                seeds, *self.n, light, heavy, self.size, self.speed, self.gravity, self.side, self.curtain,
                done, (*states.values(), streams), (offset, *rows),
            )  # fmt: skip
            if stopped == 0:
                made = int(offset[-1])
                return {**states, "visible": visible}, streams, Events(offset, *(column[:made] for column in rows))
            if stopped == CROWDED:
                raise self._crowded()
            if stopped != FULL:
                raise RecipeError(f"more than {MOST_EVENTS:,} collisions in one sequence of {frames} frames: lower --speed, --gravity or --mass-ratio")
            rows = tuple(np.concatenate([column, np.empty_like(column)]) for column in rows)

    @cached_property
    def _room(self) -> bool:
        """Whether the most balls, all of the larger kind, can be placed at random; an error in words if not."""
        from physbench_generators.balls.kernels import place

        most = self.n[1]
        radii = np.full(most, max(self.kinds)[0])
        if not all(place(np.array([seed], np.uint64), most, float(self.size), np.zeros(most), np.zeros(most), radii) for seed in range(8)):
            raise self._crowded()
        return True

    def _crowded(self) -> RecipeError:
        radius = max(self.kinds)[0]
        share = self.n[1] * np.pi * radius * radius / self.size**2
        return RecipeError(
            f"{self.n[1]} balls of radius {radius:g} would cover {share:.0%} of a box of {self.size}x{self.size} and cannot be placed at random: "
            "fewer or smaller balls, or a larger box"
        )


def _empty_rows(count: int) -> tuple[NDArray[np.generic], ...]:
    """time, a, b, normal, impulse, position."""
    return (
        np.empty(count),
        np.empty(count, np.uint8),
        np.empty(count, np.uint8),
        np.empty((count, 2)),
        np.empty(count),
        np.empty((count, 2)),
    )


balls = Recipe(dataset="balls", generator=Balls(), about="scenes of your own: any number, size, mass, speed, gravity, curtain, crop, colour")
balls4mass64 = Recipe(dataset="balls4mass64", generator=Balls(n=(4, 4)), about="4 balls of two kinds, one 6 times heavier and 1.25 times larger than the other")
balls678mass64 = Recipe(
    dataset="balls678mass64", generator=Balls(n=(6, 8)), splits={"test": 10_000}, about="6, 7 or 8 balls of the same kinds: the extrapolation test"
)
balls4mass64_crop50 = Recipe(dataset="balls4mass64-crop50", generator=Balls(n=(4, 4), crop=50), about="the centre of 50x50 of balls4mass64: balls come and go")
balls678mass64_crop50 = Recipe(
    dataset="balls678mass64-crop50",
    generator=Balls(n=(6, 8), crop=50),
    splits={"test": 10_000},
    about="the centre of 50x50 of balls678mass64: balls come and go",
)
balls3curtain64 = Recipe(
    dataset="balls3curtain64",
    generator=Balls(n=(3, 3), radius_ratio=1.0, mass_ratio=1.0, curtain=24),
    about="3 equal balls behind an invisible curtain of 24x24 pixels",
)
