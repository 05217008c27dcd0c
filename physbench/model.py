"""The interface between a model and the evaluator. All arrays are NumPy arrays, whatever library the model uses inside.

Shapes: B sequences of a batch, H x W pixels, C channels, A actions. Frames are float32 in 0..1. Some suites show states
instead of frames (physbench/states.py). They have the form of frames, and a model predicts the next state as it would
predict the next frame. Each "pixel" below is then one number of a state, and the likelihood of the model is not used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CLIP = 1e-6
"""Probabilities are clipped to [CLIP, 1 - CLIP], so a wrong pixel costs at most 13.8 nats. Part of the metrics."""

MOST_BOXES = 255
"""The most boxes that a model may give for a frame."""


class Likelihood(Protocol):
    """The distribution of a pixel around its mean.

    Any frozen dataclass with these three members can serve as a likelihood.
    """

    @property
    def support(self) -> tuple[float, float]:
        """Return the lowest and the highest mean that is allowed."""
        ...

    @property
    def note(self) -> str:
        """Return the note in a result, "likelihood-NAME" or "likelihood-NAME-NUMBER".

        It is empty where the log-likelihood is minus the cross-entropy of `bce`.
        """
        ...

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the logarithm of the probability or density of each pixel, (..., C), (..., C) -> (..., C)."""
        ...


@dataclass(frozen=True, slots=True)
class Bernoulli:
    """The likelihood in which a mean is the probability that a pixel is on."""

    @property
    def support(self) -> tuple[float, float]:
        """Return 0 and 1."""
        return 0.0, 1.0

    @property
    def note(self) -> str:
        """Return an empty note: this likelihood is the usual one."""
        return ""

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-probability of each pixel; probabilities are clipped to [CLIP, 1 - CLIP]."""
        import numpy as np

        p = np.clip(means, CLIP, 1 - CLIP)
        return pixels * np.log(p) + (1.0 - pixels) * np.log1p(-p)


@dataclass(frozen=True, slots=True)
class Gaussian:
    """The likelihood in which every channel is normally distributed around its mean."""

    sigma: float

    @property
    def support(self) -> tuple[float, float]:
        """Return minus and plus infinity."""
        return -math.inf, math.inf

    @property
    def note(self) -> str:
        """Return gaussian-SIGMA."""
        from decimal import Decimal

        return f"gaussian-{Decimal(repr(float(self.sigma))):f}"

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log-density of each channel."""
        constant = math.log(self.sigma) + 0.5 * math.log(2 * math.pi)
        return -0.5 * ((pixels - means) / self.sigma) ** 2 - constant


@dataclass(frozen=True, slots=True)
class Batch:
    """The information that a model gets before the first frame."""

    seeds: NDArray[np.uint64]  # (B,) all randomness in sequence i must come from seeds[i]
    shape: tuple[int, int, int]  # H, W, C
    slots: int | None = None  # how many slots a model with slots should use; None = the model chooses
    actions: int = 0  # A
    truth: Mapping[str, NDArray[Any]] | None = (
        None  # the stored arrays (B, T, ...), for reference rows that declare privileged = True
    )
    training_mean: Callable[[], NDArray[np.float32]] | None = (
        None  # (H, W, C) the mean of training frames; computed when it is called
    )
    shows: Literal["features", "position", "ram"] = "features"  # what is shown: frames, or states instead
    box_side: float = 0.0  # where positions are shown: the side of the box in pixels, which is the unit of positions


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a model says after it has seen a frame.

    mean: the mean of every pixel of the next frame. owner: the slot that each pixel of the frame just seen belongs to,
    counted from 0.

    Floating-point numbers are float16, float32 or float64, and are kept as float32. A mean that lies outside the
    support of the likelihood by less than 1e-6 is clipped, because rounding takes it there.

    boxes: the objects of the frame just seen, each as the x and y of its centre, its width, its height and its
    identity. Every frame has the same number of rows; a row of NaN is no box. The upper left corner of the frame is
    (0, 0), and the middle of its first pixel is (0.5, 0.5). An identity is a whole number from 0; within a frame, no
    two boxes have the same one.
    """

    mean: NDArray[np.float32] | None = None  # (B, H, W, C)
    owner: NDArray[np.uint8] | None = None  # (B, H, W)
    log_likelihood: NDArray[np.float32] | None = (
        None  # (B, H, W) of the frame just seen, where the model can compute it better than from its mean
    )
    boxes: NDArray[np.float32] | None = None  # (B, N, 5)


@dataclass(frozen=True, slots=True)
class Parts:
    """The slots of a state, for pictures: the prediction of each slot for the next frame, its share of the frame just
    seen, and how strongly slot k attends to slot i."""

    predictions: NDArray[np.float32]  # (B, K, H, W, C)
    shares: NDArray[np.float32]  # (B, K, H, W)
    attention: NDArray[np.float32] | None = None  # (B, K, K) by k, i


@dataclass(frozen=True, slots=True)
class TrainingCost:
    """What it took to train a model up to the weights that are scored, with everything that these began with."""

    cpu_hours: float = 0.0  # core-hours of training on a CPU
    gpu_hours: float = 0.0
    sequences: int = 0

    KINDS: ClassVar = ("cpu-hours", "gpu-hours", "sequences")
    """The kinds of notes that tell of it."""

    @classmethod
    def from_notes(cls, notes: Iterable[str]) -> Self | None:
        """Read a cost from the notes of a result; None if they do not say how many hours it took."""
        told = {kind: float(count) for kind, _, count in (note.rpartition("-") for note in notes) if kind in cls.KINDS}
        cpu_hours, gpu_hours, sequences = (told.get(kind, 0.0) for kind in cls.KINDS)
        return cls(cpu_hours, gpu_hours, int(sequences)) if cpu_hours or gpu_hours else None

    @property
    def notes(self) -> tuple[str, ...]:
        """The cost as notes for readers of a result."""
        hours = {"cpu-hours": self.cpu_hours, "gpu-hours": self.gpu_hours}
        return (
            *(f"{name}-{max(spent, 0.01):.2f}" for name, spent in hours.items() if spent),
            *[f"sequences-{self.sequences}"] * bool(self.sequences),
        )


@dataclass(frozen=True, slots=True)
class Origin:
    """Facts about a model that tables show beside its scores; a model may carry them as its attribute `origin`."""

    parameters: int | None = None
    weights_sha256: str | None = None  # of the file
    train_seed: int | None = None
    model_link: str | None = None
    paper_link: str | None = None
    device: str = "cpu"
    torch_version: str | None = None
    samples: int = 1  # how many samples its mean is the average of
    training: str | None = None  # how it was trained, in a few words, if it was trained for less than in the paper
    cost: TrainingCost | None = None  # if it is known
    settings: Mapping[str, float] = field(default_factory=lambda: {})  # settings that differ from those in training
    code: str | None = None  # the package.module:ATTRIBUTE that its weights belong to, if that is code of the user


class Model(Protocol):
    """A model that can be scored. It must have `likelihood`, `begin` and `observe`. It may also have:

    - `imagine(state, action)`: one step that takes the model's prediction for the frame. Without it, a rollout gives
      the mean that the model has predicted to `observe`.
    - `origin`: an Origin.
    - `parts(state) -> Parts | None`: for pictures of what its slots do.
    - `latents(state)`, (B, K, D): the code of each slot. Probes of images read the objects from it, and probes of
      memories read the memory of a console from it.
    - `refinements(state, frame, action)`: for pictures of how it arrives at its prediction. It gives what `observe`
      would return if the guess at this frame were refined 0, 1, ... times; the last one is what `observe` returns.
    - `sequential = True`: the model can only go on from its newest state.
    """

    likelihood: Likelihood

    def begin(self, batch: Batch) -> Any:
        """Return the state before the first frame."""
        ...

    def observe(
        self, state: Any, frame: NDArray[np.float32], action: NDArray[np.float32] | None
    ) -> tuple[Any, Prediction]:
        """Take in a frame (B, H, W, C) and perhaps an action (B, A); return the next state and a prediction."""
        ...
