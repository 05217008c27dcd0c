"""Where the discs of a frame are, to a hundredth of a pixel.

A pixel is on if its centre lies inside a disc. So every pixel at a rim limits where the disc's centre can be, and all
of them together leave little room. Arrays only. A map (H, W) uint8 is a frame as the box would show it: OFF, ON, or
UNSEEN where it gives no information. Positions are (x, y) in pixels, from the corner of the box; pixel (row, column)
has its centre at (column + 0.5, row + 0.5).
"""

import numpy as np

from physbench_baselines.compiled import kernel

OFF, ON, UNSEEN = 0, 1, 2

RADII = (6.0, 7.5)
"""Of light and of heavy discs."""

MARGIN = 0.7072
"""No point is farther than this from the nearest pixel's centre."""

SCALES = (0.6, 0.2, 0.06)
"""How soft a rim is assumed to be while a disc is fitted, in pixels, from the first guess to the final fit."""

STEPS = 3
"""Newton steps at each scale."""

REACH = 0.4
"""How far from the fit the room for a centre can extend, in pixels; a rim is straight on this scale."""

SHOWN = 0.2
"""The least share of a disc that must be ON for it to be found if the rest is UNSEEN."""

STRAY = 2.5
"""An ON pixel without an owner counts against a disc if it is within this distance of the disc, in pixels."""

TRIES = 8
"""How often one frame is searched for discs of one kind that are partly UNSEEN."""

MOST_STRAYS = 12
"""ON pixels that may be left around a disc; they may belong to another disc that is partly hidden."""

MOST_HOLES = 6
"""OFF pixels that a disc may have inside."""

ROUGH = 0.1
"""The squared error of a place, in each direction, if no room was found for it."""

CORNERS = 64
"""The most corners that the room can have; it never has so many."""


@kernel
def is_nearest(px, py, gap, own, count, x, y, r):
    """Return whether none of the other `count` discs has a rim nearer to a point than `gap`."""
    for other in range(count):
        if other != own and r[other] > 0.0:
            dx = px - x[other]
            dy = py - y[other]
            reach = gap + r[other]
            if reach > 0.0 and dx * dx + dy * dy < reach * reach:
                return False
    return True


@kernel
def fit(seen, own, count, x, y, r, prior, precision):
    """Move disc `own` to where it explains the pixels at its rim.

    x, y, r (count,) are all discs; pixels that are nearer to another's rim are ignored. prior (2,) and precision (3,)
    as xx, xy, yy are what is known beforehand.
    """
    height, width = seen.shape
    for scale in SCALES:
        band = 2.0 * scale + 0.75
        for _ in range(STEPS):
            gx = precision[0] * (prior[0] - x[own]) + precision[1] * (prior[1] - y[own])
            gy = precision[1] * (prior[0] - x[own]) + precision[2] * (prior[1] - y[own])
            xx = precision[0] + 1e-9
            xy = precision[1]
            yy = precision[2] + 1e-9
            outer = r[own] + band
            inner = r[own] - band
            for row in range(max(int(y[own] - outer), 0), min(int(y[own] + outer) + 1, height)):
                dy = row + 0.5 - y[own]
                for column in range(max(int(x[own] - outer), 0), min(int(x[own] + outer) + 1, width)):
                    dx = column + 0.5 - x[own]
                    square = dx * dx + dy * dy
                    if square >= outer * outer or square <= inner * inner or seen[row, column] == UNSEEN:
                        continue
                    distance = np.sqrt(square)
                    depth = r[own] - distance
                    on = seen[row, column] == ON
                    if not is_nearest(column + 0.5, row + 0.5, -depth, own, count, x, y, r):
                        continue
                    s = depth / scale
                    root = np.sqrt(1.0 + s * s)
                    pull = ((1.0 if on else 0.0) - 0.5 * (1.0 + s / root)) / scale
                    slope = 0.5 / (root * root * root * scale * scale)
                    nx = dx / distance
                    ny = dy / distance
                    gx += pull * nx
                    gy += pull * ny
                    xx += slope * nx * nx
                    xy += slope * nx * ny
                    yy += slope * ny * ny
            whole = xx * yy - xy * xy
            sx = (yy * gx - xy * gy) / whole
            sy = (xx * gy - xy * gx) / whole
            length = np.sqrt(sx * sx + sy * sy)
            shrink = min(1.0, 1.0 / length) if length > 0.0 else 0.0
            x[own] += sx * shrink
            y[own] += sy * shrink


@kernel
def find_room(seen, own, count, x, y, r, spread):
    """Move disc `own` to the middle of the room that the pixels at its rim leave for its centre, and return True.

    The room is a polygon around the fit, and `spread` (3,) is its covariance as xx, xy, yy. If the pixels contradict
    each other, the room is empty: return False, and change nothing.
    """
    height, width = seen.shape
    px = np.empty(CORNERS)
    py = np.empty(CORNERS)
    for i in range(4):
        px[i] = REACH if 0 < i < 3 else -REACH
        py[i] = REACH if i > 1 else -REACH
    spare = np.empty((2, CORNERS))
    corners = 4
    band = 1.5 * REACH
    outer = r[own] + band
    inner = r[own] - band
    for row in range(max(int(y[own] - outer), 0), min(int(y[own] + outer) + 1, height)):
        dy = row + 0.5 - y[own]
        for column in range(max(int(x[own] - outer), 0), min(int(x[own] + outer) + 1, width)):
            dx = column + 0.5 - x[own]
            square = dx * dx + dy * dy
            if square >= outer * outer or square <= inner * inner or seen[row, column] == UNSEEN:
                continue
            distance = np.sqrt(square)
            depth = r[own] - distance
            on = seen[row, column] == ON
            if not is_nearest(column + 0.5, row + 0.5, -depth, own, count, x, y, r):
                continue
            side = 1.0 if on else -1.0  # an ON pixel keeps the centre near, an OFF pixel far
            corners = clip(px, py, corners, spare, side * dx / distance, side * dy / distance, -side * depth)
            if corners == 0:
                return False
    return settle(px, py, corners, own, x, y, spread)


@kernel
def clip(px, py, corners, spare, nx, ny, least):
    """Cut off what lies outside nx x + ny y >= least, and return how many corners are left."""
    left = 0
    for i in range(corners):
        j = i + 1 if i + 1 < corners else 0
        here = nx * px[i] + ny * py[i] - least
        there = nx * px[j] + ny * py[j] - least
        if here >= 0.0 and left < CORNERS:
            spare[0, left] = px[i]
            spare[1, left] = py[i]
            left += 1
        if (here >= 0.0) != (there >= 0.0) and left < CORNERS:
            share = here / (here - there)
            spare[0, left] = px[i] + share * (px[j] - px[i])
            spare[1, left] = py[i] + share * (py[j] - py[i])
            left += 1
    for i in range(left):
        px[i] = spare[0, i]
        py[i] = spare[1, i]
    return left


@kernel
def settle(px, py, corners, own, x, y, spread):
    """Move disc `own` to the centroid of a polygon around it, and write the second moments about it to spread (3,).

    Return False for a polygon without an area.
    """
    area = mx = my = xx = xy = yy = 0.0
    for i in range(corners):
        j = i + 1 if i + 1 < corners else 0
        part = px[i] * py[j] - px[j] * py[i]
        area += part / 2.0
        mx += part * (px[i] + px[j]) / 6.0
        my += part * (py[i] + py[j]) / 6.0
        xx += part * (px[i] * px[i] + px[i] * px[j] + px[j] * px[j]) / 12.0
        yy += part * (py[i] * py[i] + py[i] * py[j] + py[j] * py[j]) / 12.0
        xy += part * (px[i] * py[j] + 2.0 * px[i] * py[i] + 2.0 * px[j] * py[j] + px[j] * py[i]) / 24.0
    if area < 1e-9:
        return False
    mx /= area
    my /= area
    x[own] += mx
    y[own] += my
    spread[0] = max(xx / area - mx * mx, 0.0)
    spread[1] = xy / area - mx * my
    spread[2] = max(yy / area - my * my, 0.0)
    return True


@kernel
def count_off(seen, before):
    """Count the OFF pixels of each row to the left of each column: before (H, W + 1) int32."""
    height, width = seen.shape
    for row in range(height):
        for column in range(width):
            before[row, column + 1] = before[row, column] + (seen[row, column] == OFF)


@kernel
def is_full(before, row, column, radius):
    """Return whether a disc around a pixel's centre has no OFF pixel."""
    height, width = before.shape
    reach = int(radius)
    for line in range(max(row - reach, 0), min(row + reach + 1, height)):
        half = int(np.sqrt(radius * radius - (line - row) * (line - row)))
        if before[line, min(column + half + 1, width - 1)] != before[line, max(column - half, 0)]:
            return False
    return True


@kernel
def erase(left, x, y, radius):
    """Turn the ON pixels of a disc OFF."""
    height, width = left.shape
    for row in range(max(int(y - radius), 0), min(int(y + radius) + 1, height)):
        for column in range(max(int(x - radius), 0), min(int(x + radius) + 1, width)):
            dx = column + 0.5 - x
            dy = row + 0.5 - y
            if left[row, column] == ON and dx * dx + dy * dy <= radius * radius:
                left[row, column] = OFF


@kernel
def count_pixels(left, x, y, radius):
    """Return (inside, holes, strays, unseen), four counts of pixels of a disc.

    They are its ON pixels, the OFF pixels clearly inside, the ON pixels clearly outside but near, and the UNSEEN ones
    inside.
    """
    height, width = left.shape
    inside = holes = strays = unseen = 0
    outer = radius + STRAY
    for row in range(max(int(y - outer), 0), min(int(y + outer) + 1, height)):
        for column in range(max(int(x - outer), 0), min(int(x + outer) + 1, width)):
            dx = column + 0.5 - x
            dy = row + 0.5 - y
            square = dx * dx + dy * dy
            if left[row, column] == ON:
                if square <= radius * radius:
                    inside += 1
                elif (radius + 0.5) * (radius + 0.5) < square < outer * outer:
                    strays += 1
            elif left[row, column] == OFF and square < (radius - 0.5) * (radius - 0.5):
                holes += 1
            elif left[row, column] == UNSEEN and square <= radius * radius:
                unseen += 1
    return inside, holes, strays, unseen


@kernel
def measure(seen, own, count, x, y, r, prior, precision, error):
    """Fit disc `own` of `count`, find the room for it, and write its error (3,)."""
    fit(seen, own, count, x, y, r, prior, precision)
    if not find_room(seen, own, count, x, y, r, error):
        error[0] = error[2] = ROUGH
        error[1] = 0.0


@kernel
def find_whole(seen, most, x, y, r, error):
    """Find the discs that show from rim to rim, and return how many, `most` at most.

    x, y, r and error (., 3) are written for each. If everything is ON around a pixel as far as the rim of a heavy disc,
    it is a heavy disc, because several light ones cannot cover it. Light discs are looked for after that.
    """
    height, width = seen.shape
    left = seen.copy()
    before = np.zeros((height, width + 1), np.int32)
    nothing = np.zeros(3)
    count = 0
    for radius in RADII[::-1]:
        low = int(radius)
        count_off(left, before)
        for row in range(low, height - low):
            for column in range(low, width - low):
                if count == most or left[row, column] != ON or not is_full(before, row, column, radius - MARGIN):
                    continue
                if count_pixels(left, column + 0.5, row + 0.5, radius - MARGIN)[3]:
                    continue
                x[count], y[count], r[count] = column + 0.5, row + 0.5, radius
                fit(left, count, count + 1, x, y, r, nothing, nothing)
                erase(left, x[count], y[count], radius)
                left[row, column] = OFF  # whatever the result of the fit, do not try this place again
                count_off(left, before)
                count += 1
    for d in range(count):
        measure(seen, d, count, x, y, r, nothing, nothing, error[d])
    return drop_wrong(seen, seen.copy(), 0, count, x, y, r, error)


@kernel
def drop_wrong(seen, left, first, count, x, y, r, error):
    """Drop the wrong ones of the discs first .. count - 1, and return how many discs are left.

    A disc is wrong if it leaves too many ON pixels of `left` around it, or has too many OFF pixels inside.
    """
    for d in range(count):
        erase(left, x[d], y[d], r[d] + 0.3)
    stay = first
    for d in range(first, count):
        if (
            count_pixels(left, x[d], y[d], r[d])[2] <= MOST_STRAYS
            and count_pixels(seen, x[d], y[d], r[d])[1] <= MOST_HOLES
        ):
            x[stay], y[stay], r[stay] = x[d], y[d], r[d]
            for i in range(3):
                error[stay, i] = error[d, i]
            stay += 1
    return stay


@kernel
def find_partial(seen, left, lightest, heaviest, most, x, y, r, error, count):
    """Append to `count` discs those that are partly UNSEEN, and return how many there are now, `most` at most.

    They have a radius of RADII[lightest..heaviest], and are found among the ON pixels without an owner in `left`. As in
    `find_whole`, heavy ones come first; of one kind, those that show most come first.
    """
    height, width = seen.shape
    rest = left.copy()
    before = np.zeros((height, width + 1), np.int32)
    first = count
    for kind in range(heaviest, lightest - 1, -1):
        radius = RADII[kind]
        core = radius - MARGIN
        low = int(radius)
        for _ in range(TRIES):
            count_off(rest, before)
            shown = int(SHOWN * 3.0 * core * core)
            best = -1
            for row in range(low, height - low):
                for column in range(low, width - low):
                    if rest[row, column] != OFF and is_full(before, row, column, core):
                        inside, _, _, _ = count_pixels(rest, column + 0.5, row + 0.5, core)
                        if inside > shown:
                            shown = inside
                            best = row * width + column
            if best < 0 or count == most:
                break
            x[count], y[count], r[count] = best % width + 0.5, best // width + 0.5, radius
            settle_partial(seen, count, count + 1, x, y, r, error[count])
            erase(rest, x[count], y[count], radius + 0.3)
            rest[best // width, best % width] = OFF  # whatever the result of the fit, do not try this place again
            count += 1
    for d in range(first, count):
        settle_partial(seen, d, count, x, y, r, error[d])
    return drop_wrong(seen, left.copy(), first, count, x, y, r, error)


@kernel
def settle_partial(seen, own, count, x, y, r, error):
    """Measure a disc that may show too little of its rim to be located by it.

    Its present place is taken to be correct to a pixel.
    """
    measure(seen, own, count, x, y, r, np.array([x[own], y[own]]), np.array([1.0, 0.0, 1.0]), error)
