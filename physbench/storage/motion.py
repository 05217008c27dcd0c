"""The motion of many sequences, checked against its own events: straight flight between them, momentum and energy across each.

Every interval between two frames is replayed by itself from the stored state of its first frame, all sequences at once: chaos would make more of the
rounding to float32 than of any error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import DamagedFile
from physbench.scene import HIT_OBJECT, HIT_WALL, WALL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

NEAR = 1e-3
"""Pixels, or pixels per frame: float32 states and a few collisions in one interval stay well below."""


@dataclass(frozen=True)
class Law:
    """What the recipe says of the world outside the discs."""

    gravity: float
    low: float  # the walls
    high: float


@dataclass(frozen=True)
class Motion:
    """N sequences in float64, and all their collisions in one table."""

    position: NDArray[np.float64]  # (N, T, K, 2)
    velocity: NDArray[np.float64]  # (N, T, K, 2)
    radius: NDArray[np.float64]  # (N, K)
    mass: NDArray[np.float64]  # (N, K)
    count: NDArray[np.int64]  # (N,)
    contact: NDArray[np.uint8]  # (N, T, K)
    sequence: NDArray[np.int64]  # (M,)
    events: Mapping[str, NDArray[Any]]

    @staticmethod
    def of(sequences: Mapping[str, NDArray[Any]], events: Sequence[Mapping[str, NDArray[Any]]]) -> Motion:
        wide = {name: sequences[name].astype(np.float64) for name in ("position", "velocity", "radius", "mass")}
        rows = np.repeat(np.arange(len(events)), [len(some["time"]) for some in events])
        columns = {name: np.concatenate([some[name] for some in events]) for name in events[0]}
        return Motion(**wide, count=sequences["count"].astype(np.int64), contact=sequences["contact"], sequence=rows, events=columns)


def law_of(recipe: str) -> Law | None:
    """Gravity and walls, where the recipe is one of discs in a box."""
    try:
        parameters = json.loads(recipe)["parameters"]
        size, crop, gravity = float(parameters["size"]), float(parameters["crop"]), float(parameters["gravity"])
    except (ValueError, KeyError, TypeError, OverflowError):
        return None
    cut = (size - crop) // 2 if crop else 0.0
    return Law(gravity, -cut, size - cut)


def check_motion(motion: Motion, law: Law | None, where: Sequence[str]) -> None:
    """where: what to call each sequence in an error."""
    _check_states(motion, where)
    if law is None:
        return
    _check_room(motion, law, where)
    _check_flags(motion, where)
    _replay(motion, law, where)


def _check_states(motion: Motion, where: Sequence[str]) -> None:
    slots = np.arange(int(motion.radius.shape[1]))
    absent = slots >= motion.count[:, None]
    _require(motion.count <= len(slots), where, "has more objects than slots")
    _require((motion.radius >= 0).all(axis=1) & ((motion.radius == 0) == absent).all(axis=1), where, "has a radius that does not fit its count")
    _require(((motion.mass == 0) == absent).all(axis=1), where, "has a mass that does not fit its count")
    for name in ("position", "velocity"):
        array = getattr(motion, name)
        _require(np.isfinite(array).all(axis=(1, 2, 3)), where, f"has a {name} that is not a number")
        _require(~(array.any(axis=(1, 3)) & absent).any(axis=1), where, f"has a {name} of an object that is not there")


def _check_room(motion: Motion, law: Law, where: Sequence[str]) -> None:
    """No disc in a wall, no disc in another."""
    position, radius = motion.position, motion.radius[:, None, :, None]
    inside = (position >= law.low + radius - NEAR) & (position <= law.high - radius + NEAR) | (radius == 0)
    _require(inside.all(axis=(1, 2, 3)), where, "has an object outside its box")
    for i in range(motion.radius.shape[1]):
        for j in range(i):
            apart = np.hypot(*np.moveaxis(position[:, :, i] - position[:, :, j], -1, 0))
            reach = motion.radius[:, i] + motion.radius[:, j]
            both = (motion.radius[:, i] > 0) & (motion.radius[:, j] > 0)
            _require((apart >= reach[:, None] - NEAR).all(axis=1) | ~both, where, "has two objects that overlap")


def _check_flags(motion: Motion, where: Sequence[str]) -> None:
    """`contact` says what the events say."""
    a, b, time = (motion.events[name] for name in ("a", "b", "time"))
    frames = motion.position.shape[1]
    sound = (time >= 0) & (time <= frames) & (a < motion.count[motion.sequence])
    sound &= (b == WALL) | ((b > a) & (b < motion.count[motion.sequence]))
    _require_rows(sound, motion, where, "has an event out of its range")
    _require_rows(~((np.diff(time, prepend=0.0) < 0) & (np.diff(motion.sequence, prepend=-1) == 0)), motion, where, "has events out of order")
    interval = _interval(time)
    contact = np.zeros_like(motion.contact)
    wall = b == WALL
    np.bitwise_or.at(contact, (motion.sequence[wall], interval[wall], a[wall]), np.uint8(HIT_WALL))
    for partner in (a, b):
        np.bitwise_or.at(contact, (motion.sequence[~wall], interval[~wall], partner[~wall]), np.uint8(HIT_OBJECT))
    _require((contact == motion.contact).all(axis=(1, 2)), where, "has contact flags that its events do not explain")


def _interval(time: NDArray[np.float64]) -> NDArray[np.int64]:
    """t for a time in (t, t + 1]."""
    return np.maximum(np.ceil(time).astype(np.int64) - 1, 0)


def _replay(motion: Motion, law: Law, where: Sequence[str]) -> None:
    """From each frame to the next, through the events in between, in order."""
    sequences, frames, slots, _ = motion.position.shape
    x = motion.position.reshape(sequences * frames, slots, 2).copy()
    v = motion.velocity.reshape(sequences * frames, slots, 2).copy()
    clock = np.tile(np.arange(frames, dtype=np.float64), sequences)
    cell = motion.sequence * frames + _interval(motion.events["time"])
    rank = np.arange(len(cell)) - np.asarray(np.searchsorted(cell, cell), np.int64)
    present = np.repeat(motion.radius > 0, frames, axis=0)
    for turn in range(int(np.max(rank, initial=-1)) + 1):
        rows = np.flatnonzero(rank == turn)
        cells = cell[rows]
        _fly(x, v, cells, motion.events["time"][rows] - clock[cells], law.gravity, present)
        clock[cells] = motion.events["time"][rows]
        _collide(motion, law, rows, cells, x, v, where)
    _fly(x, v, np.arange(len(x)), np.tile(np.arange(1.0, frames + 1), sequences) - clock, law.gravity, present)
    for name, after, stored in (("position", x, motion.position), ("velocity", v, motion.velocity)):
        error = np.abs(after.reshape(stored.shape)[:, :-1] - stored[:, 1:])
        scale = 1.0 + np.abs(stored[:, 1:]) if name == "velocity" else 1.0
        _require(np.all(error <= NEAR * scale, axis=(1, 2, 3)), where, f"has a {name} that its flight and its events do not explain")


def _fly(x: NDArray[np.float64], v: NDArray[np.float64], cells: NDArray[np.int64], h: NDArray[np.float64], gravity: float, present: NDArray[np.bool_]) -> None:
    fall = present[cells] * (gravity * h)[:, None]
    x[cells] += v[cells] * h[:, None, None]
    x[cells, :, 1] += 0.5 * fall * h[:, None]
    v[cells, :, 1] += fall


def _collide(
    motion: Motion,
    law: Law,
    rows: NDArray[np.int64],
    cells: NDArray[np.int64],
    x: NDArray[np.float64],
    v: NDArray[np.float64],
    where: Sequence[str],
) -> None:
    """Give the stored impulses, having checked that they touch, approach, and keep the energy."""
    event = {name: column[rows] for name, column in motion.events.items()}
    names = [where[int(sequence)] for sequence in motion.sequence[rows]]
    a, b, normal, impulse = event["a"].astype(np.int64), event["b"].astype(np.int64), event["normal"], event["impulse"]
    wall = b == WALL
    partner = np.where(wall, a, b)
    radius, mass = motion.radius[motion.sequence[rows]], motion.mass[motion.sequence[rows]]
    each = np.arange(len(rows))
    ra, rb, ma, mb = radius[each, a], radius[each, partner], mass[each, a], mass[each, partner]
    xa, va = x[cells, a], v[cells, a]
    xb = np.where(wall[:, None], np.where(normal > 0, law.high, law.low), x[cells, partner])
    vb = np.where(wall[:, None], 0.0, v[cells, partner])
    reach = np.where(wall, ra, ra + rb)
    _require(np.abs(np.hypot(normal[:, 0], normal[:, 1]) - 1.0) < 1e-9, names, "has an event with a normal that is not of length 1")
    _require(np.abs(((xb - xa) * normal).sum(axis=1) - reach) < NEAR, names, "has an event between things that do not touch")
    _require(np.abs(event["position"] - xa - ra[:, None] * normal).max(axis=1) < NEAR, names, "has an event at a place where nothing touches")
    approach = ((va - vb) * normal).sum(axis=1)
    reduced = np.where(wall, ma, ma * mb / (ma + mb))
    # a stored velocity is off by up to 1e-7 of itself, and lands in the light partner times the ratio of the masses
    _require(np.abs(impulse - 2.0 * reduced * approach) <= NEAR * reduced * (1.0 + np.abs(approach)), names, "has an event that does not keep the energy")
    v[cells, a] -= (impulse / ma)[:, None] * normal
    v[cells[~wall], b[~wall]] += (impulse / mb)[~wall, None] * normal[~wall]


def _require(good: NDArray[np.bool_], where: Sequence[str], wrong: str) -> None:
    if not good.all():
        raise DamagedFile(f"{where[int(np.argmin(good))]} {wrong}")


def _require_rows(good: NDArray[np.bool_], motion: Motion, where: Sequence[str], wrong: str) -> None:
    if not good.all():
        raise DamagedFile(f"{where[int(motion.sequence[np.argmin(good)])]} {wrong}")
