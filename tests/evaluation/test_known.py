"""Tests of the pinned scores of the reference rows: they agree with the present code, and none is missing."""

from __future__ import annotations

import csv
from collections import Counter

import pytest

import physbench
from physbench.evaluation.evaluate import extent
from physbench.evaluation.known import PUBLISHED, list_published, references
from physbench.evaluation.result_text import as_text
from physbench.metrics.catalogue import find
from physbench.result import Result
from physbench.suites import ROWS, SUITES
from physbench_baselines.reference import Copy
from physbench_leaderboard.pins import REFERENCES, bundled_folder

KEYS = ["suite", "suite_version", "size", "task", "metric", "model"]


@pytest.fixture(scope="module")
def table() -> list[dict[str, str]]:
    return list(csv.DictReader((bundled_folder() / REFERENCES).read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("name", ROWS)
def test_what_is_known_of_a_reference_row_is_what_it_scores_today(rows: dict[str, Result], name: str) -> None:
    known = {
        (row.task, row.metric): (row.value, row.low, row.high)
        for row in references(extent("smoke"))
        if row.model == name
    }
    scored = {(score.task, score.metric): (score.value, score.low, score.high) for score in rows[name].scores}
    assert known.keys() == scored.keys()
    for key, numbers in known.items():
        assert scored[key] == pytest.approx(numbers, rel=1e-13, abs=0, nan_ok=True), (
            key
        )  # processors add up in different orders


def test_every_suite_size_and_row_is_known_once_and_nothing_else(table: list[dict[str, str]]) -> None:
    expected = {
        (suite.name, str(suite.version), "lite", name) for suite in SUITES.values() for name in suite.references
    }
    assert {(row["suite"], row["suite_version"], row["size"], row["model"]) for row in table} == expected
    counted = Counter(tuple(row[name] for name in KEYS) for row in table)
    assert set(counted.values()) == {1}


def test_what_is_known_can_be_ranked(table: list[dict[str, str]]) -> None:
    """Every row of every suite has a figure to be ranked by, and copying is exactly 1 in every relative one."""
    figures = {(row["suite"], row["size"], row["model"], row["task"], row["metric"]): row["value"] for row in table}
    for suite in SUITES.values():
        if suite.ranked_by:
            values = {name: float(figures[suite.name, "lite", name, *suite.ranked_by]) for name in suite.references}
            if suite.references != ROWS:
                continue
            best = min if find(suite.ranked_by[1]).better == "lower" else max
            assert best(values, key=values.__getitem__) == "oracle"
            others = {name: value for name, value in values.items() if name != "oracle"}
            assert best(others, key=others.__getitem__) == "tracker"
    copied = {
        value
        for (_, _, name, _, metric), value in figures.items()
        if name == "copy" and metric.startswith(("relative", "rollout_relative"))
    }
    assert copied == {"1.0"}


def test_nothing_is_known_of_sequences_that_are_not_pinned() -> None:
    for chosen in (extent("balls", limit=3), extent("balls", fresh=1), extent("smoke", split="validation")):
        assert references(chosen) == []


def test_what_papers_reported_is_of_tasks_and_metrics_that_exist() -> None:
    assert {row.suite for row in PUBLISHED} <= SUITES.keys()
    for row in PUBLISHED:
        suite = SUITES[row.suite]
        assert row.task in {task.names(asking) for task in suite.tasks for asking in task.askings}
        assert find(row.metric) and row in list_published(row.suite)
    assert list_published("curtain") == []


def test_beside_ten_thousand_sequences_stand_the_rows_of_the_first_thousand_and_it_says_so() -> None:
    full, lite = extent("balls", size="full"), extent("balls")
    assert references(full) == references(lite) and references(lite)
    result = physbench.evaluate(Copy(), "balls", limit=2, name="mine")
    said = "Reference rows are of the first 1,000 of these sequences (lite)."
    assert said in as_text(result, full, references(full)) and said not in as_text(result, lite, references(lite))
