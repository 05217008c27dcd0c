"""A check of the motion of discs: free flight between the stored events, momentum and energy across each event.

It shares no code with the simulation. Every interval between two frames is replayed on its own, from the stored state
of its first frame, because chaotic motion would soon magnify the rounding to float32. The arrays may come from an
untrusted file, so every value is checked before it is used as an index. N sequences, T frames, K slots, M events.
"""

import numpy as np

from physbench.scene import HIT_OBJECT, HIT_WALL, WALL
from physbench_generators.compiled import kernel

NEAR = 1e-3
"""The tolerance in pixels, or pixels per frame. Errors of float32 states after a few collisions stay well below it."""

(
    GOOD,
    CROWDED,
    RADIUS,
    MASS,
    POSITION,
    VELOCITY,
    ABSENT_POSITION,
    ABSENT_VELOCITY,
    OUTSIDE,
    OVERLAP,
    RANGE,
    ORDER,
    FLAGS,
    NORMAL,
    APART,
    PLACE,
    ENERGY,
    FLIGHT,
    SPEED,
) = range(19)

SENTENCES = {
    CROWDED: "has more objects than slots",
    RADIUS: "has a radius that does not fit its count",
    MASS: "has a mass that does not fit its count",
    POSITION: "has a position that is not a number",
    VELOCITY: "has a velocity that is not a number",
    ABSENT_POSITION: "has a position of an object that is not there",
    ABSENT_VELOCITY: "has a velocity of an object that is not there",
    OUTSIDE: "has an object outside the box",
    OVERLAP: "has two objects that overlap",
    RANGE: "has an event whose time or objects are out of range",
    ORDER: "has events out of order",
    FLAGS: "has contact flags that its events do not explain",
    NORMAL: "has an event with a normal that is not of length 1",
    APART: "has an event between things that do not touch",
    PLACE: "has an event whose position is not where its objects touch",
    ENERGY: "has an event that does not conserve energy",
    FLIGHT: "has a position that its flight and its events do not explain",
    SPEED: "has a velocity that its flight and its events do not explain",
}


@kernel
def find_fault(states, offset, events, gravity, low, high):
    """Return the first sequence that breaks a law, and its fault, or (N, GOOD). low, high: the walls."""
    position, velocity, radius, mass, count, contact = states
    time, a, b, normal, impulse, place = events
    sequences, frames, slots = contact.shape
    x, v = np.zeros((slots, 2)), np.zeros((slots, 2))
    flags = np.zeros((frames, slots), np.uint8)
    for s in range(sequences):
        n = np.int64(count[s])
        first, end = offset[s], offset[s + 1]
        fault = check_states(position[s], velocity[s], radius[s], mass[s], n)
        if fault == GOOD:
            fault = check_room(position[s], radius[s], n, low, high)
        if fault == GOOD:
            fault = check_flags(contact[s], n, time[first:end], a[first:end], b[first:end], flags)
        if fault == GOOD:
            own = time[first:end], a[first:end], b[first:end], normal[first:end], impulse[first:end], place[first:end]
            fault = replay(position[s], velocity[s], radius[s], mass[s], n, own, gravity, low, high, x, v)
        if fault != GOOD:
            return s, fault
    return sequences, GOOD


@kernel
def check_states(position, velocity, radius, mass, n):
    """Check that the states are finite where there is a disc, and zero where there is none."""
    frames, slots = position.shape[:2]
    if n > slots:
        return CROWDED
    for k in range(slots):
        if not (0.0 < radius[k] < np.inf if k < n else radius[k] == 0.0):
            return RADIUS
        if not (0.0 < mass[k] < np.inf if k < n else mass[k] == 0.0):
            return MASS
    for t in range(frames):
        for k in range(slots):
            for axis in range(2):
                if not np.isfinite(position[t, k, axis]):
                    return POSITION
                if not np.isfinite(velocity[t, k, axis]):
                    return VELOCITY
                if k >= n and position[t, k, axis] != 0.0:
                    return ABSENT_POSITION
                if k >= n and velocity[t, k, axis] != 0.0:
                    return ABSENT_VELOCITY
    return GOOD


@kernel
def check_room(position, radius, n, low, high):
    """Check that no disc overlaps a wall or another disc."""
    for t in range(position.shape[0]):
        for k in range(n):
            r = float(radius[k])
            for axis in range(2):
                if not low + r - NEAR <= float(position[t, k, axis]) <= high - r + NEAR:
                    return OUTSIDE
            for other in range(k):
                across = float(position[t, k, 0]) - float(position[t, other, 0])
                down = float(position[t, k, 1]) - float(position[t, other, 1])
                reach = r + float(radius[other]) - NEAR
                if reach > 0.0 and across * across + down * down < reach * reach:
                    return OVERLAP
    return GOOD


@kernel
def interval_of(time):
    """Return t for a time in (t, t + 1]."""
    return max(np.int64(np.ceil(time)) - 1, 0)


@kernel
def check_flags(contact, n, time, a, b, flags):
    """Check that `contact` agrees with the events. flags (T, K) is scratch memory."""
    frames, slots = contact.shape
    before = 0.0
    for t in range(frames):
        for k in range(slots):
            flags[t, k] = 0
    for e in range(time.size):
        if not (0.0 <= time[e] <= frames and a[e] < n and (b[e] == WALL or a[e] < b[e] < n)):
            return RANGE
        if time[e] < before:
            return ORDER
        before = time[e]
        t = interval_of(time[e])
        if b[e] == WALL:
            flags[t, a[e]] |= HIT_WALL
        else:
            flags[t, a[e]] |= HIT_OBJECT
            flags[t, b[e]] |= HIT_OBJECT
    for t in range(frames):
        for k in range(slots):
            if flags[t, k] != contact[t, k]:
                return FLAGS
    return GOOD


@kernel
def replay(position, velocity, radius, mass, n, events, gravity, low, high, x, v):
    """Check the motion from each frame to the next, through the events in between. x, v (K, 2) are scratch memory."""
    time, a, b, normal, impulse, place = events
    frames = position.shape[0]
    e = 0
    for t in range(frames):
        for k in range(n):
            for axis in range(2):
                x[k, axis] = position[t, k, axis]
                v[k, axis] = velocity[t, k, axis]
        clock = float(t)
        while e < time.size and interval_of(time[e]) == t:
            fly(x, v, n, time[e] - clock, gravity)
            clock = time[e]
            fault = collide(a[e], b[e], normal[e], impulse[e], place[e], x, v, radius, mass, low, high)
            if fault != GOOD:
                return fault
            e += 1
        if t + 1 == frames:
            return GOOD
        fly(x, v, n, t + 1.0 - clock, gravity)
        for k in range(n):
            for axis in range(2):
                if not abs(x[k, axis] - position[t + 1, k, axis]) <= NEAR:
                    return FLIGHT
                speed = float(velocity[t + 1, k, axis])
                if not abs(v[k, axis] - speed) <= NEAR * (1.0 + abs(speed)):
                    return SPEED
    return GOOD


@kernel
def fly(x, v, n, h, gravity):
    """Move n discs freely for a time h."""
    for k in range(n):
        x[k, 0] += v[k, 0] * h
        x[k, 1] += v[k, 1] * h + 0.5 * gravity * h * h
        v[k, 1] += gravity * h


@kernel
def collide(a, b, normal, impulse, place, x, v, radius, mass, low, high):
    """Check that an event is between things that touch and conserves energy, then apply its stored impulse."""
    wall = b == WALL
    ra, ma = float(radius[a]), float(mass[a])
    rb, mb = (0.0, np.inf) if wall else (float(radius[b]), float(mass[b]))
    if not abs(np.sqrt(normal[0] * normal[0] + normal[1] * normal[1]) - 1.0) < 1e-9:
        return NORMAL
    distance = approach = 0.0
    for axis in range(2):
        partner = (high if normal[axis] > 0.0 else low) if wall else x[b, axis]
        distance += (partner - x[a, axis]) * normal[axis]
        approach += (v[a, axis] - (0.0 if wall else v[b, axis])) * normal[axis]
    if not abs(distance - ra - rb) < NEAR:
        return APART
    for axis in range(2):
        if not abs(place[axis] - x[a, axis] - ra * normal[axis]) < NEAR:
            return PLACE
    reduced = ma if wall else ma * mb / (ma + mb)
    # a stored velocity has a relative error of up to 1e-7, which the ratio of the masses magnifies in the light partner
    if not abs(impulse - 2.0 * reduced * approach) <= NEAR * reduced * (1.0 + abs(approach)):
        return ENERGY
    for axis in range(2):
        v[a, axis] -= impulse / ma * normal[axis]
        if not wall:
            v[b, axis] += impulse / mb * normal[axis]
    return GOOD
