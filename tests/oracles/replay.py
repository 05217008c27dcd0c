"""The motion between events, computed from the first state and the event table alone."""

import itertools
import math

import numpy as np

from physbench_generators.balls.kernels import WALL
from tests.builders.launches import Motion, Start


def replay(begin: Start, motion: Motion) -> list[tuple[float, np.ndarray, np.ndarray]]:
    """(time, position, velocity) at the start and just after every event, from the initial state and the event table
    alone."""
    states = [(0.0, begin.position.copy(), begin.velocity.copy())]
    for row in range(motion.made):
        position, velocity = flown(begin, states[-1], motion.time[row])
        blow = motion.impulse[row] * motion.normal[row]
        velocity[motion.a[row]] -= blow / begin.mass[motion.a[row]]
        if motion.b[row] != WALL:
            velocity[motion.b[row]] += blow / begin.mass[motion.b[row]]
        states.append((float(motion.time[row]), position, velocity))
    return states


def flown(begin: Start, state: tuple[float, np.ndarray, np.ndarray], time: float) -> tuple[np.ndarray, np.ndarray]:
    then, position, velocity = state
    fall = np.array([0.0, begin.gravity])
    h = time - then
    return position + velocity * h + 0.5 * fall * h * h, velocity + fall * h


def overlap(begin: Start, position: np.ndarray) -> float:
    """How deep, at worst, discs reach into one another or into a wall; negative when everything is apart."""
    depth = max((begin.radius[:, None] - position).max(), (position + begin.radius[:, None] - begin.size).max())
    for a, b in itertools.combinations(range(len(begin.mass)), 2):
        depth = max(depth, begin.radius[a] + begin.radius[b] - math.dist(position[a], position[b]))
    return depth
