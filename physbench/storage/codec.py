"""Compression with deflate: fast libraries for compressing and decompressing, with a limit on the decoded size.

The filters of HDF5 chunks are also undone here, and not by HDF5, whose decoders believe the length that a stream claims
and allocate memory for it.
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
    """Make a zlib stream, which is the same in every process.

    ISA-L is faster, but for small arrays it gives different streams in some processes.
    """
    return bytes(deflate.zlib_compress(pixels, LEVEL))


def inflate(stream: Any, out: NDArray[np.uint8]) -> bool:
    """Decode a stream into `out`; return False if it is damaged, or decodes to something longer or shorter."""
    try:
        decoded = deflate.zlib_decompress(stream, out.nbytes)
    except deflate.DeflateError:
        return False
    if len(decoded) != out.nbytes:
        return False
    out.reshape(-1)[:] = np.frombuffer(decoded, np.uint8)
    return True


def adler32(stored: Any) -> int:
    """Compute the Adler-32 checksum of bytes."""
    return isal_zlib.adler32(stored)


def crc32(stored: Any, before: int = 0) -> int:
    """Compute the CRC-32 checksum of bytes. before: the checksum of the bytes in front of them."""
    return isal_zlib.crc32(stored, before)


Bytes: TypeAlias = "bytes | bytearray | memoryview"

DEFLATE, SHUFFLE = 1, 2
"""The filters by their numbers in HDF5."""

MOST_DEFLATED = 1032
"""A deflate stream never decodes to more than this many times its length."""


def undone(stored: Bytes, filters: Sequence[int], mask: int, itemsize: int, nbytes: int) -> Bytes | None:
    """Undo the filters of a chunk; return None if it is damaged, or does not decode to `nbytes`.

    mask: bit i is set if filter i was left out when this chunk was written.
    """
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
    """Reorder bytes: first the first byte of every number, then the second, ... Floats compress better like this."""
    whole = len(plain) // itemsize * itemsize
    return np.frombuffer(plain, np.uint8, whole).reshape(-1, itemsize).T.tobytes() + bytes(plain[whole:])
