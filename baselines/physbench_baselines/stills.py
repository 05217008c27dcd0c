"""How models of single images are judged while they learn. Needs no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.suites import Still, Suite, Task

if TYPE_CHECKING:
    from physbench_baselines.training.training_recipe import TrainingRecipe


def judge_stills(recipe: TrainingRecipe, dataset: str) -> Suite | None:
    """Return a suite about the owners of pixels of an image, or None for sequences, which the usual suite judges."""
    if recipe.longest > 1:
        return None
    return Suite("training", 1, "what a network is asked while it learns", (Task(dataset, (Still(0, shown=1),)),), None)
