"""Tests of the table of costs: sequence-steps are counted, and the end of a curve is judged."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest

from physbench_baselines import bundled
from physbench_baselines.campaign.budget import gain_at_end
from physbench_baselines.model_card import Card
from physbench_baselines.releasing.flattening import count_steps, format_flattening
from physbench_baselines.training.training_recipe import TrainingRecipe


def stage(steps: int, **changes: Any) -> dict[str, Any]:
    recipe = TrainingRecipe(**{"model": "r-nem", "batch": 4, "frames": (8, 12, 20, 31), **changes})
    return {"steps": steps, "steps_limit": steps, "sequences": 4 * steps, "hours": 1.5, "hardware": "2 CPU cores",
            "recipe": asdict(recipe)}  # fmt: skip


def test_sequence_steps_are_those_of_every_step() -> None:
    """The curriculum takes a quarter of the steps for each length."""
    lengths = [(8, 12, 20, 31)[int(step / 100 * 4)] for step in range(100)]
    assert count_steps(stage(100)) == sum(4 * (frames - 1) for frames in lengths)
    assert count_steps(stage(100, frames=(1,))) == 0


def test_sequence_steps_that_were_counted_in_training_hold() -> None:
    """The recipe knows the last end of a run alone, which a resumed one may have moved."""
    assert count_steps(stage(100) | {"sequence_steps": 777}) == 777
    assert count_steps(stage(100) | {"sequence_steps": "many"}) == count_steps(stage(100))


@pytest.mark.parametrize(
    ("curve", "gain"),
    [
        ([(50, 200.0), (75, 100.0), (100, 90.0)], 0.1),
        ([(50, 100.0), (100, 110.0)], -0.1),
        ([(50, -100.0), (100, -150.0)], 0.5),
        ([(50, 0.0), (100, -1.0)], 0.0),
        ([(100, 90.0)], None),
        ([], None),
    ],
)
def test_the_gain_at_the_end_is_that_of_the_last_quarter(curve: list[tuple[int, float]], gain: float | None) -> None:
    assert gain_at_end(curve) == (None if gain is None else pytest.approx(gain))


def test_the_table_has_costs_of_all_stages_and_a_verdict() -> None:
    log = [{"step": step, "validation_loss": loss} for step, loss in ((10, 9.0), (60, 5.0), (90, None), (100, 4.99))]
    card = bundled.card("conv3")
    of: dict[str, Card] = {"a": replace(card, **{**stage(100), "before": [stage(10, frames=(3,))], "log": log})}
    of["b"] = replace(of["a"], log=[{"step": 10, "loss": 5.0}], hardware="1 GPU (some)", before=[])
    of["c"] = replace(of["a"], log=[*log, {"step": 110, "validation_loss": 3.0}])
    lines = [line.strip("| ").split(" | ") for line in format_flattening(of).splitlines()]
    steps = count_steps(stage(100))
    assert lines[2] == ["a", "8,740", "6.00", "-", "440", f"{steps + 10 * 4 * 2:,}", "yes", "0.2%"]
    assert lines[3] == ["b", "8,740", "-", "1.50", "400", f"{steps:,}", "cannot tell", "-"]
    assert lines[4][-2:] == ["no", "40.0%"]
