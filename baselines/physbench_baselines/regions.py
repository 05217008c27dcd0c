"""Connected regions of pixels that are on. H x W pixels, N boxes."""

import numpy as np

from physbench_baselines.compiled import kernel


@kernel
def root(parent, label):
    """Return the least label that is known to be the same region, and shorten the way to it."""
    while parent[label] != label:
        parent[label] = parent[parent[label]]
        label = parent[label]
    return label


@kernel
def label(on):
    """Number the regions of on (H, W) bool: return labels (H, W) int32, and how many regions there are.

    0 is off. Regions are numbered from 1 in the order of their first pixels, row by row. Pixels are neighbours across
    an edge, not across a corner.
    """
    height, width = on.shape
    labels = np.zeros((height, width), np.int32)
    parent = np.zeros(height * width // 2 + 2, np.int32)
    count = 0
    for y in range(height):
        for x in range(width):
            if not on[y, x]:
                continue
            above = labels[y - 1, x] if y > 0 else 0
            left = labels[y, x - 1] if x > 0 else 0
            if above == 0 and left == 0:
                count += 1
                parent[count] = count
                labels[y, x] = count
            elif above == 0 or left == 0:
                labels[y, x] = max(above, left)
            else:
                one, other = root(parent, above), root(parent, left)
                labels[y, x] = min(one, other)
                parent[max(one, other)] = min(one, other)
    number = np.zeros(count + 1, np.int32)
    regions = 0
    for y in range(height):
        for x in range(width):
            if labels[y, x]:
                first = root(parent, labels[y, x])
                if number[first] == 0:
                    regions += 1
                    number[first] = regions
                labels[y, x] = number[first]
    return labels, regions


@kernel
def label_frames(on, slots):
    """Return the owners of frames (B, H, W) bool, as uint8.

    Slot 0 is the background. Regions take slots 1, 2, ..., slots - 1 in turn, again and again.
    """
    owner = np.zeros(on.shape, np.uint8)
    if slots > 1:
        for b in range(len(on)):
            labels, _ = label(on[b])
            for y in range(on.shape[1]):
                for x in range(on.shape[2]):
                    if labels[y, x]:
                        owner[b, y, x] = 1 + (labels[y, x] - 1) % (slots - 1)
    return owner


@kernel
def box_frames(on, most):
    """Return the boxes of regions: (B, H, W) bool -> (B, N, 5) float32, N = most.

    A box is x, y of the middle, width, height and number, from 0, or NaN.
    """
    frames, height, width = on.shape
    boxes = np.full((frames, most, 5), np.nan, np.float32)
    for b in range(frames):
        labels, regions = label(on[b])
        left, top = np.full(regions + 1, width), np.full(regions + 1, height)
        right, bottom = np.zeros(regions + 1, np.int64), np.zeros(regions + 1, np.int64)
        for y in range(height):
            for x in range(width):
                region = labels[y, x]
                left[region], right[region] = min(left[region], x), max(right[region], x + 1)
                top[region], bottom[region] = min(top[region], y), max(bottom[region], y + 1)
        for n in range(min(regions, most)):
            boxes[b, n, 0] = 0.5 * (left[n + 1] + right[n + 1])
            boxes[b, n, 1] = 0.5 * (top[n + 1] + bottom[n + 1])
            boxes[b, n, 2] = right[n + 1] - left[n + 1]
            boxes[b, n, 3] = bottom[n + 1] - top[n + 1]
            boxes[b, n, 4] = n
    return boxes


@kernel
def find_merged(owner, on, slots, smallest, largest_free):
    """Find slots that own two things: owner (B, H, W) uint8 and on (B, H, W) bool -> moves (N, 3), middles (N, 2, 2).

    Such a slot owns two separate regions of `smallest` or more pixels that are on. A move is the
    number of the sequence, of that slot, and of another slot that owns at most `largest_free` pixels that are on, fewer
    than `smallest`, and so is free for one of the regions. The middles are row and column of the region that stays, the
    largest, and of the one that moves.
    """
    frames, height, width = owner.shape
    moves = np.zeros((frames * slots, 3), np.int64)
    middles = np.zeros((frames * slots, 2, 2), np.float64)
    count = 0
    for b in range(frames):
        mass = np.zeros(slots, np.int64)
        for y in range(height):
            for x in range(width):
                if on[b, y, x]:
                    mass[owner[b, y, x]] += 1
        for slot in range(slots):
            free = np.argmin(mass)
            if mass[slot] < 2 * smallest or mass[free] > largest_free:
                continue
            labels, regions = label(on[b] & (owner[b] == slot))
            sums = np.zeros((regions + 1, 3), np.int64)  # pixels, and sums of their rows and columns
            for y in range(height):
                for x in range(width):
                    region = labels[y, x]
                    sums[region, 0] += 1
                    sums[region, 1] += y
                    sums[region, 2] += x
            sums[0, 0] = 0
            stays = np.argmax(sums[:, 0])
            sizes = sums[:, 0].copy()
            sizes[stays] = 0
            goes = np.argmax(sizes)
            if sizes[goes] < smallest:
                continue
            moves[count, 0], moves[count, 1], moves[count, 2] = b, slot, free
            for axis in range(2):
                middles[count, 0, axis] = sums[stays, 1 + axis] / sums[stays, 0]
                middles[count, 1, axis] = sums[goes, 1 + axis] / sums[goes, 0]
            mass[slot] -= sizes[goes]
            mass[free] = sizes[goes]
            count += 1
    return moves[:count], middles[:count]
