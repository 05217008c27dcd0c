"""The filters of HDF5 chunks, undone here and not by HDF5: its own decoders believe what a stream says of its length, and take the memory for it.

Nothing comes out that is longer or shorter than the chunk must be; a stream that is damaged gives None.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from physbench.storage.codec import inflate

Bytes: TypeAlias = "bytes | bytearray | memoryview"

DEFLATE, SHUFFLE = 1, 2
"""As HDF5 numbers them."""

MOST_DEFLATED = 1032
"""How many times its length no stream of deflate decodes to more than."""


def undone(stored: Bytes, filters: Sequence[int], mask: int, itemsize: int, nbytes: int) -> Bytes | None:
    """A chunk of `nbytes`, as it was before its filters; mask: bit i = filter i was left out when this chunk was written."""
    for code in reversed([code for place, code in enumerate(filters) if not mask >> place & 1]):
        if code == DEFLATE:
            out = np.empty(nbytes, np.uint8)
            if not inflate(stored, out):
                return None
            stored = out.data
        else:
            whole = len(stored) // itemsize * itemsize
            stored = np.frombuffer(stored, np.uint8, whole).reshape(itemsize, -1).T.tobytes() + bytes(stored[whole:])
    return stored if len(stored) == nbytes else None


def shuffled(plain: Bytes, itemsize: int) -> Bytes:
    """First the first byte of every number, then the second, ...: what floats are easier to compress as."""
    whole = len(plain) // itemsize * itemsize
    return np.frombuffer(plain, np.uint8, whole).reshape(-1, itemsize).T.tobytes() + bytes(plain[whole:])
