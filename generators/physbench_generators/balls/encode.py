"""Sequences of discs to the zlib streams of their pixel arrays: from runs where that is possible, else from pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.storage.block import Streams
from physbench.storage.codec import compress
from physbench_generators.balls.deflate import code_for, most_words, write_stream
from physbench_generators.balls.runs import SHARED, draw_curtain, find_collisions, find_runs, most_runs
from physbench_generators.compiled import kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

ARRAYS = ("features", "groups", "collisions")

SHORT = -2
"""No room for another sequence."""


def streams_of_runs(
    states: Mapping[str, NDArray[Any]], shape: tuple[int, int], pixels_of: Callable[[int], Mapping[str, NDArray[np.uint8]]]
) -> dict[str, Streams]:
    """The streams of binary movies; `visible` among the states is filled in. `pixels_of` draws a sequence that runs cannot tell: one with shared pixels."""
    frames, slots = states["contact"].shape[1:]
    count = len(states["count"])
    labels, ones = code_for(slots, shape[1]), code_for(1, shape[1])
    longest = most_runs(frames, slots, shape[0])
    runs = np.empty((3, longest, 3), np.int32)
    first_of = np.empty(frames + 1, np.int64)
    words = np.empty(most_words(longest, frames * shape[0] * shape[1]), np.uint32)
    out = np.empty((3, max(count * 10_000, words.nbytes)), np.uint8)
    sizes = np.zeros((3, count), np.uint32)
    ends = np.zeros(3, np.int64)
    known = (states[name] for name in ("position", "radius", "count", "contact", "curtain", "visible"))
    known = tuple(known)
    done = 0
    while done < count:
        done, stopped = write_streams(known, *shape, labels, ones, runs, first_of, words, out, sizes, ends, done)
        if stopped == SHORT:
            out = np.concatenate([out, np.empty_like(out)], axis=1)
        elif stopped == SHARED:
            for i, array in enumerate(pixels_of(done)[name] for name in ARRAYS):
                stream = np.frombuffer(compress(array), np.uint8)
                out[i, ends[i] : ends[i] + len(stream)] = stream
                sizes[i, done] = len(stream)
                ends[i] += len(stream)
            done += 1
    return {name: Streams(out[i, : ends[i]], sizes[i]) for i, name in enumerate(ARRAYS)}


@kernel
def write_streams(states, height, width, labels, ones, runs, first_of, words, out, sizes, ends, done):
    """Sequences `done`.. of a batch into out (3, bytes), each from ends[i] on; returns (sequences made, why it stopped: 0 = all made)."""
    position, radius, count, contact, curtain, visible = states
    owned, shown, hit = runs[0], runs[1], runs[2]
    slots = radius.shape[1]
    length = position.shape[1] * height * width
    for s in range(done, position.shape[0]):
        if ends.max() + words.nbytes > out.shape[1]:
            return s, SHORT
        found = find_runs(position[s], radius[s], count[s], height, width, owned, first_of, visible[s])
        if found == SHARED:
            return s, SHARED
        if curtain[s, 2] > 0:
            left = draw_curtain(owned, found, curtain[s], height, width, shown, visible[s])
            size = write_stream(shown, left, length, width, 1, ones, words)
        else:
            size = write_stream(owned, found, length, width, 1, ones, words)
        keep(words, size, out[0], ends, 0, sizes, s)
        size = write_stream(owned, found, length, width, slots, labels, words)
        keep(words, size, out[1], ends, 1, sizes, s)
        colliding = find_collisions(owned, first_of, contact[s], height * width, hit)
        size = write_stream(hit, colliding, length, width, 1, ones, words)
        keep(words, size, out[2], ends, 2, sizes, s)
    return position.shape[0], 0


@kernel
def keep(words, size, out, ends, i, sizes, s):
    out[ends[i] : ends[i] + size] = words.view(np.uint8)[:size]
    ends[i] += size
    sizes[i, s] = size
