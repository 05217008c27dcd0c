"""Networks by name, freshly drawn from a seed or with the weights of another run; and the recipe that each is usually trained by."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch

from physbench.errors import TrainingError
from physbench.recipe import mixed
from physbench.registry import attribute
from physbench_baselines.training.initial import begin_with
from physbench_baselines.training.preflight import usual_sizes

if TYPE_CHECKING:
    from physbench_baselines.training.initial import Initial
    from physbench_baselines.training.recipe import TrainingRecipe


def network_of(recipe: TrainingRecipe, initial: Initial | None = None) -> torch.nn.Module:
    """The first weights are the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed(recipe.seed + 3))
        network: Any = sizes_of(recipe).build()
    if initial:
        begin_with(network, initial, recipe.initial)
    return network


def sizes_of(recipe: TrainingRecipe) -> Any:
    """What the model usually has, changed as the recipe wants."""
    usual = attribute(recipe.model)() if ":" in recipe.model else usual_sizes(recipe.model)
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in recipe.sizes.items()}
    if changes.get("slots", 1) != 1 and "slots" not in getattr(usual, "open", ("slots",)):
        raise TrainingError(f"{recipe.model} is a model of one slot, not {changes['slots']!r:.60}: leave slots out, or train one that has some")
    known = {item.name for item in fields(usual)}
    for name in changes:
        if name not in known:
            raise TrainingError(f"{recipe.model} has no size {name!r}: it has {', '.join(sorted(known))}")
    return replace(usual, **changes)
