"""Checkpoints of a run: weights for the evaluator, with a card that says how they were trained.

last.safetensors also holds everything that the next step depends on.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch

from physbench.errors import TrainingError
from physbench_baselines import checkpoint
from physbench_baselines.architecture import Architecture
from physbench_baselines.model_card import RunCard
from physbench_baselines.training.training_recipe import TrainingRecipe

LEAST_HOURS = 0.0001
"""A card never says that training took no time."""


def load_run_state(path: Path) -> dict[str, Any]:
    """Load the state of a run from its last checkpoint."""
    training = checkpoint.load(path).training
    if not isinstance(training, dict):
        raise TrainingError(f"{path} holds weights alone, without the state of a run: it cannot be resumed")
    return cast("dict[str, Any]", training)


def card_of(
    recipe: TrainingRecipe,
    step: int,
    *,
    sequence_steps: int,
    seconds: float,
    device: torch.device,
    data: str,
    architecture: Architecture,
    ended: str | None,
    before: Sequence[Mapping[str, Any]] = (),
    processes: int = 1,
) -> RunCard:
    """Make the card of a run at this step.

    before: the stages of training that gave the weights which the run began with. processes: how many trained together.
    """
    sequences, hours, hardware = step * recipe.batch, seconds / 3600, hardware_of(device, processes)
    spent = f"{sequences:,} sequences, {_time(seconds)} on {hardware}"
    spent += f", after {sum(stage['sequences'] for stage in before):,} sequences in earlier runs" if before else ""
    rule = architecture.stopping
    short = rule is not None and not rule.holds(recipe, step, ended)
    return RunCard(
        name=recipe.model,
        training=f"trained for less than the paper: {spent}, not {rule.words}" if rule and short else None,
        train_seed=recipe.seed,
        steps=step,
        sequences=sequences,
        sequence_steps=sequence_steps,
        hours=max(round(hours, 4), LEAST_HOURS),
        hardware=hardware,
        data=data,
        recipe=json.loads(recipe.to_json()),
        before=[dict(stage) for stage in before],
    )


def hardware_of(device: torch.device, processes: int = 1) -> str:
    """Describe the hardware that a run uses. Each of several processes has as much as this one."""
    if device.type == "cuda":
        return f"{processes} GPU{'s' * (processes > 1)} ({torch.cuda.get_device_name(device)})"
    cores = torch.get_num_threads() * processes
    return f"{cores} CPU core{'s' * (cores > 1)}" + (f" in {processes} processes" if processes > 1 else "")


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"
