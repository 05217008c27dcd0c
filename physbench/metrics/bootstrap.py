"""Confidence intervals by a bootstrap over sequences. Numerators and denominators are drawn together, with a fixed
seed.

N sequences, M figures, R resamples. The draws depend only on the seed and on N. So all figures of a run, and two runs
on the same sequences, are resampled in the same way, which makes a comparison paired.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physbench.errors import PhysbenchError
from physbench.metrics.significance import p_value
from physbench.metrics.sums import Floats, Sums, per_sequence, value

Verdict = Literal["a better", "b better", "cannot be told apart"]

RESAMPLES = 2000
SEED = 0
TAIL = 0.025
"""The share left out on either side, so that a 95 % interval remains."""

AT_ONCE = 1 << 20
"""How many draws are made at a time."""

MOST_KEPT = 1 << 24
"""The most draws that are kept for the next figure, in two bytes each: no sequence is ever drawn 65,536 times."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and its 95 % interval; NaN if there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A comparison of run a with run b on the same sequences; the difference is a's figure minus b's."""

    difference: Interval
    verdict: Verdict
    p: float  # of this figure alone, without a correction; NaN if it was not tested
    contributing: int  # how many sequences contribute to the figure, in the run where that is fewer


def interval(sums: Sums, *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Return a figure (N, ...) with its interval. A single sequence has no interval."""
    return intervals([sums], resamples=resamples, seed=seed)[0]


def intervals(figures: Sequence[Sums], *, resamples: int = RESAMPLES, seed: int = SEED) -> list[Interval]:
    """Return many figures of the same N sequences, (N, ...) each, with their intervals.

    One set of draws serves all of them, which is far cheaper than computing the intervals one by one.
    """
    drawn = _resample(figures, resamples, seed)
    return [_interval(value(figure), column) for figure, column in zip(figures, drawn.T, strict=True)]


def count_contributing(sums: Sums) -> int:
    """Count the sequences that contribute to a figure: those whose denominator is not 0."""
    return int(np.count_nonzero(per_sequence(sums).denominator))


def compare(
    a: Sums, b: Sums, *, better: Literal["lower", "higher"], resamples: int = RESAMPLES, seed: int = SEED
) -> Comparison:
    """Compare two runs, (N, ...) each, on the same sequences in the same order.

    One run is better only if the interval of the difference does not contain 0.
    """
    _require_equal_count(a, b)
    drawn_a, drawn_b = (
        _resample([run], resamples, seed)[:, 0] for run in (a, b)
    )  # separately, so that equal runs are rounded equally
    difference = _interval(value(a) - value(b), drawn_a - drawn_b)
    return Comparison(
        difference, _verdict(difference, better), p_value(a, b), min(count_contributing(a), count_contributing(b))
    )


def compare_quotients(
    a: tuple[Sums, Sums],
    b: tuple[Sums, Sums],
    *,
    better: Literal["lower", "higher"],
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Comparison:
    """Compare two runs by the quotient of two figures, each on its own set of sequences; a and b hold both figures.

    Each set is resampled alike for both runs. There is no p-value.
    """
    for pair in zip(a, b, strict=True):
        _require_equal_count(*pair)
    drawn_a, drawn_b = (_resample_quotient(*run, resamples=resamples, seed=seed) for run in (a, b))
    difference = _interval(_divide_values(*a) - _divide_values(*b), drawn_a - drawn_b)
    return Comparison(
        difference, _verdict(difference, better), math.nan, min(count_contributing(sums) for sums in (*a, *b))
    )


def quotient(a: Sums, b: Sums, *, resamples: int = RESAMPLES, seed: int = SEED) -> Interval:
    """Divide a's figure by b's, on two sets of sequences that are resampled separately: for `relative_bce_ratio`.

    Sequence i of one named dataset has the same random draws as sequence i of another, so their figures correlate by
    0.06 to 0.09. This is ignored, so the interval is a few per cent too wide.
    """
    return _interval(_divide_values(a, b), _resample_quotient(a, b, resamples=resamples, seed=seed))


def _divide_values(a: Sums, b: Sums) -> float:
    whole = value(b)
    return value(a) / whole if whole else math.nan


def _resample_quotient(a: Sums, b: Sums, *, resamples: int, seed: int) -> Floats:
    """Return a's figure divided by b's on every resample, (R,)."""
    return _divide(_resample([a], resamples, seed)[:, 0], _resample([b], resamples, seed + 1)[:, 0])


def _require_equal_count(a: Sums, b: Sums) -> None:
    if len(a.numerator) != len(b.numerator):
        raise PhysbenchError(
            f"only runs on the same sequences can be compared: these have {len(a.numerator)} and {len(b.numerator)}"
        )


def _verdict(difference: Interval, better: Literal["lower", "higher"]) -> Verdict:
    if not (difference.low > 0 or difference.high < 0):
        return "cannot be told apart"
    return "a better" if (difference.high < 0) == (better == "lower") else "b better"


def _interval(figure: float, drawn: Floats) -> Interval:
    """Return the interval between two percentiles.

    A resample without a value counts as infinitely low at the lower end and infinitely high at the upper end. If there
    are more than a few of them, there is no interval.
    """
    undefined = np.isnan(drawn)
    ordered_low, ordered_high = (np.sort(np.where(undefined, end, drawn)) for end in (-math.inf, math.inf))
    cut = math.floor(TAIL * (len(drawn) - 1))
    low, high = float(ordered_low[cut]), float(ordered_high[-1 - cut])
    return (
        Interval(figure, low, high)
        if math.isfinite(low) and math.isfinite(high)
        else Interval(figure, math.nan, math.nan)
    )


def _resample(figures: Sequence[Sums], resamples: int, seed: int) -> Floats:
    """Return every figure on every resample, (R, M); NaN where its denominators add up to 0."""
    totals = [per_sequence(figure) for figure in figures]
    sequences = {len(total.numerator) for total in totals}
    if len(sequences) > 1:
        raise ValueError(f"figures are resampled together over the same sequences, not over {sorted(sequences)}")
    count = sequences.pop()
    if count < 2:
        return np.full((resamples, len(figures)), math.nan)
    columns = np.stack([part for total in totals for part in (total.numerator, total.denominator)], axis=1)  # (N, 2 M)
    sums = np.concatenate([times @ columns for times in _draws(count, resamples, seed)])
    return _divide(sums[:, 0::2], sums[:, 1::2])


def _draws(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Yield how often each sequence is drawn, (R', N) at a time."""
    kept = resamples * count <= MOST_KEPT
    for times in _keep_draws(count, resamples, seed) if kept else _draw(count, resamples, seed):
        yield times.astype(np.float64)


@lru_cache(maxsize=2)
def _keep_draws(count: int, resamples: int, seed: int) -> tuple[NDArray[np.uint16], ...]:
    """Draw for all figures to come on as many sequences."""
    return tuple(times.astype(np.uint16) for times in _draw(count, resamples, seed))


def _draw(count: int, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Draw from raw integers, so that the draws are the same with every version of NumPy."""
    bits = np.random.Philox(key=seed)
    at_once = max(AT_ONCE // count, 1)
    for start in range(0, resamples, at_once):
        rows = min(at_once, resamples - start)
        drawn = (bits.random_raw(rows * count) % np.uint64(count)).astype(np.int64).reshape(rows, count)
        drawn += count * np.arange(rows)[:, None]
        yield np.bincount(drawn.reshape(-1), minlength=rows * count).reshape(rows, count)


def _divide(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.full(above.shape, math.nan), where=below != 0)
