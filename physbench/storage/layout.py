"""The names, types and shapes of a dataset file, and what its digest is taken of. Writer, reader and verify all read this table.

Axes are letters: T frames, N sequences, H W C pixels, K objects, M collisions, a digit for itself. Time is the first axis, as in the files
that published R-NEM code reads.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

FORMAT = "physbench"
FORMAT_VERSION = 1

BLOCK = 256
"""Sequences per chunk of the small arrays, and the unit of work of a generator."""


@dataclass(frozen=True)
class Field:
    """One array of a split."""

    name: str
    dtype: np.dtype[np.generic]
    axes: str

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in self.axes)

    def chunk(self, sizes: Mapping[str, int], sequences: int) -> tuple[int, ...]:
        """The shape of a chunk with so many sequences."""
        return self.shape({**sizes, "N": sequences})


def _field(name: str, dtype: str, axes: str) -> Field:
    return Field(name, np.dtype("<" + dtype), axes)


PIXELS = (_field("features", "u1", "TNHWC"), _field("groups", "u1", "TNHW1"), _field("collisions", "u1", "TNHW1"))
"""One sequence per chunk, deflate alone."""

STATES = (
    _field("contact", "u1", "TNK"),
    _field("position", "f4", "TNK2"),
    _field("velocity", "f4", "TNK2"),
    _field("radius", "f4", "NK"),
    _field("mass", "f4", "NK"),
    _field("count", "u1", "N"),
    _field("visible", "u2", "TNK"),
    _field("curtain", "i2", "N4"),
)
"""Blocks of sequences per chunk, not compressed."""

EVENTS = (
    _field("offset", "i8", "O"),  # O = N + 1
    _field("sequence", "u4", "M"),
    _field("time", "f8", "M"),
    _field("a", "u1", "M"),
    _field("b", "u1", "M"),
    _field("normal", "f8", "M2"),
    _field("impulse", "f8", "M"),
    _field("position", "f8", "M2"),
)
"""Contiguous tables in the group `events`."""


def time_first(field: Field, array: NDArray[Any]) -> NDArray[Any]:
    """An array as it is in memory, (N, T, ...), to what a file holds, (T, N, ...)."""
    return array.swapaxes(0, 1) if field.axes.startswith("TN") else array


def pixels_digest(checksums: NDArray[np.uint32]) -> str:
    """Of a pixel array: the SHA-256 of the Adler-32 values of its sequences."""
    return hashlib.sha256(checksums.astype("<u4").tobytes()).hexdigest()


def array_digest(parts: Iterable[NDArray[Any]]) -> str:
    """Of a small array: the SHA-256 of its little-endian bytes, given in order."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def split_text(split: str, sizes: Mapping[str, int], digests: Mapping[str, str]) -> str:
    """The canonical text of a split: path, dtype, shape and digest of each array, a line each."""
    lines: list[str] = []
    for prefix, group in (("", (*PIXELS, *STATES)), ("events/", EVENTS)):
        for field in group:
            shape = "x".join(str(length) for length in field.shape(sizes))
            lines.append(f"{split}/{prefix}{field.name} {field.dtype.str.lstrip('<|')} {shape} {digests[prefix + field.name]}\n")
    return "".join(lines)


def text_digest(text: str) -> str:
    return hashlib.sha256(f"{FORMAT} content {FORMAT_VERSION}\n{text}".encode()).hexdigest()
