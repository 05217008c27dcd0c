"""Scenes: what a generator makes and a dataset file holds, as arrays with one shape contract.

N sequences, T frames, K objects at most, H x W pixels, C channels, M collisions. In memory the sequences come first;
a file puts time first (see storage/layout.py). Everything is in pixels and frames: x to the right, y down.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

WALL = 255
"""The partner `b` of a collision with the wall."""

HIT_OBJECT, HIT_WALL = 1, 2
"""The bits of `contact`."""


@dataclass(frozen=True, slots=True)
class Events:
    """Collisions, sorted by sequence and time. Rows offset[i]:offset[i + 1] belong to sequence i."""

    offset: NDArray[np.int64]  # (N + 1,)
    time: NDArray[np.float64]  # (M,) in frames from the start of the sequence
    a: NDArray[np.uint8]  # (M,) the object, counted from 0
    b: NDArray[np.uint8]  # (M,) its partner, or WALL
    normal: NDArray[np.float64]  # (M, 2) from a to b
    impulse: NDArray[np.float64]  # (M,) >= 0, what b receives along the normal
    position: NDArray[np.float64]  # (M, 2) where they touch


@dataclass(frozen=True, slots=True)
class Scenes:
    """N sequences with their exact truth. Frame t is the state at time t; an interval (t, t + 1] carries the index t."""

    features: NDArray[np.uint8]  # (N, T, H, W, C) the frames
    groups: NDArray[np.uint8]  # (N, T, H, W, 1) the owner of each pixel, 0 = nobody
    collisions: NDArray[np.uint8]  # (N, T, H, W, 1) pixels of objects that hit another object in the interval
    contact: NDArray[np.uint8]  # (N, T, K) HIT_OBJECT | HIT_WALL in the interval
    position: NDArray[np.float32]  # (N, T, K, 2)
    velocity: NDArray[np.float32]  # (N, T, K, 2)
    radius: NDArray[np.float32]  # (N, K) 0 = absent
    mass: NDArray[np.float32]  # (N, K) 0 = absent
    count: NDArray[np.uint8]  # (N,)
    visible: NDArray[np.uint16]  # (N, T, K) pixels of the object that show in `features`
    curtain: NDArray[np.int16]  # (N, 4) y0, x0, y1, x1, half-open; zeros = none
    events: Events

    def arrays(self) -> dict[str, NDArray[Any]]:
        """The per-sequence arrays by name, without the events (their number differs from sequence to sequence)."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "events"}


@runtime_checkable
class Generator(Protocol):
    """A frozen dataclass whose fields are its parameters. Sequence i of a batch depends on seeds[i] alone."""

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def shape(self) -> tuple[int, int, int]: ...  # H, W, C

    @property
    def objects(self) -> int: ...  # K

    def batch(self, seeds: Sequence[int] | NDArray[np.uint64], frames: int) -> Scenes: ...


class Fault(NamedTuple):
    """What contradicts the laws of a world."""

    sequence: int  # counted from the start of the batch
    sentence: str  # goes on after the name of the sequence


@runtime_checkable
class Checker(Protocol):
    """A generator that can tell from states and events alone, without its own simulation, whether they keep the laws of its world."""

    def check(self, states: Mapping[str, NDArray[Any]], events: Events) -> Fault | None:
        """Return the first fault of a batch (N, ...). Nothing in the arrays may be believed: they can be a stranger's."""
        ...


@dataclass(frozen=True)
class Marks:
    """What a world shows in pictures of one sequence beside its pixels and labels. T frames, K objects, everything in pixels and frames."""

    names: tuple[str, ...] = ()  # of the objects, by label; without, they are numbered
    cores: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 0, 3)))  # (T, K, 3) x, y, radius of a dark disc in an object; 0 = none
    outlined: NDArray[np.bool_] = field(default_factory=lambda: np.empty((0, 0), bool))  # (T, K) outlined in frames t and t + 1
    ticks: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 3)))  # (M, 3) time, x, y
    hidden: NDArray[np.int16] | None = None  # (4,) y0, x0, y1, x1 of what is hidden from a model, half-open; zeros = nothing
    kinds: Mapping[int, str] = field(default_factory=dict[int, str])  # of events, in words
    words: Mapping[str, str] = field(default_factory=dict[str, str])
    """What `cores`, `outlined`, `ticks` and `hidden` mean, for the legend, and, under `moments`, what happens where something is outlined."""
