"""What networks take a pixel for: its distribution around what a decoder says of it. (..., C, H, W) tensors; the
evaluator's side of it is NumPy."""

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
"""Where softplus is taken for the identity: float64 would notice at torch's 20."""


@dataclass(frozen=True, slots=True)
class Logistic:
    """Every channel is logistic around its mean: to the evaluator."""

    scale: float

    @property
    def support(self) -> tuple[float, float]:
        return -math.inf, math.inf

    @property
    def note(self) -> str:
        return Gaussian(self.scale).note.replace("gaussian", "likelihood-logistic")

    def log_prob(self, pixels: NDArray[Any], means: NDArray[np.float64]) -> NDArray[np.float64]:
        s = np.abs(pixels - means) / self.scale  # it is symmetric
        return -s - 2 * np.log1p(np.exp(-s)) - math.log(self.scale)


class GaussianPixels:
    """The decoder says the mean."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.likelihood: Likelihood = Gaussian(scale)

    def mean(self, outputs: Tensor) -> Tensor:
        return outputs

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        return -0.5 * ((x - outputs) / self.scale).square() - (math.log(self.scale) + 0.5 * math.log(2 * math.pi))


class LogisticPixels:
    """The decoder says the mean."""

    def __init__(self, scale: float) -> None:
        self.scale = scale
        self.likelihood: Likelihood = Logistic(scale)

    def mean(self, outputs: Tensor) -> Tensor:
        return outputs

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        s = (x - outputs) / self.scale
        return -s - 2 * F.softplus(-s, threshold=LINEAR_ABOVE) - math.log(self.scale)


class BernoulliPixels:
    """The decoder says the logit of the mean."""

    def __init__(self, scale: float = 1.0) -> None:
        self.likelihood: Likelihood = Bernoulli()

    def mean(self, outputs: Tensor) -> Tensor:
        return torch.sigmoid(outputs)

    def log_prob(self, x: Tensor, outputs: Tensor) -> Tensor:
        return x * outputs - F.softplus(outputs, threshold=LINEAR_ABOVE)


PIXELS: Mapping[str, Callable[[float], GaussianPixels | LogisticPixels | BernoulliPixels]] = {
    "gaussian": GaussianPixels,
    "logistic": LogisticPixels,
    "bernoulli": BernoulliPixels,
}
"""By the names that sizes have for them."""


def frames_as_images(features: Tensor, dtype: torch.dtype) -> Tensor:
    """uint8 (B, T, H, W, C) -> (B, T, C, H, W) from 0 to 1; one channel is 0 or 1, and stays so."""
    images = features.permute(0, 1, 4, 2, 3).to(dtype)
    return images if images.shape[2] == 1 else images / 255
