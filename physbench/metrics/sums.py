"""Figures as ratios of sums; a mean, for example, is the sum of the values over their number. The N sequences are the
first axis, and steps follow.

The contribution of a sequence never depends on the others, and the sum over sequences is rounded once (math.fsum). So
figures are the same to the last bit, whatever the batches and their order.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sums:
    """A figure before the division.

    A step that does not count has 0 in both; a NaN in either makes the figure NaN.
    """

    numerator: Floats  # (N, ...)
    denominator: Floats  # (N, ...)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Sums:
    """Make a figure that is the ratio of the sums, not the mean of the ratios: (N, ...), (N, ...)."""
    if numerator.shape != denominator.shape:
        raise ValueError(f"numerators of shape {numerator.shape} have denominators of shape {denominator.shape}")
    return Sums(numerator.astype(np.float64), denominator.astype(np.float64))


def mean(values: NDArray[Any]) -> Sums:
    """Make a figure that is the mean over everything, (N, ...). If a value is NaN, the figure is NaN."""
    return ratio(values, np.ones_like(values, np.float64))


def mean_where_defined(values: NDArray[Any]) -> Sums:
    """Make a figure that is the mean over values (N, ...) that are not NaN."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0), defined)


def last(sums: Sums) -> Sums:
    """Return the last step alone, for the suffix `_last`: (N, S, ...) -> (N, 1, ...)."""
    return Sums(sums.numerator[:, -1:], sums.denominator[:, -1:])


def step(sums: Sums, index: int) -> Sums:
    """Return one step of a curve, counted from 0: (N, S) -> (N,)."""
    return Sums(sums.numerator[:, index], sums.denominator[:, index])


def per_sequence(sums: Sums) -> Sums:
    """Add up all steps of each sequence, for storage and for the bootstrap: (N, ...) -> (N,)."""
    return Sums(_row_sums(sums.numerator), _row_sums(sums.denominator))


def join(parts: Iterable[Sums]) -> Sums:
    """Concatenate the sequences of all parts."""
    parts = list(parts)
    return Sums(
        np.concatenate([part.numerator for part in parts]), np.concatenate([part.denominator for part in parts])
    )


def pool(samples: Iterable[Sums]) -> Sums:
    """Add up the sums of several samples of the same sequences, (N, ...) each."""
    samples = list(samples)
    return Sums(
        np.sum([part.numerator for part in samples], axis=0), np.sum([part.denominator for part in samples], axis=0)
    )


def value(sums: Sums) -> float:
    """Return the figure; it is NaN if the denominators add up to 0."""
    total = per_sequence(sums)
    below = exact_sum(total.denominator)
    return exact_sum(total.numerator) / below if below else math.nan


def curve(sums: Sums) -> list[float]:
    """Return the figure of each step, of (N, S)."""
    return [value(step(sums, index)) for index in range(sums.numerator.shape[1])]


def exact_sum(values: Floats) -> float:
    """Add up values with a single rounding, so that their order does not matter. NaN and infinities are kept."""
    return math.fsum(values.tolist()) if np.isfinite(values).all() else float(np.sum(values))


def _row_sums(array: Floats) -> Floats:
    return np.ascontiguousarray(array).reshape(len(array), math.prod(array.shape[1:])).sum(axis=1)
