"""Kernels that draw discs from their states.

A pixel belongs to a disc if its centre lies inside the disc or on its edge. A pixel of two discs belongs to no object.
The stored float32 positions and radii are drawn, in float64, so the states in a file determine every pixel.
N sequences, T frames, K slots, H x W pixels, C channels.
"""

import numpy as np
from numpy.typing import NDArray

from physbench.scene import HIT_OBJECT
from physbench_generators.balls.kernels import draw
from physbench_generators.compiled import kernel

LANES = 8
"""How many rows of a disc are computed together."""

BYTES = 32
"""How many pixels are written together."""


@kernel
def covers(row, column, place, radius):
    """Return whether the centre of a pixel lies inside a disc or on its edge."""
    dx = column + 0.5 - float(place[0])
    dy = row + 0.5 - float(place[1])
    return dx * dx <= float(radius) * float(radius) - dy * dy


@kernel
def spans(top, bottom, width, cx, cy, radius, first, end):
    """Find the half-open range of columns of a disc in rows top..bottom-1: first and end (H + LANES,) int32.

    In an empty row, first >= end. The square root gives the ends, and the definition (`covers`) corrects them. The code
    is written for vector registers: it has no branch and computes whole groups of LANES rows, so some rows past the
    bottom are filled in as well.
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
    """Return a half-open range of rows that contains the disc."""
    top = max(int(np.floor(cy - radius - 0.5)), 0)
    return top, max(min(int(np.ceil(cy + radius + 0.5)), height), top)


@kernel
def may_share(position, radius, count):
    """Return whether two discs may have a pixel in common, because they touch within the precision of float32.

    As the motion is exact, this happens only by chance, about once in 10^5 sequences.
    """
    for i in range(count):
        for j in range(i):
            dx = float(position[i, 0]) - float(position[j, 0])
            dy = float(position[i, 1]) - float(position[j, 1])
            reach = float(radius[i]) + float(radius[j])
            if dx * dx + dy * dy <= reach * reach * (1.0 + 1e-12):
                return True
    return False


def stencils(width: int) -> NDArray[np.uint8]:
    """Return a table (W + 1, 2 W) uint8 whose row n holds n bytes of 255 from column W on.

    A row of the image with n pixels from column a on is row n, shifted: [n, W - a : 2 W - a].
    """
    return np.where(np.arange(2 * width) - width < np.arange(width + 1)[:, None], 255, 0).astype(np.uint8) * (
        np.arange(2 * width) >= width
    )


@kernel
def stamp(pixels, base, top, bottom, left, right, width, first, end, value, stencil):
    """Write a value into the rows of a disc, between columns left and right.

    `pixels` is flat and zero there, and the frame begins at `base`. All columns of a row are written together, without
    a branch. Indices are unsigned, so that Numba does not check for negative ones.
    """
    for row in range(top, bottom):
        line = np.uint64(base + row * width)
        length = np.uint64(max(end[row] - first[row], 0))
        shift = np.uint64(width - min(first[row], width))
        for column in range(np.uint64(left), np.uint64(right)):
            pixels[line + column] |= value & stencil[length, shift + column]


@kernel
def columns_of(cx, radius, width):
    """Return a half-open range of columns that contains the disc.

    Its length is a multiple of BYTES if the frame is wide enough.
    """
    reach = (int(2.0 * radius) + 2 + BYTES) // BYTES * BYTES
    if reach >= width:
        return 0, width
    left = min(max(int(np.floor(cx - radius - 0.5)), 0), width - reach)
    return left, left + reach


@kernel
def clear(pixels, start, end):
    """Set pixels to zero in a loop, because Numba takes seconds to compile an assignment to a slice."""
    for i in range(np.uint64(start), np.uint64(min(end, pixels.size))):
        pixels[i] = 0


@kernel
def pixels_in(top, bottom, first, end):
    """Count the pixels of a disc."""
    pixels = 0
    for row in range(np.uint64(top), np.uint64(bottom)):
        pixels += max(end[row] - first[row], 0)
    return pixels


@kernel
def count_hidden(top, bottom, first, end, curtain):
    """Count the pixels of a disc that are behind the curtain."""
    pixels = 0
    for row in range(max(top, curtain[0]), min(bottom, curtain[2])):
        pixels += max(
            min(np.int64(end[row]), np.int64(curtain[3])) - max(np.int64(first[row]), np.int64(curtain[1])), 0
        )
    return pixels


@kernel
def paint(
    position, radius, count, contact, curtain, height, width, stencil, shown, groups, collisions, visible, doubtful
):
    """Draw N sequences into shown, groups and collisions, flat bytes (N, T, H, W), and count visible (N, T, K).

    All of these except `shown` may be empty if they are not wanted. doubtful (N,) is set where two discs may share a
    pixel, so that `share` and `mark_collisions` must be called afterwards.
    """
    sequences, frames = position.shape[:2]
    first = np.zeros(height + LANES, np.int32)
    end = np.zeros(height + LANES, np.int32)
    size = height * width
    for s in range(sequences):
        begin, finish = s * frames * size, (s + 1) * frames * size
        for target in (shown, groups, collisions):
            clear(target, begin, finish)
        n = np.int64(count[s])
        for t in range(frames):
            base = begin + t * size
            doubtful[s] |= may_share(position[s, t], radius[s], n)
            for k in range(n):
                cx, cy, r = float(position[s, t, k, 0]), float(position[s, t, k, 1]), float(radius[s, k])
                top, bottom = rows_of(cy, r, height)
                left, right = columns_of(cx, r, width)
                spans(top, bottom, width, cx, cy, r, first, end)
                if visible.size > 0:
                    visible[s, t, k] = pixels_in(top, bottom, first, end) - count_hidden(
                        top, bottom, first, end, curtain[s]
                    )
                stamp(shown, base, top, bottom, left, right, width, first, end, np.uint8(1), stencil)
                if groups.size > 0:
                    stamp(groups, base, top, bottom, left, right, width, first, end, np.uint8(k + 1), stencil)
                if collisions.size > 0:
                    if contact[s, t, k] & HIT_OBJECT:
                        stamp(collisions, base, top, bottom, left, right, width, first, end, np.uint8(1), stencil)
                    if t > 0 and contact[s, t - 1, k] & HIT_OBJECT:
                        stamp(
                            collisions, base - size, top, bottom, left, right, width, first, end, np.uint8(1), stencil
                        )
            for row in range(curtain[s, 0], curtain[s, 2]):
                line = base + row * width
                clear(shown, line + curtain[s, 1], line + curtain[s, 3])


@kernel
def share(position, radius, count, curtain, groups, visible):
    """Take the pixels that two discs share from both of them, in one frame. This is slow, and rarely needed."""
    height, width = groups.shape
    for row in range(height):
        for column in range(width):
            owners = 0
            for k in range(count):
                owners += covers(row, column, position[k], radius[k])
            if owners < 2:
                continue
            groups[row, column] = 0
            if curtain[0] <= row < curtain[2] and curtain[1] <= column < curtain[3]:
                continue
            for k in range(count):
                if covers(row, column, position[k], radius[k]):
                    visible[k] -= 1


@kernel
def mark_collisions(contact, groups, collisions):
    """Fill collisions (T, H, W): the pixels, in frames t and t + 1, of the objects that hit another one in between.

    This is slow and rarely needed, like `share`.
    """
    frames, height, width = groups.shape
    for t in range(frames):
        for row in range(height):
            for column in range(width):
                collisions[t, row, column] = 0
                for frame in range(t, min(t + 2, frames)):
                    owner = groups[frame, row, column]
                    if owner > 0 and contact[t, owner - 1] & HIT_OBJECT:
                        collisions[t, row, column] = 1


@kernel
def deal(stream, palette, count, colours):
    """Fill colours (256, 3) with the colour of each owner: each object gets another one of the palette, at random.

    Pixels that two objects share are grey.
    """
    order = np.arange(palette.shape[0])
    colours[0] = 128
    for k in range(count):
        pick = k + int(draw(stream) * (palette.shape[0] - k))
        order[k], order[pick] = order[pick], order[k]
        colours[k + 1] = palette[order[k]]


@kernel
def tint(shown, groups, streams, count, palette, features):
    """Fill features (N, T, H, W, 3) with the colours of the shown pixels (N, T, H, W)."""
    sequences, frames, height, width = groups.shape
    colours = np.zeros((256, 3), np.uint8)
    stream = np.zeros(1, np.uint64)
    for s in range(sequences):
        stream[0] = streams[s]
        deal(stream, palette, count[s], colours)
        for t in range(frames):
            for row in range(height):
                for column in range(width):
                    for c in range(3):
                        features[s, t, row, column, c] = (
                            shown[s, t, row, column] * colours[groups[s, t, row, column], c]
                        )
