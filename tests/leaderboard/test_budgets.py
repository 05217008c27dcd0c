"""Tests of budgets: what a row says about the cost of training, and ranks among models that cost no more."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from physbench.model import TrainingCost
from physbench.result import describe_note
from physbench_baselines import bundled
from physbench_baselines.training_stages import cost_of
from physbench_leaderboard.boards import boards
from physbench_leaderboard.budgets import BUDGETS, describe_cost, list_budgets, read_cost
from physbench_leaderboard.pins import REFERENCES, bundled_folder
from physbench_leaderboard.submission import Row, read
from tests.leaderboard.rows_of_submissions import rows, write
from tests.leaderboard.test_table import list_submissions, one, ranks

STAGE: dict[str, Any] = {"steps": 5, "sequences": 100, "hours": 2.0, "hardware": "1 CPU core"}


def write_notes(**cost: Any) -> tuple[str, ...]:
    return TrainingCost(**cost).notes


@pytest.mark.parametrize(
    ("cost", "names"),
    [
        (TrainingCost(cpu_hours=2.8), ["night", "gpu-hour"]),
        (TrainingCost(cpu_hours=24), ["night", "gpu-hour"]),
        (TrainingCost(cpu_hours=24.01), []),
        (TrainingCost(gpu_hours=0.5), ["gpu-hour"]),
        (TrainingCost(cpu_hours=3, gpu_hours=1), ["gpu-hour"]),
        (TrainingCost(gpu_hours=1.01), []),
        (TrainingCost(cpu_hours=30, gpu_hours=0.5), []),
        (None, []),
    ],
)
def test_a_training_fits_the_budgets_that_it_did_not_exceed(cost: TrainingCost | None, names: list[str]) -> None:
    assert list_budgets(cost) == names


@pytest.mark.parametrize(
    ("card", "cost"),
    [
        (STAGE, TrainingCost(2, 0, 100)),
        (STAGE | {"hardware": "4 CPU cores in 2 processes"}, TrainingCost(8, 0, 100)),
        (STAGE | {"hardware": "2 GPUs (A 100)"}, TrainingCost(0, 4, 100)),
        (STAGE | {"before": [STAGE, STAGE | {"hardware": "1 GPU (B)"}]}, TrainingCost(4, 2, 300)),
        (STAGE | {"before": [STAGE | {"hardware": "a cluster"}]}, None),
        (STAGE | {"before": [{"steps": 5}]}, None),
        (STAGE | {"hours": "many"}, None),
        (STAGE | {"hours": -1.0}, None),
        (STAGE | {"hardware": None}, None),
        (STAGE | {"hours": 1e15}, None),
        (STAGE | {"before": "none"}, None),
        (STAGE | {"before": [STAGE, None]}, None),
        ({}, None),
    ],
)
def test_a_card_costs_what_all_its_stages_cost(card: dict[str, Any], cost: TrainingCost | None) -> None:
    assert cost_of(card) == cost


def test_what_a_cost_says_in_notes_is_read_again() -> None:
    cost = TrainingCost(cpu_hours=2.6, gpu_hours=0.03, sequences=321_824)
    assert cost.notes == ("cpu-hours-2.60", "gpu-hours-0.03", "sequences-321824")
    row = rows(notes=(*cost.notes, "samples-3"))[0]
    assert read_cost([row]) == cost and describe_cost(cost) == "2.6 core-h + 0.03 GPU-h"
    assert [describe_note(note) for note in cost.notes] == [
        "it was trained for 2.60 core-hours of a CPU",
        "it was trained for 0.03 hours of a GPU",
        "it was trained on 321,824 sequences",
    ]
    assert describe_cost(TrainingCost(cpu_hours=12_345)) == "12,345 core-h"
    assert TrainingCost(cpu_hours=0.001).notes == ("cpu-hours-0.01",)  # never less than what it was
    assert read_cost([row, replace(row, notes=("gpu-hours-9.00",))]) == TrainingCost(2.6, 9, 321_824)
    assert read_cost([row, replace(row, notes=())]) is None is read_cost([])
    assert read_cost([replace(row, notes=("sequences-5",))]) is None


@pytest.mark.parametrize(
    "note",
    [
        "cpu-hours-1",
        "cpu-hours--1.00",
        "cpu-hours-1.000",
        "gpu-hours-x",
        "sequences-0",
        "sequences-1.5",
        "xpu-hours-1.00",
        "cpu-hours-0.00",
        "cpu-hours-9.00 cpu-hours-1.00",
        "sequences-1 sequences-2",
    ],
)
def test_a_cost_that_is_not_written_as_it_should_be_is_refused(
    note: str, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    found = cli("leaderboard", "check", write(tmp_path / "mine.csv", rows(notes=(note,))))
    assert found.exit_code == 2 and "notes" in found.stderr


@pytest.mark.parametrize("seed", range(6))
def test_ranks_within_a_budget_are_those_of_a_table_of_its_models_alone(seed: int) -> None:
    draw = random.Random(seed)

    def make(number: int) -> list[Row]:
        value, width = draw.random(), draw.random() / 4
        cost = draw.choice(
            [write_notes(cpu_hours=draw.uniform(1, 40)), write_notes(gpu_hours=draw.uniform(0.1, 2)), ()]
        )
        return one(f"m{number}", value, value - width, value + width, notes=cost)

    submissions = [make(number) for number in range(12)]
    listed = list_submissions(*submissions, one("copy", 1.0, 1.0, 1.0))
    for name, budget in BUDGETS.items():
        fitting = [lines for lines in submissions if (cost := read_cost(lines)) and budget.fits(cost)]
        (found,) = boards(listed, budget=name)
        alone = boards(list_submissions(*fitting, one("copy", 1.0, 1.0, 1.0)))[0]
        assert ranks(found) == ranks(alone) and [each.model for each in found.references] == ["copy"]
        assert [each.model for each in found.standings] == [each.model for each in alone.standings]


def test_the_dearest_training_of_a_model_counts() -> None:
    seeds = [
        one("a", 0.3, 0.29, 0.31, train_seed=k, notes=write_notes(cpu_hours=hours)) for k, hours in enumerate((1, 30))
    ]
    (board,) = boards(list_submissions(*seeds))
    assert (
        board.standings[0].cost == TrainingCost(cpu_hours=30)
        and not boards(list_submissions(*seeds), budget="night")[0].standings
    )


def test_the_command_shows_a_budget_and_what_each_model_cost(
    tmp_path: Path, cli: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    for name, notes in (("cheap", write_notes(cpu_hours=3.0)), ("dear", write_notes(cpu_hours=100.0)), ("silent", ())):
        write(tmp_path / f"{name}.csv", rows(name, notes=notes))
    words = ("leaderboard", "show", "--suite", "balls", "--folder", tmp_path)
    every = cli(*words, "--all").stdout
    assert all(name in every for name in ("cheap", "dear", "silent", "3 core-h", "100 core-h"))
    assert "cpu-hours" not in every  # it has a column, so it is no note
    within = cli(*words, "--budget", "night").stdout
    assert "one night on 2 CPU cores" in within and "cheap" in within
    assert "dear" not in within and "silent" not in within
    (board,) = json.loads(cli(*words, "--json", "--budget", "gpu-hour").stdout)
    (model,) = [each for each in board["models"] if each["kind"] == "ranked"]
    assert (model["model"], model["rank"], model["cpu_hours"], model["gpu_hours"]) == ("cheap", 1, 3.0, 0.0)
    assert model["budgets"] == {"night": 1, "gpu-hour": 1} and model["notes"] == []
    assert board["budget"] == "gpu-hour" and model["sequences"] == 0
    table = cli(*words, "--csv", "--budget", "night").stdout.splitlines()
    assert table[0].endswith(",cpu_hours,gpu_hours,budget") and table[1].endswith(",night")
    wrong = cli(*words, "--budget", "nigth")
    assert wrong.exit_code == 2 and "did you mean 'night'" in wrong.stderr


@pytest.mark.parametrize("name", bundled.names())
def test_a_bundled_model_is_listed_with_the_cost_on_its_card(name: str) -> None:
    cost = cost_of(vars(bundled.card(name)))
    assert cost is not None and cost.notes == bundled.load_bundled(name).origin.cost.notes  # type: ignore[union-attr]
    listed = [row for path in bundled_folder().glob("*.csv") if path.name != REFERENCES for row in read(path).rows]
    ours = [row for row in listed if row.model == name]
    assert ours and all(set(cost.notes) <= set(row.notes) for row in ours)
