"""The ball worlds: their parameters, and the named datasets.

The R-NEM paper does not give sizes and speeds. Its figures show balls of about a fifth of the frame's width. In the
dataset that it builds on [Sutskever, Hinton, Taylor 2009], a ball of radius 1.2 moves about 0.25 per frame in a box of
10. Here, the radius is 6 or 7.5 of 64 pixels (the paper's ratio 1.25) and the speeds are 0.6 to 3 pixels per frame, so
four balls fill a sixth of the frame and meet about ten times in 51 frames. These values are frozen with version 1.

Ten balls of that size cannot be placed at random in 64 pixels. The balls of balls10 are all equal, with radius 4, so
that they fill an eighth of the box. The RMR paper [Velickovic et al. 2021] gives neither sizes nor speeds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench.scene import Fault, Marks, Scenes, Span, Streams
from physbench.storage.layout import ARRAYS, FIELDS
from physbench.world import Memory

MOST_BALLS = 16
LARGEST_BOX = 256

STATES = ("contact", "position", "velocity", "radius", "mass", "count", "curtain")
"""The arrays of the motion without pixels, in the order in which the kernels take them."""

COLUMNS = ("offset", "time", "a", "b", "normal", "impulse", "position")
"""The columns of the events, in the order in which the kernels take them."""


@dataclass(frozen=True, kw_only=True)
class BallStates:
    """A world of elastic discs in a box, as states without pixels.

    There are two kinds of discs; each disc is of the heavy kind with probability one half.
    """

    name: ClassVar[str] = "ball-states"
    version: ClassVar[int] = 1

    arrays: ClassVar[tuple[str, ...]] = (
        *("contact", "position", "velocity", "radius", "mass", "count"),
        *(f"events/{name}" for name in ("offset", "sequence", "time", "a", "b", "normal", "impulse", "position")),
    )

    checked: ClassVar[tuple[str, ...]] = ("position", "velocity", "radius", "mass", "count", "contact")

    n: tuple[int, int] = parameter((4, 4), help=f"balls: 4, or a range such as 6-8 (1 to {MOST_BALLS})")
    size: int = parameter(64, help="side of the box in pixels", low=8, high=LARGEST_BOX)
    radius: float = parameter(6.0, help="radius of the light kind in pixels", low=0.5, high=LARGEST_BOX)
    radius_ratio: float = parameter(1.25, help="how many times larger the heavy kind is", low=0.01, high=100.0)
    mass_ratio: float = parameter(6.0, help="how many times heavier the heavy kind is", low=1e-3, high=1e3)
    speed: float = parameter(
        3.0,
        help="highest speed at the start in pixels per frame; the lowest is a fifth of it",
        low=1e-3,
        high=LARGEST_BOX,
    )
    gravity: float = parameter(0.0, help="downward acceleration in pixels per frame squared", low=0.0, high=LARGEST_BOX)

    def __post_init__(self) -> None:
        given: Any = self.n
        if type(given) is int:
            object.__setattr__(self, "n", (given, given))
        check_fields(self, RecipeError)
        fewest, most = self.n
        if not 1 <= fewest <= most <= MOST_BALLS:
            asked = fewest if fewest == most else f"{fewest}-{most}"
            raise RecipeError(f"n is 1 to {MOST_BALLS} balls, or a range such as 6-8, not {asked}")
        for name, value in (("speed", self.speed), ("gravity", self.gravity)):
            if value > self.size:
                raise RecipeError(f"{name} is at most the side of the box, {self.size}, not {value:g}")
        for radius, _ in self.kinds:
            if 2.0 * radius >= self.size:
                raise RecipeError(
                    f"a ball of radius {radius:g} does not fit in a box of {self.size}x{self.size} pixels"
                )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame: zeros, as there are no pixels."""
        return 0, 0, 0

    @property
    def objects(self) -> int:
        """How many slots there are for objects."""
        return self.n[1]

    @property
    def box_side(self) -> float:
        """The side of the box whose walls the balls hit."""
        return float(self.size)

    @property
    def view(self) -> tuple[int, int]:
        """The side of the frame, which is the middle of the box, and the side of the curtain in it."""
        return self.size, 0

    @property
    def kinds(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The (radius, mass) of the light and of the heavy kind, rounded as they are stored."""
        large = float(np.float32(self.radius * self.radius_ratio))
        return (float(np.float32(self.radius)), 1.0), (large, float(np.float32(self.mass_ratio)))

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Make the sequences of a span."""
        states, _, events = self.throw(recipe.seeds(span.split, span.start, span.stop), recipe.frames)
        return Scenes(truth=states, events=events)

    def check(self, scenes: Scenes) -> Iterator[Fault]:
        """Replay the motion from frame to frame, through the events, and yield the first sequence that breaks a law."""
        from physbench_generators.balls.motion import SENTENCES, find_fault

        cut = (self.size - self.view[0]) // 2
        moving = tuple(np.array(scenes.truth[name], order="C") for name in self.checked)
        offset, *columns = (np.array(scenes.events[name]) for name in COLUMNS)
        sequence, fault = find_fault(
            moving, offset, tuple(columns), float(self.gravity), float(-cut), float(self.size - cut)
        )
        if fault:
            yield Fault(int(sequence), SENTENCES[fault])

    def throw(
        self, seeds: NDArray[np.uint64], frames: int
    ) -> tuple[dict[str, NDArray[Any]], NDArray[np.uint64], dict[str, NDArray[Any]]]:
        """Make the motion of the sequences of these seeds, without pixels.

        Return the states by name (`visible` is still zero), the random stream after the draws of each sequence, and the
        events.
        """
        from physbench_generators.balls.kernels import CROWDED, FULL, MOST_EVENTS, throw

        self._room  # noqa: B018  (raises an error before any work is done if the balls do not fit)
        count, slots = len(seeds), self.objects
        sizes = {"N": count, "T": frames, "K": slots}
        states = {name: np.zeros(FIELDS[name].memory_shape(sizes), FIELDS[name].dtype) for name in STATES}
        visible = np.zeros((count, frames, slots), np.uint16)  # filled in when pixels are drawn
        streams = np.zeros(count, np.uint64)
        offset = np.zeros(count + 1, np.int64)
        rows = _empty_rows(count * (16 + slots * slots * 4) + 64)
        done, light, heavy = 0, *self.kinds
        while True:
            done, stopped = throw(
                seeds, *self.n, light, heavy, self.size, self.speed, self.gravity, *self.view,
                done, (*states.values(), streams), (offset, *rows),
            )  # fmt: skip
            if stopped == 0:
                made = int(offset[-1])
                columns = (offset, *(column[:made] for column in rows))
                return {**states, "visible": visible}, streams, dict(zip(COLUMNS, columns, strict=True))
            if stopped == CROWDED:
                raise self._too_crowded()
            if stopped != FULL:
                raise RecipeError(
                    f"more than {MOST_EVENTS:,} collisions in one sequence of {frames} frames: lower --speed, --gravity"
                    " or --mass-ratio"
                )
            rows = tuple(np.concatenate([column, np.empty_like(column)]) for column in rows)

    @cached_property
    def _room(self) -> bool:
        """True if the largest number of balls, all of the larger kind, can be placed at random; otherwise an error."""
        from physbench_generators.balls.kernels import place

        most = self.n[1]
        radii = np.full(most, max(self.kinds)[0])
        if not all(
            place(np.array([seed], np.uint64), most, float(self.size), np.zeros(most), np.zeros(most), radii)
            for seed in range(8)
        ):
            raise self._too_crowded()
        return True

    def _too_crowded(self) -> RecipeError:
        radius = max(self.kinds)[0]
        share = self.n[1] * np.pi * radius * radius / self.size**2
        return RecipeError(
            f"{self.n[1]} balls of radius {radius:g} would cover {share:.0%} of a box of {self.size}x{self.size} and"
            " cannot be placed at random: ask for fewer or smaller balls, or a larger box"
        )


@dataclass(frozen=True, kw_only=True)
class Balls(BallStates):
    """A world of elastic discs in a box, with pixels, their owners, collisions, and optionally a curtain."""

    name: ClassVar[str] = "balls"
    version: ClassVar[int] = 1

    arrays: ClassVar[tuple[str, ...]] = (
        *(
            "features",
            "groups",
            "collisions",
            "contact",
            "position",
            "velocity",
            "radius",
            "mass",
            "count",
            "visible",
            "curtain",
        ),
        *(f"events/{name}" for name in ("offset", "sequence", "time", "a", "b", "normal", "impulse", "position")),
    )

    curtain: int = parameter(0, help="side of an invisible curtain in pixels (24 if no number is given)", flag=24)
    crop: int = parameter(0, help="keep only the centre of this side; 0 keeps the whole box")
    colour: bool = parameter(False, help="three channels, with a different colour for every ball")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.crop and not 2 <= self.crop <= self.size:
            raise RecipeError(
                f"a crop of {self.crop} pixels cannot be cut from a box of {self.size}: it is 2 to {self.size}"
            )
        if not 0 <= self.curtain <= self.side:
            raise RecipeError(f"a curtain of {self.curtain} pixels does not fit in a frame of {self.side}")

    @property
    def side(self) -> int:
        """The side of a frame."""
        return self.crop or self.size

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return self.side, self.side, 3 if self.colour else 1

    @property
    def box_side(self) -> float:
        """The side of the box, or 0 if a frame shows only its middle: positions in the frame are then not in a box."""
        return float(self.size) if self.side == self.size else 0.0

    @property
    def view(self) -> tuple[int, int]:
        """The side of the frame, which is the middle of the box, and the side of the curtain in it."""
        return self.side, self.curtain

    def batch(
        self,
        seeds: Sequence[int] | NDArray[np.uint64],
        frames: int,
        only: Collection[str] | None = None,
        *,
        memory: Memory | None = None,
    ) -> Scenes:
        """Make the sequence of each seed.

        only: the arrays to make; others are not drawn. memory: makes the arrays that pixels are drawn into.
        """
        from physbench_generators.balls.pixel_arrays import pixels_of

        wanted = self.arrays if only is None else only
        states, streams, events = self.throw(np.asarray(seeds, np.uint64), frames)
        arrays = {**pixels_of(states, streams, self.shape, wanted=wanted, empty=memory), **states}
        return Scenes.of({name: arrays[name] for name in arrays if name in wanted}, events)

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Make the sequences of a span."""
        return self.draw(recipe, span, only)

    def draw(self, recipe: Recipe, span: Span, only: Collection[str] | None, memory: Memory | None = None) -> Scenes:
        """Make the sequences of a span, with their pixels in arrays from `memory`."""
        return self.batch(recipe.seeds(span.split, span.start, span.stop), recipe.frames, only, memory=memory)

    def encode(self, recipe: Recipe, span: Span) -> tuple[dict[str, Streams], Scenes]:
        """Make the pixel arrays as zlib streams. Without colour, they are written from runs and never drawn."""
        from physbench_generators.balls.encode import streams_of_pixels, streams_of_runs

        states, streams, events = self.throw(recipe.seeds(span.split, span.start, span.stop), recipe.frames)
        pixels = (streams_of_pixels if self.colour else streams_of_runs)(states, streams, self.shape)
        return pixels, Scenes(truth=states, events=events)

    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        """Name the balls in a picture of one sequence, and mark what they hit."""
        from physbench_generators.balls.marks import mark_balls

        return mark_balls(arrays, events)


def _empty_rows(count: int) -> tuple[NDArray[np.generic], ...]:
    """Make empty columns for events, without the offset."""
    fields = [ARRAYS[f"events/{name}"] for name in COLUMNS[1:]]
    return tuple(np.empty(field.shape({"M": count}), field.dtype) for field in fields)


balls = Recipe(
    dataset="balls",
    generator=Balls(),
    about="scenes of your own: any number, size, mass, speed, gravity, curtain, crop, colour",
)
balls4mass64 = Recipe(
    dataset="balls4mass64",
    generator=Balls(n=(4, 4)),
    about="4 balls of two kinds, one 6 times heavier and 1.25 times larger than the other",
)
balls678mass64 = Recipe(
    dataset="balls678mass64",
    generator=Balls(n=(6, 8)),
    splits={"test": 10_000},
    about="6, 7 or 8 balls of the same kinds: the extrapolation test",
)
balls4mass64_crop50 = Recipe(
    dataset="balls4mass64-crop50",
    generator=Balls(n=(4, 4), crop=50),
    about="the centre of 50x50 of balls4mass64: its edges cut balls, and none leaves it",
)
balls678mass64_crop50 = Recipe(
    dataset="balls678mass64-crop50",
    generator=Balls(n=(6, 8), crop=50),
    splits={"test": 10_000},
    about="the centre of 50x50 of balls678mass64: its edges cut balls, and none leaves it",
)
balls_leave50 = Recipe(
    dataset="balls-leave50",
    generator=Balls(n=(1, 6), size=80, crop=50),
    about=(
        "1 to 6 balls of the same kinds in a box of 80x80, seen through a window of 50x50: they leave it and come back"
    ),
)
balls3curtain64 = Recipe(
    dataset="balls3curtain64",
    generator=Balls(n=(3, 3), radius_ratio=1.0, mass_ratio=1.0, curtain=24),
    about="3 equal balls behind an invisible curtain of 24x24 pixels",
)
balls10_colour = Recipe(
    dataset="balls10-colour",
    generator=Balls(n=(10, 10), radius=4.0, radius_ratio=1.0, mass_ratio=1.0, colour=True),
    about="the balls of balls10, each in a colour of its own",
)
balls10 = Recipe(
    dataset="balls10",
    generator=BallStates(n=(10, 10), radius=4.0, radius_ratio=1.0, mass_ratio=1.0),
    about="10 equal balls as states alone, without pixels: trajectories to reason about",
)
