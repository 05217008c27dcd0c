"""Kernels for images of stencils: small pictures of a few kinds, placed on whole pixels, with or without overlap.

N images, K slots, H = W = size, S kinds of stencils, each no larger than h x w.
"""

from __future__ import annotations

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.images.kernels import pick

TRIES, RESTARTS = 200, 2_000
"""How often stencils that may not overlap are tried.

At first all of them are placed at random until none overlap, so every arrangement is equally likely. If that fails
RESTARTS times because there are too many, they are placed one after another, each at random until it fits. After TRIES
failures in a row, placing begins again with the first one, at most RESTARTS times."""


@kernel
def overlap(a, top_a, left_a, b, top_b, left_b):
    """Return whether two stencils (h, w) have a pixel in common."""
    for row in range(max(top_a, top_b), min(top_a + a.shape[0], top_b + b.shape[0])):
        for column in range(max(left_a, left_b), min(left_a + a.shape[1], left_b + b.shape[1])):
            if a[row - top_a, column - left_a] > 0 and b[row - top_b, column - left_b] > 0:
                return True
    return False


@kernel
def place(stream, n, size, apart, bank, sizes, kinds, corners):
    """Place stencils, each uniformly over the places where it fits. Return False if there is no room.

    apart: whether they may not overlap; see TRIES for how that is done.
    """
    for restart in range(2 * RESTARTS):
        placed = 0
        failures = 0
        while placed < n and failures < (1 if restart < RESTARTS else TRIES):
            kind = kinds[placed]
            corners[placed, 0] = pick(stream, size - sizes[kind, 0] + 1)
            corners[placed, 1] = pick(stream, size - sizes[kind, 1] + 1)
            free = True
            for other in range(placed if apart else 0):
                if free and overlap(
                    bank[kinds[other]],
                    corners[other, 0],
                    corners[other, 1],
                    bank[kind],
                    corners[placed, 0],
                    corners[placed, 1],
                ):
                    free = False
            if free:
                placed += 1
                failures = 0
            else:
                failures += 1
        if placed == n:
            return True
    return False


@kernel
def throw(seeds, fewest, most, size, apart, bank, sizes, palette, states):
    """Draw the factors of one image from each seed. Return how many images were made: all, unless one has no room.

    states: count, shape, colour, position, filled with zeros. bank (S, h, w): the pixels of each kind, where 0 is not
    part of it. sizes (S, 2): the height and width of each kind. palette (P, 3): the colours to choose from. The order
    of the draws must never change: count; shape and colour of each object; rows and columns.
    """
    count, shape, colour, position = states
    stream = np.zeros(1, np.uint64)
    kinds = np.zeros(most, np.int64)
    corners = np.zeros((most, 2), np.int64)
    for s in range(seeds.size):
        stream[0] = seeds[s]
        n = fewest + pick(stream, most - fewest + 1)
        count[s] = n
        for k in range(n):
            kinds[k] = pick(stream, bank.shape[0])
            shape[s, k] = kinds[k] + 1
            number = pick(stream, palette.shape[0])
            for c in range(3):
                colour[s, k, c] = palette[number, c]
        if not place(stream, n, size, apart, bank, sizes, kinds, corners):
            return s
        for k in range(n):
            position[s, k, 0] = corners[k, 1] + 0.5 * sizes[kinds[k], 1]
            position[s, k, 1] = corners[k, 0] + 0.5 * sizes[kinds[k], 0]
    return seeds.size


@kernel
def paint(bank, sizes, count, shape, colour, position, features, groups, visible):
    """Draw images into features (N, H, W, C) and groups (N, H, W), and count each object's pixels in visible (N, K).

    The arrays are zeros beforehand. With three channels, a pixel has the shade of its stencil in each
    channel of its colour; with one channel, it is 1. A pixel of two stencils belongs to no object.
    """
    images = groups.shape[0]
    coloured = features.shape[3] == 3  # then no stencils overlap
    for s in range(images):
        for k in range(count[s]):
            kind = shape[s, k] - 1
            height, width = sizes[kind, 0], sizes[kind, 1]
            left, top = int(position[s, k, 0] - 0.5 * width), int(position[s, k, 1] - 0.5 * height)
            for row in range(height):
                for column in range(width):
                    shade = bank[kind, row, column]
                    if shade == 0:
                        continue
                    y, x = top + row, left + column
                    free = groups[s, y, x] == 0 if coloured else features[s, y, x, 0] == 0
                    if free:
                        groups[s, y, x] = k + 1
                        visible[s, k] += 1
                    elif groups[s, y, x] > 0:
                        visible[s, groups[s, y, x] - 1] -= 1
                        groups[s, y, x] = 0
                    if coloured:
                        for c in range(3):
                            features[s, y, x, c] = shade if colour[s, k, c] > 0 else 0
                    else:
                        features[s, y, x, 0] = 1
