"""What is known of a disc: possible worlds in which it flies, their mean and covariance, and how a frame changes them.

Arrays only. members (E, 4) are x, y, vx, vy of one disc in E worlds; mean is (4,), spread (4, 4).
"""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from physbench_baselines.compiled import kernel


@kernel
def summarise(members, weight, mean, spread):
    """Write the mean and the covariance of members, by their weights (E,), which add up to 1."""
    mean[:] = 0.0
    spread[:] = 0.0
    for e in range(len(members)):
        for a in range(4):
            mean[a] += weight[e] * members[e, a]
    for e in range(len(members)):
        for a in range(4):
            for b in range(a + 1):
                spread[a, b] += weight[e] * (members[e, a] - mean[a]) * (members[e, b] - mean[b])
    for a in range(4):
        for b in range(a):
            spread[b, a] = spread[a, b]


@kernel
def surprise(mean, spread, x, y, error):
    """Return the squared distance of a place (x, y) from what was expected, in standard deviations.

    error (3,) is the error of the place as xx, xy, yy.
    """
    a = spread[0, 0] + error[0]
    b = spread[0, 1] + error[1]
    c = spread[1, 1] + error[2]
    dx = x - mean[0]
    dy = y - mean[1]
    return (c * dx * dx - 2.0 * b * dx * dy + a * dy * dy) / max(a * c - b * b, 1e-12)


@kernel
def learn(mean, spread, x, y, error):
    """Do Kalman's update with a measured place."""
    a = spread[0, 0] + error[0]
    b = spread[0, 1] + error[1]
    c = spread[1, 1] + error[2]
    whole = max(a * c - b * b, 1e-12)
    dx = x - mean[0]
    dy = y - mean[1]
    gain = np.empty((4, 2))
    for i in range(4):
        gain[i, 0] = (spread[i, 0] * c - spread[i, 1] * b) / whole
        gain[i, 1] = (spread[i, 1] * a - spread[i, 0] * b) / whole
    before = spread[:, :2].copy()
    for i in range(4):
        mean[i] += gain[i, 0] * dx + gain[i, 1] * dy
        for j in range(4):
            spread[i, j] -= gain[i, 0] * before[j, 0] + gain[i, 1] * before[j, 1]


@kernel
def start_anew(mean, spread, x, y, error, impact, doubt, least):
    """Restart from a measured place that physics did not predict: something hit the disc since the last frame.

    If it was hit right after the last frame, its velocity changed by as much as its place is off, and by more if later:
    `impact` times as much, with an error of `doubt` times as much and at least `least`.
    """
    dx = x - mean[0]
    dy = y - mean[1]
    mean[2] += impact * dx
    mean[3] += impact * dy
    mean[0] = x
    mean[1] = y
    spread[:] = 0.0
    spread[0, 0] = error[0]
    spread[0, 1] = spread[1, 0] = error[1]
    spread[1, 1] = error[2]
    spread[2, 2] = spread[3, 3] = least * least + doubt * doubt * (dx * dx + dy * dy)


@kernel
def imagine_worlds(mean, spread, normal, members):
    """Draw members with this mean and covariance from normal (E, 4), whose own mean is 0 and covariance 1."""
    root = np.zeros((4, 4))
    for a in range(4):
        for b in range(a + 1):
            rest = spread[a, b]
            for c in range(b):
                rest -= root[a, c] * root[b, c]
            if a == b:
                root[a, a] = np.sqrt(max(rest, 0.0))
            elif root[b, b] > 1e-9:
                root[a, b] = rest / root[b, b]
    for e in range(len(members)):
        for a in range(4):
            members[e, a] = mean[a]
            for b in range(a + 1):
                members[e, a] += root[a, b] * normal[e, b]


@cache
def normal_numbers(worlds: int, discs: int) -> NDArray[np.float64]:
    """Return (K, E, 4) numbers that are close to normal, with mean 0 and covariance 1 for every disc.

    They are the same in every call.
    """
    parts = 2 * even_numbers(0, 12 * worlds * discs * 4).reshape(12, discs, worlds, 4) - 1
    out = parts.sum(axis=0) / 2
    for numbers in out:
        for a in range(4):
            numbers[:, a] -= numbers[:, a].mean()
            for b in range(a):
                numbers[:, a] -= numbers[:, b] * (numbers[:, a] * numbers[:, b]).mean()
            numbers[:, a] /= np.sqrt((numbers[:, a] ** 2).mean())
    return out


@cache
def ring_of_velocities(worlds: int, discs: int, slowest: float, fastest: float) -> NDArray[np.float64]:
    """Return (K, E, 2) velocities, evenly spread over a ring, in opposite pairs. They are the same in every call."""
    half = discs * worlds // 2
    tries = fastest * (2 * even_numbers(1 << 32, 16 * half).reshape(-1, 2) - 1)
    square = (tries**2).sum(axis=1)
    velocities = tries[(square >= slowest**2) & (square <= fastest**2)][:half].reshape(discs, worlds // 2, 2)
    return np.concatenate([velocities, -velocities], axis=1)


def even_numbers(first: int, count: int) -> NDArray[np.float64]:
    """Return numbers spread evenly over [0, 1), by the finaliser of SplitMix64."""
    z = np.arange(first + 1, first + 1 + count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) / float(1 << 53)
