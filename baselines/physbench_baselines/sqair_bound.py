"""What SQAIR maximises: a bound on the evidence from several particles [Burda et al. 2016], and a gradient for what is
drawn from few [Mnih, Rezende 2016].

B sequences, K particles, R rows, N slots. A particle's log weight is log p(x, z) - log q(z | x).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

SMALLEST = 1e-16
"""A probability of a number of discoveries below it counts as it."""


def evidence(weights: Tensor) -> Tensor:
    """log weights (B, K) -> the bound (B,): the logarithm of their mean."""
    return weights.logsumexp(dim=1) - math.log(weights.shape[1])


def baseline(weights: Tensor) -> Tensor:
    """log weights (B, K) -> (B, K): the bound if particle k weighed what the others do, the mean of their
    logarithms."""
    count = weights.shape[1]
    if count == 1:
        return torch.zeros_like(weights)
    others = (weights.sum(dim=1, keepdim=True) - weights) / (count - 1)
    own = torch.eye(count, dtype=torch.bool, device=weights.device)
    return torch.where(own, others[..., None], weights[:, None]).logsumexp(dim=2) - math.log(count)


def surrogate(weights: Tensor, discrete: Tensor, *, form: str) -> Tensor:
    """log weights and log q of what was drawn from few (B, K) -> (B,), whose gradient is one of minus the bound.

    A particle's signal is what it adds to the bound. The published code takes the particle's own log weight for the
    bound, and the mean over particles.
    """
    bound = evidence(weights)
    if form == "code":
        return -bound - ((weights - baseline(weights)).detach() * discrete).mean(dim=1)
    return -bound - ((bound[:, None] - baseline(weights)).detach() * discrete).sum(dim=1)


def number_probabilities(logits: Tensor) -> Tensor:
    """(R, N) -> (R, N + 1)."""
    p = torch.sigmoid(logits)
    survive = torch.cat([torch.ones_like(p[:, :1]), p.cumprod(dim=1)], dim=1)
    stop = torch.cat([1 - p, torch.ones_like(p[:, :1])], dim=1)
    probabilities = survive * stop
    return probabilities / probabilities.sum(dim=1, keepdim=True)


def log_clipped(probability: Tensor) -> Tensor:
    """Give the logarithm of what is at least the smallest; a gradient goes straight through the clip."""
    return (probability + (probability.clamp(min=SMALLEST) - probability).detach()).log()
