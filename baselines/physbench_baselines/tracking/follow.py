"""One frame: what is measured in it, and how it changes the discs that were followed until now.

Arrays only, of one sequence: K discs, E worlds, H x W pixels of the box. A scene is what is believed after a frame,
flown on to the next one:

members (K, E, 4)   x, y, vx, vy of every disc in every world
radius (K,)         0 where there is no disc
presence (K,)       the probability that there is such a disc
missing (K,) int32  for how many frames a disc should have been seen and was not
evidence (H, W)     of a curtain, see curtain.py
"""

import numpy as np

from physbench_baselines.compiled import kernel
from physbench_baselines.tracking.belief import imagine_worlds, learn, start_anew, summarise, surprise
from physbench_baselines.tracking.curtain import SHOWS, cover, miss
from physbench_baselines.tracking.discs import OFF, ON, RADII, UNSEEN, count_off
from physbench_baselines.tracking.flight import fly
from physbench_baselines.tracking.search import CLOSE, overlaps, search

CONTRADICTED = 12
"""With more OFF pixels than this inside, a disc is contradicted: it should be seen and is not."""

OVERLAP = 3.0
"""Discs do not overlap; a disc that seems to overlap by more than this, in pixels, is not there."""

SURE, LIKELY = 0.95, 0.8
"""The presence of a disc that is followed and hidden, at most; and that of a new disc that a curtain seems to cut."""

LEAST_PRESENCE = 0.02
"""A disc is given up if its presence is less probable than this."""

UNEVEN = 1.5
"""Worlds are drawn anew if the most probable one is this many times as probable as if all were equally probable."""

PATIENCE = 3
"""A disc is given up if it is contradicted for more frames than this."""

MASSES = (1.0, 6.0)
"""Of light and of heavy discs, in the order of RADII."""


@kernel
def look(frame, hidden, certain, top, left, seen, dark):
    """Write what a frame (h, w, C) shows of the box: seen (H, W) and dark (H, W).

    seen is ON where a channel is above a half, and UNSEEN outside of the frame and where an OFF pixel may be hidden.
    dark marks the pixels that are not ON in the frame, hidden or not.
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
def off_inside(before, x, y, radius):
    """Count the OFF pixels within a radius of a place.

    before says how many are to the left of each pixel in its row.
    """
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
    """Write the weights (E,) of the worlds of a disc that is not seen, by the OFF pixels that the disc would cover.

    Return how many OFF pixels there are even in the best world, and the mean probability that such a disc is not seen.
    """
    least = 1 << 30
    for e in range(len(members)):
        weight[e] = off_inside(before, members[e, 0], members[e, 1], radius - 0.5)
        least = min(least, weight[e])
    whole = 0.0
    for e in range(len(members)):
        weight[e] = 0.5 ** min(weight[e] - least, 60.0)
        whole += weight[e]
    weight /= whole
    return least, whole / len(members) * 0.5 ** min(float(least), 60.0)


@kernel
def expect(numbers, members, radius, mean, spread):
    """Write mean (K, 4) and spread (K, 4, 4) of the worlds.

    The spread is a little wider than theirs, because there are only a few worlds.
    """
    even = np.ones(members.shape[1]) / members.shape[1]
    for k in range(len(radius)):
        if radius[k] > 0.0:
            summarise(members[k], even, mean[k], spread[k])
            for a in range(2):
                spread[k, a, a] += numbers.drift * numbers.drift
                spread[k, a + 2, a + 2] += numbers.swerve * numbers.swerve


@kernel
def correct(numbers, normal, mean, spread, x, y, error, members):
    """Draw the worlds of a followed disc anew after it was measured."""
    if surprise(mean, spread, x, y, error) > numbers.gate:
        start_anew(mean, spread, x, y, error, numbers.impact, numbers.doubt, numbers.least)
    else:
        learn(mean, spread, x, y, error)
    imagine_worlds(mean, spread, normal, members)


@kernel
def doubt(normal, before, mean, spread, radius, members):
    """Make worlds in which a followed disc would have been seen less probable, because it was not seen.

    Return whether it would have been seen in all of them, and the mean probability that it is not seen.
    """
    worlds = len(members)
    weight = np.empty(worlds)
    contradictions, unseen = refute(members, before, radius, weight)
    if contradictions > CONTRADICTED:
        return True, unseen
    most = 0.0
    for e in range(worlds):
        most = max(most, weight[e])
    if most > UNEVEN / worlds:
        summarise(members, weight, mean, spread)
        imagine_worlds(mean, spread, normal, members)
    return False, unseen


@kernel
def welcome(normal, ring, x, y, error, members):
    """Start a new disc: its place was measured, and its velocity may be any of `ring` (E, 2)."""
    mean = np.zeros(4)
    spread = np.zeros((4, 4))
    start_anew(mean, spread, x, y, error, 0.0, 0.0, 0.0)
    imagine_worlds(mean, spread, normal, members)
    for e in range(len(members)):
        members[e, 2] = ring[e, 0]
        members[e, 3] = ring[e, 1]


@kernel
def update(
    numbers, normal, ring, seen, dark, mean, spread, found, error, is_cut, is_new, count, disc_of,
    members, radius, presence, missing, evidence, hidden, measured,
):  # fmt: skip
    """Change a scene by the discs of a frame, in place.

    found: x, y, r of `count` discs. measured: x, y, r (K,), where r = 0 if a disc was not found.
    """
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
        is_contradicted, unseen = doubt(normal[k], before, mean[k], spread[k], radius[k], members[k])
        if is_contradicted:
            missing[k] += 1
        else:
            missing[k] = 0
            presence[k] = min(presence[k], SURE)
            presence[k] *= unseen / (presence[k] * unseen + 1.0 - presence[k])
        in_the_way = overlaps(mean[k, 0], mean[k, 1], radius[k], OVERLAP + 2.0 * apart, px, py, pr, count)
        if missing[k] > PATIENCE or presence[k] < LEAST_PRESENCE or in_the_way or numbers.memory == 0.0:
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
        presence[k] = LIKELY if is_new[d] and is_cut[d] else 1.0
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


def meet(numbers, normal, ring, seen, dark, members, radius, presence, missing, evidence, hidden):
    """Change a scene by a frame `seen`, in place.

    dark (H, W) are the pixels of the frame that are not ON. Return the discs as measured in the frame, x, y, r (K,),
    where r = 0 if one was not measured, and whether each is new (K,).
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
        numbers, normal, ring, seen, dark, mean, spread, found, error, is_cut, is_new, count, disc_of,
        members, radius, presence, missing, evidence, hidden, measured,
    )  # fmt: skip
    return measured, (disc_of >= 0) & is_new[disc_of]


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
