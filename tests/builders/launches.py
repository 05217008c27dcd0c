"""Launches of balls: initial states, and the motion that the kernels make of them."""

from dataclasses import dataclass

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st

from physbench_generators.balls import kernels

SOME = settings(max_examples=60, deadline=None, derandomize=True)
SEEDS = st.integers(0, 2**64 - 1)
GRAVITIES = st.sampled_from([0.0, 0.01, 0.1])


@dataclass(frozen=True)
class Start:
    position: np.ndarray  # (K, 2)
    velocity: np.ndarray  # (K, 2)
    radius: np.ndarray  # (K,)
    mass: np.ndarray  # (K,)
    size: float = 64.0
    gravity: float = 0.0

    def energy(self, position: np.ndarray, velocity: np.ndarray) -> np.ndarray:
        """Kinetic, plus what gravity can still give above the floor."""
        return (
            0.5 * self.mass * (velocity**2).sum(-1) + self.mass * self.gravity * (self.size - position[..., 1])
        ).sum(-1)


@dataclass(frozen=True)
class Motion:
    made: int
    position: np.ndarray  # (T, K, 2)
    velocity: np.ndarray  # (T, K, 2)
    contact: np.ndarray  # (T, K)
    final: tuple[np.ndarray, np.ndarray]  # (K, 2) each
    time: np.ndarray
    a: np.ndarray
    b: np.ndarray
    normal: np.ndarray
    impulse: np.ndarray
    touch: np.ndarray


def start(balls: list[tuple[float, ...]], *, size: float = 64.0, gravity: float = 0.0) -> Start:
    """Each ball is (x, y, vx, vy, radius, mass)."""
    table = np.array(balls, np.float64)
    return Start(table[:, :2], table[:, 2:4], table[:, 4], table[:, 5], size, gravity)


def launch(seed: int, n: int = 4, *, gravity: float = 0.0, ratio: float = 6.0, size: float = 64.0) -> Start:
    stream = np.array([seed], np.uint64)
    x, y, vx, vy, radius, mass = np.zeros((6, n))
    for i in range(n):
        radius[i], mass[i] = (7.5, ratio) if kernels.draw(stream) < 0.5 else (6.0, 1.0)
    assert kernels.place(stream, n, size, x, y, radius)
    kernels.push(stream, n, 3.0, vx, vy)
    return Start(np.stack([x, y], 1), np.stack([vx, vy], 1), radius, mass, size, gravity)


def simulate(begin: Start, frames: int = 51, *, capacity: int = 60_000) -> Motion:
    n = len(begin.mass)
    x, y = begin.position.T.copy()
    vx, vy = begin.velocity.T.copy()
    position, velocity = np.full((2, frames, n, 2), np.nan)
    contact = np.zeros((frames, n), np.uint8)
    rows = (
        np.empty(capacity), np.empty(capacity, np.uint8), np.empty(capacity, np.uint8),
        np.empty((capacity, 2)), np.empty(capacity), np.empty((capacity, 2)),
    )  # fmt: skip
    made = kernels.simulate(
        n, float(begin.size), float(begin.gravity), frames, x, y, vx, vy, begin.radius.copy(), begin.mass.copy(),
        position, velocity, contact, 0, *rows, np.zeros(n), np.zeros(n, np.int64), np.zeros((n, n)),
    )  # fmt: skip
    final = np.stack([x, y], 1), np.stack([vx, vy], 1)
    return Motion(made, position, velocity, contact, final, *(column[: max(made, 0)] for column in rows))
