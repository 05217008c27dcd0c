"""Tests of the bootstrap: intervals cover, and pairs are told apart only if they differ."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physbench.errors import PhysbenchError
from physbench.metrics import bootstrap, sums


def slow_interval(above: list[float], below: list[float], seed: int) -> tuple[float, float]:
    """With another generator, one draw at a time."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(2000):
        drawn = rng.integers(0, len(above), len(above))
        values.append(sum(above[i] for i in drawn) / sum(below[i] for i in drawn))
    return float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))


def test_the_interval_is_that_of_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(0)
    below = rng.gamma(2, 1, 60)
    above = 0.4 * below + rng.normal(0, 0.2, 60)
    ours = bootstrap.interval(sums.ratio(above, below))
    low, high = slow_interval(above.tolist(), below.tolist(), 1)
    assert ours.value == pytest.approx(above.sum() / below.sum())
    assert ours.low == pytest.approx(low, abs=0.1 * (high - low))
    assert ours.high == pytest.approx(high, abs=0.1 * (high - low))


def test_a_95_percent_interval_holds_the_truth_95_times_in_100() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(300):
        below = rng.gamma(2, 1, 80)
        above = 0.5 * below + rng.normal(0, 0.5, 80)
        found = bootstrap.interval(sums.ratio(above, below), resamples=400)
        held += found.low <= 0.5 <= found.high
    assert 0.91 <= held / 300 <= 0.985


def test_numerators_and_denominators_are_drawn_together() -> None:
    below = np.random.default_rng(2).lognormal(0, 2, 50)
    found = bootstrap.interval(sums.ratio(0.25 * below, below))
    assert (found.low, found.high) == pytest.approx((0.25, 0.25))


def test_the_same_seed_gives_the_same_interval_and_each_figure_its_own() -> None:
    rng = np.random.default_rng(3)
    figures = [sums.ratio(rng.random((40, 5)), rng.random((40, 5))) for _ in range(7)]
    assert bootstrap.interval(figures[0]) == bootstrap.interval(figures[0])
    assert bootstrap.interval(figures[0]) != bootstrap.interval(figures[0], seed=1)
    for figure, together in zip(figures, bootstrap.intervals(figures), strict=True):
        alone = bootstrap.interval(figure)
        assert (together.value, together.low, together.high) == pytest.approx(
            (alone.value, alone.low, alone.high), rel=1e-12
        )


def test_draws_are_uniform_and_do_not_depend_on_how_many_are_made_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(bootstrap._draw(37, 500, 0)))
    monkeypatch.setattr(bootstrap, "AT_ONCE", 100)
    assert (np.concatenate(list(bootstrap._draw(37, 500, 0))) == whole).all()
    kept = np.concatenate(list(bootstrap._draws(37, 500, 0)))
    monkeypatch.setattr(bootstrap, "MOST_KEPT", 0)
    for drawn in (kept, np.concatenate(list(bootstrap._draws(37, 500, 0)))):
        assert drawn.dtype == np.float64 and (drawn == whole).all()
    assert (whole.sum(axis=1) == 37).all()
    assert whole.mean(axis=0) == pytest.approx(np.ones(37), abs=0.2)


def test_values_left_out_take_part_in_no_resample() -> None:
    values = np.array([[1.0, math.nan], [1.0, 1.0], [math.nan, math.nan], [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    found = bootstrap.interval(sums.mean_where_defined(values))
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)


def test_a_nan_makes_the_interval_empty() -> None:
    found = bootstrap.interval(sums.mean(np.array([[1.0], [math.nan], [2.0]])))
    assert math.isnan(found.value) and math.isnan(found.low) and math.isnan(found.high)


@pytest.mark.parametrize("sequences", [0, 1])
def test_one_sequence_has_a_value_and_no_interval(sequences: int) -> None:
    found = bootstrap.interval(sums.mean(np.ones((sequences, 3))))
    assert math.isnan(found.low) and math.isnan(found.high)
    assert math.isnan(found.value) == (sequences == 0)


def test_a_figure_that_most_resamples_may_miss_has_no_interval() -> None:
    """One sequence in ten has the rare event: a third of the resamples have none."""
    rare = np.array([1.0] + [0.0] * 9)
    found = bootstrap.interval(sums.ratio(0.5 * rare, rare))
    assert found.value == 0.5 and math.isnan(found.low) and math.isnan(found.high)


def test_a_small_but_steady_difference_is_seen_in_pairs_where_the_intervals_overlap() -> None:
    rng = np.random.default_rng(4)
    hard = rng.lognormal(0, 1, 200)
    a, b = (sums.ratio(hard * rng.normal(level, 0.05, 200), np.ones(200)) for level in (0.95, 1.0))
    assert bootstrap.interval(a).high > bootstrap.interval(b).low
    assert bootstrap.compare(a, b, better="lower").verdict == "a better"
    assert bootstrap.compare(b, a, better="lower").verdict == "b better"
    assert bootstrap.compare(a, b, better="higher").verdict == "b better"
    assert bootstrap.compare(a, b, better="lower").difference.value == pytest.approx(sums.value(a) - sums.value(b))


def test_a_run_cannot_be_told_apart_from_itself() -> None:
    rng = np.random.default_rng(5)
    run = sums.ratio(rng.random((500, 3)), rng.random((500, 3)))
    found = bootstrap.compare(run, run, better="lower")
    assert (found.difference.low, found.difference.high) == (0.0, 0.0)
    assert found.verdict == "cannot be told apart"


def test_equal_runs_are_called_different_about_once_in_twenty_times() -> None:
    rng = np.random.default_rng(6)
    called = 0
    for _ in range(200):
        a, b = (sums.mean(rng.normal(size=(60, 1))) for _ in range(2))
        called += bootstrap.compare(a, b, better="lower", resamples=300).verdict != "cannot be told apart"
    assert called <= 24


def test_runs_on_other_sequences_are_not_compared() -> None:
    with pytest.raises(PhysbenchError, match="only runs on the same sequences can be compared: these have 3 and 4"):
        bootstrap.compare(sums.mean(np.ones((3, 1))), sums.mean(np.ones((4, 1))), better="lower")


def test_a_quotient_of_two_sets_is_wider_than_either_alone() -> None:
    rng = np.random.default_rng(7)
    many, few = (sums.ratio(rng.normal(level, 0.1, 100), np.ones(100)) for level in (0.4, 0.2))
    found = bootstrap.quotient(many, few)
    assert found.value == pytest.approx(sums.value(many) / sums.value(few))
    assert found.low < found.value < found.high
    alone = bootstrap.interval(few)
    assert (found.high - found.low) / found.value > 0.9 * (alone.high - alone.low) / alone.value
    assert math.isnan(bootstrap.quotient(many, sums.ratio(np.zeros(3), np.zeros(3))).value)


def slow_quotient(runs: list[list[sums.Sums]], seed: int) -> list[float]:
    """Draw both sets 2,000 times, one sequence at a time, and take the difference of the quotients of both runs."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(2000):
        chosen = [rng.integers(0, len(each.numerator), len(each.numerator)) for each in runs[0]]
        more, fewer = (
            [sum(run[which].numerator[i] for i in draw) / sum(run[which].denominator[i] for i in draw) for run in runs]
            for which, draw in enumerate(chosen)
        )
        found.append(more[0] / fewer[0] - more[1] / fewer[1])
    return found


def test_the_difference_of_two_quotients_is_that_of_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(8)
    sets = [rng.gamma(4, 1, 40), rng.gamma(4, 1, 50)]
    levels = [(0.4, 0.2), (0.5, 0.2)]
    runs = [
        [
            sums.ratio(level * hard * rng.normal(1, 0.02, len(hard)), hard)
            for level, hard in zip(both, sets, strict=True)
        ]
        for both in levels
    ]
    a, b = ((run[0], run[1]) for run in runs)
    found = bootstrap.compare_quotients(a, b, better="lower")
    slow = slow_quotient(runs, 2)
    assert found.difference.value == pytest.approx(
        bootstrap.quotient(*a).value - bootstrap.quotient(*b).value, abs=1e-12
    )
    width = np.percentile(slow, 97.5) - np.percentile(slow, 2.5)
    assert found.difference.low == pytest.approx(np.percentile(slow, 2.5), abs=0.1 * width)
    assert found.difference.high == pytest.approx(np.percentile(slow, 97.5), abs=0.1 * width)
    assert found.verdict == "a better" and math.isnan(found.p) and found.contributing == 40
    assert bootstrap.compare_quotients(b, a, better="lower").verdict == "b better"
    assert bootstrap.compare_quotients(a, b, better="higher").verdict == "b better"


def test_the_quotients_of_a_run_and_of_itself_do_not_differ() -> None:
    rng = np.random.default_rng(9)
    run = (sums.mean(rng.random((30, 2))), sums.mean(rng.random((20, 2))))
    found = bootstrap.compare_quotients(run, run, better="lower")
    assert (found.difference.value, found.difference.low, found.difference.high) == (0.0, 0.0, 0.0)
    assert found.verdict == "cannot be told apart"
    other = (run[0], sums.mean(rng.random((21, 2))))
    with pytest.raises(PhysbenchError, match="only runs on the same sequences can be compared: these have 20 and 21"):
        bootstrap.compare_quotients(run, other, better="lower")
