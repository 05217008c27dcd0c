"""The vocabulary of dataset files: the names, types, shapes and meanings of arrays, and how digests are computed. The
code that writes, reads and verifies files uses it.

A file holds the arrays that its world declares, in the order of this vocabulary. The arrays of the balls come first, so
that their digests never change. Axes are letters: T frames, N sequences, H W C pixels, K objects, A actions, M
collisions, O = N + 1; a number stands for itself. Time is the first axis, as in the files that the published R-NEM code
reads. docs/format.md says the same in words, and a test compares it with this vocabulary.
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMAT = "physbench"
CONTENT_VERSION = 1
"""The version of the text from which the content digest is computed."""

BLOCK = 256
"""The number of sequences per chunk of the small arrays, and the unit of work of a generator."""


AXES = {
    "T": "frames",
    "N": "sequences",
    "H": "height",
    "W": "width",
    "C": "channels",
    "K": "objects",
    "A": "actions",
    "M": "collisions",
    "O": "offsets",
}
"""The words for the letters, in texts for people."""


@dataclass(frozen=True)
class Field:
    """One array of a split. Texts that do not apply are empty."""

    name: str
    dtype: np.dtype[np.generic]
    axes: tuple[str, ...]
    meaning: str
    unit: str = ""
    values: str = ""  # which values there are
    order: str = ""  # the order of the numbers along the last axis
    counting: str = ""  # where counting begins, and which numbers do not stand for an object
    bits: str = ""  # the meaning of the bits

    @property
    def timed(self) -> bool:
        """Return whether time is the first axis and sequences are the second."""
        return self.axes[:2] == ("T", "N")

    def shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape in a file. sizes: the lengths of the axes by their letters."""
        return tuple(int(axis) if axis.isdigit() else sizes[axis] for axis in self.axes)

    def memory_shape(self, sizes: Mapping[str, int]) -> tuple[int, ...]:
        """Return the shape in memory, where sequences are the first axis."""
        shape = self.shape(sizes)
        return (shape[1], shape[0], *shape[2:]) if self.timed else shape

    def chunk(self, sizes: Mapping[str, int], sequences: int) -> tuple[int, ...]:
        """Return the shape of a chunk with so many sequences."""
        return self.shape({**sizes, "N": sequences})

    def describe(self) -> dict[str, str]:
        """Return what people need to know to use the array, by topic."""
        axes = ", ".join(AXES.get(axis, axis) for axis in self.axes)
        topics = ("meaning", "unit", "values", "order", "counting", "bits")
        return {"axes": axes, **{topic: text for topic in topics if (text := getattr(self, topic))}}


def _field(name: str, dtype: str, axes: str, meaning: str, **more: str) -> Field:
    return Field(name, np.dtype("<" + dtype), tuple(re.findall(r"[A-Z]|\d+", axes)), meaning, **more)


PIXELS = (
    _field(
        "features",
        "u1",
        "TNHWC",
        "The frames, as a model sees them.",
        values="0 or 1 with one channel, 0 to 255 with three",
    ),
    _field(
        "groups",
        "u1",
        "TNHW1",
        "The object that owns each pixel, also behind the curtain.",
        counting="objects from 1: group k is object k - 1 elsewhere; 0 = background, or shared by two objects",
    ),
    _field(
        "collisions",
        "u1",
        "TNHW1",
        "The pixels, in frame t or t + 1, of objects that hit another object in (t, t + 1].",
        values="0 or 1",
    ),
)
"""The pixel arrays: one sequence per chunk, compressed with deflate and no other filter."""

STATES = (
    _field("contact", "u1", "TNK", "What each object hit in (t, t + 1].", bits="1 = another object, 2 = a wall"),
    _field(
        "position",
        "f4",
        "TNK2",
        "The centre of each object at frame t, from the upper left corner of the frame; the centre of the first pixel"
        " is (0.5, 0.5).",
        unit="pixel",
        order="x (to the right), y (down)",
    ),
    _field(
        "velocity",
        "f4",
        "TNK2",
        "The velocity of each object at frame t.",
        unit="pixel/frame",
        order="x (to the right), y (down)",
    ),
    _field("radius", "f4", "NK", "The radius of each object.", unit="pixel", values="0 = absent"),
    _field(
        "mass",
        "f4",
        "NK",
        "The mass of each object; that of the light kind is the unit.",
        unit="mass",
        values="0 = absent",
    ),
    _field("count", "u1", "N", "How many objects there are: they are the first ones, the others are absent."),
    _field("visible", "u2", "TNK", "How many pixels of each object show in `features`.", unit="pixel count"),
    _field(
        "curtain",
        "i2",
        "N4",
        "The invisible curtain: what is behind it is background in `features`.",
        unit="pixel",
        values="all 0 = no curtain",
        order="y0, x0, y1, x1: rows y0 to y1 - 1, columns x0 to x1 - 1",
    ),
    _field("actions", "u1", "TNA", "The action taken from frame t on.", values="1 for the action, 0 for the others"),
    _field("reward", "f4", "TN", "The reward for the action taken from frame t on."),
    _field("lives", "u1", "TN", "The lives that are left at frame t."),
    _field("phase", "u1", "TN", "The phase of the game at frame t, as its world numbers them."),
    _field("ram", "u1", "TN128", "The memory of the console at frame t.", order="addresses 0 to 127"),
    _field(
        "episode",
        "u4",
        "N2",
        "Where the sequence was cut from.",
        order="the number of the episode, the step at which the sequence begins in it",
    ),
    _field("shape", "u1", "NK", "The shape of each object, as its world numbers them."),
    _field("colour", "u1", "NK3", "The colour of each object.", values="0 to 255", order="red, green, blue"),
    _field("scale", "f4", "NK", "The size of each object, as its world measures it.", values="0 = absent"),
    _field("rotation", "f4", "NK", "The angle by which each object is turned.", unit="radian"),
    _field("background", "u1", "N3", "The colour of the background.", values="0 to 255", order="red, green, blue"),
)
"""The small arrays: one block of sequences per chunk, not compressed."""

EVENTS = (
    _field(
        "offset",
        "i8",
        "O",
        "The collisions of sequence i are the rows offset[i] to offset[i + 1] - 1.",
        counting="rows from 0",
    ),
    _field("sequence", "u4", "M", "The sequence of each collision.", counting="sequences from 0"),
    _field("time", "f8", "M", "When it happens, from frame 0 on.", unit="frame"),
    _field("a", "u1", "M", "The object that hits.", counting="objects from 0: it is group a + 1"),
    _field("b", "u1", "M", "The object that is hit.", counting="objects from 0: it is group b + 1; 255 = a wall"),
    _field("normal", "f8", "M2", "The direction from a to b, of length 1.", order="x (to the right), y (down)"),
    _field("impulse", "f8", "M", "What b receives along the normal.", unit="mass pixel/frame", values="0 or more"),
    _field(
        "position",
        "f8",
        "M2",
        "Where they touch, from the upper left corner of the frame.",
        unit="pixel",
        order="x (to the right), y (down)",
    ),
    _field("kind", "u1", "M", "What happens, as its world numbers it."),
    _field("uid", "u4", "M", "Which individual it happens to, where several pass through the same object."),
)
"""The columns of events: contiguous arrays in the group `events`."""

FIELDS = {field.name: field for field in (*PIXELS, *STATES)}
"""The arrays of sequences, by name."""

ARRAYS = {**FIELDS, **{f"events/{field.name}": field for field in EVENTS}}
"""Every array that a split can have, by its path."""

FIRST = (*(field.name for field in (*PIXELS, *STATES[:8])), *(f"events/{field.name}" for field in EVENTS[:8]))
"""The arrays of format version 1."""


@dataclass(frozen=True)
class Layout:
    """The arrays that a file holds in each of its splits."""

    pixels: tuple[Field, ...]
    states: tuple[Field, ...]
    events: tuple[Field, ...]

    @cached_property
    def paths(self) -> dict[str, Field]:
        """Return the arrays by their paths in a split, in the order of the vocabulary."""
        return {
            path: field
            for path, field in ARRAYS.items()
            if field in (self.events if path.startswith("events/") else (*self.pixels, *self.states))
        }

    @property
    def columns(self) -> tuple[Field, ...]:
        """Return the columns of events that a world makes: all but `offset` and `sequence`."""
        return tuple(field for field in self.events if field.name not in ("offset", "sequence"))

    @property
    def version(self) -> int:
        """Return the format version of such a file: 1 if it holds the same arrays as the first files, otherwise 2."""
        return 1 if set(self.paths) == {*FIRST} else 2


def layout_of(paths: Collection[str]) -> Layout:
    """Return the layout of some known arrays. Any column of events implies `offset` and `sequence`."""
    events = tuple(field for field in EVENTS if f"events/{field.name}" in paths)
    if events:
        events = (*EVENTS[:2], *(field for field in events if field not in EVENTS[:2]))
    pixels, states = (tuple(field for field in fields if field.name in paths) for fields in (PIXELS, STATES))
    return Layout(pixels, states, events)


def time_first(field: Field, array: NDArray[Any]) -> NDArray[Any]:
    """Turn an array from its order in memory, (N, T, ...), to that in a file, (T, N, ...)."""
    return array.swapaxes(0, 1) if field.timed else array


def pixels_digest(checksums: NDArray[np.uint32]) -> str:
    """Return the digest of a pixel array: the SHA-256 of the Adler-32 checksums of its sequences."""
    return hashlib.sha256(checksums.astype("<u4").tobytes()).hexdigest()


def array_digest(parts: Iterable[NDArray[Any]]) -> str:
    """Return the digest of a small array, given as parts in order: the SHA-256 of its little-endian bytes."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(np.ascontiguousarray(part).data)
    return digest.hexdigest()


def split_text(split: str, sizes: Mapping[str, int], digests: Mapping[str, str]) -> str:
    """Return the canonical text of a split: a line for each array, with its path, dtype, shape and digest."""
    lines: list[str] = []
    for path, field in ARRAYS.items():
        if path in digests:
            shape = "x".join(str(length) for length in field.shape(sizes))
            lines.append(f"{split}/{path} {field.dtype.str.lstrip('<|')} {shape} {digests[path]}\n")
    return "".join(lines)


def text_digest(text: str) -> str:
    """Return the content digest for the canonical text of one or more splits."""
    return hashlib.sha256(f"{FORMAT} content {CONTENT_VERSION}\n{text}".encode()).hexdigest()
