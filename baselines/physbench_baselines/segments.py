"""Rows for segmentation that learn nothing. A slot model that scores below them has not found objects. Needs no torch.

Each row assigns a slot to every pixel, and predicts that the next frame is the same.

Shapes: B sequences of a batch, H x W pixels, C channels, P pixels, K clusters, S starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, cast

import numpy as np

from physbench.model import Batch, Bernoulli, Prediction
from physbench_baselines.framewise import foreground

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Frame = NDArray[np.float32]  # (B, H, W, C)
    Points = NDArray[np.float64]  # (P, D)

USUAL_SLOTS = 5
"""Number of slots if the task gives none, as in R-NEM."""

STARTS, ROUNDS = 10, 100
"""Starts of k-means, of which the best one counts, and the most rounds of a start, which ends when nothing moves."""

HUES = 64
"""Steps of each channel, relative to the brightest one.

They are so coarse that shading does not change the step of a hue, and so fine that nearly all different hues differ.
"""


@dataclass(frozen=True)
class SegmentState:
    """What a row knows before it sees a frame, and what it saw last."""

    seeds: NDArray[np.uint64]  # (B,)
    counts: NDArray[np.int64]  # (B,), number of segments of each frame
    frame: Frame | None = None
    owner: NDArray[np.uint8] | None = None  # (B, H, W)

    def knows(self, frame: Frame, i: int) -> bool:
        """Return whether an image is the same as the last one."""
        return self.frame is not None and np.array_equal(self.frame[i], frame[i])


@dataclass(frozen=True)
class KMeans:
    """Clusters of the places of pixels that are not background, as many as the task has slots.

    Colours hardly count. The background gets slot 0, together with the first cluster, since it is not scored. colour:
    how many pixels of distance a step from 0 to 1 in one channel is worth.
    """

    colour: float = 1.0
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> SegmentState:
        """Return the state before the first frame."""
        return SegmentState(batch.seeds, np.full(len(batch.seeds), min(batch.slots or USUAL_SLOTS, 256)))

    def observe(self, state: SegmentState, frame: Frame, action: Frame | None) -> tuple[SegmentState, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        owner = np.zeros(frame.shape[:3], np.uint8)
        for i, on in enumerate(foreground(frame)):
            if state.owner is not None and state.knows(frame, i):
                owner[i] = state.owner[i]
                continue
            y, x = np.nonzero(on)
            points = cast("Points", np.column_stack([x, y, self.colour * frame[i][on].astype(np.float64)]))
            owner[i][on] = cluster(points, int(state.counts[i]), np.random.Philox(key=int(state.seeds[i])))
        return replace(state, frame=frame.copy(), owner=owner.copy()), Prediction(frame.copy(), owner)


@dataclass(frozen=True)
class KMeansTrue(KMeans):
    """Clusters of the places of pixels that are not background, as many as there are objects."""

    privileged: ClassVar[bool] = True

    def begin(self, batch: Batch) -> SegmentState:
        """Return the state before the first frame."""
        assert batch.truth is not None, "the evaluator gives it to privileged rows"
        return SegmentState(batch.seeds, np.maximum(batch.truth["count"].astype(np.int64), 1))


@dataclass(frozen=True)
class KMeansColour(KMeans):
    """Clusters of the places and colours of pixels that are not background, as many as the task has slots.

    The weight of colours is the best of six on 512 training images of tetris, both with the true number and with 4.
    """

    colour: float = 15.0


@dataclass(frozen=True)
class KMeansColourTrue(KMeansTrue):
    """Clusters of the places and colours of pixels that are not background, as many as there are objects."""

    colour: float = 15.0


@dataclass(frozen=True)
class HueSegments:
    """Every hue that is not background is an object, however light or dark; only the 256 most frequent hues count."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> None:
        """Return the state before the first frame."""
        return None

    def observe(self, state: None, frame: Frame, action: Frame | None) -> tuple[None, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        owner = np.zeros(frame.shape[:3], np.uint8)
        for i, on in enumerate(foreground(frame)):
            hues = cast(
                "Frame", np.round(HUES * frame[i][on] / np.maximum(frame[i][on].max(axis=1, keepdims=True), 1e-6))
            )
            _, which, counts = np.unique(hues, axis=0, return_inverse=True, return_counts=True)
            place = np.argsort(np.argsort(-counts, kind="stable"), kind="stable")  # rank, the most frequent first
            owner[i][on] = np.minimum(place[which.ravel()], 255)
        return None, Prediction(frame.copy(), owner)


@dataclass(frozen=True)
class OneSegment:
    """Everything is one object."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> None:
        """Return the state before the first frame."""
        return None

    def observe(self, state: None, frame: Frame, action: Frame | None) -> tuple[None, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        return None, Prediction(frame.copy(), np.zeros(frame.shape[:3], np.uint8))


@dataclass(frozen=True)
class RandomSegments:
    """Every pixel gets a random slot, all with the same probability."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> SegmentState:
        """Return the state before the first frame."""
        return KMeans().begin(batch)

    def observe(self, state: SegmentState, frame: Frame, action: Frame | None) -> tuple[SegmentState, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        pixels = frame.shape[1] * frame.shape[2]
        drawn: list[NDArray[np.uint64]] = [
            np.random.Philox(key=int(seed)).random_raw(pixels) >> np.uint64(32) for seed in state.seeds
        ]
        owner = (np.stack(drawn) * state.counts[:, None].astype(np.uint64)) >> np.uint64(32)
        return state, Prediction(frame.copy(), owner.astype(np.uint8).reshape(frame.shape[:3]))


def cluster(points: Points, count: int, random: np.random.Philox) -> NDArray[np.int64]:
    """Return the cluster of each point (P,), out of `count`.

    This is Lloyd's k-means from several starts by k-means++; the start with the least squares counts.
    """
    if len(points) <= count:
        return np.arange(len(points))
    draws = cast("NDArray[np.float64]", (random.random_raw((STARTS, count)) >> np.uint64(11)) * 2.0**-53)
    centres = _start(points, draws)
    square = (points**2).sum(1)
    nearest = np.full((STARTS, len(points)), -1)
    for _ in range(ROUNDS):
        distances = square[:, None] - 2 * points @ centres.swapaxes(1, 2) + (centres**2).sum(2)[:, None]  # (S, P, K)
        before, nearest = nearest, distances.argmin(2)
        if (before == nearest).all():
            break
        members = (nearest[..., None] == np.arange(count)).astype(np.float64)  # (S, P, K)
        sizes = members.sum(1)
        means = members.swapaxes(1, 2) @ points / np.maximum(sizes, 1)[..., None]
        centres = np.where(sizes[..., None] > 0, means, centres)
    costs = np.maximum(((points[None] - np.take_along_axis(centres, nearest[..., None], 1)) ** 2).sum(2), 0).sum(1)
    return nearest[costs.argmin()]


def _start(points: Points, draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Choose points as centres, (S, K, D), from draws (S, K).

    The probability of a point as the next centre grows with its squared distance from the nearest centre so far.
    """
    starts, count = draws.shape
    chosen = np.empty((starts, count), np.int64)
    chosen[:, 0] = draws[:, 0] * len(points)
    least = np.full((starts, len(points)), np.inf)
    for k in range(1, count):
        least = np.minimum(least, ((points[None] - points[chosen[:, k - 1], None]) ** 2).sum(2))
        total = least.cumsum(1)
        chosen[:, k] = np.minimum((total < draws[:, k : k + 1] * total[:, -1:]).sum(1), len(points) - 1)
    return points[chosen]
