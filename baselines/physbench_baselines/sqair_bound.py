"""The objective of SQAIR: a bound on the evidence, and a gradient for what is discrete.

The bound is made from several particles [Burda et al. 2016], the gradient is that of [Mnih, Rezende 2016].

Shapes: B sequences, K particles, R rows, N slots. A particle's log weight is log p(x, z) - log q(z | x).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SMALLEST = 1e-16
"""The least probability of a number of discoveries; a smaller one counts as this."""


def evidence(weights: Tensor) -> Tensor:
    """Return the bound (B,), the logarithm of the mean weight, from log weights (B, K)."""
    return weights.logsumexp(dim=1) - math.log(weights.shape[1])


def baseline(weights: Tensor) -> Tensor:
    """Return the bound without particle k, (B, K), from log weights (B, K).

    The log weight of particle k is replaced by the mean of the others' log weights.
    """
    count = weights.shape[1]
    if count == 1:
        return torch.zeros_like(weights)
    others = (weights.sum(dim=1, keepdim=True) - weights) / (count - 1)
    own = torch.eye(count, dtype=torch.bool, device=weights.device)
    return torch.where(own, others[..., None], weights[:, None]).logsumexp(dim=2) - math.log(count)


def surrogate(weights: Tensor, discrete: Tensor, *, form: str) -> Tensor:
    """Return numbers (B,) whose gradient is an estimate of the gradient of minus the bound.

    weights are log weights, discrete is log q of the discrete variables, (B, K) both. A particle's signal is what it
    adds to the bound. The published code uses the particle's own log weight in place of the bound, and takes the mean
    over particles.
    """
    bound = evidence(weights)
    if form == "code":
        return -bound - ((weights - baseline(weights)).detach() * discrete).mean(dim=1)
    return -bound - ((bound[:, None] - baseline(weights)).detach() * discrete).sum(dim=1)


def number_probabilities(logits: Tensor) -> Tensor:
    """Return the probabilities of 0 .. N discoveries, (R, N + 1), from logits (R, N)."""
    p = torch.sigmoid(logits)
    survive = torch.cat([torch.ones_like(p[:, :1]), p.cumprod(dim=1)], dim=1)
    stop = torch.cat([1 - p, torch.ones_like(p[:, :1])], dim=1)
    probabilities = survive * stop
    return probabilities / probabilities.sum(dim=1, keepdim=True)


def log_clipped(probability: Tensor) -> Tensor:
    """Return the logarithm of a probability, which is raised to the smallest one first.

    The gradient ignores the clipping.
    """
    return (probability + (probability.clamp(min=SMALLEST) - probability).detach()).log()
