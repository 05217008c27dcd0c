"""The table of all suites in the README and docs/results.md is what the cards and the reference rows say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import physbench
from physbench.evaluation.known import SCORE
from physbench.suites import PRIVILEGED, ROWS, SUITES
from physbench_baselines import bundled
from physbench_baselines.releasing import bars, tables
from physbench_baselines.releasing.cards import cards

ROOT = Path(physbench.__file__).parents[1]


def scores(**values: float | None) -> list[dict[str, Any]]:
    """Scores of the ranking figures, each with an interval of 0.01 to either side."""
    rows = []
    for suite, value in values.items():
        task, metric = SUITES[suite].ranked_by or ("", "")
        figures = (None, None, None) if value is None else (value, value - 0.01, value + 0.01)
        rows.append(dict(zip(SCORE, (suite, 2, "lite", task, metric, *figures), strict=True)))
    return rows


def test_every_row_and_every_bundled_model_stands_in_the_table_once() -> None:
    table = tables.format_results(bars.collect_rows(cards()), tables.COLUMNS).splitlines()
    names = [line.split("|")[1].strip() for line in table[2:]]
    assert sorted(name for name in names if not name.startswith("**")) == sorted([*ROWS, *bundled.names()])
    assert [name.strip("*") for name in names if name.startswith("**")] == list(bars.GROUPS)
    assert set(names[names.index("**told the truth**") + 1 :]) == set(PRIVILEGED)


def test_the_best_of_a_group_comes_first_by_the_direction_of_its_metric() -> None:
    rows = {"trained": {"a": scores(simulation=0.2), "b": scores(simulation=0.6), "c": scores(balls=0.1)}}
    columns = {"overlap": ("simulation", *SUITES["simulation"].ranked_by)}  # type: ignore[misc]
    lines = tables.format_results(rows, columns).splitlines()  # type: ignore[arg-type]
    assert [line.split("|")[1].strip() for line in lines[3:]] == ["b", "a"] and lines[0].count("\u2191") == 1
    assert lines[3].split("|")[2].strip() == "0.600 [0.590, 0.610]"
    assert len(lines) == 5, "who has no figure is left out"


@pytest.mark.parametrize(
    ("ours", "words"),
    [(0.05, "Better: mine (0.050)."), (0.105, "Not told apart from it: mine (0.105)."), (0.3, "Below it: mine (0.300)."), (None, "No trained model plays it.")],
)
def test_a_trained_model_below_a_row_without_learning_is_named(ours: float | None, words: str) -> None:
    rows = {"trained": {"mine": scores(balls=ours)}, "frames alone, no learning": {"copy": scores(balls=1.0), "blur": scores(balls=0.1)}}
    for suite in SUITES.values():
        if suite.ranked_by and suite.name != "balls":
            for members in rows.values():
                for each in members.values():
                    each += scores(**{suite.name: 0.5})
    line = next(line for line in bars.compare_with_rows(rows) if line.startswith("- `balls`"))
    assert "the bar is `blur` (0.100)" in line and line.endswith(words)
