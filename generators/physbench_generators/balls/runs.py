"""Kernels that write a movie of discs as runs: consecutive pixels of one owner, in the order of the file.

No pixel is drawn for that. A run is a row (start, end, owner) of an int32 array: a half-open range, counted in pixels
from the start of the movie. Runs are sorted and do not overlap. T frames, K slots, H x W pixels.
"""

import numpy as np

from physbench.scene import HIT_OBJECT
from physbench_generators.balls.draw import LANES, may_share, rows_of, spans
from physbench_generators.compiled import kernel

START, END, OWNER = 0, 1, 2
SHARED = -1


def most_runs(frames: int, slots: int, height: int) -> int:
    """Return the largest number of runs that a movie can have. A curtain cuts a run in two."""
    return 2 * frames * slots * height


@kernel
def by_column(position, count, order):
    """Sort discs from left to right.

    A disc covers an interval around its own x in a row, so disjoint discs have this order in every row.
    """
    for k in range(count):
        place = k
        while place > 0 and position[order[place - 1], 0] > position[k, 0]:
            order[place] = order[place - 1]
            place -= 1
        order[place] = k


@kernel
def find_runs(position, radius, count, height, width, runs, first_of, visible):
    """Find the runs of all discs. Return how many there are, or SHARED if two discs may share a pixel.

    first_of (T + 1,): the first run of each frame. visible (T, K): the number of pixels of each disc.
    """
    frames = position.shape[0]
    count = np.int64(count)
    order = np.zeros(count, np.int64)
    top = np.zeros(count, np.int64)
    bottom = np.zeros(count, np.int64)
    first = np.zeros((count, height + LANES), np.int32)
    end = np.zeros((count, height + LANES), np.int32)
    place = np.zeros(height, np.int32)  # the index of the next run of each row
    found = 0
    for t in range(frames):
        if may_share(position[t], radius, count):
            return SHARED
        first_of[t] = found
        by_column(position[t], count, order)
        for row in range(height):
            place[row] = 0
        for i in range(count):
            k = order[i]
            cx, cy, r = float(position[t, k, 0]), float(position[t, k, 1]), float(radius[k])
            a, b = rows_of(cy, r, height)
            spans(a, b, width, cx, cy, r, first[i], end[i])
            while a < b and first[i, a] >= end[i, a]:
                a += 1
            while a < b and first[i, b - 1] >= end[i, b - 1]:
                b -= 1
            pixels = 0
            for row in range(np.uint64(a), np.uint64(b)):
                place[row] += 1
                pixels += end[i, row] - first[i, row]
            visible[t, k] = pixels
            top[i], bottom[i] = a, b
        for row in range(height):
            here = place[row]
            place[row] = found
            found += here
        for i in range(count):
            line = (t * height + top[i]) * width
            owner = order[i] + 1
            for row in range(
                np.uint64(top[i]), np.uint64(bottom[i])
            ):  # unsigned, so that Numba does not check for negative indices
                at = np.uint64(place[row])
                place[row] += 1
                runs[at, START] = line + first[i, row]
                runs[at, END] = line + end[i, row]
                runs[at, OWNER] = owner
                line += width
    first_of[frames] = found
    return found


@kernel
def draw_curtain(runs, count, curtain, height, width, shown, visible):
    """Write into shown what the curtain leaves of the runs, and return how many are left.

    The hidden pixels are subtracted from visible.
    """
    left = 0
    for i in range(count):
        start, end, k = np.int64(runs[i, START]), np.int64(runs[i, END]), runs[i, OWNER] - 1
        line = start // width
        hidden_from, hidden_to = end, end
        if curtain[0] <= line % height < curtain[2]:
            hidden_from = min(max(line * width + curtain[1], start), end)
            hidden_to = min(max(line * width + curtain[3], start), end)
        if start < hidden_from:
            left = add(shown, left, start, hidden_from)
        if hidden_to < end:
            left = add(shown, left, hidden_to, end)
        visible[line // height, k] -= hidden_to - hidden_from
    return left


@kernel
def add(runs, count, start, end):
    """Append a run of ones and return the new number of runs."""
    runs[count, START] = start
    runs[count, END] = end
    runs[count, OWNER] = 1
    return count + 1


@kernel
def find_collisions(owned, first_of, contact, pixels, runs):
    """Find the runs of the collision mask, and return how many there are.

    Frame t has the union of the runs, in frames t and t + 1, of the discs that hit another one in between.
    """
    frames = contact.shape[0]
    count = 0
    for t in range(frames):
        if not hits(contact[t]):
            continue
        here = first_of[t]
        there = first_of[t + 1]
        here_end = there
        there_end = first_of[t + 2] if t + 1 < frames else there
        begun = count
        while True:
            while here < here_end and not contact[t, owned[here, OWNER] - 1] & HIT_OBJECT:
                here += 1
            while there < there_end and not contact[t, owned[there, OWNER] - 1] & HIT_OBJECT:
                there += 1
            if here < here_end and (there == there_end or owned[here, START] <= owned[there, START] - pixels):
                start, end = owned[here, START], owned[here, END]
                here += 1
            elif there < there_end:
                start, end = owned[there, START] - pixels, owned[there, END] - pixels
                there += 1
            else:
                break
            if count > begun and start < runs[count - 1, END]:
                runs[count - 1, END] = max(end, runs[count - 1, END])
            else:
                count = add(runs, count, start, end)
    return count


@kernel
def hits(contact):
    """Return whether any disc hits another one."""
    for k in range(contact.size):
        if contact[k] & HIT_OBJECT:
            return True
    return False
