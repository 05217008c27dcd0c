"""Tests that the tables in the README and in docs/results.md agree with the cards and the reference rows."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import physbench
from physbench.errors import TrainingError
from physbench.evaluation.known import SCORE
from physbench.metrics.catalogue import find
from physbench.suites import PRIVILEGED, SUITES, Suite
from physbench_baselines.releasing import bars, tables
from physbench_baselines.releasing.cards import cards
from physbench_baselines.releasing.worlds import BALLS, WORLDS, ModelWorld
from physbench_leaderboard.pins import REFERENCES
from physbench_leaderboard.pins import bundled_folder as submissions

ROOT = Path(physbench.__file__).parents[1]


def scores(**values: float | None) -> list[dict[str, Any]]:
    """Scores of the ranking figures, each with an interval of 0.01 to either side."""
    rows = []
    for suite, value in values.items():
        task, metric = SUITES[suite].ranked_by or ("", "")
        figures = (None, None, None) if value is None else (value, value - 0.01, value + 0.01)
        rows.append(dict(zip(SCORE, (suite, 2, "lite", task, metric, *figures), strict=True)))
    return rows


@pytest.mark.parametrize(("world", "columns"), [(BALLS, tables.COLUMNS), *((world, world.figures) for world in WORLDS)])
def test_every_row_and_every_bundled_model_of_a_world_stands_in_its_table_once(
    world: ModelWorld, columns: Mapping[str, bars.Place]
) -> None:
    rows = [
        line.split("|")[1].strip()
        for line in tables.format_results(bars.collect_rows(cards()), columns).splitlines()[2:]
    ]
    names = [name for name in rows if not name.startswith("**")]
    asked = {suite for suite, _, _ in columns.values()}
    references = {name for suite in asked for name in SUITES[suite].references}
    played = [name for name, card in cards().items() if any(row["suite"] in asked for row in card.scores)]
    assert sorted(names) == sorted([*references, *played])
    groups = dict(
        zip(bars.GROUPS, (set(played), references - set(PRIVILEGED), references & set(PRIVILEGED)), strict=True)
    )
    assert [name.strip("*") for name in rows if name.startswith("**")] == [
        group for group, members in groups.items() if members
    ]
    assert (
        not references & set(PRIVILEGED)
        or set(rows[rows.index("**told the truth**") + 1 :]) == groups["told the truth"]
    )


@pytest.mark.parametrize("suite", [suite for suite in SUITES.values() if suite.ranked_by], ids=lambda suite: suite.name)
def test_every_bundled_model_below_the_best_row_without_learning_is_said_to_be_so(suite: Suite) -> None:
    lower = find(suite.ranked_by[1]).better == "lower"  # type: ignore[index]
    known = csv.DictReader((submissions() / REFERENCES).read_text(encoding="utf-8").splitlines())
    key = (suite.name, "lite", *suite.ranked_by)  # type: ignore[misc]
    rows = [
        row
        for row in known
        if (row["suite"], row["size"], row["task"], row["metric"]) == key and row["model"] not in PRIVILEGED
    ]
    bar = sorted(rows, key=lambda row: float(row["value"]) if lower else -float(row["value"]))[0]
    for page in ("baselines/README.md", "docs/results.md"):
        (line,) = [
            line
            for line in (ROOT / page).read_text(encoding="utf-8").splitlines()
            if line.startswith(f"- `{suite.name}`, ranked by")
        ]
        assert f"the bar is `{bar['model']}` ({float(bar['value']):.3f})." in line
        told = line.partition("Worse: ")[2]
        for name, card in cards().items():
            for row in card.scores:
                if (row["suite"], row["size"], row["task"], row["metric"]) == key:
                    below = row["low"] > float(bar["high"]) if lower else row["high"] < float(bar["low"])
                    assert (f"{name} ({row['value']:.3f})" in re.split(r", |\.$", told)) == below


@pytest.mark.parametrize("suite", [suite for suite in SUITES.values() if suite.ranked_by], ids=lambda suite: suite.name)
def test_the_readme_has_the_best_row_and_the_best_model_of_every_suite(suite: Suite) -> None:
    sign = 1 if find(suite.ranked_by[1]).better == "lower" else -1  # type: ignore[index]
    key = (suite.name, "lite", *suite.ranked_by)  # type: ignore[misc]
    known = csv.DictReader((submissions() / REFERENCES).read_text(encoding="utf-8").splitlines())
    rows = [
        (sign * float(row["value"]), row["model"])
        for row in known
        if tuple(row[name] for name in ("suite", "size", "task", "metric")) == key
    ]
    ours = [
        (sign * row["value"], name)
        for name, card in cards().items()
        for row in card.scores
        if (row["suite"], row["size"], row["task"], row["metric"]) == key and row["value"] is not None
    ]
    (line,) = [
        line
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith(f"| `{suite.name}` | `{key[3]}`") and "s |" not in line
    ]
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    for cell, found in ((cells[2], [row for row in rows if row[1] not in PRIVILEGED]), (cells[3], ours)):
        best = min(found, default=None)
        assert cell.partition(" (")[0] == (f"{best[1]}, {sign * best[0]:.3f}" if best else "-")


def test_a_suite_on_which_no_row_is_scored_has_no_bar() -> None:
    with pytest.raises(
        TrainingError,
        match="no row without learning is scored on balls: python -m physbench_leaderboard.reference_rows balls",
    ):
        bars.compare_with_rows({"trained": {"mine": scores(balls=0.1)}, "frames alone, no learning": {"copy": []}})


def test_the_best_of_a_group_comes_first_by_the_direction_of_its_metric() -> None:
    rows = {"trained": {"a": scores(simulation=0.2), "b": scores(simulation=0.6), "c": scores(balls=0.1)}}
    columns = {"overlap": ("simulation", *SUITES["simulation"].ranked_by)}  # type: ignore[misc]
    lines = tables.format_results(rows, columns).splitlines()  # type: ignore[arg-type]
    assert [line.split("|")[1].strip() for line in lines[3:]] == ["b", "a"] and lines[0].count("\u2191") == 1
    assert lines[3].split("|")[2].strip() == "0.600 [0.590, 0.610]"
    assert len(lines) == 5, "who has no figure is left out"


@pytest.mark.parametrize(
    ("ours", "words"),
    [
        (0.05, "Better: mine (0.050)."),
        (0.105, "Not told apart from it: mine (0.105)."),
        (0.3, "Worse: mine (0.300)."),
        (None, "No trained model that comes along is scored on it."),
    ],
)
def test_a_trained_model_below_a_row_without_learning_is_named(ours: float | None, words: str) -> None:
    rows = {
        "trained": {"mine": scores(balls=ours)},
        "frames alone, no learning": {"copy": scores(balls=1.0), "blur": scores(balls=0.1)},
    }
    for suite in SUITES.values():
        if suite.ranked_by and suite.name != "balls":
            for members in rows.values():
                for each in members.values():
                    each += scores(**{suite.name: 0.5})
    line = next(line for line in bars.compare_with_rows(rows) if line.startswith("- `balls`"))
    assert "the bar is `blur` (0.100)" in line and line.endswith(words)
