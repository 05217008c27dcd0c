"""Tests of significance: a p-value for two runs on the same sequences, and Holm's correction for many figures.

Resampling cannot give small p-values: with 2,000 resamples the smallest is 1/2,000, but Holm's correction asks for
0.05 / M for the first of M figures. So a p-value is computed from Student's t. Its standard error is the limit of a
bootstrap with infinitely many resamples: that of each sequence's influence on the difference (the infinitesimal
jackknife).
"""

import math
from collections.abc import Sequence

import numpy as np

from physbench.metrics.sums import Floats, Sums, exact_sum, per_sequence, value

FAMILY_WISE = 0.05
"""The probability, after Holm's correction, of finding any false difference among all figures of a comparison."""

SMALLEST = 1e-300
"""The number that replaces 0 in a continued fraction."""


def p_value(a: Sums, b: Sums) -> float:
    """Test two runs, (N, ...) each, on the same sequences in the same order, two-sided.

    The result is NaN if either run has no value, or if fewer than 2 sequences contribute.
    """
    ours, theirs = per_sequence(a), per_sequence(b)
    first, second = value(a), value(b)
    count = min(int(np.count_nonzero(run.denominator)) for run in (ours, theirs))
    if count < 2 or not (math.isfinite(first) and math.isfinite(second)):
        return math.nan
    influence = _influence(ours, first) - _influence(theirs, second)
    error = math.sqrt(count / (count - 1) * exact_sum(influence**2))
    if error == 0:
        return 1.0 if first == second else 0.0
    return student_tails((first - second) / error, count - 1)


def adjust_for_many(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values by Holm's correction: those of at most FAMILY_WISE are significant.

    A NaN means that there was no test; it stays NaN, and does not count.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if p == p)
    adjusted = [math.nan] * len(p_values)
    least = 0.0
    for rank, (p, place) in enumerate(tested):
        least = max(least, min((len(tested) - rank) * p, 1.0))
        adjusted[place] = least
    return adjusted


def student_tails(t: float, freedom: float) -> float:
    """Return the probability that Student's t is at least as far from 0.

    It is the regularised incomplete beta function at (freedom / 2, 1 / 2).
    """
    x = freedom / (freedom + t * t)
    if x >= 1:
        return 1.0
    a, b = freedom / 2, 0.5
    front = math.exp(math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return front * _beta_fraction(x, a, b) / a
    return 1.0 - front * _beta_fraction(1 - x, b, a) / b


def _influence(run: Sums, figure: float) -> Floats:
    """Return how much each sequence changes the ratio of the sums, (N,)."""
    return (run.numerator - figure * run.denominator) / exact_sum(run.denominator)


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Evaluate the continued fraction of the incomplete beta function by Lentz's method.

    It converges fast for x below (a + 1) / (a + b + 2).
    """
    above, below = 1.0, 1.0 / _nonzero(1 - (a + b) * x / (a + 1))
    product = below
    for m in range(1, 1_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            below = 1.0 / _nonzero(1 + term * below)
            above = _nonzero(1 + term / above)
            product *= above * below
        if abs(above * below - 1) < 1e-15:
            break
    return product


def _nonzero(number: float) -> float:
    return number if abs(number) > SMALLEST else SMALLEST
