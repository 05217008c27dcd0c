"""How models of single images are judged while they learn. Without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.suites import Still, Suite, Task

if TYPE_CHECKING:
    from physbench_baselines.training.training_recipe import TrainingRecipe


def judge_stills(recipe: TrainingRecipe, dataset: str) -> Suite | None:
    """Ask who owns the pixels of an image; of sequences, nothing else than is usual."""
    if recipe.longest > 1:
        return None
    return Suite("training", 1, "what a network is asked while it learns", (Task(dataset, (Still(0, shown=1),)),), None)
