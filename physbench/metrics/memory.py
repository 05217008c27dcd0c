"""Scores for predictions of the bytes of a memory. Bytes that hardly ever change are not scored, because copying them
is nearly always right.

N sequences, T states, S predicted states. A slot is one of the 128 bytes of the memory.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.sums import Floats, Sums, ratio

LEAST_ENTROPY = 0.6
"""In nats. Only slots whose bytes have a larger entropy are scored [Anand et al. 2019]."""


def count_bytes(ram: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count how often each slot holds each byte: (N, T, 128) -> (128, 256)."""
    slots = ram.reshape(-1, ram.shape[-1]).T
    return np.stack([np.bincount(slot, minlength=256) for slot in slots])


def entropies(counts: NDArray[Any]) -> Floats:
    """Compute the entropy of the bytes of each slot, in nats: (128, 256) -> (128,). A slot never seen has 0."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)


def slot_accuracy(there: NDArray[np.uint8], said: NDArray[np.uint8], scored: NDArray[np.bool_]) -> Sums:
    """Score the share of the scored slots in which all eight bits are right: bytes (N, S, 128) both, scored (128,)
    -> (N, S)."""
    right = (there == said) & scored
    return ratio(right.sum(axis=2), np.broadcast_to(scored.sum(), right.shape[:2]))


def bit_f1(there: NDArray[np.uint8], said: NDArray[np.uint8], scored: NDArray[np.bool_]) -> Sums:
    """Score the F1 of the bits that are 1: bytes (N, S, 128) both, scored (128,) -> (N, S).

    It is twice the number of bits that are 1 in both, divided by the sum of the numbers of bits that are 1 in each.
    """
    ones = [_ones(bytes_ & (255 * scored).astype(np.uint8)) for bytes_ in (there & said, there, said)]
    return ratio(2 * ones[0], ones[1] + ones[2])


def _ones(array: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Count the bits that are set: (N, S, 128) -> (N, S)."""
    return np.unpackbits(array, axis=2).sum(axis=2, dtype=np.int64)
