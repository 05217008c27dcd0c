"""One frame: what is measured in it, and what it changes about the discs that were followed until now.

Arrays only, of one sequence: K discs, E worlds, H x W pixels of the box. A scene is what is believed after a frame, once more flown on:

members (K, E, 4)   x, y, vx, vy of every disc in every world
radius (K,)         0 where there is no disc
missing (K,) int32  for how many frames a disc should have been seen and was not
evidence (H, W)     of a curtain, see curtain.py
"""

from __future__ import annotations

import numpy as np

from physbench_baselines.compiled import kernel
from physbench_baselines.regions import label
from physbench_baselines.tracking.belief import imagine_worlds, learn, start_anew, summarise, surprise
from physbench_baselines.tracking.curtain import SHOWS, cover, miss
from physbench_baselines.tracking.discs import OFF, ON, RADII, ROUGH, UNSEEN, count_off, count_pixels, erase, find_partial, find_whole, measure, settle_partial
from physbench_baselines.tracking.flight import fly

FARTHEST = 9.0
"""How far from where it was expected a disc is still taken for the same, in pixels."""

CLOSE = 0.5
"""A disc is looked for where it was expected, if that is known as well as this, in pixels."""

GLIMPSE = 4
"""ON pixels that show a disc whose place is known beforehand."""

SCRAP = 10
"""ON pixels of nobody that may be part of a disc whose rest is hidden."""

CONTRADICTED = 12
"""OFF pixels inside a disc that speak against its being there."""

WRONG = 0.25
"""The share of such pixels that a disc may leave unexplained, or that a curtain over the rest of it would hide."""

HOLE = 0.05
"""What an OFF pixel inside such a disc counts beside one that is left unexplained."""

NEAR = 0.7
"""Pixels this close to the rim of a disc that is not fitted yet may lie on either side."""

TRIES = 4
"""Discs of which a part is hidden are looked for so often in a frame."""

OVERLAP = 3.0
"""Discs do not overlap; one that seems to do so by more than this, in pixels, is not there."""

UNEVEN = 1.5
"""Worlds are drawn anew when the most probable one is so many times as probable as it would be if all were alike."""

PATIENCE = 3
"""A disc is given up when it is contradicted for more frames than this."""

MASSES = (1.0, 6.0)
"""Light and heavy, as RADII."""


@kernel
def look(frame, hidden, certain, top, left, seen, dark):
    """frame (h, w, C) -> seen (H, W): ON where a channel is above a half, UNSEEN outside of the frame and where an OFF pixel may be hidden.

    dark (H, W): what is not ON in the frame, hidden or not.
    """
    seen[:] = UNSEEN
    dark[:] = False
    for row in range(frame.shape[0]):
        for column in range(frame.shape[1]):
            on = False
            for c in range(frame.shape[2]):
                on |= frame[row, column, c] > 0.5
            if on:
                seen[row + top, column + left] = ON
            else:
                dark[row + top, column + left] = True
                if hidden[row + top, column + left] <= certain:
                    seen[row + top, column + left] = OFF


@kernel
def pair_up(mean, radius, x, y, r, first, count, disc_of, is_new):
    """Give the discs first .. count - 1 of a frame to the nearest ones that were followed and are still without, the nearest pair first.

    disc_of (K,): which disc of the frame each is, or -1. is_new: the discs that nobody is.
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

    (whether it is there, whether something cuts it). Its place is left at x[count], y[count], and error (3,).
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
    """Take the largest region of nobody's ON pixels for what shows of a disc, the rest of which a curtain hides; find its place as `find_expected` does.

    What is missing of the disc lies in a rectangle without any pixel that has ever been ON: that is what a straight edge says.
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
    """Copy the largest region of ON pixels to `alone` (H, W), otherwise OFF; return its size, and box (4,): the rows and columns that hold it."""
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
    """Whether a disc lies more than `most` pixels deep in one of `count` others."""
    for d in range(count):
        reach = max(radius + rs[d] - most, 0.0)
        if (x - xs[d]) * (x - xs[d]) + (y - ys[d]) * (y - ys[d]) < reach * reach:
            return True
    return False


@kernel
def kinds_to_expect(radius, hidden, certain):
    """The lightest and the heaviest of RADII that a disc may be of which a part is hidden: behind a curtain, what has been followed already."""
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
    """Count the OFF pixels within a radius; box (4,): the rows and columns that hold them, half-open."""
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
    """Take the OFF pixels in and near a box for hidden."""
    for row in range(max(box[0] - 2, 0), min(box[1] + 2, len(seen))):
        for column in range(max(box[2] - 2, 0), min(box[3] + 2, seen.shape[1])):
            if seen[row, column] == OFF:
                seen[row, column] = UNSEEN


@kernel
def off_inside(before, x, y, radius):
    """OFF pixels within a radius of a place, from how many are left of each in its row."""
    height, width = before.shape
    count = 0
    for row in range(max(int(y - radius), 0), min(int(y + radius) + 1, height)):
        dy = row + 0.5 - y
        rest = radius * radius - dy * dy
        if rest > 0.0:
            half = np.sqrt(rest)
            first = min(max(int(np.ceil(x - half - 0.5)), 0), width - 1)
            last = min(max(int(np.floor(x + half - 0.5)) + 1, first), width - 1)
            count += before[row, last] - before[row, first]
    return count


@kernel
def refute(members, before, radius, weight):
    """Weigh the worlds (E,) of a disc that is not seen by the OFF pixels that it would hide; return how many even the best has."""
    least = 1 << 30
    for e in range(len(members)):
        weight[e] = off_inside(before, members[e, 0], members[e, 1], radius - 0.5)
        least = min(least, weight[e])
    whole = 0.0
    for e in range(len(members)):
        weight[e] = 0.5 ** min(weight[e] - least, 60.0)
        whole += weight[e]
    weight /= whole
    return least


@kernel
def expect(numbers, members, radius, mean, spread):
    """mean (K, 4), spread (K, 4, 4): of the worlds, a little wider than they are, since they are only so many."""
    even = np.ones(members.shape[1]) / members.shape[1]
    for k in range(len(radius)):
        if radius[k] > 0.0:
            summarise(members[k], even, mean[k], spread[k])
            for a in range(2):
                spread[k, a, a] += numbers.drift * numbers.drift
                spread[k, a + 2, a + 2] += numbers.swerve * numbers.swerve


@kernel
def search(numbers, seen, evidence, hidden, mean, spread, radius, x, y, r, error, is_cut, disc_of, is_new):
    """Find the discs of a frame, those first of which there is least doubt; return how many. x, y, r, error (., 3), is_cut, is_new by disc.

    The order: whole discs; expected ones of which a part is hidden; others whose rest is UNSEEN; others that a curtain may cut.
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


@kernel
def correct(numbers, normal, mean, spread, x, y, error, members):
    """A followed disc was measured: its worlds are drawn anew."""
    if surprise(mean, spread, x, y, error) > numbers.gate:
        start_anew(mean, spread, x, y, error, numbers.impact, numbers.doubt, numbers.least)
    else:
        learn(mean, spread, x, y, error)
    imagine_worlds(mean, spread, normal, members)


@kernel
def doubt(normal, before, mean, spread, radius, members):
    """A followed disc was not seen: worlds in which it would have been become less probable; whether it would have been in all of them."""
    worlds = len(members)
    weight = np.empty(worlds)
    if refute(members, before, radius, weight) > CONTRADICTED:
        return True
    most = 0.0
    for e in range(worlds):
        most = max(most, weight[e])
    if most > UNEVEN / worlds:
        summarise(members, weight, mean, spread)
        imagine_worlds(mean, spread, normal, members)
    return False


@kernel
def welcome(normal, ring, x, y, error, members):
    """A new disc: its place was measured, and its velocity is any of `ring` (E, 2)."""
    mean = np.zeros(4)
    spread = np.zeros((4, 4))
    start_anew(mean, spread, x, y, error, 0.0, 0.0, 0.0)
    imagine_worlds(mean, spread, normal, members)
    for e in range(len(members)):
        members[e, 2] = ring[e, 0]
        members[e, 3] = ring[e, 1]


@kernel
def update(numbers, normal, ring, seen, dark, mean, spread, found, error, is_cut, is_new, count, disc_of, members, radius, missing, evidence, hidden, measured):
    """Change a scene by the discs of a frame, in place. found: x, y, r of `count` discs; measured: x, y, r (K,), r = 0 where a disc was not found."""
    px, py, pr = found
    x, y, r = measured
    tracks = len(radius)
    before = np.zeros((len(seen), seen.shape[1] + 1), np.int32)
    count_off(seen, before)
    for k in range(tracks):
        if radius[k] == 0.0 or disc_of[k] >= 0:
            continue
        apart = np.sqrt(0.5 * (spread[k, 0, 0] + spread[k, 1, 1]))
        if apart < CLOSE:
            miss(evidence, dark, mean[k, 0], mean[k, 1], radius[k] - 1.0 - 2.0 * apart)
        missing[k] = missing[k] + 1 if doubt(normal[k], before, mean[k], spread[k], radius[k], members[k]) else 0
        in_the_way = overlaps(mean[k, 0], mean[k, 1], radius[k], OVERLAP + 2.0 * apart, px, py, pr, count)
        if missing[k] > PATIENCE or in_the_way or numbers.memory == 0.0:
            radius[k] = 0.0
    for d in range(count):
        if is_new[d] and not overlaps(px[d], py[d], pr[d], OVERLAP, px, py, pr, d):
            for k in range(tracks):
                if radius[k] == 0.0:
                    radius[k] = pr[d]
                    disc_of[k] = d
                    break
    for k in range(tracks):
        d = disc_of[k]
        r[k] = 0.0
        if d < 0:
            continue
        x[k], y[k], r[k] = px[d], py[d], pr[d]
        missing[k] = 0
        if is_new[d]:
            welcome(normal[k], ring[k], x[k], y[k], error[d], members[k])
        else:
            correct(numbers, normal[k], mean[k], spread[k], x[k], y[k], error[d], members[k])
        if is_cut[d]:
            miss(evidence, dark, x[k], y[k], r[k] - 1.0)
    for row in range(len(seen)):
        for column in range(seen.shape[1]):
            if seen[row, column] == ON:
                evidence[row, column] = SHOWS
    cover(evidence, numbers.unbelief, hidden)


def meet(numbers, normal, ring, seen, dark, members, radius, missing, evidence, hidden):
    """What a frame `seen` changes about a scene, in place; dark (H, W): the pixels of the frame that are not ON.

    Returns x, y, r (K,), the discs as they were measured in it: r = 0 where one was not.
    """
    tracks = len(radius)
    mean, spread = np.zeros((tracks, 4)), np.zeros((tracks, 4, 4))
    expect(numbers, members, radius, mean, spread)
    found = np.zeros(tracks + 1), np.zeros(tracks + 1), np.zeros(tracks + 1)
    error = np.zeros((tracks + 1, 3))
    is_cut, is_new = np.zeros(tracks + 1, np.bool_), np.zeros(tracks + 1, np.bool_)
    disc_of = np.full(tracks, -1)
    count = search(numbers, seen, evidence, hidden, mean, spread, radius, *found, error, is_cut, disc_of, is_new)
    measured = np.zeros(tracks), np.zeros(tracks), np.zeros(tracks)
    update(
        numbers, normal, ring, seen, dark, mean, spread, found, error, is_cut, is_new, count, disc_of, members, radius, missing, evidence, hidden, measured
    )  # fmt: skip
    return measured


@kernel
def fly_on(members, radius, height, width):
    """Fly every world on by one frame, in place."""
    tracks, worlds, _ = members.shape
    mass = np.ones(tracks)
    for k in range(tracks):
        if radius[k] == RADII[1]:
            mass[k] = MASSES[1]
    world = np.zeros((tracks, 4))
    for e in range(worlds):
        for k in range(tracks):
            for a in range(4):
                world[k, a] = members[k, e, a]
        fly(world, radius, mass, width, height)
        for k in range(tracks):
            for a in range(4):
                members[k, e, a] = world[k, a]
