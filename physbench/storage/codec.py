"""Deflate, as everything here compresses and decompresses: by a fast library for each, decoded with a bound on what
comes out.

The filters of HDF5 chunks are undone here, too, and not by HDF5: its own decoders believe what a stream says of its
length, and take the memory for it.
"""
# the libraries are not fully typed
# pyright: basic

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import deflate
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

LEVEL = 1


def compress(pixels: NDArray[np.uint8]) -> bytes:
    """Make a zlib stream, the same in every process. ISA-L is faster, but some processes get other streams of the same
    small arrays from it."""
    return bytes(deflate.zlib_compress(pixels, LEVEL))


def inflate(stream: Any, out: NDArray[np.uint8]) -> bool:
    """Fill `out` exactly, checksum and all; False if the stream is damaged or decodes to anything longer or shorter."""
    try:
        decoded = deflate.zlib_decompress(stream, out.nbytes)
    except deflate.DeflateError:
        return False
    if len(decoded) != out.nbytes:
        return False
    out.reshape(-1)[:] = np.frombuffer(decoded, np.uint8)
    return True


def adler32(stored: Any) -> int:
    return isal_zlib.adler32(stored)


def crc32(stored: Any, before: int = 0) -> int:
    """Goes on from the checksum of what came before."""
    return isal_zlib.crc32(stored, before)


Bytes: TypeAlias = "bytes | bytearray | memoryview"

DEFLATE, SHUFFLE = 1, 2
"""As HDF5 numbers them."""

MOST_DEFLATED = 1032
"""How many times its length no stream of deflate decodes to more than."""


def undone(stored: Bytes, filters: Sequence[int], mask: int, itemsize: int, nbytes: int) -> Bytes | None:
    """A chunk of `nbytes`, as it was before its filters; mask: bit i = filter i was left out when this chunk was
    written."""
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


def shuffle(plain: Bytes, itemsize: int) -> Bytes:
    """First the first byte of every number, then the second, ...: what floats are easier to compress as."""
    whole = len(plain) // itemsize * itemsize
    return np.frombuffer(plain, np.uint8, whole).reshape(-1, itemsize).T.tobytes() + bytes(plain[whole:])
