"""The rows that every table has: cheap predictions, and predictions that cannot be beaten. Needs no torch.

Rows with `privileged = True` see the truth. They measure the benchmark, not a model.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from physbench.model import Batch, Bernoulli, Prediction
from physbench.storage.framing import scale_features

Frame = NDArray[np.float32]  # (B, H, W, C)
Truth = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Copy:
    """The next frame is this one."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> None:
        """Return the state before the first frame."""
        return None

    def observe(self, state: None, frame: Frame, action: Frame | None) -> tuple[None, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        return None, Prediction(frame)


@dataclass(frozen=True)
class Blank:
    """Nothing is ever there. Another level makes it another constant: 1 = all ones, 0.5 = grey."""

    level: float = 0.0
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> int:
        """Return the state before the first frame."""
        return len(batch.seeds)

    def observe(self, state: int, frame: Frame, action: Frame | None) -> tuple[int, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        return state, Prediction(np.full_like(frame, self.level))

    def latents(self, state: int) -> Frame:
        """Return a constant, (B, 1, 1)."""
        return np.zeros((state, 1, 1), np.float32)


@dataclass(frozen=True)
class Mean:
    """The mean of all training frames, whatever it sees."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> Frame:
        """Return the state before the first frame."""
        assert batch.training_mean is not None, "the evaluator gives it"
        return np.broadcast_to(batch.training_mean(), (len(batch.seeds), *batch.shape)).astype(np.float32)

    def observe(self, state: Frame, frame: Frame, action: Frame | None) -> tuple[Frame, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        return state, Prediction(state)


@dataclass(frozen=True)
class ConstantVelocity:
    """True states at t, then straight flight: through walls, other balls, and behind the curtain."""

    privileged: ClassVar[bool] = True
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> tuple[Truth, int, int]:
        """Return the state before the first frame."""
        assert batch.truth is not None, "the evaluator gives it to privileged rows"
        return batch.truth, 0, 1

    def observe(
        self, state: tuple[Truth, int, int], frame: Frame, action: Frame | None
    ) -> tuple[tuple[Truth, int, int], Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        truth, t, _ = state
        return (truth, t + 1, 1), Prediction(_draw_discs(truth, t, 1, frame.shape))

    def imagine(self, state: tuple[Truth, int, int], action: Frame | None) -> tuple[tuple[Truth, int, int], Prediction]:
        """Predict the next frame without seeing this one."""
        truth, t, ahead = state
        return (truth, t, ahead + 1), Prediction(_draw_discs(truth, t - 1, ahead + 1, truth["features"][:, 0].shape))


@dataclass(frozen=True)
class Oracle:
    """True states and physics: the next frame, and the true owners and boxes of this one.

    It checks the whole pipeline.
    """

    privileged: ClassVar[bool] = True
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> tuple[Truth, int]:
        """Return the state before the first frame."""
        assert batch.truth is not None, "the evaluator gives it to privileged rows"
        return batch.truth, 0

    def observe(
        self, state: tuple[Truth, int], frame: Frame, action: Frame | None
    ) -> tuple[tuple[Truth, int], Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        truth, t = state
        return (truth, t + 1), Prediction(self._next(truth, t), truth["groups"][:, t, :, :, 0], boxes=_boxes(truth, t))

    def imagine(self, state: tuple[Truth, int], action: Frame | None) -> tuple[tuple[Truth, int], Prediction]:
        """Predict the next frame without seeing this one."""
        truth, t = state
        return (truth, t + 1), Prediction(self._next(truth, t), boxes=_boxes(truth, t))

    def _next(self, truth: Truth, t: int) -> Frame:
        frames = truth["features"]
        return scale_features(frames[:, min(t + 1, frames.shape[1] - 1)])


def _boxes(truth: Truth, t: int) -> NDArray[np.float32] | None:
    """Return the boxes (B, K, 5) of discs, or None if the objects are not discs.

    A box contains the whole disc, also where the edge of the frame cuts it. It is NaN if nothing of the disc shows.
    """
    if not {"position", "radius", "visible"} <= truth.keys():
        return None
    t = min(t, truth["position"].shape[1] - 1)
    centre, width = truth["position"][:, t], cast("NDArray[np.float32]", 2 * truth["radius"])
    identity = np.broadcast_to(np.arange(int(width.shape[1])), width.shape)
    boxes = np.dstack([centre, width, width, identity]).astype(np.float32)
    boxes[truth["visible"][:, t] == 0] = np.nan
    return boxes


def _draw_discs(truth: Truth, t: int, ahead: int, shape: tuple[int, ...]) -> Frame:
    """Draw discs where straight flight takes them in `ahead` frames. They are also hidden behind the curtain."""
    centre = truth["position"][:, t].astype(np.float64) + ahead * truth["velocity"][:, t]
    _, height, width, channels = shape
    across = (np.arange(width) + 0.5 - centre[..., 0, None]) ** 2
    down = (np.arange(height) + 0.5 - centre[..., 1, None]) ** 2
    reach = truth["radius"].astype(np.float64)[:, :, None, None] ** 2
    discs: Any = (down[..., :, None] + across[..., None, :] <= reach) & (reach > 0)  # (B, K, H, W)
    for frame, (y0, x0, y1, x1) in zip(discs, truth["curtain"].tolist(), strict=True):
        frame[:, y0:y1, x0:x1] = False
    if channels == 1:
        return discs.any(axis=1)[..., None].astype(np.float32)
    return np.max(discs[..., None] * _read_colours(truth, t)[:, :, None, None], axis=1)


def _read_colours(truth: Truth, t: int) -> NDArray[np.float32]:
    """Return the colour (B, K, C) of each disc in frame t; black if nothing of it shows."""
    frame, groups = scale_features(truth["features"][:, t]), truth["groups"][:, t]
    own: NDArray[np.float32] = (groups == np.arange(1, 1 + len(truth["radius"][0]), dtype=np.uint8)).astype(
        np.float32
    )  # (B, H, W, K)
    pixels: NDArray[np.float32] = np.maximum(np.sum(own, axis=(1, 2)), 1)[..., None]
    sums: NDArray[np.float32] = np.einsum("bhwk,bhwc->bkc", own, frame)
    return sums / pixels
