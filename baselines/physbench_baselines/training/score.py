"""How good a network is while it learns: its loss on the validation sequences, and figures of the evaluator."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from physbench.evaluation.evaluate import evaluate
from physbench.metrics.catalogue import stands_in_tables
from physbench.recipe import mix
from physbench.suites import Image, Suite, Task, Window
from physbench_baselines.adapter import TorchModel
from physbench_baselines.training.sources import is_file
from physbench_baselines.training.step import autocast
from physbench_baselines.training.trainable import measure, traits_of
from physbench_baselines.training.training_recipe import TrainingRecipe

if TYPE_CHECKING:
    from physbench_baselines.training.sources import Source

USUAL = ("relative_bce", "ari", "reconstruction_mse")
"""The figures of the evaluator that are logged, if an architecture has no suite of its own."""


def validate(
    network: torch.nn.Module,
    source: Source,
    recipe: TrainingRecipe,
    *,
    device: torch.device,
    between: Callable[[], None],
) -> dict[str, float]:
    """Return means of the loss and of its figures over the validation sequences.

    The noise is the same every time, and the share is that of the end of the run. `between` is called after each batch.
    """
    sums: dict[str, torch.Tensor] = {}
    generator = torch.Generator(device)
    count = 0
    network.eval()
    with torch.no_grad():
        for number, arrays in enumerate(source.validation(traits_of(network).wants)):
            generator.manual_seed(mix(number + 1))
            torch.manual_seed(mix(number + 1))
            batch = {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}
            with autocast(device, recipe.precision):
                _, figures = measure(network, batch, generator=generator, share=1.0)
            size = len(next(iter(batch.values())))
            sums = {name: sums.get(name, 0.0) + figure.double() * size for name, figure in figures.items()}
            count += size
            between()
    network.train()
    return {name: float(value) / count for name, value in sums.items()}


def usual_suite(recipe: TrainingRecipe, source: Source) -> Suite | None:
    """Return the usual suite, on the first validation sequences.

    For sequences it asks for one-step predictions, for images for the final owners of the pixels. It is None if there
    is nothing to predict.
    """
    if recipe.longest < 2 or "features" not in source.arrays:
        return None
    asking = Window(recipe.longest) if source.frames > 1 else Image(shown=recipe.longest)
    return Suite("training", 1, "what a network is asked while it learns", (Task(source.dataset, (asking,)),), None)


def judge(
    network: torch.nn.Module,
    recipe: TrainingRecipe,
    source: Source,
    suite: Suite | None,
    *,
    device: torch.device,
    between: Callable[[], None],
) -> dict[str, float]:
    """Return the evaluator's figures on the first validation sequences, from this suite or from the usual one.

    If a suite has several tasks, the figures are called task/metric. Figures that the evaluator cannot compute for a
    network are left out.
    """
    usual = usual_suite(recipe, source) if suite is None else None
    if not recipe.scored or not traits_of(network).observe or not (chosen := suite or usual):
        return {}
    stored = Path(recipe.data) if is_file(recipe) else None
    model = TorchModel(cast("Any", network), device=str(device))
    result = evaluate(model, chosen, split="validation", limit=recipe.scored, data=stored, progress=lambda _: between())
    network.train()
    one = len({score.task for score in result.scores}) == 1
    return {
        score.metric if one else f"{score.task}/{score.metric}": score.value
        for score in result.scores
        if math.isfinite(score.value) and (score.metric in USUAL if usual else stands_in_tables(score.metric))
    }
