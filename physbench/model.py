"""What a model is to the evaluator: three functions of arrays. NumPy at this border, whatever is behind it.

B sequences of a batch, H x W pixels, C channels, A actions. Frames are float32 in 0..1. States are shown as frames
(physbench/states.py), and a model says the next one as it would the next frame: in what is written here a pixel is then
one number of a state, and the likelihood is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLIP = 1e-6
"""Probabilities are clipped to [CLIP, 1 - CLIP]: a wrong pixel costs at most 13.8 nats. Part of the metrics."""

MOST_BOXES = 255
"""That a frame has room for."""


class Likelihood(Protocol):
    """The distribution of a pixel around its mean. A frozen dataclass of your own with these three can be one."""

    @property
    def support(self) -> tuple[float, float]:
        """The lowest and the highest mean."""
        ...

    @property
    def note(self) -> str:
        """What a result says of it, "likelihood-NAME" or "likelihood-NAME-NUMBER"; nothing where its log is minus the
        cross-entropy of `bce`."""
        ...

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        """(..., C), (..., C) -> (..., C), or anything of that shape: the logarithm of the probability or density of
        each pixel."""
        ...


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """A mean is the probability that a pixel is on."""

    @property
    def support(self) -> tuple[float, float]:
        return 0.0, 1.0

    @property
    def note(self) -> str:
        return ""

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        import numpy as np

        p = np.clip(means, CLIP, 1 - CLIP)
        return pixels * np.log(p) + (1.0 - pixels) * np.log1p(-p)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """Every channel is normal around its mean."""

    sigma: float

    @property
    def support(self) -> tuple[float, float]:
        return -math.inf, math.inf

    @property
    def note(self) -> str:
        from decimal import Decimal

        return f"gaussian-{Decimal(repr(float(self.sigma))):f}"

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        constant = math.log(self.sigma) + 0.5 * math.log(2 * math.pi)
        return -0.5 * ((pixels - means) / self.sigma) ** 2 - constant


@dataclass(frozen=True, slots=True)
class Batch:
    """What a model is told before the first frame."""

    seeds: NDArray[np.uint64]  # (B,) all randomness of sequence i comes from seeds[i]
    shape: tuple[int, int, int]  # H, W, C
    slots: int | None = None  # how many a model with slots should use; None = as it likes
    actions: int = 0
    truth: Mapping[str, NDArray[Any]] | None = (
        None  # the stored arrays (B, T, ...), for reference rows that declare privileged = True
    )
    training_mean: Callable[[], NDArray[np.float32]] | None = (
        None  # (H, W, C) the mean of training frames; worked out when it is asked for
    )
    shows: Literal["features", "position", "ram"] = "features"  # what is shown: frames, or states in their place
    box_side: float = 0.0  # where places are shown: the side of the box in pixels, which is 1 there


@dataclass(frozen=True, slots=True)
class Prediction:
    """mean: of every pixel of the next frame. owner: the slot of every pixel of the frame just seen, from 0.

    boxes: the objects of the frame just seen, each as x, y of its centre, width, height and identity. As many rows in
    every frame; a row of NaN is no box. The upper left corner of the frame is (0, 0), the middle of its first pixel
    (0.5, 0.5). An identity is a whole number from 0, in each frame of one box.
    """

    mean: NDArray[np.float32] | None = None  # (B, H, W, C)
    owner: NDArray[np.uint8] | None = None  # (B, H, W)
    log_likelihood: NDArray[np.float32] | None = (
        None  # (B, H, W) of the frame just seen, where the model knows it better than its mean does
    )
    boxes: NDArray[np.float32] | None = None  # (B, N, 5)


@dataclass(frozen=True, slots=True)
class Parts:
    """Of a state, to be drawn: each slot's prediction of the next frame, its share of the frame just seen, and how
    strongly slot k attends to slot i."""

    predictions: NDArray[np.float32]  # (B, K, H, W, C)
    shares: NDArray[np.float32]  # (B, K, H, W)
    attention: NDArray[np.float32] | None = None  # (B, K, K) by k, i


@dataclass(frozen=True, slots=True)
class Origin:
    """What a table says of a model beside its scores; a model may carry one as `origin`."""

    parameters: int | None = None
    weights_sha256: str | None = None  # of the file
    train_seed: int | None = None
    model_link: str | None = None
    paper_link: str | None = None
    device: str = "cpu"
    torch_version: str | None = None
    samples: int = 1  # that its mean is the average of
    training: str | None = None  # how it was trained, in a few words, where that is less than the paper did
    settings: Mapping[str, float] = field(default_factory=lambda: {})  # what was set otherwise than it was trained with
    code: str | None = None  # the package.module:ATTRIBUTE that its weights are of, if that is the user's own


class Model(Protocol):
    """May also have `imagine(state, action)`, one step on its own prediction; without it a rollout observes the model's
    own mean. And `origin`.

    And `parts(state) -> Parts | None`, for pictures of what its slots do. And `latents(state)`, (B, K, D): what each
    slot has noted of its object, for probes of images, or of what it has seen, for probes of memories.

    And `refinements(state, frame, action)`, for pictures of how it comes to what it says: what `observe` would return
    if the guess at this frame were refined 0, 1, ... times, and at last what it does return. `sequential = True` says
    that it goes on from its newest state alone.
    """

    likelihood: Likelihood

    def begin(self, batch: Batch) -> Any: ...

    def observe(
        self, state: Any, frame: NDArray[np.float32], action: NDArray[np.float32] | None
    ) -> tuple[Any, Prediction]: ...
