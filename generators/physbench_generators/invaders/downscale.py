"""Downscaling from two raw screens to one small frame, as agents for these games see it.

Each pixel is the larger of its two grays, and then means over areas are taken. A cell of the small frame covers parts
of 2 or 3 rows and columns of the screen. Areas are multiples of 1 / 200 (whole screen) or 1 / 840 of a cell, so nothing
is rounded before the end. A cell belongs to the object that covers most of it, and to no object only if none touches
it. Bullets are one column wide, so rounded means or the nearest pixel would lose them.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.invaders.addresses import GRAYS, SCREEN_COLUMNS, SCREEN_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 84
"""The side of a small frame."""

SEVERAL = np.uint8(255)
"""This stands instead of a label if there is more than one."""


class Grid(NamedTuple):
    """A map from cells to pixels: which rows and columns of the screen each cell covers, and how much of each."""

    row: NDArray[np.int64]  # (H,) the first row that is covered
    row_areas: NDArray[np.int64]  # (H, 3) the parts of it and the next two; only the last may be 0 = none
    column: NDArray[np.int64]  # (W,)
    column_areas: NDArray[np.int64]  # (W, 3) likewise; the first or the last may be 0
    scale: tuple[float, float]  # small pixels per raw pixel, x and y
    top: int  # rows of the small image above the frame


def _cover(length: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Divide a length of pixels into equal cells. Return the first pixel of each, and the parts of 3 pixels in it."""
    unit = gcd(length, cells)
    first, areas = np.zeros(cells, np.int64), np.zeros((cells, 3), np.int64)
    for cell in range(cells):
        low, high = cell * length, (cell + 1) * length  # in 1 / cells of a pixel
        first[cell] = min(low // cells, length - 3)
        for k in range(3):
            start = (first[cell] + k) * cells
            areas[cell, k] = max(0, min(high, start + cells) - max(low, start)) // unit
    return first, areas


def _lay(height: int, top: int) -> Grid:
    """Make the grid of an image that is `height` cells high, from row `top` on."""
    row, row_areas = _cover(SCREEN_ROWS, height)
    column, column_areas = _cover(SCREEN_COLUMNS, SIDE)
    rows = slice(top, top + SIDE)
    return Grid(row[rows], row_areas[rows], column, column_areas, (SIDE / SCREEN_COLUMNS, height / SCREEN_ROWS), top)


GRIDS = {"full": _lay(84, 0), "mnih2013": _lay(110, 18)}
"""The grid of each geometry: the whole screen (Mnih et al., 2015), or 84 of 110 rows, which leave out the score, the
UFO and the ground (Mnih et al., 2013)."""

GRAY = np.zeros(256, np.uint8)
GRAY[list(GRAYS)] = list(GRAYS.values())

ROUNDED = np.rint(np.arange(200 * 255 + 1) / 200).astype(np.uint8)
"""The mean gray of a cell of the whole screen, by its sum of gray times area. Halves round to even, as in OpenCV."""


@kernel
def shrink_gray(screens, grays, row, row_areas, column, column_areas, rounded, out):
    """Max-pool screens (2, rows, columns) and fill out (H, W) with means over areas.

    rounded: the mean for each sum over a cell.
    """
    height, width = out.shape
    older, newer = screens
    rows, columns = older.shape
    pooled = np.zeros((rows, columns), np.uint16)
    older_words, newer_words = older.view(np.uint64), newer.view(np.uint64)
    for y in range(rows):
        for w in range(columns // 8):  # eight pixels at once: most of the screen is black
            if older_words[y, w] | newer_words[y, w]:
                for x in range(8 * w, 8 * w + 8):
                    pooled[y, x] = max(grays[older[y, x]], grays[newer[y, x]])
    line = np.empty(columns, np.uint16)
    for r in range(height):
        y = row[r]
        for x in range(columns):
            line[x] = (
                row_areas[r, 0] * pooled[y, x] + row_areas[r, 1] * pooled[y + 1, x] + row_areas[r, 2] * pooled[y + 2, x]
            )
        for c in range(width):
            x = column[c]
            out[r, c] = rounded[
                column_areas[c, 0] * line[x] + column_areas[c, 1] * line[x + 1] + column_areas[c, 2] * line[x + 2]
            ]


@kernel
def shrink_labels(pooled, row, row_areas, column, column_areas, out, pixels):
    """Fill out (H, W) with the label that covers most of each cell, and pixels (256,) with how many cells each has.

    If two labels cover the same area, the higher one wins, because bullets have high labels. A label that wins no cell
    gets the cell of which it covers most, if the owner of that cell has others.
    """
    height, width = out.shape
    covered, most, place = np.zeros(256, np.int64), np.zeros(256, np.int64), np.zeros(256, np.int64)
    alone = np.empty(pooled.shape[1], np.uint8)
    pixels[:] = 0
    for r in range(height):
        y, last = row[r], row_areas[r, 2] > 0
        for x in range(len(alone)):
            alone[x] = only(pooled[y, x], pooled[y + 1, x], pooled[y + 2, x] if last else np.uint8(0))
        for c in range(width):
            x = column[c]
            best = only(
                alone[x] if column_areas[c, 0] else np.uint8(0),
                alone[x + 1],
                alone[x + 2] if column_areas[c, 2] else np.uint8(0),
            )
            if best == SEVERAL:
                best = cover(pooled, y, row_areas[r], x, column_areas[c], covered, most, place, r * width + c)
            out[r, c] = best
            pixels[best] += 1
    for label in range(1, len(most)):
        r, c = place[label] // width, place[label] % width
        owner = out[r, c]
        if most[label] and not pixels[label] and pixels[owner] > 1:
            out[r, c] = label
            pixels[label], pixels[owner] = 1, pixels[owner] - 1


@kernel
def only(a, b, c):
    """Return the only label among three, 0 if there is none, or SEVERAL."""
    best = max(a, b, c)
    return best if (a == best or not a) and (b == best or not b) and (c == best or not c) else SEVERAL


@kernel
def cover(pooled, y, heights, x, widths, covered, most, place, here):
    """Return the label with the largest area in one cell.

    covered: scratch memory, zeros before and after. most, place: the largest area of each label so far, and its cell.
    """
    best = 0
    for i in range(3):
        for j in range(3):
            label, area = pooled[y + i, x + j], heights[i] * widths[j]
            if label and area:
                covered[label] += area
                if covered[label] > covered[best] or (covered[label] == covered[best] and label > best):
                    best = label
    for i in range(3):
        for j in range(3):
            label = pooled[y + i, x + j]
            if covered[label] > most[label]:
                most[label], place[label] = covered[label], here
            covered[label] = 0
    return best


def observe(screens: NDArray[np.uint8], grays: NDArray[np.uint8] = GRAY) -> NDArray[np.uint8]:
    """Return the frame that ale-py's vector environment makes of the last two raw screens, (84, 84) gray.

    screens: (2, 210, 160) palette indices. grays: (256,) the gray of each.
    """
    grid, out = GRIDS["full"], np.empty((SIDE, SIDE), np.uint8)
    shrink_gray(screens, grays, grid.row, grid.row_areas, grid.column, grid.column_areas, ROUNDED, out)
    return out
