"""Every figure is a ratio of sums: a mean is the sum of the values over their number. N sequences come first, steps
behind them.

What a sequence contributes never depends on the others, and the sum over sequences is rounded once (math.fsum), so
figures are the same to the last bit whatever the batches and their order.
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
    """A figure before the division. A step that counts for nothing has 0 in both; a NaN in either makes the figure
    NaN."""

    numerator: Floats  # (N, ...)
    denominator: Floats  # (N, ...)


def ratio(numerator: NDArray[Any], denominator: NDArray[Any]) -> Sums:
    """(N, ...), (N, ...): the figure is the ratio of the sums, not the mean of the ratios."""
    if numerator.shape != denominator.shape:
        raise ValueError(f"numerators of shape {numerator.shape} have denominators of shape {denominator.shape}")
    return Sums(numerator.astype(np.float64), denominator.astype(np.float64))


def mean(values: NDArray[Any]) -> Sums:
    """(N, ...): the mean over everything. A NaN stays in it, and the figure is NaN."""
    return ratio(values, np.ones_like(values, np.float64))


def mean_where_defined(values: NDArray[Any]) -> Sums:
    """(N, ...), NaN where the metric has no value: these are left out of the sum and of the number."""
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0), defined)


def last(sums: Sums) -> Sums:
    """(N, S, ...) -> (N, 1, ...), the last step alone: the suffix `_last`."""
    return Sums(sums.numerator[:, -1:], sums.denominator[:, -1:])


def step(sums: Sums, index: int) -> Sums:
    """(N, S) -> (N,), one step of a curve, counted from 0."""
    return Sums(sums.numerator[:, index], sums.denominator[:, index])


def per_sequence(sums: Sums) -> Sums:
    """(N, ...) -> (N,), all steps of a sequence together: what is stored, and what the bootstrap resamples."""
    return Sums(_row_sums(sums.numerator), _row_sums(sums.denominator))


def join(parts: Iterable[Sums]) -> Sums:
    """The sequences of all parts, one part after the other."""
    parts = list(parts)
    return Sums(
        np.concatenate([part.numerator for part in parts]), np.concatenate([part.denominator for part in parts])
    )


def pool(samples: Iterable[Sums]) -> Sums:
    """The same sequences asked several times, (N, ...) each: their sums together."""
    samples = list(samples)
    return Sums(
        np.sum([part.numerator for part in samples], axis=0), np.sum([part.denominator for part in samples], axis=0)
    )


def value(sums: Sums) -> float:
    """The figure; NaN where the denominators add up to 0, never 0 or 1."""
    total = per_sequence(sums)
    below = exact_sum(total.denominator)
    return exact_sum(total.numerator) / below if below else math.nan


def curve(sums: Sums) -> list[float]:
    """(N, S): the figure of each step."""
    return [value(step(sums, index)) for index in range(sums.numerator.shape[1])]


def exact_sum(values: Floats) -> float:
    """Rounded once, so in any order the same. NaN and infinities are kept."""
    return math.fsum(values.tolist()) if np.isfinite(values).all() else float(np.sum(values))


def _row_sums(array: Floats) -> Floats:
    return np.ascontiguousarray(array).reshape(len(array), math.prod(array.shape[1:])).sum(axis=1)
