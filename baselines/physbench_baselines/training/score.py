"""How good a network is while it learns: its loss on the validation sequences, and a few figures of the evaluator."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from physbench.evaluation.evaluate import evaluate
from physbench.recipe import mixed
from physbench.suites import Suite, Task, Window
from physbench_baselines.adapter import TorchModel
from physbench_baselines.training.data import is_file
from physbench_baselines.training.step import Losses, autocast

if TYPE_CHECKING:
    from collections.abc import Callable

    from physbench_baselines.training.data import Source
    from physbench_baselines.training.recipe import TrainingRecipe


def validation_loss(network: torch.nn.Module, source: Source, recipe: TrainingRecipe, *, device: torch.device, between: Callable[[], None]) -> float:
    """Mean over the validation sequences, with the same noise every time. `between` is called after each batch."""
    total = torch.zeros((), dtype=torch.float64, device=device)
    generator = torch.Generator(device)
    count = 0
    network.eval()
    with torch.no_grad():
        for number, frames in enumerate(source.validation()):
            generator.manual_seed(mixed(number + 1))
            with autocast(device, recipe.precision):
                losses: Losses = network.loss(torch.from_numpy(frames).to(device), generator=generator)  # type: ignore[operator]
            total += losses.total.double() * len(frames)
            count += len(frames)
            between()
    network.train()
    return float(total) / count


def evaluators_figures(
    network: torch.nn.Module, recipe: TrainingRecipe, dataset: str, *, device: torch.device, between: Callable[[], None]
) -> tuple[float | None, float | None]:
    """relative_bce and ari of one-step prediction on the first validation sequences; None for what the evaluator does not tell of a network."""
    if not recipe.scored:
        return None, None
    asked = Suite("training", 1, "what a network is asked while it learns", (Task(dataset, (Window(recipe.longest),)),), None)
    stored = Path(recipe.data) if is_file(recipe) else None
    model = TorchModel(cast("Any", network), device=str(device))
    result = evaluate(model, asked, split="validation", limit=recipe.scored, data=stored, progress=lambda _: between())
    network.train()
    found = {score.metric: score.value for score in result.scores if math.isfinite(score.value)}
    return found.get("relative_bce"), found.get("ari")
