"""From states to pixels. A pixel belongs to a disc when its centre lies inside or on it; one that belongs to two belongs to nobody.

The stored float32 positions and radii are drawn, in float64, so a file alone fixes every pixel.
Arrays only: N sequences, T frames, K slots, H x W pixels, C channels.
"""

from __future__ import annotations

import numpy as np

from physbench_generators.balls.kernels import HIT_OBJECT, draw
from physbench_generators.compiled import kernel

LANES = 4
"""Rows of a disc that are looked at together."""


@kernel
def inside(column, cx, rest):
    """`rest` is what the row leaves of the squared radius."""
    dx = column + 0.5 - cx
    return dx * dx <= rest


@kernel
def span(row, width, cx, cy, radius):
    """The half-open range of columns of a disc in a row. The square root finds the ends, the definition settles them."""
    dy = row + 0.5 - cy
    rest = radius * radius - dy * dy
    if rest < 0.0:
        return 0, 0
    half = np.sqrt(rest)
    first = int(np.ceil(cx - half - 0.5))
    last = int(np.floor(cx + half - 0.5))
    if inside(first - 1, cx, rest):
        first -= 1
    elif first <= last and not inside(first, cx, rest):
        first += 1
    if inside(last + 1, cx, rest):
        last += 1
    elif last >= first and not inside(last, cx, rest):
        last -= 1
    return max(first, 0), min(last + 1, width)


@kernel
def spans(top, bottom, width, cx, cy, radius, first, end):
    """`span` for the rows top..bottom-1: first and end (H + LANES,) int32; first >= end where a row is empty.

    Written for vector registers: no branch, and whole groups of LANES rows, so that some past the bottom are found as well.
    """
    groups = (bottom - top + LANES - 1) // LANES
    for row in range(top, top + groups * LANES):
        dy = row + 0.5 - cy
        rest = radius * radius - dy * dy
        half = np.sqrt(max(rest, 0.0))
        a = np.ceil(cx - half - 0.5)
        b = np.floor(cx + half - 0.5)
        a -= 1.0 if (a - 0.5 - cx) * (a - 0.5 - cx) <= rest else 0.0
        a += 1.0 if (a + 0.5 - cx) * (a + 0.5 - cx) > rest else 0.0
        b += 1.0 if (b + 1.5 - cx) * (b + 1.5 - cx) <= rest else 0.0
        b -= 1.0 if (b + 0.5 - cx) * (b + 0.5 - cx) > rest else 0.0
        first[row] = max(a, 0.0)
        end[row] = min(b + 1.0, float(width))


@kernel
def rows_of(cy, radius, height):
    """A half-open range of rows that holds the disc."""
    top = max(int(np.floor(cy - radius - 0.5)), 0)
    return top, max(min(int(np.ceil(cy + radius + 0.5)), height), top)


@kernel
def draw_frame(position, radius, count, curtain, shown, groups, visible):
    """One frame into zeroed shown (H, W), groups (H, W), visible (K,). True if two discs share a pixel: then `share` must follow."""
    height, width = groups.shape
    shared = 0
    for k in range(count):
        cx, cy, r = float(position[k, 0]), float(position[k, 1]), float(radius[k])
        top, bottom = rows_of(cy, r, height)
        for row in range(top, bottom):
            first, end = span(row, width, cx, cy, r)
            left, right = end, end
            if curtain[0] <= row < curtain[2]:
                left = min(max(np.int64(curtain[1]), first), end)
                right = min(max(np.int64(curtain[3]), first), end)
            for column in range(first, end):
                shared |= groups[row, column]
                groups[row, column] = k + 1
            for column in range(first, left):
                shown[row, column] = 1
            for column in range(right, end):
                shown[row, column] = 1
            visible[k] += max(end - first, 0) - (right - left)
    return shared != 0


@kernel
def share(position, radius, count, curtain, groups, visible):
    """Take the pixels of two discs from both. Rare: discs never overlap, but a centre can lie on two of them when they touch."""
    height, width = groups.shape
    for row in range(height):
        for column in range(width):
            owners = 0
            for k in range(count):
                first, end = span(row, width, float(position[k, 0]), float(position[k, 1]), float(radius[k]))
                owners += first <= column < end
            if owners < 2:
                continue
            groups[row, column] = 0
            if curtain[0] <= row < curtain[2] and curtain[1] <= column < curtain[3]:
                continue
            for k in range(count):
                first, end = span(row, width, float(position[k, 0]), float(position[k, 1]), float(radius[k]))
                if first <= column < end:
                    visible[k] -= 1


@kernel
def mark_collisions(position, radius, count, contact, groups, t, collisions):
    """collisions (T, H, W), zeros at t: pixels, in frame t or t + 1, of the objects that hit another one in between."""
    frames, height, width = groups.shape
    for k in range(count):
        if contact[t, k] & HIT_OBJECT:
            for frame in range(t, min(t + 2, frames)):
                top, bottom = rows_of(float(position[frame, k, 1]), float(radius[k]), height)
                for row in range(top, bottom):
                    first, end = span(row, width, float(position[frame, k, 0]), float(position[frame, k, 1]), float(radius[k]))
                    for column in range(first, end):
                        if groups[frame, row, column] == k + 1:
                            collisions[t, row, column] = 1


@kernel
def deal(stream, palette, count, colours):
    """Give each object its own colour of the palette, in random order. colours (K + 1, 3), by owner; shared pixels stay grey."""
    order = np.arange(palette.shape[0])
    colours[0] = 128
    for k in range(count):
        pick = k + int(draw(stream) * (palette.shape[0] - k))
        order[k], order[pick] = order[pick], order[k]
        colours[k + 1] = palette[order[k]]


@kernel
def tint(shown, groups, colours, features):
    """features (T, H, W, 3), zeros."""
    frames, height, width = groups.shape
    for t in range(frames):
        for row in range(height):
            for column in range(width):
                if shown[t, row, column]:
                    features[t, row, column] = colours[groups[t, row, column]]


@kernel
def paint(position, radius, count, contact, curtain, streams, palette, features, groups, collisions, visible):
    """Draw N sequences into zeroed arrays: ones, or with three channels the colours of a palette (P, 3)."""
    sequences, frames, slots = position.shape[:3]
    coloured = features.shape[4] == 3
    shown = np.zeros((frames, *groups.shape[2:4]), np.uint8)
    colours = np.zeros((slots + 1, 3), np.uint8)
    stream = np.zeros(1, np.uint64)
    for s in range(sequences):
        owners = groups[s, :, :, :, 0]
        if coloured:
            shown[:] = 0
        else:
            shown = features[s, :, :, :, 0]
        for t in range(frames):
            if draw_frame(position[s, t], radius[s], count[s], curtain[s], shown[t], owners[t], visible[s, t]):
                share(position[s, t], radius[s], count[s], curtain[s], owners[t], visible[s, t])
        for t in range(frames):
            mark_collisions(position[s], radius[s], count[s], contact[s], owners, t, collisions[s, :, :, :, 0])
        if coloured:
            stream[0] = streams[s]
            deal(stream, palette, count[s], colours)
            tint(shown, owners, colours, features[s])
