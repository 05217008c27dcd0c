"""The filters of HDF5 chunks, undone here and not by HDF5: its own decoders believe what a stream says of its length, and take the memory for it.

Nothing comes out that is longer or shorter than the chunk must be; a stream that is damaged gives None.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from physbench.storage.codec import inflate

if TYPE_CHECKING:
    from collections.abc import Sequence

Bytes: TypeAlias = "bytes | bytearray | memoryview"

DEFLATE, SHUFFLE, FLETCHER32, LZF = 1, 2, 3, 32000
"""As HDF5 numbers them."""

COMPRESSORS = {DEFLATE: 1032, LZF: 88}
"""How many times its length no stream decodes to more than."""

_CHECKSUM = 4  # bytes
_WORDS = 1 << 20  # of a checksum worked on at a time


def undone(stored: Bytes, filters: Sequence[int], mask: int, itemsize: int, nbytes: int) -> Bytes | None:
    """A chunk of `nbytes`, as it was before its filters; mask: bit i = filter i was left out when this chunk was written."""
    on = [code for place, code in enumerate(filters) if not mask >> place & 1]
    for place in reversed(range(len(on))):
        length = nbytes + _CHECKSUM * on[:place].count(FLETCHER32)
        decoded = _undo(on[place], stored, length, itemsize)
        if decoded is None:
            return None
        stored = decoded
    return stored if len(stored) == nbytes else None


def shuffled(plain: Bytes, itemsize: int) -> Bytes:
    """First the first byte of every number, then the second, ...: what floats are easier to compress as."""
    whole = len(plain) // itemsize * itemsize
    return np.frombuffer(plain, np.uint8, whole).reshape(-1, itemsize).T.tobytes() + bytes(plain[whole:])


def _undo(code: int, stored: Bytes, length: int, itemsize: int) -> Bytes | None:
    if code == DEFLATE:
        out = np.empty(length, np.uint8)
        return out.data if inflate(stored, out) else None
    if code == LZF:
        return _lzf_decoded(stored, length)
    if code == SHUFFLE:
        whole = len(stored) // itemsize * itemsize
        return np.frombuffer(stored, np.uint8, whole).reshape(itemsize, -1).T.tobytes() + bytes(stored[whole:])
    return stored[:-_CHECKSUM] if len(stored) >= _CHECKSUM and _fletcher32_holds(stored) else None


def _fletcher32_holds(stored: Bytes) -> bool:
    """Two sums modulo 65535 of big-endian words, where 0 and 65535 are the same; HDF5 keeps the second in the upper half."""
    told = int.from_bytes(stored[-_CHECKSUM:], "little")
    plain = stored[:-_CHECKSUM]
    words = np.frombuffer(bytes(plain) + bytes(len(plain) % 2), ">u2")
    first = second = 0
    for start in range(0, len(words), _WORDS):
        some = words[start : start + _WORDS].astype(np.uint64)
        second += first * len(some) + int(some @ np.arange(len(some), 0, -1, dtype=np.uint64))
        first += int(some.sum())
    return (first - (told & 0xFFFF)) % 65535 == 0 and (second - (told >> 16)) % 65535 == 0


def _lzf_decoded(stored: Bytes, length: int) -> Bytes | None:
    """Runs of new bytes, and references to bytes that went before; never longer than `length`."""
    stream, out = bytes(stored), bytearray()
    at = 0
    try:
        while at < len(stream) and len(out) <= length:
            control = stream[at]
            at += 1
            if control < 32:
                out += stream[at : at + control + 1]
                at += control + 1
                continue
            count, distance = control >> 5, (control & 31) << 8
            if count == 7:
                count += stream[at]
                at += 1
            count, distance = count + 2, distance + stream[at] + 1
            at += 1
            if distance > len(out):
                return None
            piece = out[-distance : len(out) - distance + count or None]
            out += piece if len(piece) == count else (piece * (count // distance + 1))[:count]
    except IndexError:
        return None
    return out if at == len(stream) and len(out) == length else None
