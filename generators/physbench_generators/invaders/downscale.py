"""From two raw screens to one small frame: the larger of both grays at each pixel, then means over areas, as agents for these games see them.

A cell of the small frame covers parts of 2 to 4 rows and columns of the screen. Areas are whole numbers of 1 / 200 (whole screen) or 1 / 840 of a cell, so
nothing is rounded before the end. A cell belongs to the object that covers most of it and to nobody only where no object touches it; bullets, one column
wide, would be lost otherwise.
"""

from __future__ import annotations

from math import gcd
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from physbench_generators.compiled import kernel
from physbench_generators.invaders.memory import GRAYS, HUD, SCREEN_COLUMNS, SCREEN_ROWS

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE = 84
"""Of a small frame."""


class Grid(NamedTuple):
    """Which rows and columns of the screen each row and column of the small frame covers, and how much of each."""

    row: NDArray[np.int64]  # (H,) the first one
    row_areas: NDArray[np.int64]  # (H, 4) of it and the next ones, 0 = none
    column: NDArray[np.int64]  # (W,)
    column_areas: NDArray[np.int64]  # (W, 4)
    scale: tuple[float, float]  # small pixels per raw pixel, x and y
    top: int  # rows of the small image above the frame


def _cover(length: int, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cover a length of pixels with equal cells: the first pixel of each, and how much of it and the next ones it covers."""
    unit = gcd(length, cells)
    first, areas = np.zeros(cells, np.int64), np.zeros((cells, 4), np.int64)
    for cell in range(cells):
        low, high = cell * length, (cell + 1) * length  # in 1 / cells of a pixel
        first[cell] = low // cells
        for k in range(4):
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
"""By geometry: the whole screen (Mnih et al., 2015), or 84 of 110 rows, without score, UFO and ground (Mnih et al., 2013)."""

GRAY = np.zeros(256, np.uint8)
GRAY[list(GRAYS)] = list(GRAYS.values())


@kernel
def shrink_gray(screens, grays, row, row_areas, column, column_areas, out):
    """Max-pool screens (2, rows, columns) and fill out (H, W) with means over areas, halves to even."""
    height, width = out.shape
    total = row_areas[0].sum() * column_areas[0].sum()
    older, newer = screens
    line = np.empty(older.shape[1], np.int64)
    for r in range(height):
        line[:] = 0
        for k in range(4):
            area = row_areas[r, k]
            if area:
                y = row[r] + k
                for x in range(len(line)):
                    if older[y, x] or newer[y, x]:
                        line[x] += area * max(grays[older[y, x]], grays[newer[y, x]])
        for c in range(width):
            amount = 0
            for k in range(4):
                if column_areas[c, k]:
                    amount += column_areas[c, k] * line[column[c] + k]
            whole, rest = amount // total, amount % total
            out[r, c] = whole + (2 * rest > total or (2 * rest == total and whole % 2 == 1))


@kernel
def shrink_labels(pooled, row, row_areas, column, column_areas, out):
    """Fill out (H, W) with the label that covers most of each cell; of equals the higher one, for bullets have high ones."""
    height, width = out.shape
    covered = np.zeros(HUD + 1, np.int64)
    busy = np.empty(pooled.shape[1], np.uint8)
    for r in range(height):
        busy[:] = 0
        for k in range(4):
            if row_areas[r, k]:
                busy |= pooled[row[r] + k]
        for c in range(width):
            out[r, c] = 0
            for k in range(4):
                if column_areas[c, k] and busy[column[c] + k]:
                    out[r, c] = _largest(pooled, row[r], row_areas[r], column[c], column_areas[c], covered)
                    break


@kernel
def _largest(pooled, y, heights, x, widths, covered):
    """The label with the largest area in one cell. covered: zeros, before and after."""
    best = 0
    for pass_ in range(2):
        for i in range(4):
            for j in range(4):
                area = heights[i] * widths[j]
                if area:
                    label = pooled[y + i, x + j]
                    if pass_ == 1:
                        covered[label] = 0
                    elif label:
                        covered[label] += area
                        if covered[label] > covered[best] or (covered[label] == covered[best] and label > best):
                            best = label
    return best


def observe(screens: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Give the frame that ale-py's vector environment gives for the last two raw screens. screens: (2, 210, 160) palette indices. -> (84, 84) gray."""
    grid, out = GRIDS["full"], np.empty((SIDE, SIDE), np.uint8)
    shrink_gray(screens, GRAY, grid.row, grid.row_areas, grid.column, grid.column_areas, out)
    return out
