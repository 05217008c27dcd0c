"""A recipe in a few words: what its dataset has that the usual one has not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from typing import Any, cast

from physbench import registry
from physbench.errors import PhysbenchError
from physbench.recipe import Recipe
from physbench.world import World


def describe_recipe(text: str) -> str:
    """Say what differs from the usual recipe, given as canonical JSON: n 6-8, gravity 0.1, curtain 24. Empty for a dataset as everybody has it."""
    told: dict[str, Any] = json.loads(text)
    usual = _usual(told)
    expected: dict[str, Any] = json.loads(usual.to_json()) if usual else {}
    given, known = _parameters(told), _parameters(expected)
    order = list(asdict(usual.generator)) if usual else []  # type: ignore[call-overload]
    names = [*(name for name in order if name in given), *(name for name in given if name not in order)]
    words = [_say(name, given[name]) for name in names if name not in known or given[name] != known[name]]
    words += [_say(name, told[name]) for name in ("frames", "seed") if name in told and told[name] != expected.get(name)]
    return ", ".join(words)


def _usual(told: Mapping[str, Any]) -> Recipe | None:
    """The recipe that is known by the name of the dataset, or else by that of its generator."""
    for name in (told.get("dataset"), told.get("generator")):
        try:
            return registry.datasets.get(str(name))
        except PhysbenchError:  # unknown, or of a package that is not installed
            continue
    return None


def find_world(told: Mapping[str, Any]) -> World | None:
    """Find the world that a recipe names, with its parameters; None where it is not installed or cannot have them."""
    usual = _usual(told)
    if usual is None or usual.generator.name != told.get("generator"):
        return None
    with suppress(Exception):  # whatever a world raises of parameters that it cannot take
        return type(usual.generator)(**_parameters(told))
    return None


def _parameters(told: Mapping[str, Any]) -> dict[str, Any]:
    """Files of strangers may hold anything here."""
    parameters = told.get("parameters")
    return cast("dict[str, Any]", parameters) if isinstance(parameters, dict) else {}


def _say(name: str, value: Any) -> str:
    name = name.replace("_", "-")
    if isinstance(value, bool):
        return name if value else f"no {name}"
    if isinstance(value, list):
        return f"{name} {'-'.join(dict.fromkeys(map(str, cast('list[Any]', value))))}"
    return f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
