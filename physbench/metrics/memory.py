"""What was said of the bytes of a memory, on those that are worth saying: a byte that hardly ever changes is copied and
right.

N sequences, T states, S predicted states. A slot is a byte of the memory, 128 of them.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.metrics.sums import Floats, Sums, ratio

LEAST_ENTROPY = 0.6
"""Nats. Only slots whose bytes have more are scored [Anand et al. 2019]."""


def count_bytes(ram: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, T, 128) -> (128, 256): how often each slot holds each byte."""
    slots = ram.reshape(-1, ram.shape[-1]).T
    return np.stack([np.bincount(slot, minlength=256) for slot in slots])


def entropies(counts: NDArray[Any]) -> Floats:
    """(128, 256) -> (128,): nats of the distribution of the bytes of each slot; 0 for one that was never seen."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return -(shares * np.log(np.where(shares > 0, shares, 1.0))).sum(axis=1)


def slot_accuracy(there: NDArray[np.uint8], said: NDArray[np.uint8], scored: NDArray[np.bool_]) -> Sums:
    """Bytes (N, S, 128) both, scored (128,) -> (N, S): slots of which all eight bits are right, of those that are
    scored."""
    right = (there == said) & scored
    return ratio(right.sum(axis=2), np.broadcast_to(scored.sum(), right.shape[:2]))


def bit_f1(there: NDArray[np.uint8], said: NDArray[np.uint8], scored: NDArray[np.bool_]) -> Sums:
    """Bytes (N, S, 128) both, scored (128,) -> (N, S): twice the bits that are 1 in both, of those that are 1 in
    either, counted in each."""
    ones = [_ones(bytes_ & (255 * scored).astype(np.uint8)) for bytes_ in (there & said, there, said)]
    return ratio(2 * ones[0], ones[1] + ones[2])


def _ones(array: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(N, S, 128) -> (N, S): bits that are set."""
    return np.unpackbits(array, axis=2).sum(axis=2, dtype=np.int64)
