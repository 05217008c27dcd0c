"""Checks of the training of an agent before it begins. Needs no PyTorch."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from physbench.errors import StorageError, TrainingError
from physbench.files import read_regular_file
from physbench_baselines.dqn.agent_recipe import AgentRecipe

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NATURE = {
    "games": 4,
    "rollout": 64,
    "batch": 32,
    "learning_rate": 1e-4,
    "normalise": False,
    "channels": (32, 64, 64),
    "rows": (0, 84),
    "columns": (0, 84),
}
"""The defaults of the algorithm of Mnih et al. 2015 that differ from the usual ones."""

WITH_DEMONSTRATIONS = {"epsilon_first": 0.1, "epochs": 2}
"""Defaults with demonstrations: there is less need to explore by chance."""


def usual_recipe(**given: Any) -> AgentRecipe:
    """Return the default recipe of an algorithm, with these fields replaced."""
    usual: dict[str, Any] = (
        NATURE if given.get("algorithm") == "nature" else WITH_DEMONSTRATIONS if given.get("demonstrations") else {}
    )
    return AgentRecipe(**{**usual, **given})


def require_startable(
    path: Path, given: Mapping[str, Any], *, minutes: float | None, steps: int | None, resume: bool
) -> None:
    """Refuse a run that could only fail later. given: the fields of the recipe that the user set."""
    if minutes is not None and not (0 < minutes < 1e9 and math.isfinite(minutes)):
        raise TrainingError(f"a run lasts more than 0 minutes, not {minutes}")
    if steps is not None and not 0 < steps < 1e15:
        raise TrainingError(f"a run has more than 0 steps, not {steps}")
    if resume:
        started = recipe_in(path)
        for name, value in given.items():
            if getattr(started, name) != value:
                raise TrainingError(
                    f"the run in {path} has {name} {getattr(started, name)!r}, not {value!r}: resume it as it was"
                    " started, or give another folder"
                )
        return
    if minutes is None and steps is None:
        raise TrainingError("the schedules of a run need its end: give --minutes or --steps")
    require_none(path)


def require_none(path: Path) -> None:
    """Refuse a path that is not free: a run never overwrites another one."""
    if path.exists() and not path.is_dir():
        raise TrainingError(f"{path} is a file: a run needs its own folder")
    if path.is_dir() and any(path.iterdir()):
        raise TrainingError(f"{path} is not empty: resume the run in it, or give another folder")


def recipe_in(path: Path) -> AgentRecipe:
    """Read the recipe that the run in this folder was started with."""
    place = path / "recipe.json"
    try:
        given = json.loads(read_regular_file(place, 1 << 16))
    except StorageError:
        raise TrainingError(f"there is no run in {path} to resume") from None
    except (ValueError, RecursionError):
        raise TrainingError(f"{place} is not the recipe of an agent") from None
    if isinstance(given, dict) and "algorithm" not in given:
        raise TrainingError(f"the run in {path} trains no agent: resume it with its own command")
    return AgentRecipe.from_dict(given)
