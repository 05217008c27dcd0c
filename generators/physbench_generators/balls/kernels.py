"""Kernels for the exact motion of elastic discs: from collision to collision in closed form, without time steps.

Between two collisions every disc moves along a straight line (with gravity, a parabola), and the time of the next
collision is the root of a quadratic equation. Only + - * / and sqrt in float64 are used, in a fixed order, so a
sequence is the same on every machine that follows IEEE 754.

n discs, K >= n slots, T frames; y points down and gravity pulls towards +y.
"""

import numpy as np

from physbench.scene import HIT_OBJECT, HIT_WALL, WALL
from physbench_generators.compiled import kernel

NEVER = np.inf
X, Y = 0, 1

FULL, CROWDED, ENDLESS = -1, -2, -3
"""Why a batch stopped early: there is no room for more events; the discs do not fit; one sequence has more than
MOST_EVENTS collisions."""

MOST_EVENTS = 100_000
TRIES, RESTARTS = 200, 2_000
"""A disc is placed at random until it fits. After TRIES failures in a row, placing begins again with the first disc, at
most RESTARTS times."""


@kernel
def mix(z):
    """Scramble the bits of a uint64, as SplitMix64 does."""
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def draw(stream):
    """Draw the next number in [0, 1) of a SplitMix64 stream whose state is `stream` (1,) uint64."""
    stream[0] += np.uint64(0x9E3779B97F4A7C15)
    return float(mix(stream[0]) >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@kernel
def place(stream, n, size, x, y, r):
    """Place discs one after another, each uniformly over what is still free. Return False if there is no room."""
    for _ in range(RESTARTS):
        placed = 0
        tries = 0
        while placed < n and tries < TRIES:
            room = size - 2.0 * r[placed]
            x[placed] = r[placed] + room * draw(stream)
            y[placed] = r[placed] + room * draw(stream)
            free = True
            for other in range(placed):
                dx = x[placed] - x[other]
                dy = y[placed] - y[other]
                reach = r[placed] + r[other]
                if dx * dx + dy * dy <= reach * reach:
                    free = False
            if free:
                placed += 1
                tries = 0
            else:
                tries += 1
        if placed == n:
            return True
    return False


@kernel
def push(stream, n, speed, vx, vy):
    """Draw velocities uniformly over the ring between a fifth of `speed` and `speed`, so that no disc stands still.

    They are drawn by rejection, without trigonometry.
    """
    for i in range(n):
        while True:
            a = 2.0 * draw(stream) - 1.0
            b = 2.0 * draw(stream) - 1.0
            square = a * a + b * b
            if 0.04 < square < 1.0:
                break
        vx[i] = a * speed
        vy[i] = b * speed


@kernel
def straight_to_wall(position, velocity, near, far):
    """Return the time until a coordinate with constant velocity reaches `near` or `far`."""
    if velocity > 0.0:
        return max((far - position) / velocity, 0.0)
    if velocity < 0.0:
        return max((near - position) / velocity, 0.0)
    return NEVER


@kernel
def falling_to_wall(position, velocity, near, far, gravity):
    """Return the same under gravity towards `far`. The roots are written so that no digits cancel."""
    if velocity < 0.0:
        height = max(position - near, 0.0)
        rest = velocity * velocity - 2.0 * gravity * height
        if rest > 0.0:
            return 2.0 * height / (np.sqrt(rest) - velocity)
    depth = max(far - position, 0.0)
    rest = np.sqrt(velocity * velocity + 2.0 * gravity * depth)
    if velocity > 0.0:
        return 2.0 * depth / (rest + velocity)
    return (rest - velocity) / gravity


@kernel
def next_wall(i, x, y, vx, vy, r, size, gravity):
    """Return the time until disc i hits a wall, and the axis of that wall. In a corner, x comes first."""
    tx = straight_to_wall(x[i], vx[i], r[i], size - r[i])
    if gravity > 0.0:
        ty = falling_to_wall(y[i], vy[i], r[i], size - r[i], gravity)
    else:
        ty = straight_to_wall(y[i], vy[i], r[i], size - r[i])
    if tx <= ty:
        return tx, X
    return ty, Y


@kernel
def next_touch(i, j, x, y, vx, vy, r):
    """Return the time until discs i and j touch while approaching. Gravity cancels in their relative motion."""
    dx = x[j] - x[i]
    dy = y[j] - y[i]
    dvx = vx[j] - vx[i]
    dvy = vy[j] - vy[i]
    approach = dx * dvx + dy * dvy
    if approach >= 0.0:
        return NEVER
    reach = r[i] + r[j]
    gap = dx * dx + dy * dy - reach * reach
    if gap <= 0.0:
        return 0.0
    square = dvx * dvx + dvy * dvy
    rest = approach * approach - square * gap
    if rest <= 0.0:
        return NEVER
    return gap / (np.sqrt(rest) - approach)


@kernel
def fly(n, h, x, y, vx, vy, gravity):
    """Move n discs freely for a time h."""
    for i in range(n):
        x[i] += vx[i] * h
        y[i] += (vy[i] + 0.5 * gravity * h) * h
        vy[i] += gravity * h


@kernel
def simulate(
    n,
    size,
    gravity,
    frames,
    x,
    y,
    vx,
    vy,
    r,
    m,
    position,
    velocity,
    contact,
    first,
    time,
    a,
    b,
    normal,
    impulse,
    touch,
    wall_at,
    axis,
    pair_at,
):
    """Move n discs from time 0 to `frames`, in x, y, vx, vy. Return the number of collisions, or FULL or ENDLESS.

    position, velocity (T, K, 2): the states at times 0..frames-1, after any collision at exactly that time. contact (T,
    K): what hit what in (t, t + 1]. time, a, b, normal, impulse, touch: the events, from row `first` on. wall_at, axis
    (K,) and pair_at (K, K) are scratch memory.

    Collisions at the same instant are handled one after the other: walls before pairs, lower numbers first, x before y.
    Each of them conserves momentum and energy exactly. If three discs meet at once, the outcome depends on this order
    (the problem itself has no unique answer).
    """
    now = 0.0
    frame = 0
    events = 0
    for i in range(n):
        wait, axis[i] = next_wall(i, x, y, vx, vy, r, size, gravity)
        wall_at[i] = wait
        for j in range(i + 1, n):
            pair_at[i, j] = next_touch(i, j, x, y, vx, vy, r)
    while True:
        at = NEVER
        i = -1
        j = -1
        for k in range(n):
            if wall_at[k] < at:
                at = wall_at[k]
                i = k
        for k in range(n):
            for l in range(k + 1, n):
                if pair_at[k, l] < at:
                    at = pair_at[k, l]
                    i = k
                    j = l
        while frame < frames and frame < at:
            h = frame - now
            for k in range(n):
                position[frame, k, 0] = x[k] + vx[k] * h
                position[frame, k, 1] = y[k] + (vy[k] + 0.5 * gravity * h) * h
                velocity[frame, k, 0] = vx[k]
                velocity[frame, k, 1] = vy[k] + gravity * h
            frame += 1
        if at > frames:
            fly(n, frames - now, x, y, vx, vy, gravity)
            return events
        if events == MOST_EVENTS:
            return ENDLESS
        row = first + events
        if row == time.size:
            return FULL
        fly(n, at - now, x, y, vx, vy, gravity)
        now = at
        events += 1
        time[row] = now
        a[row] = i
        interval = max(frame - 1, 0)
        if j < 0:
            bounce(i, axis[i], size, x, y, vx, vy, r, m, row, b, normal, impulse, touch)
            contact[interval, i] |= HIT_WALL
        else:
            collide(i, j, x, y, vx, vy, r, m, row, b, normal, impulse, touch)
            contact[interval, i] |= HIT_OBJECT
            contact[interval, j] |= HIT_OBJECT
        for k in (i, j):
            if k < 0:
                continue
            wait, axis[k] = next_wall(k, x, y, vx, vy, r, size, gravity)
            wall_at[k] = now + wait
            for l in range(n):
                if l < k:
                    pair_at[l, k] = now + next_touch(l, k, x, y, vx, vy, r)
                elif l > k:
                    pair_at[k, l] = now + next_touch(k, l, x, y, vx, vy, r)


@kernel
def bounce(i, axis, size, x, y, vx, vy, r, m, row, b, normal, impulse, touch):
    """Let disc i bounce off a wall: place it exactly on the wall, and reverse its velocity along this axis."""
    if axis == X:
        far = vx[i] > 0.0
        impulse[row] = 2.0 * m[i] * abs(vx[i])
        vx[i] = -vx[i]
        x[i] = size - r[i] if far else r[i]
        normal[row, 0] = 1.0 if far else -1.0
        normal[row, 1] = 0.0
        touch[row, 0] = size if far else 0.0
        touch[row, 1] = y[i]
    else:
        far = vy[i] > 0.0
        impulse[row] = 2.0 * m[i] * abs(vy[i])
        vy[i] = -vy[i]
        y[i] = size - r[i] if far else r[i]
        normal[row, 0] = 0.0
        normal[row, 1] = 1.0 if far else -1.0
        touch[row, 0] = x[i]
        touch[row, 1] = size if far else 0.0
    b[row] = WALL


@kernel
def collide(i, j, x, y, vx, vy, r, m, row, b, normal, impulse, touch):
    """Let discs i and j exchange an impulse along the line between their centres."""
    dx = x[j] - x[i]
    dy = y[j] - y[i]
    distance = np.sqrt(dx * dx + dy * dy)
    nx = dx / distance
    ny = dy / distance
    approach = (vx[i] - vx[j]) * nx + (vy[i] - vy[j]) * ny
    strength = 2.0 * approach * m[i] * m[j] / (m[i] + m[j])
    vx[i] -= strength / m[i] * nx
    vy[i] -= strength / m[i] * ny
    vx[j] += strength / m[j] * nx
    vy[j] += strength / m[j] * ny
    b[row] = j
    normal[row, 0] = nx
    normal[row, 1] = ny
    impulse[row] = strength
    touch[row, 0] = x[i] + r[i] * nx
    touch[row, 1] = y[i] + r[i] * ny


@kernel
def throw(seeds, fewest, most, light, heavy, size, speed, gravity, crop, curtain_size, done, states, rows):
    """Make the sequences of a batch from `done` on, each from its own seed.

    Return how many sequences are made, and why it stopped: 0 = all are made. light, heavy: (radius, mass) of the two
    kinds, drawn with equal probability. states, rows: the arrays of states and of events, in the order in which they
    are unpacked below. The order of the draws must never change: count, kinds, positions, velocities, curtain.
    """
    contact, position, velocity, radius, mass, count, curtain, streams = states
    offset, time, a, b, normal, impulse, touch = rows
    frames = position.shape[1]
    x, y, vx, vy = np.zeros(most), np.zeros(most), np.zeros(most), np.zeros(most)
    r, m, wall_at = np.zeros(most), np.zeros(most), np.zeros(most)
    axis = np.zeros(most, np.int64)
    pair_at = np.zeros((most, most))
    stream = np.zeros(1, np.uint64)
    shift = (size - crop) // 2
    for s in range(done, seeds.size):
        stream[0] = seeds[s]
        n = fewest + int(draw(stream) * (most - fewest + 1))
        for i in range(n):
            kind = heavy if draw(stream) < 0.5 else light
            r[i] = kind[0]
            m[i] = kind[1]
        if not place(stream, n, float(size), x, y, r):
            return s, CROWDED
        push(stream, n, speed, vx, vy)
        if curtain_size > 0:
            corner = crop - curtain_size + 1
            curtain[s, 0] = int(draw(stream) * corner)
            curtain[s, 1] = int(draw(stream) * corner)
            curtain[s, 2] = curtain[s, 0] + curtain_size
            curtain[s, 3] = curtain[s, 1] + curtain_size
        streams[s] = stream[0]
        for t in range(frames):
            for i in range(most):
                contact[s, t, i] = 0
        first = offset[s]
        made = simulate(
            n, float(size), gravity, frames, x, y, vx, vy, r, m, position[s], velocity[s], contact[s],
            first, time, a, b, normal, impulse, touch, wall_at, axis, pair_at,
        )  # fmt: skip
        if made < 0:
            return s, made
        count[s] = n
        for i in range(n):
            radius[s, i] = r[i]
            mass[s, i] = m[i]
        for t in range(frames):
            for i in range(n):
                position[s, t, i, 0] -= shift
                position[s, t, i, 1] -= shift
        for row in range(first, first + made):
            touch[row, 0] -= shift
            touch[row, 1] -= shift
        offset[s + 1] = first + made
    return seeds.size, 0
