"""A batch of scenes, one after the other: none depends on another. Arrays as in follow.py, with the sequences B in
front; frames (B, h, w, C).
"""

from __future__ import annotations

import numpy as np

from physbench_baselines.compiled import kernel
from physbench_baselines.tracking.curtain import cover
from physbench_baselines.tracking.discs import ON
from physbench_baselines.tracking.follow import fly_on, look, meet
from physbench_baselines.tracking.picture import assign_pixels, draw_worlds


def observe(numbers, normal, ring, slots, frames, scenes, mean, owner, rest):
    """Meet a frame and fly on; write mean (B, h, w, C), owner (B, h, w) and, where no disc explains it, rest (B, h, w, C)."""
    members, radius, presence, missing, colour, evidence = scenes
    _, height, width = evidence.shape
    top, left = (height - frames.shape[1]) // 2, (width - frames.shape[2]) // 2
    seen, dark = np.empty((height, width), np.uint8), np.empty((height, width), np.bool_)
    hidden = np.empty((height, width))
    for b in range(len(frames)):
        cover(evidence[b], numbers.unbelief, hidden)
        look(frames[b], hidden, numbers.certain, top, left, seen, dark)
        discs = meet(numbers, normal, ring, seen, dark, members[b], radius[b], presence[b], missing[b], evidence[b], hidden)
        see_colours(frames[b], seen, top, left, *discs, colour[b], rest[b])
        assign_pixels(*discs, slots, top, left, owner[b])
        fly_on(members[b], radius[b], height, width)
        draw(numbers, members[b], radius[b], presence[b], colour[b], hidden, top, left, mean[b])


def imagine(numbers, scenes, mean):
    """Fly on without a frame."""
    members, radius, presence, _, colour, evidence = scenes
    _, height, width = evidence.shape
    top, left = (height - mean.shape[1]) // 2, (width - mean.shape[2]) // 2
    hidden = np.empty((height, width))
    for b in range(len(mean)):
        cover(evidence[b], numbers.unbelief, hidden)
        fly_on(members[b], radius[b], height, width)
        draw(numbers, members[b], radius[b], presence[b], colour[b], hidden, top, left, mean[b])


@kernel
def see_colours(frame, seen, top, left, x, y, r, colour, rest):
    """colour (K, C): the mean of what is ON of each disc; rest (h, w, C): the frame where what is ON is of no disc."""
    tracks, channels = colour.shape
    pixels = np.zeros(tracks)
    total = np.zeros((tracks, channels))
    for row in range(frame.shape[0]):
        for column in range(frame.shape[1]):
            rest[row, column] = 0.0
            if seen[row + top, column + left] != ON:
                continue
            inside = near = False
            for k in range(tracks):
                if r[k] > 0.0:
                    dx = column + left + 0.5 - x[k]
                    dy = row + top + 0.5 - y[k]
                    square = dx * dx + dy * dy
                    near |= square <= (r[k] + 1.0) * (r[k] + 1.0)
                    if square <= r[k] * r[k] and not inside:
                        inside = True
                        pixels[k] += 1.0
                        for c in range(channels):
                            total[k, c] += frame[row, column, c]
            if not near:
                rest[row, column] = frame[row, column]
    for k in range(tracks):
        if pixels[k] > 0.0:
            for c in range(channels):
                colour[k, c] = total[k, c] / pixels[k]


@kernel
def draw(numbers, members, radius, presence, colour, hidden, top, left, mean):
    height, width = hidden.shape
    canvas = np.empty((height, width))
    out = np.empty((height, width, mean.shape[2]))
    draw_worlds(members, radius, presence, colour, numbers.edge, numbers.softness, hidden, canvas, out)
    for row in range(mean.shape[0]):
        for column in range(mean.shape[1]):
            for c in range(mean.shape[2]):
                mean[row, column, c] = out[row + top, column + left, c]
