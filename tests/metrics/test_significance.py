"""Tests of p-values and of Holm's correction: together they keep the probability of any false difference at 5 %."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from physbench.metrics import bootstrap, sums
from physbench.metrics.significance import FAMILY_WISE, adjust_for_many, p_value, student_tails

Array = NDArray[np.float64]


@pytest.mark.parametrize("freedom", [1, 2, 3, 7, 15, 63, 255, 999, 9_999])
def test_tails_are_those_of_scipy(freedom: int) -> None:
    for t in (0.0, 0.1, 0.7, 1.0, 1.96, 3.0, 5.0, 12.0, 40.0):
        assert student_tails(t, freedom) == pytest.approx(2 * stats.t.sf(t, freedom), rel=1e-9)
        assert student_tails(-t, freedom) == student_tails(t, freedom)


def test_of_means_the_p_value_is_that_of_the_paired_t_test() -> None:
    rng = np.random.default_rng(0)
    for count, shift in ((2, 0.0), (5, 1.0), (64, 0.2), (500, 0.3)):
        a, b = rng.normal(size=count), rng.normal(shift, 1, count)
        assert p_value(sums.mean(a[:, None]), sums.mean(b[:, None])) == pytest.approx(
            stats.ttest_rel(a, b).pvalue, rel=1e-9
        )


def test_the_standard_error_of_a_ratio_is_that_of_a_long_bootstrap() -> None:
    rng = np.random.default_rng(1)
    below = rng.gamma(2, 1, 400)
    a, b = (sums.ratio(level * below + rng.normal(0, 0.3, 400), below) for level in (0.5, 0.52))
    p = p_value(a, b)
    drawn = bootstrap._resample([a, b], 20_000, 3)
    spread = float(np.std(drawn[:, 0] - drawn[:, 1]))
    expected = 2 * stats.t.sf(abs(sums.value(a) - sums.value(b)) / spread, 399)
    assert 1e-4 < p < 0.9 and stats.norm.isf(p / 2) == pytest.approx(stats.norm.isf(expected / 2), rel=0.05)


def test_p_values_go_far_below_one_in_the_number_of_resamples() -> None:
    rng = np.random.default_rng(2)
    a, b = (sums.mean(rng.normal(level, 1, (1000, 1))) for level in (0, 1))
    assert 0 < p_value(a, b) < 1e-50


def test_a_run_against_itself_is_certain_to_be_chance_and_a_steady_difference_is_not() -> None:
    values = np.random.default_rng(3).random((30, 2))
    run = sums.mean(values)
    assert p_value(run, run) == 1.0
    assert p_value(sums.mean(np.zeros((30, 1))), sums.mean(np.ones((30, 1)))) == 0.0


@pytest.mark.parametrize("contributing", [0, 1])
def test_who_has_fewer_than_two_sequences_is_not_tested(contributing: int) -> None:
    some = sums.ratio(np.ones(10), (np.arange(10) < contributing).astype(float))
    assert math.isnan(p_value(some, sums.mean(np.ones((10, 1)))))


def slow_holm(p_values: list[float]) -> set[int]:
    """The steps of Holm (1979): which are rejected, from the smallest on, until one is not."""
    rejected: set[int] = set()
    remaining = list(range(len(p_values)))
    while remaining:
        smallest = min(remaining, key=lambda place: p_values[place])
        if p_values[smallest] > 0.05 / len(remaining):
            break
        rejected.add(smallest)
        remaining.remove(smallest)
    return rejected


@given(st.lists(st.one_of(st.floats(0, 1), st.floats(0, 0.02), st.just(math.nan)), max_size=30))
@settings(max_examples=200, deadline=None)
def test_the_surviving_are_those_of_holms_steps(p_values: list[float]) -> None:
    adjusted = adjust_for_many(p_values)
    tested = [place for place, p in enumerate(p_values) if p == p]
    expected = {tested[place] for place in slow_holm([p_values[place] for place in tested])}
    near_the_edge = any(abs(each - FAMILY_WISE) < 1e-12 for each in adjusted)
    assert near_the_edge or {place for place, p in enumerate(adjusted) if p <= FAMILY_WISE} == expected
    assert all(math.isnan(p) == math.isnan(q) for p, q in zip(p_values, adjusted, strict=True))


def light(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return 1 + rng.normal(0, 0.3, shape)


def heavy(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    return rng.lognormal(0, 1.2, shape)


FAMILY, TRIES = 40, 400


@pytest.mark.parametrize("tails", [light, heavy])
@pytest.mark.parametrize("count", [64, pytest.param(256, marks=pytest.mark.slow)])
def test_a_false_difference_among_40_figures_comes_through_in_5_percent_of_comparisons_at_most(
    tails: Callable[[np.random.Generator, tuple[int, ...]], Array], count: int
) -> None:
    """Two runs that are equally good, figure by figure. Without correction most comparisons have a false difference."""
    rng = np.random.default_rng(count)
    false, uncorrected = 0, 0
    for _ in range(TRIES):
        below = rng.gamma(2, 1, (count, FAMILY))
        a, b = (tails(rng, below.shape) * below for _ in range(2))
        p_values = [p_value(sums.ratio(a[:, m], below[:, m]), sums.ratio(b[:, m], below[:, m])) for m in range(FAMILY)]
        false += min(adjust_for_many(p_values)) <= FAMILY_WISE
        uncorrected += min(p_values) <= FAMILY_WISE
    assert false / TRIES <= FAMILY_WISE + 3 * math.sqrt(FAMILY_WISE * (1 - FAMILY_WISE) / TRIES)
    assert uncorrected / TRIES > 0.5


def test_differences_that_are_there_survive_among_many_that_are_not() -> None:
    rng = np.random.default_rng(4)
    hard = rng.lognormal(0, 1, (500, FAMILY))
    better = np.where(np.arange(FAMILY) < 5, 0.95, 1.0)
    a, b = (hard * rng.normal(level, 0.1, hard.shape) for level in (better, 1.0))
    adjusted = adjust_for_many([p_value(sums.mean(a[:, m : m + 1]), sums.mean(b[:, m : m + 1])) for m in range(FAMILY)])
    assert {m for m, p in enumerate(adjusted) if p <= FAMILY_WISE} == set(range(5))
