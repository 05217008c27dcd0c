"""Ways to make scenes wrong, each with the words that `verify` must report."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from physbench.scene import WALL, Scenes
from tests.oracles.contract import Array

ARENA = {"n": (3, 4), "size": 40, "radius": 4.0, "mass_ratio": 3.0, "speed": 4.0}
FALSE: dict[str, tuple[str, Callable[[Scenes, random.Random], Scenes | None]]] = {}


def falsehood(sentence: str) -> Callable[..., Any]:
    """One way to be wrong, written with honest digests, and what verify must say of it."""

    def register(tell: Callable[[Scenes, random.Random], Scenes | None]) -> Any:
        FALSE[tell.__name__.replace("_", " ")] = (sentence, tell)
        return tell

    return register


def somewhere(scenes: Scenes, draw: random.Random, frames: int = 1) -> tuple[int, int, int]:
    """A sequence, a frame (not one of the first `frames`), a ball that is there."""
    s = draw.randrange(len(scenes.truth["count"]))
    return s, draw.randrange(frames, scenes.truth["position"].shape[1]), draw.randrange(int(scenes.truth["count"][s]))


def strong(scenes: Scenes, draw: random.Random, *, wall: bool | None = None) -> int:
    """An event that is no mere touch."""
    events = scenes.events
    rows = np.flatnonzero((events["impulse"] > 1.0) & ((events["b"] == WALL) == wall if wall is not None else True))
    return int(draw.choice(rows.tolist()))


def flip_pixel(array: Array, draw: random.Random, bit: int = 1) -> None:
    place = tuple(draw.randrange(length) for length in array.shape)
    array[place] ^= bit


@falsehood("groups is wrong in frame")
def a_label(scenes: Scenes, draw: random.Random) -> None:
    flip_pixel(scenes.groups, draw)


@falsehood("features is wrong in frame")
def a_pixel(scenes: Scenes, draw: random.Random) -> None:
    flip_pixel(scenes.features, draw)


@falsehood("collisions is wrong in frame")
def a_colliding_pixel(scenes: Scenes, draw: random.Random) -> None:
    flip_pixel(scenes.truth["collisions"], draw)


@falsehood("visible is not what the recipe makes")
def one_visible_pixel_more(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["visible"][somewhere(scenes, draw, 0)] += 1


@falsehood("(velocity|position) that its flight|energy|do not touch|objects touch")
def a_velocity(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["velocity"][somewhere(scenes, draw)][draw.randrange(2)] += draw.choice([-0.05, 0.05])


@falsehood("position that its flight|do not touch|objects touch|overlap|outside|energy")
def a_position(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["position"][somewhere(scenes, draw)][draw.randrange(2)] += draw.choice([-0.02, 0.02])


@falsehood("energy")
def an_impulse(scenes: Scenes, draw: random.Random) -> None:
    scenes.events["impulse"][strong(scenes, draw)] *= 1.01


@falsehood("do not touch|contact flags|out of order|objects touch|energy")
def a_time(scenes: Scenes, draw: random.Random) -> None:
    row = strong(scenes, draw)
    scenes.events["time"][row] += 0.05 if scenes.events["time"][row] % 1 < 0.9 else -0.05


@falsehood("do not touch|objects touch")
def a_turned_normal(scenes: Scenes, draw: random.Random) -> None:
    row = strong(scenes, draw, wall=False)
    x, y = scenes.events["normal"][row]
    scenes.events["normal"][row] = np.cos(0.05) * x - np.sin(0.05) * y, np.sin(0.05) * x + np.cos(0.05) * y


@falsehood("not of length 1")
def a_longer_normal(scenes: Scenes, draw: random.Random) -> None:
    scenes.events["normal"][strong(scenes, draw)] *= 1.001


@falsehood("do not touch|energy|objects touch")
def a_normal_the_other_way(scenes: Scenes, draw: random.Random) -> None:
    scenes.events["normal"][strong(scenes, draw)] *= -1


@falsehood("not where its objects touch")
def a_place(scenes: Scenes, draw: random.Random) -> None:
    scenes.events["position"][strong(scenes, draw)][draw.randrange(2)] += 0.01


@falsehood("contact flags|out of range")
def a_wall_for_a_partner(scenes: Scenes, draw: random.Random) -> None:
    scenes.events["b"][strong(scenes, draw, wall=False)] = WALL


@falsehood("contact flags|do not touch|out of range")
def another_partner(scenes: Scenes, draw: random.Random) -> None:
    row = strong(scenes, draw, wall=False)
    scenes.events["b"][row] = ({1, 2} - {int(scenes.events["b"][row])}).pop()


@falsehood("out of range")
def a_partner_that_is_not_there(scenes: Scenes, draw: random.Random) -> None:
    scenes.events["b"][strong(scenes, draw, wall=False)] = 7


@falsehood("contact flags|that its flight|objects touch|do not touch|energy")
def an_event_left_out(scenes: Scenes, draw: random.Random) -> Scenes:
    events, row = scenes.events, strong(scenes, draw)
    columns = {
        name: np.delete(events[name], row, axis=0) for name in ("time", "a", "b", "normal", "impulse", "position")
    }
    return replace(scenes, events={"offset": events["offset"] - (events["offset"] > row), **columns})


@falsehood("contact flags")
def a_contact_bit(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["contact"][somewhere(scenes, draw, 0)] ^= draw.choice([1, 2, 4, 128])


@falsehood("do not touch|objects touch|overlap|outside|groups")
def a_radius(scenes: Scenes, draw: random.Random) -> None:
    s, _, k = somewhere(scenes, draw)
    scenes.truth["radius"][s, k] += 0.2


@falsehood("energy|velocity that its flight")
def a_mass(scenes: Scenes, draw: random.Random) -> None:
    row = strong(scenes, draw)
    scenes.truth["mass"][int(np.searchsorted(scenes.events["offset"], row, "right")) - 1, scenes.events["a"][row]] *= (
        1.1
    )


@falsehood("overlap")
def two_balls_in_one_place(scenes: Scenes, draw: random.Random) -> None:
    s, t, _ = somewhere(scenes, draw)
    small, large = np.argsort(scenes.truth["radius"][s, :3])[[0, 2]]
    scenes.truth["position"][s, t, small] = scenes.truth["position"][s, t, large]


@falsehood("outside the box")
def a_ball_outside(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["position"][somewhere(scenes, draw)] = draw.choice([(-3.0, 20.0), (20.0, 45.0), (3.9, 20.0)])


@falsehood("count")
def one_ball_too_many(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["count"][draw.choice(np.flatnonzero(scenes.truth["count"] == 3).tolist())] += 1


@falsehood("count")
def one_ball_too_few(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["count"][draw.randrange(len(scenes.truth["count"]))] -= 1


@falsehood("more objects than slots|count")
def a_count_beyond_the_slots(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["count"][draw.randrange(len(scenes.truth["count"]))] = 200


@falsehood("not there")
def a_ghost_that_moves(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["velocity"][draw.choice(np.flatnonzero(scenes.truth["count"] == 3).tolist()), 2, 3, 0] = 0.5


@falsehood("not a number")
def a_velocity_that_is_no_number(scenes: Scenes, draw: random.Random) -> None:
    scenes.truth["velocity"][somewhere(scenes, draw)] = draw.choice([np.nan, np.inf])


@falsehood("radius|overlap|outside")
def an_endless_radius(scenes: Scenes, draw: random.Random) -> None:
    s, _, k = somewhere(scenes, draw)
    scenes.truth["radius"][s, k] = draw.choice([np.inf, np.nan, 1e30, -1.0])
