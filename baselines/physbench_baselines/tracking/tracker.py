"""A row that sees frames and learns nothing: it finds discs in a frame and predicts their flight with physics.

It knows beforehand: a box of 64 x 64 pixels, or of another given size, around the middle of the frame; discs of radius
6 and mass 1 or radius 7.5 and mass 6; walls and elastic collisions; the speeds at the start; and that there may be a
square curtain of 24 pixels. It has to find out everything else.

An object is a set of possible worlds (where it is and how fast), and a prediction is the mean of the pictures of those
worlds.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError
from physbench.model import Batch, Bernoulli, Origin, Prediction
from physbench_baselines.framewise import blur

Frame = NDArray[np.float32]  # (B, H, W, C)

LARGEST_BOX = 1024
"""The largest side of the box in pixels."""

MOST_DISCS = 16
"""How many discs are followed at most."""

WORLDS = 32
"""How many possible worlds are followed."""

SLOWEST, FASTEST = 0.6, 3.0
"""Speeds at the start, in pixels per frame."""


@dataclass(frozen=True)
class Settings:
    """Numbers that `python -m benchmarks.tune` chose on training sequences, except `memory`, which is a switch."""

    memory: float = 1.0  # 0: a disc that is not seen is forgotten at once
    drift: float = 0.0005  # error of a place after one frame, in pixels
    swerve: float = 0.00042  # error of a velocity after one frame
    gate: float = 14.0  # in squared standard deviations: a place farther off is a surprise
    impact: float = 0.85  # after a surprise: the change of velocity, as a share of how far off the place was
    doubt: float = 0.35  # the error of that change, as the same kind of share
    least: float = 0.36  # the least error of that change, in pixels per frame
    edge: float = 0.0026  # half the least width of a rim, in pixels
    softness: float = 0.84  # half the width of a rim, as a share of how far the worlds differ
    floor: float = 3.5e-5  # no pixel is less or more probable than this and its complement
    blur: float = 1.6  # sigma of the blur of what no disc explains, in pixels
    unbelief: float = 4.0  # pixels that must be missing for a curtain to be as probable as none
    box: float = 64.0  # its side in pixels, a whole number; a frame that is larger is its own box
    certain: float = 0.17  # if a pixel is hidden with a higher probability than this, that it is off means nothing


class TrackedScenes(NamedTuple):
    """What is believed of every sequence of a batch, for the next frame. K discs, E worlds; the box is H x W."""

    members: NDArray[np.float64]  # (B, K, E, 4), x, y, vx, vy
    radius: NDArray[np.float64]  # (B, K), 0: no disc
    presence: NDArray[np.float64]  # (B, K), the probability that there is such a disc
    missing: NDArray[np.int32]  # (B, K), frames for which it should have been seen and was not
    colour: NDArray[np.float64]  # (B, K, C)
    evidence: NDArray[np.float32]  # (B, H, W)


class TrackerState(NamedTuple):
    """What the tracker carries on from frame to frame."""

    scenes: TrackedScenes
    slots: int
    rest: Frame  # what no disc explained in the last frame, blurred
    names: NDArray[np.int64]  # (B, K), identity of each disc, never used for another one; -1: there was none


NAMES: Any = [each.name for each in fields(Settings)]
Numbers: Any = namedtuple("Numbers", NAMES)  # pyright: ignore[reportUntypedNamedTuple]
"""The settings as a kernel takes them."""


@dataclass(frozen=True)
class Tracker:
    """Discs found in every frame and predicted by physics: bounces, collisions, flight behind a curtain.

    Nothing is learnt.
    """

    settings: Settings = field(default_factory=Settings)
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    @property
    def origin(self) -> Origin:
        """The settings that differ from their defaults."""
        return Origin(
            settings={
                each.name: getattr(self.settings, each.name)
                for each in fields(Settings)
                if getattr(self.settings, each.name) != each.default
            }
        )

    def begin(self, batch: Batch) -> TrackerState:
        """Return the state before the first frame: no discs."""
        count, (height, width, channels), box = len(batch.seeds), batch.shape, int(self.settings.box)
        scenes = TrackedScenes(
            np.zeros((count, MOST_DISCS, WORLDS, 4)),
            np.zeros((count, MOST_DISCS)),
            np.zeros((count, MOST_DISCS)),
            np.zeros((count, MOST_DISCS), np.int32),
            np.ones((count, MOST_DISCS, channels)),
            np.zeros((count, max(height, box), max(width, box)), np.float32),
        )
        names = np.full((count, MOST_DISCS), -1)
        return TrackerState(scenes, min(batch.slots or 256, 256), np.zeros((count, *batch.shape), np.float32), names)

    def observe(self, state: TrackerState, frame: Frame, action: Frame | None) -> tuple[TrackerState, Prediction]:
        """Update the discs with a frame, and predict the next one."""
        from physbench_baselines.tracking import batches
        from physbench_baselines.tracking.belief import normal_numbers, ring_of_velocities

        scenes = TrackedScenes._make(array.copy() for array in state.scenes)
        mean, rest = np.empty_like(state.rest), np.empty_like(state.rest)
        owner = np.empty(frame.shape[:3], np.uint8)
        names, boxes = state.names.copy(), np.empty((len(frame), MOST_DISCS, 5), np.float32)
        tables = normal_numbers(WORLDS, MOST_DISCS), ring_of_velocities(WORLDS, MOST_DISCS, SLOWEST, FASTEST)
        shown = np.ascontiguousarray(frame, np.float32)
        batches.observe(self._numbers, *tables, state.slots, shown, scenes, names, mean, owner, rest, boxes)
        if rest.any():
            rest = blur(rest, self.settings.blur)
        return TrackerState(scenes, state.slots, rest, names), Prediction(
            self._bound(np.maximum(mean, rest)), owner, boxes=boxes
        )

    def imagine(self, state: TrackerState, action: Frame | None) -> tuple[TrackerState, Prediction]:
        """Predict the next frame without seeing one."""
        from physbench_baselines.tracking import batches

        scenes = TrackedScenes._make(array.copy() for array in state.scenes)
        mean, boxes = np.empty_like(state.rest), np.empty((len(state.names), MOST_DISCS, 5), np.float32)
        batches.imagine(self._numbers, scenes, state.names, mean, boxes)
        return state._replace(scenes=scenes), Prediction(self._bound(np.maximum(mean, state.rest)), boxes=boxes)

    @property
    def _numbers(self) -> Any:
        return Numbers(*map(float, astuple(self.settings)))

    def _bound(self, mean: Frame) -> Frame:
        return np.clip(mean, np.float32(self.settings.floor), np.float32(1.0 - self.settings.floor))


def tracker(settings: Mapping[str, float] | None = None) -> Tracker:
    """Discs found in every frame and predicted by physics: bounces, collisions, flight behind a curtain.

    Nothing is learnt.
    """
    known = [each.name for each in fields(Settings)]
    for name, number in (settings or {}).items():
        if name not in known:
            raise ModelError(f"there is no {name!r} to set in tracker: there is {', '.join(known)}")
        if not np.isfinite(number) or number < 0:
            raise ModelError(f"{name} of tracker is a finite number of 0 or more, not {number!r}")
        if name == "box" and not (1 <= number <= LARGEST_BOX and number == int(number)):
            raise ModelError(f"box of tracker is a whole number of pixels from 1 to {LARGEST_BOX}, not {number!r}")
    return Tracker(replace(Settings(), **(settings or {})))


def tracker_80(settings: Mapping[str, float] | None = None) -> Tracker:
    """The tracker for a box of 80 x 80 pixels: the frame is a window that discs can leave."""
    return tracker({"box": 80, **(settings or {})})
