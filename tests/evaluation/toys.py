"""Models too simple to be wrong, and a world small enough to be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from physbench.evaluation.examples import Examples
from physbench.model import Batch, Bernoulli, Gaussian, Prediction
from physbench.suites import Asking, Task

Array = NDArray[Any]


@dataclass(frozen=True)
class Slots:
    """A quarter of the frame to each slot, and soft edges: something to score."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> None:
        return None

    def observe(self, state: None, frame: Array, action: object) -> tuple[None, Prediction]:
        _, height, width, _ = frame.shape
        rows, columns = np.indices((height, width))
        owner = np.broadcast_to(2 * (rows >= height // 2) + (columns >= width // 2), frame.shape[:3]).astype(np.uint8)
        return None, Prediction((0.8 * frame + 0.1).astype(np.float32), owner)


@dataclass(frozen=True)
class Normal:
    """Overshoots what it sees, as a model without a squashed output does: means from -0.25 to 1.25."""

    likelihood: ClassVar[Gaussian] = Gaussian(0.3)

    def begin(self, batch: Batch) -> None:
        return None

    def observe(self, state: None, frame: Array, action: object) -> tuple[None, Prediction]:
        return None, Prediction((1.5 * frame - 0.25).astype(np.float32))


@dataclass(frozen=True)
class Noisy:
    """Its randomness comes from the seed of each sequence, as it should."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> list[np.random.Generator]:
        return [np.random.default_rng(int(seed)) for seed in batch.seeds]

    def observe(self, state: list[np.random.Generator], frame: Array, action: object) -> tuple[Any, Prediction]:
        noise = np.stack([rng.random(frame.shape[1:], np.float32) for rng in state])
        owner = np.stack([rng.integers(4, size=frame.shape[1:3], dtype=np.uint8) for rng in state])
        return state, Prediction(0.6 * frame + 0.3 * noise, owner)


@dataclass
class Witness:
    """Writes down everything that it is given; its t-th answer is t hundredths everywhere."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()
    batches: list[Batch] = field(default_factory=list[Batch])
    calls: list[tuple[str, Array | None, Array | None]] = field(
        default_factory=list[Any]
    )  # who was called, frame, action

    def begin(self, batch: Batch) -> tuple[int, Batch]:
        self.batches.append(batch)
        return 0, batch

    def observe(
        self, state: tuple[int, Batch], frame: Array, action: Array | None
    ) -> tuple[tuple[int, Batch], Prediction]:
        self.calls.append(("observe", frame, action))
        return self._next(state)

    def imagine(self, state: tuple[int, Batch], action: Array | None) -> tuple[tuple[int, Batch], Prediction]:
        self.calls.append(("imagine", None, action))
        return self._next(state)

    def _next(self, state: tuple[int, Batch]) -> tuple[tuple[int, Batch], Prediction]:
        t, batch = state
        shape = (len(batch.seeds), *batch.shape)
        return (t + 1, batch), Prediction(np.full(shape, (t + 1) / 100, np.float32), np.full(shape[:3], t, np.uint8))


def world(
    *,
    sequences: int = 3,
    frames: int = 12,
    shape: tuple[int, int, int] = (6, 5, 1),
    actions: int = 0,
    colour: bool = False,
    seed: int = 0,
) -> tuple[Examples, Any]:
    """Noise, of which no frame is like another, and where it comes from."""
    rng = np.random.default_rng(seed)
    size = (sequences, frames, *shape)
    pixels: Array = rng.random(size, np.float32) if colour else rng.integers(2, size=size, dtype=np.uint8)
    marks = (*size[:4], 1)
    acted = np.eye(actions, dtype=np.uint8)[rng.integers(actions, size=(sequences, frames))] if actions else None
    examples = Examples(
        np.arange(sequences),
        pixels,
        rng.integers(4, size=marks, dtype=np.uint8),
        rng.integers(2, size=marks, dtype=np.uint8),
        actions=acted,
    )
    return examples, Box(shape, frames)


@dataclass(frozen=True)
class Box:
    shape: tuple[int, int, int]
    frames: int

    def training_mean(self) -> Array:
        return np.zeros(self.shape, np.float32)


def task(asking: Asking, slots: int | None = None) -> Task:
    return Task("toy", (asking,), slots)
