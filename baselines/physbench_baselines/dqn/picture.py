"""What the agent sees of a frame, as in Mnih et al. 2015.

It is the brighter of two raw frames in gray, 210x160, resized by area to 84x84.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench_baselines.compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEIGHT, WIDTH, SIDE, STACK = 210, 160, 84, 4


COLOURS = {0: 0, 6: 142, 20: 122, 52: 107, 82: 74, 196: 98, 226: 79, 246: 133}
"""The palette of Space Invaders, and the emulator's gray for each colour. No other colour ever occurs."""

GRAY = np.zeros(256, np.uint8)
GRAY[list(COLOURS)] = list(COLOURS.values())


def _shares(length: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return which pixels each cell along an axis covers.

    These are the first pixel in each cell, (84,), and the share of the cell that each of 4 pixels from there fills,
    (84, 4).
    """
    edges = np.arange(SIDE + 1) * (length / SIDE)
    first = np.floor(edges[:-1] + 1e-9).astype(np.int64)
    places = first[:, None] + np.arange(4)
    inside = np.minimum(places + 1, edges[1:, None]) - np.maximum(places, edges[:-1, None])
    return first, (np.maximum(inside, 0) / (length / SIDE)).astype(np.float32)


ROWS, ROW_SHARES = _shares(HEIGHT)
COLUMNS, COLUMN_SHARES = _shares(WIDTH)


@kernel
def shrink(older, newer, gray, rows, row_shares, columns, column_shares, out):
    """Resize the brighter of two frames into out u1 (84, 84).

    older, newer u1 (210, 160): colours as places in the palette. gray u1 (256,).
    """
    high, wide = older.shape
    line = np.empty(wide, np.float32)
    for y in range(SIDE):
        line[:] = 0
        for a in range(4):
            share = row_shares[y, a]
            place = rows[y] + a
            if share > 0 and place < high:
                for x in range(wide):
                    line[x] += share * np.float32(max(gray[older[place, x]], gray[newer[place, x]]))
        for x in range(SIDE):
            total = np.float32(0)
            for b in range(4):
                if column_shares[x, b] > 0 and columns[x] + b < wide:
                    total += column_shares[x, b] * line[columns[x] + b]
            out[y, x] = np.uint8(np.rint(total))


def see(older: NDArray[np.uint8], newer: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Resize the brighter of two frames u1 (210, 160), with colours as places in the palette, into out u1 (84, 84)."""
    shrink(older, newer, GRAY, ROWS, ROW_SHARES, COLUMNS, COLUMN_SHARES, out)
