"""Networks by name, freshly drawn from a seed or with the weights of another run; and the recipe that each is usually trained by."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import torch

from physbench.errors import TrainingError
from physbench.recipe import mixed
from physbench_baselines.architecture import architecture_with
from physbench_baselines.training.initial import begin_with

if TYPE_CHECKING:
    from physbench_baselines.training.initial import Initial
    from physbench_baselines.training.recipe import TrainingRecipe


def network_of(recipe: TrainingRecipe, initial: Initial | None = None, *, dataset: str = "") -> torch.nn.Module:
    """Build a network. dataset: whose name decides the sizes that a model usually has. The first weights are the same on every device."""
    sizes = sizes_of(recipe, dataset=dataset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed(recipe.seed + 3))
        network: Any = architecture_with(recipe.model).make(sizes)
    if initial:
        begin_with(network, initial, recipe.initial)
    return network


def sizes_of(recipe: TrainingRecipe, *, dataset: str = "") -> Any:
    """What the model usually has, changed as the recipe wants."""
    architecture = architecture_with(recipe.model)
    usual = architecture.sizes_of(recipe.model, dataset=dataset)
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in recipe.sizes.items()}
    if getattr(usual, "slots", 0) == 1 != changes.get("slots", 1) and "slots" not in architecture.settable_in(usual):
        raise TrainingError(f"{recipe.model} is a model of one slot, not {changes['slots']!r:.60}: leave slots out, or train one that has some")
    known = {item.name for item in fields(usual)}
    for name in changes:
        if name not in known:
            raise TrainingError(f"{recipe.model} has no size {name!r}: it has {', '.join(sorted(known))}")
    return replace(usual, **changes)
