"""Checks that can refuse a run before it begins, and before PyTorch is loaded."""

import re
from pathlib import Path
from typing import Any

from physbench import registry
from physbench.errors import TrainingError
from physbench.storage.reader import open_dataset
from physbench_baselines.architecture import architecture_with
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.training_recipe import TrainingRecipe


def require_limits(minutes: float | None, steps: int | None, workers: int) -> None:
    """Refuse limits that make no sense."""
    if minutes is not None and not 0 < minutes < 1e9:
        raise TrainingError(f"minutes is above 0, not {minutes}")
    if steps is not None and not 0 < steps < 1 << 40:
        raise TrainingError(f"steps is 1 or more, not {steps}")
    if not 0 <= workers <= 64:
        raise TrainingError(f"workers is 0 to 64, not {workers}")


def require_startable(
    recipe: TrainingRecipe, path: Path, *, minutes: float | None, steps: int | None, workers: int, resume: bool
) -> None:
    """Refuse a run that cannot begin because of its limits, its model or its folder."""
    require_limits(minutes, steps, workers)
    architecture_with(recipe.model)
    if not resume:
        Folder.require_none(path)


def usual_recipe(model: str, **changes: Any) -> TrainingRecipe:
    """Return the default recipe of a model: its own or, for a model without one, the paper's.

    changes: values of other fields.
    """
    own = architecture_with(model).recipe_of(model, dataset=_dataset_in(changes.get("data", TrainingRecipe.data)))
    return TrainingRecipe(model=model, **{**own, **changes})


def strip_version(dataset: str) -> str:
    """Return a dataset's name without its version."""
    return re.sub(r"-v\d+$", "", dataset)


def _dataset_in(data: str) -> str:
    """Return the name of the dataset to learn; if data is a file, the file says which dataset it holds."""
    named = data in registry.datasets.names() or not Path(data).exists()
    return data if named else strip_version(open_dataset(data).attributes["dataset"])
