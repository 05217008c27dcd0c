"""An encoder from label images to zlib streams, which goes through runs of pixels. N images, H x W pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.scene import Streams
from physbench_generators.balls.deflate import code_for, most_words, write_stream
from physbench_generators.compiled import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray


def streams_of_labels(labels: NDArray[Any], owners: int) -> Streams:
    """Write label images as zlib streams. labels: (N, H, W, 1) uint8, from 0 to owners."""
    count, height, width = labels.shape[:3]
    most = height * ((width + 1) // 2)
    runs = np.empty((most, 3), np.int32)
    words = np.empty(most_words(most, height * width), np.uint32)
    sizes = np.zeros(count, np.uint32)
    out = np.empty(count * words.nbytes, np.uint8)
    end = write_images(labels.reshape(count, height, width), owners, code_for(owners, width), runs, words, out, sizes)
    return Streams(out[:end].copy(), sizes)


@kernel
def find_runs(labels, runs):
    """Find the runs of one image (H, W) and return how many there are.

    A run is its first pixel, the pixel after its last one, and its label. No run goes past the end of a row.
    """
    height, width = labels.shape
    found = 0
    for row in range(height):
        column = 0
        while column < width:
            owner = labels[row, column]
            first = column
            column += 1
            while column < width and labels[row, column] == owner:
                column += 1
            if owner > 0:
                runs[found, 0] = row * width + first
                runs[found, 1] = row * width + column
                runs[found, 2] = owner
                found += 1
    return found


@kernel
def write_images(labels, owners, code, runs, words, out, sizes):
    """Write the streams of the images (N, H, W) into out, one after the other, and return where the last one ends."""
    images, height, width = labels.shape
    end = 0
    stream = words.view(np.uint8)
    for s in range(images):
        size = write_stream(runs, find_runs(labels[s], runs), height * width, width, owners, code, words)
        for i in range(size):
            out[end + i] = stream[i]
        sizes[s] = size
        end += size
    return end
