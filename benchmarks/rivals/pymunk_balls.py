"""The same balls in Chipmunk, a physics engine in C, with a record of their collisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pymunk

from benchmarks.rivals.chipmunk import ball, box
from benchmarks.rivals.starts import Frame, Hit, scenes_of
from physbench.scene import WALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from benchmarks.rivals.starts import Start
    from physbench.scene import Scenes


def scenes(starts: Sequence[Start], frames: int, *, substeps: int) -> Iterator[Scenes]:
    """Yield the scene of each start."""
    for start in starts:
        yield scenes_of(start, flight(start, substeps=substeps), frames)


def flight(start: Start, *, substeps: int) -> Iterator[Frame]:
    """Yield the frames of a flight, without end."""
    space = box(start.size, 0.0)
    bodies = [ball(space, *one) for one in zip(start.position, start.velocity, start.radius, start.mass, strict=True)]
    numbers = {body.id: k for k, body in enumerate(bodies)}
    hits: list[Hit] = []
    now = 0.0

    def note(arbiter: pymunk.Arbiter, space: pymunk.Space, data: Any) -> None:
        if arbiter.is_first_contact:
            a, b = (numbers.get(shape.body.id, WALL) for shape in arbiter.shapes)
            push, (point, *_) = arbiter.total_impulse, arbiter.contact_point_set.points
            normal = arbiter.normal if a < b else -arbiter.normal  # walls have the highest number
            hits.append(Hit(now, min(a, b), max(a, b), tuple(normal), push.length, tuple(point.point_a)))

    space.on_collision(post_solve=note)
    step = 0
    while True:
        yield Frame(np.array([body.position for body in bodies]), np.array([body.velocity for body in bodies]), hits)
        hits = []
        for _ in range(substeps):
            step += 1
            now = step / substeps
            space.step(1.0 / substeps)
