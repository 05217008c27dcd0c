"""Scenes: what a world makes and a dataset file holds, as arrays with one shape contract.

N sequences, T frames, K objects at most, H x W pixels, C channels, M events. In memory the sequences come first; a file
puts time first. The names, types and axes of the arrays are those of the vocabulary in storage/layout.py. Everything is
in pixels and frames: x to the right, y down.
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
    """N sequences with what their world tells of them. Frame t is the state at time t; an interval (t, t + 1] carries
    the index t."""

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
        """Give the per-sequence arrays by name, without the events (their number differs from sequence to sequence)."""
        pixels = {"features": self.features, "groups": self.groups}
        return {**{name: array for name, array in pixels.items() if array is not None}, **self.truth}

    def cut(self, start: int, stop: int) -> Scenes:
        """Give sequences start..stop-1 of these."""
        events = self.events
        if events:
            offset = events["offset"][start : stop + 1]
            rows = slice(int(offset[0]), int(offset[-1]))
            events = {name: offset - offset[0] if name == "offset" else column[rows] for name, column in events.items()}
        return Scenes.of({name: array[start:stop] for name, array in self.arrays().items()}, events)


def join_scenes(parts: Sequence[Scenes]) -> Scenes:
    """Put scenes one after the other."""
    if len(parts) == 1:
        return parts[0]
    arrays = [part.arrays() for part in parts]
    return Scenes.of(
        {name: np.concatenate([some[name] for some in arrays]) for name in arrays[0]},
        join_events([part.events for part in parts]),
    )


def join_events(parts: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Put the events of consecutive sequences one after the other."""
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
        return Streams(
            np.frombuffer(b"".join(streams), np.uint8), np.array([len(stream) for stream in streams], np.uint32)
        )

    @property
    def checksums(self) -> NDArray[np.uint32]:
        """Adler-32 of each decoded chunk: what its zlib stream ends with."""
        ends = np.cumsum(self.sizes, dtype=np.int64)
        return self.data[ends[:, None] + np.arange(-4, 0)].view(">u4")[:, 0].astype(np.uint32)


def join_streams(parts: Sequence[Streams]) -> Streams:
    """Put streams one after the other."""
    return Streams(np.concatenate([part.data for part in parts]), np.concatenate([part.sizes for part in parts]))


class Fault(NamedTuple):
    """What contradicts the laws of a world."""

    sequence: int  # counted from the start of the batch
    sentence: str  # goes on after the name of the sequence


@dataclass(frozen=True)
class Marks:
    """What a world shows in pictures of one sequence beside its pixels and labels. T frames, K objects, everything in
    pixels and frames."""

    names: tuple[str, ...] = ()  # of the objects, by label; without, they are numbered
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
    """What `cores`, `outlined`, `ticks` and `hidden` mean, for the legend, and, under `moments`, what happens where
    something is outlined."""
