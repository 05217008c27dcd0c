"""Code that the rivals share: the starts of the balls, the frames of a flight, and how these become Scenes.

K balls, T frames; y points down. The starts come from physbench and are not timed, so that every rival simulates the
same balls.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from benchmarks.rivals.masks import draw
from physbench.scene import HIT_OBJECT, HIT_WALL, WALL, Scenes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from physbench.recipe import Recipe


class Start(NamedTuple):
    """The balls at the beginning of a sequence."""

    position: NDArray[np.float64]  # (K, 2)
    velocity: NDArray[np.float64]  # (K, 2)
    radius: NDArray[np.float64]  # (K,)
    mass: NDArray[np.float64]  # (K,)
    size: float


class Hit(NamedTuple):
    """A collision: a row of the events."""

    time: float
    a: int
    b: int
    normal: tuple[float, float]
    impulse: float
    position: tuple[float, float]


class Frame(NamedTuple):
    """The state at a frame, and the collisions since the frame before."""

    position: NDArray[np.float64]  # (K, 2)
    velocity: NDArray[np.float64]  # (K, 2)
    hits: list[Hit]


def starts_of(recipe: Recipe, count: int) -> list[Start]:
    """Return the starts of the first training sequences."""
    states, _, _ = recipe.generator.throw(recipe.seeds("training", 0, count), 2)
    position, velocity = states["position"][:, 0].astype(float), states["velocity"][:, 0].astype(float)
    radius, mass = states["radius"].astype(float), states["mass"].astype(float)
    return [
        Start(*arrays, float(recipe.generator.size)) for arrays in zip(position, velocity, radius, mass, strict=True)
    ]


def scenes_of(start: Start, flight: Iterator[Frame], frames: int) -> Scenes:
    """Make a sequence with all arrays of a dataset file.

    The flight is simulated for one more frame, because the interval after the last frame also has contacts.
    """
    states, size = list(islice(flight, frames + 1)), int(start.size)
    position = np.array([frame.position for frame in states[:-1]], np.float32)
    radius = start.radius.astype(np.float32)
    contact = np.zeros(position.shape[:2], np.uint8)
    for t, frame in enumerate(states[1:]):
        for hit in frame.hits:
            contact[t, hit.a] |= HIT_WALL if hit.b == WALL else HIT_OBJECT
            if hit.b != WALL:
                contact[t, hit.b] |= HIT_OBJECT
    pixels = draw(position, radius, contact, size)
    hits = sorted((hit for frame in states for hit in frame.hits), key=lambda hit: hit.time)
    truth = {
        "collisions": pixels.collisions[None, ..., None],
        "contact": contact[None],
        "position": position[None],
        "velocity": np.array([[frame.velocity for frame in states[:-1]]], np.float32),
        "radius": radius[None],
        "mass": start.mass.astype(np.float32)[None],
        "count": np.array([len(radius)], np.uint8),
        "visible": pixels.visible[None],
        "curtain": np.zeros((1, 4), np.int16),
    }
    return Scenes(pixels.features[None, ..., None], pixels.groups[None, ..., None], truth, events_of(hits))


def events_of(hits: list[Hit]) -> dict[str, NDArray[Any]]:
    """Return the columns of the events of one sequence."""
    return {
        "offset": np.array([0, len(hits)]),
        "time": np.array([hit.time for hit in hits], float),
        "a": np.array([hit.a for hit in hits], np.uint8),
        "b": np.array([hit.b for hit in hits], np.uint8),
        "normal": np.array([hit.normal for hit in hits], float).reshape(-1, 2),
        "impulse": np.array([hit.impulse for hit in hits], float),
        "position": np.array([hit.position for hit in hits], float).reshape(-1, 2),
    }
