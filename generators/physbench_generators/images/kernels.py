"""The kernels of sprites: they draw factors from seeds, and pixels from the stored float32 factors.

A pixel belongs to a sprite if its centre lies inside the sprite or on its edge. Only + - * / and comparisons in float64
are used, in a fixed order and never fused, so the bytes are the same on every machine that follows IEEE 754. The cosine
and the sine are sums of a few terms (`turn`) rather than library functions.

N images, K slots, H = W = size.
"""

from __future__ import annotations

import numpy as np

from physbench_generators.balls.kernels import draw
from physbench_generators.compiled import kernel
from physbench_generators.images.geometry import ELLIPSE, HALF_AXES, HEART_RISE, HUES, MARGIN, REACH, SQUARE

QUARTER = np.pi / 2.0
TURN = 2.0 * np.pi


@kernel
def pick(stream, choices):
    """Draw a whole number from 0 to choices - 1."""
    return int(draw(stream) * choices)


@kernel
def turn(angle):
    """Return the cosine and the sine of an angle >= 0, to about 2e-16.

    The nearest quarter turn is taken off first, and the power series is used for the rest.
    """
    quarter = int(angle / QUARTER + 0.5)
    rest = angle - quarter * QUARTER
    square = rest * rest
    cosine = 1.0
    sine = 1.0
    for k in range(16, 0, -2):
        cosine = 1.0 - square / (k * (k - 1.0)) * cosine
        sine = 1.0 - square / ((k + 1.0) * k) * sine
    sine *= rest
    side = quarter % 4
    if side == 0:
        return cosine, sine
    if side == 1:
        return -sine, cosine
    if side == 2:
        return -cosine, -sine
    return sine, -cosine


@kernel
def hue(number, colour):
    """Write one of the HUES saturated colours into `colour` (3,).

    They are in the order of the colour wheel: red, green, blue. One channel is 255 and one is 0.
    """
    sector = number // 255
    rest = number % 255
    full, empty, between = ((sector + 1) // 2) % 3, ((sector + 4) // 2) % 3, (7 - sector) % 3
    colour[full] = 255
    colour[empty] = 0
    colour[between] = rest if sector % 2 == 0 else 255 - rest


@kernel
def throw(seeds, fewest, most, size, binary, states):
    """Draw the factors of one image from each seed.

    states: the arrays of one frame in the order of `dsprites.STATES`, filled with zeros. The order of the draws must
    never change: count, background; then for each sprite shape, scale, rotation, x, y, colour.
    """
    count, shape, colour, scale, rotation, position, background = states
    stream = np.zeros(1, np.uint64)
    unit = size / 64.0
    for s in range(seeds.size):
        stream[0] = seeds[s]
        n = fewest + pick(stream, most - fewest + 1)
        count[s] = n
        grey = pick(stream, 256)
        for c in range(3):
            background[s, c] = 0 if binary else grey
        for k in range(n):
            shape[s, k] = SQUARE + pick(stream, 3)
            scale[s, k] = 0.5 + 0.5 * draw(stream)
            rotation[s, k] = TURN * draw(stream)
            for axis in range(2):
                position[s, k, axis] = unit * (MARGIN + (64.0 - 2.0 * MARGIN) * draw(stream))
            number = pick(stream, HUES)
            if binary:
                for c in range(3):
                    colour[s, k, c] = 255
            else:
                hue(number, colour[s, k])


@kernel
def cover(kind, across, along, dx, dy, left, right, inside):
    """Mark the pixels left..right-1 of a row that lie in a sprite, in `inside` (W,) uint8.

    dx, dy: from the centre of the sprite to the centre of pixel 0 of this row. across, along: the cosine and the sine
    of the rotation, divided by one half axis and by the other.
    """
    if kind == SQUARE:
        for column in range(left, right):
            u = across[0] * (column + dx) + across[1] * dy
            v = along[0] * dy - along[1] * (column + dx)
            inside[column] = (abs(u) <= 1.0) & (abs(v) <= 1.0)
    elif kind == ELLIPSE:
        for column in range(left, right):
            u = across[0] * (column + dx) + across[1] * dy
            v = along[0] * dy - along[1] * (column + dx)
            inside[column] = u * u + v * v <= 1.0
    else:
        for column in range(left, right):
            u = across[0] * (column + dx) + across[1] * dy
            v = HEART_RISE - (along[0] * dy - along[1] * (column + dx))
            round = u * u + v * v - 1.0
            inside[column] = round * round * round <= u * u * (v * v * v)


@kernel
def paint(count, shape, colour, scale, rotation, position, background, binary, features, groups, visible):
    """Draw images into features (N, H, W, C) and groups (N, H, W), and count each object's pixels in visible (N, K).

    The arrays are zeros beforehand. In colour, a sprite lies over those before it. In a binary image, a pixel of two
    sprites is on and belongs to no object, because nothing shows which one is in front.
    """
    images, size = groups.shape[:2]
    unit = size / 64.0
    inside = np.zeros(size, np.uint8)
    for s in range(images):
        if not binary:
            for row in range(size):
                for column in range(size):
                    for c in range(3):
                        features[s, row, column, c] = background[s, c]
        for k in range(count[s]):
            kind = shape[s, k]
            cosine, sine = turn(float(rotation[s, k]))
            length = unit * float(scale[s, k])
            a, b = length * HALF_AXES[kind][0], length * HALF_AXES[kind][1]
            across, along = (cosine / a, sine / a), (cosine / b, sine / b)
            cx, cy = float(position[s, k, 0]), float(position[s, k, 1])
            reach = length * REACH + 1.0
            left, right = max(int(cx - reach), 0), min(int(cx + reach) + 1, size)
            top, bottom = max(int(cy - reach), 0), min(int(cy + reach) + 1, size)
            red, green, blue = colour[s, k, 0], colour[s, k, 1], colour[s, k, 2]
            seen = 0
            for row in range(top, bottom):
                cover(kind, across, along, 0.5 - cx, row + 0.5 - cy, left, right, inside)
                for column in range(left, right):
                    if inside[column] == 0:
                        continue
                    owner = groups[s, row, column]
                    if owner > 0:
                        visible[s, owner - 1] -= 1
                    if binary:
                        if features[s, row, column, 0] == 0:
                            groups[s, row, column] = k + 1
                            seen += 1
                        else:
                            groups[s, row, column] = 0
                        features[s, row, column, 0] = 1
                    else:
                        groups[s, row, column] = k + 1
                        seen += 1
                        features[s, row, column, 0] = red
                        features[s, row, column, 1] = green
                        features[s, row, column, 2] = blue
            visible[s, k] = seen
