"""Tests of the claims of papers, which are compared with scores that are invented here."""

from __future__ import annotations

from typing import Any

import pytest

from physbench.metrics.bootstrap import Interval
from physbench.metrics.catalogue import find
from physbench.suites import SUITES
from physbench_baselines.releasing.bars import GROUPS
from physbench_baselines.releasing.claims import CLAIMS, Claim, format_claims, judge

LOWER = Claim("a paper", "ours", "theirs", ("balls", "balls4mass64", "relative_bce"))
HIGHER = Claim("a paper", "ours", "theirs", ("segmentation-shapes", "shapes", "ari"))


def row(low: float, value: float, high: float, claim: Claim = LOWER) -> dict[str, Any]:
    suite, task, metric = claim.place
    return {"suite": suite, "task": task, "metric": metric, "size": "lite", "value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("ours", "theirs", "lower", "higher"),
    [
        ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6), "holds", "reversed"),
        ((0.4, 0.5, 0.6), (0.1, 0.2, 0.3), "reversed", "holds"),
        ((0.1, 0.2, 0.5), (0.4, 0.5, 0.6), "cannot tell", "cannot tell"),
        ((0.4, 0.5, 0.6), (0.4, 0.5, 0.6), "cannot tell", "cannot tell"),
        ((0.0, 0.5, 1.0), (0.4, 0.5, 0.6), "cannot tell", "cannot tell"),
    ],
)
def test_only_intervals_that_lie_apart_tell(ours: Any, theirs: Any, lower: str, higher: str) -> None:
    assert judge(LOWER, row(*ours), row(*theirs)) == lower
    assert judge(HIGHER, row(*ours), row(*theirs)) == higher


@pytest.mark.parametrize(
    ("difference", "lower", "higher"),
    [
        ((-0.2, -0.3, -0.1), "holds", "reversed"),
        ((0.2, 0.1, 0.3), "reversed", "holds"),
        ((-0.2, -0.5, 0.1), "cannot tell", "cannot tell"),
        ((0.0, 0.0, 0.0), "cannot tell", "cannot tell"),
    ],
)
def test_a_paired_difference_decides_whatever_the_intervals_are(
    difference: tuple[float, float, float], lower: str, higher: str
) -> None:
    overlapping, apart = ((0.1, 0.2, 0.5), (0.4, 0.5, 0.6)), ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    for ours, theirs in (overlapping, apart):
        for claim, verdict in ((LOWER, lower), (HIGHER, higher)):
            told = judge(claim, row(*ours, claim), row(*theirs, claim), Interval(*difference))
            assert told == verdict


def test_a_claim_without_a_measurement_is_not_judged() -> None:
    there, unknown = row(0.1, 0.2, 0.3), {**row(0, 0, 0), "value": None}
    assert {
        judge(LOWER, one, other) for one, other in ((None, there), (there, None), (None, None), (unknown, there))
    } == {"not measured"}


def test_claims_are_of_tasks_and_metrics_that_exist() -> None:
    for claim in CLAIMS:
        suite, task, metric = claim.place
        known = {each.names(asking) for each in SUITES[suite].tasks for asking in each.askings}
        assert set(task.split(":")) <= known and (":" in task) == metric.endswith("_ratio")
        assert find(metric.removesuffix("_ratio")).better in ("lower", "higher") and claim.better != claim.worse


def test_the_table_has_a_line_for_each_with_its_figures() -> None:
    first = CLAIMS[0]
    scores = {first.better: [row(0.1, 0.2, 0.3, first)], first.worse: [row(0.4, 0.5, 0.6, first)]}
    rows = {GROUPS[0]: scores, GROUPS[1]: {}, GROUPS[2]: {}}
    lines = format_claims(rows).splitlines()
    assert len(lines) == 2 + len(CLAIMS)
    assert "0.200 [0.100, 0.300] against 0.500 [0.400, 0.600] | - | - against - | **holds** |" in lines[2]
    assert all("**not measured**" in line for line in lines[3:])
    told = format_claims(rows, differences={first: Interval(-0.3, -0.31, 0.01)}).splitlines()
    assert "| -0.300 [-0.310, +0.010] | - against - | **cannot tell** |" in told[2] and told[3:] == lines[3:]
