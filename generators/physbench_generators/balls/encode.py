"""An encoder from sequences of discs to zlib streams of pixel arrays: from runs if possible, else from pixels."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.scene import Streams
from physbench.storage.buffers import Buffers
from physbench.storage.codec import compress
from physbench_generators.balls.deflate import code_for, most_words, write_stream
from physbench_generators.balls.pixel_arrays import ARRAYS, MOTION, pixels_of
from physbench_generators.balls.runs import SHARED, draw_curtain, find_collisions, find_runs, most_runs
from physbench_generators.compiled import kernel

_MEMORY = Buffers()

SHORT = -2
"""Returned if there is no room for another sequence."""


def streams_of_pixels(
    states: Mapping[str, NDArray[Any]], streams: NDArray[np.uint64], shape: tuple[int, int, int]
) -> dict[str, Streams]:
    """Draw the pixel arrays and compress them, one sequence after the other."""
    drawn = [_draw(states, streams, shape, s) for s in range(len(streams))]
    return {name: Streams.of([some[name] for some in drawn]) for name in ARRAYS}


def streams_of_runs(
    states: Mapping[str, NDArray[Any]], streams: NDArray[np.uint64], shape: tuple[int, int, int]
) -> dict[str, Streams]:
    """Write the streams from runs. A sequence with shared pixels, which runs cannot represent, is drawn instead."""
    height, width, _ = shape
    frames, slots = states["contact"].shape[1:]
    count = len(states["count"])
    labels, ones = code_for(slots, width), code_for(1, width)
    longest = most_runs(frames, slots, height)
    runs = np.empty((3, longest, 3), np.int32)
    first_of = np.empty(frames + 1, np.int64)
    words = np.empty(most_words(longest, frames * height * width), np.uint32)
    out = _MEMORY.take(3 * max(count * 10_000, words.nbytes)).reshape(3, -1)
    sizes = np.zeros((3, count), np.uint32)
    ends = np.zeros(3, np.int64)
    known = tuple(states[name] for name in (*MOTION, "visible"))
    done = 0
    while done < count:
        done, stopped = write_streams(known, height, width, labels, ones, runs, first_of, words, out, sizes, ends, done)
        drawn = _draw(states, streams, shape, done) if stopped == SHARED else {}
        while stopped and ends.max() + max(words.nbytes, *map(len, drawn.values()), 0) > out.shape[1]:
            out = np.concatenate([out, np.empty_like(out)], axis=1)
        for i, stream in enumerate(drawn.values()):
            out[i, ends[i] : ends[i] + len(stream)] = np.frombuffer(stream, np.uint8)
            sizes[i, done] = len(stream)
            ends[i] += len(stream)
        done += bool(drawn)
    return {name: Streams(out[i, : ends[i]], sizes[i]) for i, name in enumerate(ARRAYS)}


def _draw(
    states: Mapping[str, NDArray[Any]], streams: NDArray[np.uint64], shape: tuple[int, int, int], s: int
) -> dict[str, bytes]:
    """Draw and compress the pixel arrays of one sequence."""
    pixels = pixels_of({name: array[s : s + 1] for name, array in states.items()}, streams[s : s + 1], shape)
    return {name: compress(array) for name, array in pixels.items()}


@kernel
def write_streams(states, height, width, labels, ones, runs, first_of, words, out, sizes, ends, done):
    """Write the sequences from `done` on into out (3, bytes), where array i continues at ends[i].

    Return how many sequences are written, and why it stopped: 0 = all are written.
    """
    position, radius, count, contact, curtain, visible = states
    owned, shown, hit = runs[0], runs[1], runs[2]
    slots = radius.shape[1]
    length = position.shape[1] * height * width
    for s in range(done, position.shape[0]):
        if max(ends[0], ends[1], ends[2]) + words.nbytes > out.shape[1]:
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
    """Copy the stream of sequence s to the end of array i."""
    stream = words.view(np.uint8)
    at = np.uint64(ends[i])
    for k in range(np.uint64(size)):
        out[at + k] = stream[k]
    ends[i] += size
    sizes[i, s] = size
