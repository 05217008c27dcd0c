"""Where an invisible curtain may be: a square of SIDE pixels behind which discs are not seen.

It is considered once discs are missing. Arrays only. evidence (H, W) float32 of the box is SHOWS where a pixel has been
on, so that nothing can hide it; elsewhere it is how often a disc was missed there.
"""

import numpy as np

from physbench_baselines.compiled import kernel

SIDE = 24
SHOWS = -1.0

OFTEN = 3.0
"""The most that a pixel is counted as missed, so that discs that stand still do not add evidence in every frame."""


@kernel
def miss(evidence, dark, x, y, radius):
    """Count the dark pixels of a disc as missed: the disc should be seen here."""
    height, width = evidence.shape
    for row in range(max(int(y - radius), 0), min(int(y + radius) + 1, height)):
        for column in range(max(int(x - radius), 0), min(int(x + radius) + 1, width)):
            dx = column + 0.5 - x
            dy = row + 0.5 - y
            if dx * dx + dy * dy < radius * radius and dark[row, column] and evidence[row, column] != SHOWS:
                evidence[row, column] = min(evidence[row, column] + 1.0, OFTEN)


@kernel
def cover(evidence, doubt, out):
    """Write the probability that the curtain hides each pixel, out (H, W).

    Return False, with all probabilities 0, if there is no evidence for a curtain.

    Every place of the curtain that hides no pixel that has been on has a weight, which is halved for every pixel less
    that it explains. The case that there is no curtain weighs, in total, as much as if every place explained `doubt`
    pixels.
    """
    height, width = evidence.shape
    out[:] = 0.0
    missing = 0.0
    for row in range(height):
        for column in range(width):
            missing = max(missing, evidence[row, column])
    if height < SIDE or width < SIDE or missing == 0.0:
        return False
    shows = np.zeros((height + 1, width + 1))
    missed = np.zeros((height + 1, width + 1))
    for row in range(height):
        line = line_missed = 0.0
        for column in range(width):
            here = evidence[row, column]
            line += here == SHOWS
            line_missed += max(here, 0.0)
            shows[row + 1, column + 1] = shows[row, column + 1] + line
            missed[row + 1, column + 1] = missed[row, column + 1] + line_missed
    rows = height - SIDE + 1
    columns = width - SIDE + 1
    explained = np.full((rows, columns), -1.0)
    most = doubt
    for row in range(rows):
        for column in range(columns):
            if square(shows, row, column) == 0.0:
                explained[row, column] = square(missed, row, column)
                most = max(most, explained[row, column])
    edges = np.zeros((height + 1, width + 1))
    whole = 0.5 ** (most - doubt) * rows * columns
    for row in range(rows):
        for column in range(columns):
            if explained[row, column] >= max(most - 60.0, 0.0):
                weight = 0.5 ** (most - explained[row, column])
                whole += weight
                edges[row, column] += weight
                edges[row + SIDE, column] -= weight
                edges[row, column + SIDE] -= weight
                edges[row + SIDE, column + SIDE] += weight
    for row in range(height):
        line = 0.0
        for column in range(width):
            line += edges[row, column]
            out[row, column] = line + (out[row - 1, column] if row > 0 else 0.0)
    for row in range(height):
        for column in range(width):
            out[row, column] = min(max(out[row, column] / whole, 0.0), 1.0)
    return True


@kernel
def square(sums, row, column):
    """Sum over the pixels of a curtain with this corner, from sums over all pixels above and left."""
    return sums[row + SIDE, column + SIDE] - sums[row, column + SIDE] - sums[row + SIDE, column] + sums[row, column]
