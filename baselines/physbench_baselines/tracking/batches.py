"""The tracker on a batch of scenes, one after the other, and its pictures of what it believes.

No scene depends on another. Arrays are as in follow.py, with the sequences B in front; frames are (B, h, w, C). The
pictures are means over E possible worlds.
"""

import numpy as np

from physbench_baselines.compiled import kernel
from physbench_baselines.tracking.curtain import cover
from physbench_baselines.tracking.discs import ON
from physbench_baselines.tracking.follow import fly_on, look, meet


def observe(numbers, normal, ring, slots, frames, scenes, names, mean, owner, rest, boxes):
    """Update the scenes with a frame, and let their discs fly on to the next one.

    Write the mean (B, h, w, C) of the next frame, the owner (B, h, w) of this one, and rest (B, h, w, C), the part of
    this frame that no disc explains.

    names (B, K): which disc each is or was, counted from 0; a new one gets the next number. boxes (B, K, 5): the discs
    that the frame shows.
    """
    members, radius, presence, missing, colour, evidence = scenes
    _, height, width = evidence.shape
    top, left = (height - frames.shape[1]) // 2, (width - frames.shape[2]) // 2
    seen, dark = np.empty((height, width), np.uint8), np.empty((height, width), np.bool_)
    hidden = np.empty((height, width))
    for b in range(len(frames)):
        cover(evidence[b], numbers.unbelief, hidden)
        look(frames[b], hidden, numbers.certain, top, left, seen, dark)
        discs, is_new = meet(
            numbers, normal, ring, seen, dark, members[b], radius[b], presence[b], missing[b], evidence[b], hidden
        )
        names[b, is_new] = names[b].max() + 1 + np.arange(is_new.sum())
        put_boxes(*discs, names[b], top, left, boxes[b])
        see_colours(frames[b], seen, top, left, *discs, colour[b], rest[b])
        assign_pixels(*discs, slots, top, left, owner[b])
        fly_on(members[b], radius[b], height, width)
        draw(numbers, members[b], radius[b], presence[b], colour[b], hidden, top, left, mean[b])


def imagine(numbers, scenes, names, mean, boxes):
    """Let the discs fly on without a frame.

    boxes (B, K, 5): the discs of the frame that was imagined before, if they lie in it.
    """
    members, radius, presence, _, colour, evidence = scenes
    _, height, width = evidence.shape
    top, left = (height - mean.shape[1]) // 2, (width - mean.shape[2]) // 2
    hidden = np.empty((height, width))
    for b in range(len(mean)):
        cover(evidence[b], numbers.unbelief, hidden)
        x, y = members[b, :, :, 0].mean(axis=1), members[b, :, :, 1].mean(axis=1)
        aside = np.maximum(
            abs(x - left - 0.5 * mean.shape[2]) - 0.5 * mean.shape[2],
            abs(y - top - 0.5 * mean.shape[1]) - 0.5 * mean.shape[1],
        )
        put_boxes(x, y, np.where(aside < radius[b], radius[b], 0.0), names[b], top, left, boxes[b])
        fly_on(members[b], radius[b], height, width)
        draw(numbers, members[b], radius[b], presence[b], colour[b], hidden, top, left, mean[b])


def put_boxes(x, y, r, names, top, left, boxes):
    """Write boxes (K, 5): x, y, width, height and name of each disc, NaN if it was not measured.

    x and y are those of the frame, which begins at (top, left) in the box.
    """
    boxes[:] = np.column_stack([x - left, y - top, 2.0 * r, 2.0 * r, names])
    boxes[r == 0.0] = np.nan


@kernel
def see_colours(frame, seen, top, left, x, y, r, colour, rest):
    """Write the colour (K, C) of each disc, the mean of its ON pixels, and rest (h, w, C), the ON pixels of no disc."""
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
    """Draw a scene, and write the part that the frame shows to mean (h, w, C)."""
    height, width = hidden.shape
    canvas = np.empty((height, width))
    out = np.empty((height, width, mean.shape[2]))
    draw_worlds(members, radius, presence, colour, numbers.edge, numbers.softness, hidden, canvas, out)
    for row in range(mean.shape[0]):
        for column in range(mean.shape[1]):
            for c in range(mean.shape[2]):
                mean[row, column, c] = out[row + top, column + left, c]


@kernel
def add_disc(canvas, x, y, radius, width):
    """Add 1 inside a disc, 0 outside, and a value in between along a rim that is 2 `width` wide."""
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
    """Write how bright each pixel of the box is on average, out (H, W, C) in 0..1, from members (K, E, 4).

    canvas (H, W) is scratch. hidden (H, W): the probability that a pixel is hidden. A rim is as wide as `edge`, or as a
    share `softness` of the distance between the worlds of its disc.
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
    """Write the owner of each pixel, out (H, W) uint8: the disc whose rim is nearest, by the power of the point.

    If that disc has a higher number than the last slot, the owner is the last slot. radius is 0 where there is no disc.
    (top, left) is where the frame begins in the box.
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
