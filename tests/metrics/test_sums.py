"""Tests of figures as ratios of sums: the same for any batches, and undefined without a denominator."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from physbench.metrics import sums


def test_a_ratio_of_sums_is_not_the_mean_of_ratios() -> None:
    figure = sums.ratio(np.array([[1.0], [1.0]]), np.array([[1.0], [9.0]]))
    assert sums.value(figure) == 0.2
    assert sums.value(figure) != np.mean([1.0, 1 / 9])


def test_a_figure_without_denominators_is_undefined_never_0_or_1() -> None:
    assert math.isnan(sums.value(sums.ratio(np.zeros((3, 2)), np.zeros((3, 2)))))
    assert math.isnan(sums.value(sums.ratio(np.ones((3, 2)), np.zeros((3, 2)))))
    assert math.isnan(sums.value(sums.mean(np.zeros((0, 4)))))


def test_a_nan_stays_in_a_mean_unless_it_is_asked_to_be_left_out() -> None:
    values = np.array([[1.0, math.nan], [3.0, 4.0]])
    assert math.isnan(sums.value(sums.mean(values)))
    assert sums.value(sums.mean_where_defined(values)) == pytest.approx(8 / 3)
    assert math.isnan(sums.curve(sums.mean(values))[1])
    assert sums.curve(sums.mean_where_defined(values)) == [2.0, 4.0]


def test_infinities_are_kept() -> None:
    assert sums.value(sums.mean(np.array([[1.0], [-math.inf]]))) == -math.inf


@given(st.integers(0, 2**32 - 1), st.integers(2, 40), st.integers(1, 5))
@settings(max_examples=50, deadline=None)
def test_the_order_and_the_batches_of_the_sequences_change_no_bit(seed: int, sequences: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    above, below = rng.lognormal(0, 8, (sequences, 6)), rng.lognormal(0, 8, (sequences, 6))
    whole = sums.ratio(above, below)
    order = rng.permutation(sequences)
    parts = [sums.ratio(above[order[i : i + size]], below[order[i : i + size]]) for i in range(0, sequences, size)]
    assert sums.value(sums.join(parts)) == sums.value(whole)
    assert sums.curve(sums.join(parts)) == sums.curve(whole)
    assert sums.value(sums.per_sequence(whole)) == sums.value(whole), "what is stored gives the figure back"


def test_the_sum_over_sequences_is_exact() -> None:
    values = np.array([1e16, 1.0, -1e16, 1.0])
    assert sums.exact_sum(values) == float(sum(Fraction(each) for each in values.tolist())) == 2.0


def test_last_is_the_last_transition_alone() -> None:
    figure = sums.ratio(np.array([[9.0, 1.0], [9.0, 2.0]]), np.array([[1.0, 2.0], [1.0, 4.0]]))
    assert sums.value(sums.last(figure)) == 0.5
    assert sums.curve(figure) == [9.0, 0.5]


def test_numerators_and_denominators_belong_together() -> None:
    with pytest.raises(ValueError, match="numerators of shape"):
        sums.ratio(np.zeros((2, 3)), np.zeros((2, 1)))
