"""Deflate, as everything here compresses and decompresses: by the fastest library for each, decoded with a bound on what comes out."""
# the libraries are not fully typed
# pyright: basic

from __future__ import annotations

from typing import Any

import deflate
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

LEVEL = 1


def compress(pixels: NDArray[np.uint8]) -> bytes:
    return isal_zlib.compress(pixels, LEVEL)


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
