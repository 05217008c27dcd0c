"""Scenes: what a world makes and a dataset file holds, as arrays of agreed shapes.

N sequences, T frames, at most K objects, H x W pixels, C channels, M events. In memory, the sequences are the first
axis; in a file, time is. The names, types and axes of the arrays are those of the vocabulary in storage/layout.py.
Lengths are in pixels and times in frames; x points to the right and y down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

WALL = 255
"""The partner `b` of a collision with the wall."""

HIT_OBJECT, HIT_WALL = 1, 2
"""The bits of `contact`."""


@dataclass(frozen=True)
class Span:
    """Sequences start..stop-1 of a split."""

    split: str
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Scenes:
    """N sequences with everything that their world gives: frames, labels, the ground truth and events.

    Frame t is the state at time t; the interval (t, t + 1] has the index t.
    """

    features: NDArray[np.uint8] | None = None  # (N, T, H, W, C) the frames
    groups: NDArray[np.uint8] | None = None  # (N, T, H, W, 1) the owner of each pixel, 0 = no object
    truth: Mapping[str, NDArray[Any]] = field(
        default_factory=dict[str, Any]
    )  # every other array of the vocabulary, (N, ...), by name
    events: Mapping[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    """Columns (M, ...), sorted by sequence and time; rows offset[i]:offset[i + 1] of `offset` (N + 1,) belong to
    sequence i. Empty = no events."""

    def __len__(self) -> int:
        """Count the sequences."""
        return len(next(iter(self.arrays().values()), ())) or max(len(self.events.get("offset", ())) - 1, 0)

    @staticmethod
    def of(arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]] | None = None) -> Scenes:
        """Make scenes of arrays by name, features and groups among them."""
        truth = {name: array for name, array in arrays.items() if name not in ("features", "groups")}
        return Scenes(arrays.get("features"), arrays.get("groups"), truth, events or {})

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the per-sequence arrays by name, without the events, whose number differs between sequences."""
        pixels = {"features": self.features, "groups": self.groups}
        return {**{name: array for name, array in pixels.items() if array is not None}, **self.truth}

    def cut(self, start: int, stop: int) -> Scenes:
        """Return the scenes start..stop-1 of these."""
        events = self.events
        if events:
            offset = events["offset"][start : stop + 1]
            rows = slice(int(offset[0]), int(offset[-1]))
            events = {name: offset - offset[0] if name == "offset" else column[rows] for name, column in events.items()}
        return Scenes.of({name: array[start:stop] for name, array in self.arrays().items()}, events)


def find_most(features: NDArray[Any]) -> int | None:
    """Return the largest value of frames of one channel (..., 1) if it is above 1, or None if they are sound.

    Frames of one channel are 0 or 1. Frames in colour have three channels, of 0 to 255.
    """
    if features.dtype != np.uint8 or features.shape[-1:] != (1,) or not features.size:
        return None
    most = int(features.max())
    return most if most > 1 else None


def describe_values(where: str, most: int) -> str:
    """Say what is wrong with frames of one channel that hold such a value."""
    return f"{where} has frames with values up to {most}: with one channel they are 0 or 1, so these data are wrong"


def join_scenes(parts: Sequence[Scenes]) -> Scenes:
    """Concatenate scenes."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part.arrays() for part in parts]
    return Scenes.of(
        {name: np.concatenate([some[name] for some in arrays]) for name in arrays[0]},
        join_events([part.events for part in parts]),
    )


def join_events(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Concatenate the events of consecutive sequences."""
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0] if name != "offset"}
    if parts[0]:
        joined["offset"] = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(part["offset"]) for part in parts]))])
    return joined


@dataclass(frozen=True)
class Streams:
    """The zlib streams of a pixel array, one after the other."""

    data: NDArray[np.uint8]
    sizes: NDArray[np.uint32]  # (n,)

    @staticmethod
    def of(streams: Sequence[bytes]) -> Streams:
        """Concatenate single streams."""
        return Streams(
            np.frombuffer(b"".join(streams), np.uint8), np.array([len(stream) for stream in streams], np.uint32)
        )

    @property
    def checksums(self) -> NDArray[np.uint32]:
        """Return the Adler-32 checksum of each decoded chunk, which stands at the end of its zlib stream."""
        ends = np.cumsum(self.sizes, dtype=np.int64)
        return self.data[ends[:, None] + np.arange(-4, 0)].view(">u4")[:, 0].astype(np.uint32)


def join_streams(parts: Sequence[Streams]) -> Streams:
    """Concatenate streams."""
    return Streams(np.concatenate([part.data for part in parts]), np.concatenate([part.sizes for part in parts]))


class Fault(NamedTuple):
    """A contradiction between the arrays of a sequence and the laws of its world."""

    sequence: int  # counted from the start of the batch
    sentence: str  # a sentence that begins with the name of the sequence, without that name


@dataclass(frozen=True)
class Marks:
    """What a world adds to pictures of one sequence, beside its pixels and labels.

    T frames, K objects; lengths are in pixels and times in frames.
    """

    names: tuple[str, ...] = ()  # of the objects, by label; if empty, objects are numbered
    cores: NDArray[np.float64] = field(
        default_factory=lambda: np.empty((0, 0, 3))
    )  # (T, K, 3) x, y, radius of a dark disc in an object; 0 = none
    outlined: NDArray[np.bool_] = field(
        default_factory=lambda: np.empty((0, 0), bool)
    )  # (T, K) outlined in frames t and t + 1
    ticks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))  # (M, 3) time, x, y
    hidden: NDArray[np.int16] | None = (
        None  # (4,) y0, x0, y1, x1 of what is hidden from a model, half-open; zeros = nothing
    )
    kinds: Mapping[int, str] = field(default_factory=dict[int, str])  # of events, in words
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    """The meaning of `cores`, `outlined`, `ticks` and `hidden`, for the legend. Under `moments`: what happens in the
    frames in which something is outlined."""
