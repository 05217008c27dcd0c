"""Networks by name, freshly drawn from a seed or with the weights of another run; and the recipe that each is usually trained by."""

from __future__ import annotations

from dataclasses import fields, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import torch

from physbench.errors import TrainingError, UnknownName
from physbench.recipe import mixed
from physbench.registry import attribute
from physbench_baselines import conv3, nem_sizes
from physbench_baselines.training.initial import begin_with
from physbench_baselines.training.recipe import TrainingRecipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from physbench_baselines.training.initial import Initial

VARIANTS: Mapping[str, Any] = {**nem_sizes.VARIANTS, **conv3.VARIANTS}
"""Every model that can be trained by its name, with the sizes that it usually has."""

RECIPES: Mapping[str, Mapping[str, Any]] = {**conv3.RECIPES}
"""Of those that have a recipe of their own: what differs from the paper's."""


def usual_recipe(model: str, **changes: Any) -> TrainingRecipe:
    """Give the recipe that a model is usually trained by: its own or, for a model without one, the paper's. changes: other fields of it."""
    return TrainingRecipe(model=model, **{**RECIPES.get(model, {}), **changes})


def network_of(recipe: TrainingRecipe, shape: tuple[int, int, int], initial: Initial | None = None) -> torch.nn.Module:
    """shape: H, W, C of the frames it is going to see; one that cannot see them says so here. The first weights are the same on every device."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mixed(recipe.seed + 3))
        network: Any = sizes_of(recipe).build()
    if initial:
        begin_with(network, initial, recipe.initial)
    with torch.no_grad():
        network.loss(torch.zeros(1, 2, *shape, dtype=torch.uint8), generator=torch.Generator())
    return network


def sizes_of(recipe: TrainingRecipe) -> Any:
    """What the model usually has, changed as the recipe wants."""
    usual = attribute(recipe.model)() if ":" in recipe.model else VARIANTS.get(recipe.model)
    if usual is None:
        close = get_close_matches(recipe.model, VARIANTS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(VARIANTS)}"
        raise UnknownName(f"no model that can be trained is called {recipe.model!r}: {hint}")
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in recipe.sizes.items()}
    changes |= {name: value for name, value in (("slots", recipe.slots), ("noise", recipe.noise)) if value is not None}
    if recipe.slots not in (None, 1) and "slots" not in getattr(usual, "open", ("slots",)):
        raise TrainingError(f"{recipe.model} is a model of one slot, not {recipe.slots}: leave slots out, or train one that has some")
    known = {item.name for item in fields(usual)}
    for name in changes:
        if name not in known:
            raise TrainingError(f"{recipe.model} has no size {name!r}: it has {', '.join(sorted(known))}")
    return replace(usual, **changes)
