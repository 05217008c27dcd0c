"""How discs fly, exactly: straight on, until they hit a wall of the box or each other. Collisions are elastic.

Arrays only. A world (K, 4) holds x, y, vx, vy of its discs in pixels and pixels per frame. radius (K,) is 0 where there
is no disc.
"""

import numpy as np

from physbench_baselines.compiled import kernel

MOST_COLLISIONS = 64
"""The most collisions in one frame. More happen only if there is no real disc, and then the rest of the frame is
skipped."""

NEVER = np.inf
WALL_X, WALL_Y = -1, -2


@kernel
def time_to_wall(place, speed, near, far):
    """Return the time until a disc reaches the near or the far wall along one axis."""
    if speed > 0.0:
        return max((far - place) / speed, 0.0)
    if speed < 0.0:
        return max((near - place) / speed, 0.0)
    return NEVER


@kernel
def time_to_touch(world, i, j, reach):
    """Return the time until two discs that approach each other are `reach` apart."""
    dx = world[j, 0] - world[i, 0]
    dy = world[j, 1] - world[i, 1]
    vx = world[j, 2] - world[i, 2]
    vy = world[j, 3] - world[i, 3]
    closing = dx * vx + dy * vy
    if closing >= 0.0:
        return NEVER
    gap = dx * dx + dy * dy - reach * reach
    if gap <= 0.0:
        return 0.0
    square = vx * vx + vy * vy
    rest = closing * closing - square * gap
    return gap / (np.sqrt(rest) - closing) if rest > 0.0 else NEVER


@kernel
def fly(world, radius, mass, width, height):
    """Fly one frame further, in place."""
    count = len(radius)
    left = 1.0
    for _ in range(MOST_COLLISIONS):
        soonest = left
        first = other = 0
        for i in range(count):
            if radius[i] == 0.0:
                continue
            wait = time_to_wall(world[i, 0], world[i, 2], radius[i], width - radius[i])
            if wait < soonest:
                soonest, first, other = wait, i, WALL_X
            wait = time_to_wall(world[i, 1], world[i, 3], radius[i], height - radius[i])
            if wait < soonest:
                soonest, first, other = wait, i, WALL_Y
            for j in range(i + 1, count):
                if radius[j] > 0.0:
                    wait = time_to_touch(world, i, j, radius[i] + radius[j])
                    if wait < soonest:
                        soonest, first, other = wait, i, j
        for i in range(count):
            world[i, 0] += soonest * world[i, 2]
            world[i, 1] += soonest * world[i, 3]
        if soonest == left:
            return
        left -= soonest
        if other == WALL_X:
            world[first, 2] = -world[first, 2]
        elif other == WALL_Y:
            world[first, 3] = -world[first, 3]
        else:
            collide(world, mass, first, other)


@kernel
def collide(world, mass, i, j):
    """Let two discs that touch bounce: the impulse along the line between their centres keeps momentum and energy."""
    dx = world[j, 0] - world[i, 0]
    dy = world[j, 1] - world[i, 1]
    closing = (world[j, 2] - world[i, 2]) * dx + (world[j, 3] - world[i, 3]) * dy
    impulse = 2.0 * closing / ((1.0 / mass[i] + 1.0 / mass[j]) * (dx * dx + dy * dy))
    world[i, 2] += impulse / mass[i] * dx
    world[i, 3] += impulse / mass[i] * dy
    world[j, 2] -= impulse / mass[j] * dx
    world[j, 3] -= impulse / mass[j] * dy
