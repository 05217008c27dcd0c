"""What is believed as frames, means over E possible worlds, and whose each pixel is. Arrays only; C channels, K discs."""

from __future__ import annotations

import numpy as np

from physbench_baselines.compiled import kernel


@kernel
def add_disc(canvas, x, y, radius, width):
    """Add 1 inside a disc, 0 outside, and what lies between along a rim that is 2 `width` wide."""
    height, columns = canvas.shape
    outer = radius + width
    inner = max(radius - width, 0.0)
    for row in range(max(int(y - outer), 0), min(int(y + outer) + 1, height)):
        dy = row + 0.5 - y
        for column in range(max(int(x - outer), 0), min(int(x + outer) + 1, columns)):
            dx = column + 0.5 - x
            square = dx * dx + dy * dy
            if square <= inner * inner:
                canvas[row, column] += 1.0
            elif square < outer * outer:
                share = 0.5 + 0.5 * (radius - np.sqrt(square)) / width
                canvas[row, column] += share * share * (3.0 - 2.0 * share)


@kernel
def draw_worlds(members, radius, presence, colour, edge, softness, hidden, canvas, out):
    """members (K, E, 4) -> out (H, W, C) in 0..1: how bright each pixel of the box is on the average. canvas (H, W) is
    scratch.

    A rim is as wide as `edge`, or as a share `softness` of how far the worlds differ about its disc. hidden (H, W): how
    probably nothing is seen.
    """
    height, columns, channels = out.shape
    worlds = members.shape[1]
    out[:] = 0.0
    for k in range(len(radius)):
        if radius[k] == 0.0:
            continue
        x = members[k, :, 0].sum() / worlds
        y = members[k, :, 1].sum() / worlds
        apart = 0.0
        for e in range(worlds):
            apart += (members[k, e, 0] - x) ** 2 + (members[k, e, 1] - y) ** 2
        width = max(edge, softness * np.sqrt(apart / (2.0 * worlds)))
        canvas[:] = 0.0
        for e in range(worlds):
            add_disc(canvas, members[k, e, 0], members[k, e, 1], radius[k], width)
        for row in range(height):
            for column in range(columns):
                if canvas[row, column] > 0.0:
                    for c in range(channels):
                        out[row, column, c] += canvas[row, column] * presence[k] * colour[k, c] / worlds
    for row in range(height):
        for column in range(columns):
            for c in range(channels):
                out[row, column, c] = min(out[row, column, c], 1.0) * (1.0 - hidden[row, column])


@kernel
def assign_pixels(x, y, radius, slots, top, left, out):
    """out (H, W) uint8: the disc whose rim each pixel is nearest to (by the power of the point), the last slot if it
    has a higher number.

    radius is 0 where there is no disc; (top, left) is where the frame begins in the box.
    """
    height, width = out.shape
    for row in range(height):
        for column in range(width):
            least = np.inf
            owner = 0
            for k in range(len(radius)):
                if radius[k] > 0.0:
                    dx = column + left + 0.5 - x[k]
                    dy = row + top + 0.5 - y[k]
                    power = dx * dx + dy * dy - radius[k] * radius[k]
                    if power < least:
                        least = power
                        owner = k
            out[row, column] = min(owner, slots - 1)
