"""Deflate, as everything here compresses and decompresses: zlib streams, decoded with a bound on what comes out."""
# the codec's stubs are partial
# pyright: basic

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from isal import isal_zlib

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVEL = 1


def compress(pixels: NDArray[np.uint8]) -> bytes:
    return isal_zlib.compress(pixels, LEVEL)


def inflate(stream: Any, out: NDArray[np.uint8]) -> str | None:
    """Fill `out` exactly, checksum and all; or say what is wrong with the stream."""
    inflater = isal_zlib.decompressobj()
    try:
        decoded = inflater.decompress(stream, out.nbytes + 1)
    except isal_zlib.error as error:  # pyright: ignore[reportGeneralTypeIssues]
        return str(error)
    if not inflater.eof or len(decoded) != out.nbytes:
        return "its stream has the wrong length"
    out.reshape(-1)[:] = np.frombuffer(decoded, np.uint8)
    return None


def crc32(stored: Any) -> int:
    return isal_zlib.crc32(stored)
