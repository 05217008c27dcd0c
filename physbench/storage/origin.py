"""What a file says it was made from: its recipe, read back, and held to the name of the file, to the registered recipe and to the arrays."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any, NamedTuple, cast

from physbench import registry
from physbench.errors import DamagedFile, UnknownName
from physbench.recipe import Recipe
from physbench.storage.block import layout_for, sizes_of
from physbench.storage.reader import File

FORM = {"dataset": str, "frames": int, "generator": str, "parameters": dict, "seed": int, "splits": dict, "version": int}
"""What a recipe says, and as what."""


class Unmakeable(NamedTuple):
    """Why a dataset cannot be made again here."""

    reason: str


def read_recipe(file: File) -> Recipe | Unmakeable:
    """Find the recipe of a file. Whatever in it contradicts itself, the name or the arrays is an error."""
    text, name = file.attributes["recipe"], file.attributes["dataset"]
    where = f"{file.path}: the recipe"
    form = _require_form(json.loads(text), where)
    if name != f"{form['dataset']}-v{form['version']}":
        raise DamagedFile(f"{file.path} is called {name!r}, and its recipe is one of {form['dataset']}-v{form['version']}")
    try:
        usual: Recipe = registry.datasets.get(form["dataset"])
    except UnknownName:
        return Unmakeable(f"no dataset {form['dataset']!r} is installed here")
    if form["generator"] != usual.generator.name:
        raise DamagedFile(f"{where} names the generator {form['generator']!r}; {usual.dataset} is made by {usual.generator.name!r}")
    if form["version"] != usual.generator.version:
        return Unmakeable(f"it was made by version {form['version']} of {usual.generator.name}, and version {usual.generator.version} is installed here")
    recipe = _rebuild(usual, form, where)
    if recipe.to_json() != text:
        raise DamagedFile(f"{where} is not written as it was for these parameters")
    if usual.dataset != usual.generator.name:
        _require_registered(recipe, usual, where)
    _require_sizes(file, recipe)
    return recipe


def _require_form(told: dict[str, Any], where: str) -> dict[str, Any]:
    for key, kind in FORM.items():
        if type(told.get(key)) is not kind:
            raise DamagedFile(f"{where} " + (f"has no {key!r}" if key not in told else f"says {str(told[key])[:40]!r} for {key!r}"))
    if not all(type(count) is int for count in told["splits"].values()):
        raise DamagedFile(f"{where} has a split whose size is not a whole number")
    return told


def _rebuild(usual: Recipe, form: dict[str, Any], where: str) -> Recipe:
    expected = asdict(cast("Any", usual.generator))
    if missing := sorted(set(expected) - set(form["parameters"])):
        raise DamagedFile(f"{where} has no parameter {missing[0]!r}")
    try:
        generator = cast("Any", type(usual.generator))(**form["parameters"])
        return replace(usual, generator=generator, frames=form["frames"], splits=form["splits"], seed=form["seed"])
    except Exception as error:  # whatever a generator raises of parameters that it cannot take
        raise DamagedFile(f"{where} cannot be followed: {str(error)[:200]}") from None


def _require_registered(recipe: Recipe, usual: Recipe, where: str) -> None:
    """A named dataset has one recipe; its splits may be shorter or longer, and its seed another."""
    given, expected = ({"frames": each.frames, **asdict(cast("Any", each.generator))} for each in (recipe, usual))
    for key, value in expected.items():
        if given[key] != value:
            raise DamagedFile(f"{where} is not that of {usual.dataset}: its {key} is {given[key]!r}, not {value!r}")


def _require_sizes(file: File, recipe: Recipe) -> None:
    if list(file) != list(recipe.splits):
        raise DamagedFile(f"{file.path} holds {', '.join(file)}; its recipe makes {', '.join(recipe.splits)}")
    if file.layout != (made := layout_for(recipe)):
        raise DamagedFile(f"{file.path} holds {', '.join(file.layout.paths)}; its recipe makes {', '.join(made.paths)}")
    for name, split in file.items():
        for axis, length in sizes_of(recipe, name).items():
            if split.sizes.get(axis, length) != length:
                raise DamagedFile(f"{file.path}: axis {axis} of {name} has length {split.sizes[axis]}; the recipe makes {length}")
