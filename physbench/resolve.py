"""The way from a name and parameters to a recipe, which `generate` and `stream` share."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from physbench import registry
from physbench.errors import RecipeError, suggest
from physbench.recipe import Recipe, expand_split


def resolve_recipe(
    dataset: str | Recipe,
    parameters: Mapping[str, Any],
    *,
    sizes: Mapping[str, int | None] | None = None,
    frames: int | None = None,
    seed: int | None = None,
) -> Recipe:
    """Look up a dataset, and apply the changes that are given.

    parameters: changes to the parameters of its generator. sizes: how many sequences each split has; None leaves the
    usual number. A named dataset has fixed parameters: only its sizes and its seed can be changed.
    """
    recipe: Recipe = registry.datasets.get(dataset) if isinstance(dataset, str) else dataset
    own = recipe.dataset == recipe.generator.name
    changes: dict[str, Any] = {}
    if parameters:
        _require_known(recipe, parameters, own=own)
        changes["generator"] = replace(recipe.generator, **parameters)  # type: ignore[type-var]
    if frames is not None and frames != recipe.frames:
        if not own:
            raise RecipeError(f"{recipe.dataset} has {recipe.frames} frames: {_suggest_own(recipe)}")
        changes["frames"] = frames
    if seed is not None:
        changes["seed"] = seed
    counts = {expand_split(name): count for name, count in (sizes or {}).items() if count is not None}
    if counts:
        changes["splits"] = {**recipe.splits, **counts}
    return replace(recipe, **changes) if changes else recipe


def _require_known(recipe: Recipe, parameters: Mapping[str, Any], *, own: bool) -> None:
    names = [field.name for field in fields(recipe.generator)]  # type: ignore[arg-type]
    for name in parameters:
        if name not in names:
            raise RecipeError(f"there is no parameter {name!r}: {suggest(name, names)}")
        if not own:
            named = f"{recipe.dataset} is a named dataset, and {name} is part of its name"
            raise RecipeError(f"{named}: {_suggest_own(recipe)}")


def _suggest_own(recipe: Recipe) -> str:
    return f"to choose your own, use {recipe.generator.name!r}"
