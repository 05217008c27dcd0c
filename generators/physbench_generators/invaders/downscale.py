"""From two raw screens to one small frame: the larger of both grays at each pixel, then means over areas, as agents for
these games see them.

A cell of the small frame covers parts of 2 or 3 rows and columns of the screen. Areas are whole numbers of 1 / 200
(whole screen) or 1 / 840 of a cell, so nothing is rounded before the end. A cell belongs to the object that covers most
of it, and to no object only where none touches it. Bullets are one column wide: means that are rounded, or the nearest
pixel, would lose them.
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
"""Of a small frame."""

SEVERAL = np.uint8(255)
"""In the place of a label: more than one."""


class Grid(NamedTuple):
    """Which rows and columns of the screen each row and column of the small frame covers, and how much of each."""

    row: NDArray[np.int64]  # (H,) the first one
    row_areas: NDArray[np.int64]  # (H, 3) of it and the next two; only the last may be 0 = none
    column: NDArray[np.int64]  # (W,)
    column_areas: NDArray[np.int64]  # (W, 3) the first or the last may be 0
    scale: tuple[float, float]  # small pixels per raw pixel, x and y
    top: int  # rows of the small image above the frame


def _cover(length: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cover a length of pixels with equal cells: the first pixel of each, and how much of it and the next ones it
    covers."""
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
    """Lay the grid of an image `height` cells high, from row `top` on."""
    row, row_areas = _cover(SCREEN_ROWS, height)
    column, column_areas = _cover(SCREEN_COLUMNS, SIDE)
    rows = slice(top, top + SIDE)
    return Grid(row[rows], row_areas[rows], column, column_areas, (SIDE / SCREEN_COLUMNS, height / SCREEN_ROWS), top)


GRIDS = {"full": _lay(84, 0), "mnih2013": _lay(110, 18)}
"""By geometry: the whole screen (Mnih et al., 2015), or 84 of 110 rows, without score, UFO and ground (Mnih et al.,
2013)."""

GRAY = np.zeros(256, np.uint8)
GRAY[list(GRAYS)] = list(GRAYS.values())

ROUNDED = np.rint(np.arange(200 * 255 + 1) / 200).astype(np.uint8)
"""The mean gray of a cell of the whole screen, by the sum of gray times area: halves to even, as OpenCV rounds."""


@kernel
def shrink_gray(screens, grays, row, row_areas, column, column_areas, rounded, out):
    """Max-pool screens (2, rows, columns) and fill out (H, W) with means over areas. rounded: the mean by the sum over
    a cell."""
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
    """Fill out (H, W) with the label that covers most of each cell, and pixels (256,) with how many cells each label
    has.

    Of equals the higher label wins, for bullets have high ones. A label that wins no cell gets the one it covers most,
    if that cell's owner has others.
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
    """Name the one label among three, 0 where there is none, or SEVERAL."""
    best = max(a, b, c)
    return best if (a == best or not a) and (b == best or not b) and (c == best or not c) else SEVERAL


@kernel
def cover(pooled, y, heights, x, widths, covered, most, place, here):
    """Name the label with the largest area in one cell. covered: zeros, before and after. most, place: the largest area
    of each label, and the cell."""
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
    """Give the frame that ale-py's vector environment gives for the last two raw screens, (84, 84) gray.

    screens: (2, 210, 160) palette indices. grays: (256,) the gray of each.
    """
    grid, out = GRIDS["full"], np.empty((SIDE, SIDE), np.uint8)
    shrink_gray(screens, grays, grid.row, grid.row_areas, grid.column, grid.column_areas, ROUNDED, out)
    return out
