"""Distributions of a pixel, given what a decoder predicts for it.

Tensors are (..., C, H, W). The evaluator's versions are in NumPy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from physbench.model import Bernoulli, Gaussian, Likelihood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray
    from torch import Tensor

LINEAR_ABOVE = 60.0
"""Above this, softplus is replaced by the identity; at torch's default of 20 the difference shows in float64."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """The evaluator's version: every channel is logistic around its mean."""

    scale: float

    @property
    def support(self) -> tuple[float, float]:
        """The range of a pixel."""
        return -math.inf, math.inf

    @property
    def note(self) -> str:
        """How the evaluator names this likelihood."""
        return Gaussian(self.scale).note.replace("gaussian", "likelihood-logistic")

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the log density of pixels around their means."""
        s = np.abs(pixels - means) / self.scale  # it is symmetric
        return -s - 2 * np.log1p(np.exp(-s)) - math.log(self.scale)


class GaussianPixels:
    """Gaussian pixels; the decoder predicts the mean."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.likelihood: Likelihood = Gaussian(scale)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean of pixels."""
        return outputs

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return the log density of x."""
        return -0.5 * ((x - outputs) / self.scale).square() - (math.log(self.scale) + 0.5 * math.log(2 * math.pi))


class LogisticPixels:
    """Logistic pixels; the decoder predicts the mean."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.likelihood: Likelihood = Logistic(scale)

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean of pixels."""
        return outputs

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return the log density of x."""
        s = (x - outputs) / self.scale
        return -s - 2 * F.softplus(-s, threshold=LINEAR_ABOVE) - math.log(self.scale)


class BernoulliPixels:
    """Bernoulli pixels; the decoder predicts the logit of the mean."""

    def __init__(self, scale: float = 1.0) -> None:
        self.likelihood: Likelihood = Bernoulli()

    def mean(self, outputs: Tensor) -> Tensor:
        """Return the mean of pixels."""
        return torch.sigmoid(outputs)

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        """Return the log probability of x."""
        return x * outputs - F.softplus(outputs, threshold=LINEAR_ABOVE)


PIXELS: Mapping[str, Callable[[float], GaussianPixels | LogisticPixels | BernoulliPixels]] = {
    "gaussian": GaussianPixels,
    "logistic": LogisticPixels,
    "bernoulli": BernoulliPixels,
}
"""The distributions by their names in sizes."""


def frames_as_images(features: Tensor, dtype: torch.dtype) -> Tensor:
    """Return images (B, T, C, H, W) from uint8 (B, T, H, W, C), scaled to 0..1.

    A single channel is 0 or 1 already, and is not scaled.
    """
    images = features.permute(0, 1, 4, 2, 3).to(dtype)
    return images if images.shape[2] == 1 else images / 255
