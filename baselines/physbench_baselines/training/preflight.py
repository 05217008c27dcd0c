"""What can be said no to before a run begins, and before PyTorch is loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from physbench.errors import TrainingError
from physbench_baselines.architecture import architecture_with
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from pathlib import Path


def require_limits(minutes: float | None, steps: int | None, workers: int) -> None:
    if minutes is not None and not 0 < minutes < 1e9:
        raise TrainingError(f"minutes is above 0, not {minutes}")
    if steps is not None and not 0 < steps < 1 << 40:
        raise TrainingError(f"steps is 1 or more, not {steps}")
    if not 0 <= workers <= 64:
        raise TrainingError(f"workers is 0 to 64, not {workers}")


def require_startable(recipe: TrainingRecipe, path: Path, *, minutes: float | None, steps: int | None, workers: int, resume: bool) -> None:
    """Refuse a run that could not begin: its limits, its model, its folder."""
    require_limits(minutes, steps, workers)
    architecture_with(recipe.model)
    if not resume:
        Folder.require_none(path)


def usual_recipe(model: str, **changes: Any) -> TrainingRecipe:
    """Give the recipe that a model is usually trained by: its own or, for a model without one, the paper's. changes: other fields of it."""
    own = architecture_with(model).recipe_of(model, dataset=changes.get("data", TrainingRecipe.data))
    return TrainingRecipe(model=model, **{**own, **changes})
