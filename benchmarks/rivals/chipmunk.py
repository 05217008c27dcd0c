"""The same balls in Chipmunk, an independent physics engine, as a check of the exact motion, and as a rival in speed
and precision.

Chipmunk advances in small steps and detects a collision after the discs overlap, so its error becomes smaller with the
step but never vanishes. K balls, T frames; y points down and gravity pulls towards +y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pymunk

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


class Trajectories(NamedTuple):
    """The states of all balls at every frame."""

    position: NDArray[np.float64]  # (T, K, 2)
    velocity: NDArray[np.float64]  # (T, K, 2)
    energy: NDArray[np.float64]  # (T,) kinetic energy, plus potential energy above the floor y = size


def trajectories(
    position: ArrayLike,  # (K, 2)
    velocity: ArrayLike,  # (K, 2)
    radius: ArrayLike,  # (K,)
    mass: ArrayLike,  # (K,)
    *,
    size: float,
    frames: int,
    substeps: int,
    gravity: float = 0.0,
) -> Trajectories:
    """Return the states at times 0..frames-1 of elastic, frictionless discs in the box [0, size] x [0, size]."""
    masses = np.asarray(mass, np.float64)
    space = box(size, gravity)
    bodies = [
        ball(space, *one)
        for one in zip(np.asarray(position), np.asarray(velocity), np.asarray(radius), masses, strict=True)
    ]
    places = np.empty((frames, len(bodies), 2))
    speeds = np.empty_like(places)
    for frame in range(frames):
        for _ in range(substeps if frame else 0):
            space.step(1.0 / substeps)
        places[frame] = [body.position for body in bodies]
        speeds[frame] = [body.velocity for body in bodies]
    kinetic = 0.5 * (speeds**2).sum(-1) @ masses
    potential = gravity * (size - places[:, :, 1]) @ masses
    return Trajectories(places, speeds, kinetic + potential)


def box(size: float, gravity: float) -> pymunk.Space:
    """Make a box of four walls, which are as thick as the box is wide so that nothing can pass through them."""
    space = pymunk.Space()
    space.gravity = (0.0, gravity)
    space.collision_slop = 0.0
    low, high = -size, 2.0 * size
    for start, end in (
        ((low, low), (high, low)),
        ((low, high), (high, high)),
        ((low, low), (low, high)),
        ((high, low), (high, high)),
    ):
        wall = pymunk.Segment(space.static_body, start, end, size)
        wall.elasticity, wall.friction = 1.0, 0.0
        space.add(wall)
    return space


def ball(
    space: pymunk.Space, position: NDArray[np.float64], velocity: NDArray[np.float64], radius: float, mass: float
) -> pymunk.Body:
    """Add a ball. Without friction nothing spins, so its moment of inertia is infinite."""
    body = pymunk.Body(float(mass), float("inf"))
    body.position, body.velocity = tuple(map(float, position)), tuple(map(float, velocity))
    disc = pymunk.Circle(body, float(radius))
    disc.elasticity, disc.friction = 1.0, 0.0
    space.add(body, disc)
    return body
