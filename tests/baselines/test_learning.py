"""Tests that the models learn: a little in seconds, and to tell balls apart in minutes."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from physbench_baselines.nem_sizes import ARCHITECTURE
from physbench_baselines.training.run import train
from physbench_baselines.training.training_recipe import TrainingRecipe

SMALL = {"channels": [4, 6, 8], "dense": 24, "hidden": 20, "attention": 10, "embedding": 3}
"""As in the golden files of the published code."""


SOON = ("rnn",)


@pytest.mark.parametrize(
    "name", [*SOON, *(pytest.param(name, marks=pytest.mark.slow) for name in ARCHITECTURE.models if name not in SOON)]
)
def test_every_model_learns_something_in_seconds(name: str, tmp_path: Path) -> None:
    recipe = TrainingRecipe(
        model=name,
        sizes=SMALL,
        batch=8,
        frames=(5,),
        warm_up=10,
        precision="fp32",
        validation=8,
        scored=0,
        evaluate_every=10,
        log_every=10,
    )
    train(recipe, tmp_path / name, steps=50, device="cpu")
    with (tmp_path / name / "log.csv").open(encoding="utf-8", newline="") as log:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(log) if row["validation_loss"]]
    assert len(losses) == 5
    assert losses[-1] < 0.8 * losses[0], losses


@pytest.mark.long
def test_r_nem_tells_the_balls_apart_after_minutes(tmp_path: Path) -> None:
    """From nothing, in about 10 minutes of CPU. Sequences of 8 frames are enough; it is scored on 31."""
    recipe = TrainingRecipe(
        model="r-nem",
        batch=32,
        frames=(8,),
        warm_up=100,
        decay=0.3,
        averaging=0.98,
        gradient_limit=1e4,
        validation=32,
        scored=32,
        evaluate_every=200,
    )
    found = train(recipe, tmp_path / "run", steps=400, device="cpu")
    assert found.figures["ari"] > 0.5
    assert found.figures["relative_bce"] < 0.35
