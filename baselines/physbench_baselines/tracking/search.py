"""Which discs a frame shows, given where the followed ones are expected, if some may be partly hidden.

Arrays only: K discs, H x W pixels of the box.
"""

import numpy as np

from physbench_baselines.compiled import kernel
from physbench_baselines.regions import label
from physbench_baselines.tracking.curtain import SHOWS
from physbench_baselines.tracking.discs import (
    OFF,
    ON,
    RADII,
    ROUGH,
    UNSEEN,
    count_pixels,
    erase,
    find_partial,
    find_whole,
    measure,
    settle_partial,
)

FARTHEST = 9.0
"""A disc counts as the same if it is at most this far from where it was expected, in pixels."""

CLOSE = 0.5
"""A disc is looked for where it was expected if that place is known at least this well, in pixels."""

GLIMPSE = 4
"""How many ON pixels show a disc whose place is known beforehand."""

SCRAP = 10
"""How many ON pixels without an owner may be part of a disc whose rest is hidden."""

WRONG = 0.25
"""A partly hidden disc is accepted if its cost is less than this share of its visible pixels.

The cost is 1 for each visible pixel that the disc does not explain, 1 for each ON pixel that a curtain would hide, and
HOLE for each OFF pixel inside.
"""

HOLE = 0.05
"""The cost of an OFF pixel inside a partly hidden disc, see WRONG."""

NEAR = 0.7
"""Pixels this close to the rim of a disc that is not fitted yet may lie on either side."""

TRIES = 4
"""How often one frame is searched for discs that are partly hidden."""


@kernel
def pair_up(mean, radius, x, y, r, first, count, disc_of, is_new):
    """Assign the discs first .. count - 1 of a frame to followed discs that have none yet, the nearest pair first.

    disc_of (K,): which disc of the frame each followed disc is, or -1. is_new: the discs that are no known object.
    """
    for d in range(first, count):
        is_new[d] = True
    while True:
        least = FARTHEST * FARTHEST
        track = disc = -1
        for k in range(len(radius)):
            if radius[k] == 0.0 or disc_of[k] >= 0:
                continue
            for d in range(first, count):
                if not is_new[d] or r[d] != radius[k]:
                    continue
                dx = x[d] - mean[k, 0]
                dy = y[d] - mean[k, 1]
                if dx * dx + dy * dy < least:
                    least = dx * dx + dy * dy
                    track = k
                    disc = d
        if track < 0:
            return
        is_new[disc] = False
        disc_of[track] = disc


@kernel
def find_expected(seen, left, mean, spread, radius, x, y, r, count, error):
    """Look for a disc of this radius where it is expected; the discs x, y, r of the frame before `count` are others.

    Return whether it is there, and whether something cuts it. Its place is written to x[count], y[count], and error
    (3,).
    """
    whole = spread[0, 0] * spread[1, 1] - spread[0, 1] * spread[0, 1]
    if whole <= 0.0 or spread[0, 0] + spread[1, 1] > 2.0 * CLOSE * CLOSE:
        return False, False
    x[count], y[count], r[count] = mean[0], mean[1], radius
    precision = np.array([spread[1, 1] / whole, -spread[0, 1] / whole, spread[0, 0] / whole])
    veiled = seen.copy()
    box = np.zeros(4, np.int64)
    cut = find_hole(seen, mean[0], mean[1], radius - NEAR, box) > 2
    if cut:
        veil(veiled, box)
    measure(veiled, count, count + 1, x, y, r, mean, precision, error)
    inside, _, strays, _ = count_pixels(left, x[count], y[count], radius)
    return inside >= GLIMPSE and strays <= GLIMPSE, cut


@kernel
def find_scrap(seen, left, evidence, lightest, heaviest, x, y, r, count, error):
    """Find a disc of which a curtain hides a part.

    Its visible part is the largest region of ON pixels without an owner. The missing part of the disc lies in a
    rectangle without any pixel that has ever been ON, because a curtain has straight edges. Its place is written as in
    `find_expected`.
    """
    height, width = left.shape
    alone = np.zeros((height, width), np.uint8)
    box = np.zeros(4, np.int64)
    size = find_largest(left, alone, box)
    if size < SCRAP or size > 4.0 * RADII[1] * RADII[1]:
        return False
    top, bottom, first, last = box[0], box[1] - 1, box[2], box[3] - 1
    lit = np.zeros((height + 1, width + 1), np.int64)
    for row in range(height):
        for column in range(width):
            on = evidence[row, column] == SHOWS or seen[row, column] == ON
            lit[row + 1, column + 1] = lit[row, column + 1] + lit[row + 1, column] - lit[row, column] + on
    limit = WRONG * size
    least = limit
    for kind in range(lightest, heaviest + 1):
        radius = RADII[kind]
        reach = int(radius)
        for row in range(max(bottom - reach, reach), min(top + reach + 1, height - reach)):
            for column in range(max(last - reach, reach), min(first + reach + 1, width - reach)):
                inside, _, _, _ = count_pixels(alone, column + 0.5, row + 0.5, radius)
                price = float(size - inside) + HOLE * find_hole(seen, column + 0.5, row + 0.5, radius - NEAR, box)
                if price < least:
                    price += lit[box[1], box[3]] - lit[box[0], box[3]] - lit[box[1], box[2]] + lit[box[0], box[2]]
                if price < least:
                    least = price
                    x[count], y[count], r[count] = column + 0.5, row + 0.5, radius
    if least >= limit:
        return False
    veiled = seen.copy()
    if find_hole(seen, x[count], y[count], r[count] - NEAR, box) > 0:
        veil(veiled, box)
    settle_partial(veiled, count, count + 1, x, y, r, error)
    return True


@kernel
def find_largest(left, alone, box):
    """Copy the largest region of ON pixels to `alone` (H, W), which is OFF elsewhere, and return its size.

    box (4,) gets the rows and columns that hold it.
    """
    height, width = left.shape
    on = np.zeros((height, width), np.bool_)
    for row in range(height):
        for column in range(width):
            on[row, column] = left[row, column] == ON
    labels, regions = label(on)
    sizes = np.zeros(regions + 1, np.int64)
    largest = 0
    for row in range(height):
        for column in range(width):
            if on[row, column]:
                sizes[labels[row, column]] += 1
    for region in range(1, regions + 1):
        if sizes[region] > sizes[largest]:
            largest = region
    box[0], box[1], box[2], box[3] = height, 0, width, 0
    for row in range(height):
        for column in range(width):
            if on[row, column] and labels[row, column] == largest:
                alone[row, column] = ON
                box[0], box[1] = min(box[0], row), max(box[1], row + 1)
                box[2], box[3] = min(box[2], column), max(box[3], column + 1)
    return sizes[largest]


@kernel
def overlaps(x, y, radius, most, xs, ys, rs, count):
    """Return whether a disc lies more than `most` pixels deep in one of `count` others."""
    for d in range(count):
        reach = max(radius + rs[d] - most, 0.0)
        if (x - xs[d]) * (x - xs[d]) + (y - ys[d]) * (y - ys[d]) < reach * reach:
            return True
    return False


@kernel
def kinds_to_expect(radius, hidden, certain):
    """Return the lightest and the heaviest of RADII, as indices, that a partly hidden disc may have.

    If there may be a curtain, these are the kinds of the discs that are followed already.
    """
    believed = False
    for row in range(len(hidden)):
        for column in range(hidden.shape[1]):
            believed |= hidden[row, column] > certain
    lightest = len(RADII) - 1
    heaviest = 0
    for k in range(len(radius)):
        for kind in range(len(RADII)):
            if radius[k] == RADII[kind]:
                lightest = min(lightest, kind)
                heaviest = max(heaviest, kind)
    if not believed or lightest > heaviest:
        return 0, len(RADII) - 1
    return lightest, heaviest


@kernel
def find_hole(seen, x, y, radius, box):
    """Count the OFF pixels within a radius; box (4,) gets the rows and columns that hold them, half-open."""
    height, width = seen.shape
    box[0], box[1], box[2], box[3] = height, 0, width, 0
    count = 0
    for row in range(max(int(y - radius), 0), min(int(y + radius) + 1, height)):
        for column in range(max(int(x - radius), 0), min(int(x + radius) + 1, width)):
            dx = column + 0.5 - x
            dy = row + 0.5 - y
            if seen[row, column] == OFF and dx * dx + dy * dy < radius * radius:
                count += 1
                box[0] = min(box[0], row)
                box[1] = max(box[1], row + 1)
                box[2] = min(box[2], column)
                box[3] = max(box[3], column + 1)
    if count == 0:
        box[:] = 0
    return count


@kernel
def veil(seen, box):
    """Mark the OFF pixels in and near a box as UNSEEN."""
    for row in range(max(box[0] - 2, 0), min(box[1] + 2, len(seen))):
        for column in range(max(box[2] - 2, 0), min(box[3] + 2, seen.shape[1])):
            if seen[row, column] == OFF:
                seen[row, column] = UNSEEN


@kernel
def search(numbers, seen, evidence, hidden, mean, spread, radius, x, y, r, error, is_cut, disc_of, is_new):
    """Find the discs of a frame, the most certain ones first, and return how many.

    x, y, r, error (., 3), is_cut and is_new are by disc. The order is: whole discs; expected ones that are partly
    hidden; others that are partly UNSEEN; others that a curtain may cut.
    """
    most = len(x) - 1
    count = find_whole(seen, most, x, y, r, error)
    pair_up(mean, radius, x, y, r, 0, count, disc_of, is_new)
    rest = seen.copy()
    for d in range(count):
        erase(rest, x[d], y[d], r[d] + 0.3)
    for k in range(len(radius)):
        if radius[k] == 0.0 or disc_of[k] >= 0 or count == most:
            continue
        alone = rest.copy()
        for other in range(len(radius)):
            if other != k and radius[other] > 0.0 and disc_of[other] < 0:
                erase(alone, mean[other, 0], mean[other, 1], radius[other] + 1.0)
        there, cut = find_expected(seen, alone, mean[k], spread[k], radius[k], x, y, r, count, error[count])
        if there:
            disc_of[k] = count
            is_cut[count] = cut
            erase(rest, x[count], y[count], r[count] + 0.3)
            count += 1
    first = count
    lightest, heaviest = kinds_to_expect(radius, hidden, numbers.certain)
    count = find_partial(seen, rest, lightest, heaviest, most, x, y, r, error, count)
    for d in range(first, count):
        erase(rest, x[d], y[d], r[d] + 0.3)
    for _ in range(TRIES):
        if count == most or not find_scrap(seen, rest, evidence, lightest, heaviest, x, y, r, count, error[count]):
            break
        is_cut[count] = True
        error[count, 0] += ROUGH
        error[count, 2] += ROUGH
        erase(rest, x[count], y[count], r[count] + 1.0)
        count += 1
    pair_up(mean, radius, x, y, r, first, count, disc_of, is_new)
    return count
