"""What is known of a disc: possible worlds in which it flies, their mean and covariance, and what a frame changes about them.

Arrays only. members (E, 4) are x, y, vx, vy of one disc in E worlds; mean (4,), spread (4, 4).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from physbench_baselines.compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


@kernel
def summarise(members, weight, mean, spread):
    """Mean and covariance of members by their weights (E,), which add up to 1."""
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
    """How far a place (x, y) with an error (3,) as xx, xy, yy lies from what was expected: squared, in standard deviations."""
    a = spread[0, 0] + error[0]
    b = spread[0, 1] + error[1]
    c = spread[1, 1] + error[2]
    dx = x - mean[0]
    dy = y - mean[1]
    return (c * dx * dx - 2.0 * b * dx * dy + a * dy * dy) / max(a * c - b * b, 1e-12)


@kernel
def learn(mean, spread, x, y, error):
    """Kalman's update: a place was measured."""
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
    """A measured place that physics did not foresee: something hit the disc since the last frame.

    Had it been hit at once, its velocity would have changed by as much as its place is off, and by more if later: `impact` times as much, give or
    take `doubt` times as much, and `least`.
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


@kernel
def count_up(number):
    """A number in [0, 1) for every whole one, without any order: SplitMix64's finaliser."""
    z = np.uint64(number + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    return float(z >> np.uint64(11)) / 9007199254740992.0


@kernel
def draw_normal(worlds, discs):
    """(K, E, 4) numbers, the same at every call: for every disc with mean 0 and covariance 1 exactly, and near to normal."""
    out = np.empty((discs, worlds, 4))
    number = 0
    for k in range(discs):
        for a in range(4):
            for e in range(worlds):
                out[k, e, a] = -6.0
                for _ in range(12):
                    out[k, e, a] += count_up(number)
                    number += 1
            out[k, :, a] -= out[k, :, a].sum() / worlds
            for b in range(a):
                out[k, :, a] -= out[k, :, b] * ((out[k, :, a] * out[k, :, b]).sum() / worlds)
            out[k, :, a] /= np.sqrt((out[k, :, a] * out[k, :, a]).sum() / worlds)
    return out


@kernel
def draw_velocities(worlds, discs, slowest, fastest):
    """(K, E, 2) velocities, the same at every call: even over a ring, in pairs that are opposite."""
    out = np.empty((discs, worlds, 2))
    number = 1 << 32
    for k in range(discs):
        for e in range(worlds):
            if e % 2:
                out[k, e] = -out[k, e - 1]
                continue
            while True:
                vx = fastest * (2.0 * count_up(number) - 1.0)
                vy = fastest * (2.0 * count_up(number + 1) - 1.0)
                number += 2
                if slowest * slowest <= vx * vx + vy * vy <= fastest * fastest:
                    break
            out[k, e] = vx, vy
    return out


@cache
def normal_numbers(worlds: int, discs: int) -> NDArray[np.float64]:
    return draw_normal(worlds, discs)


@cache
def ring_of_velocities(worlds: int, discs: int, slowest: float, fastest: float) -> NDArray[np.float64]:
    return draw_velocities(worlds, discs, slowest, fastest)
