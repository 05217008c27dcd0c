"""Architectures: what a family of networks says of itself, in one record at the end of its file.

The registry `physbench.registry.architectures` leads to the records; another package adds one with an entry point in
the group `physbench.architectures`. A record can be read without torch, which only its `build` needs.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench import registry
from physbench.errors import ModelError, UnknownName, suggest
from physbench.suites import Suite
from physbench_baselines.training.training_recipe import TrainingRecipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class StoppingRule:
    """How long a paper trains, in words that follow "the paper trains", and whether a run was as long."""

    words: str
    holds: Callable[[TrainingRecipe, int, str | None], bool]  # of a recipe, the steps, and why the run ended


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A family of networks. Its sizes are a frozen dataclass of numbers, words, booleans and tuples of whole
    numbers."""

    name: str
    """As checkpoints say it: a name in the registry, or the package.module:ATTRIBUTE that the record was imported
    from."""
    sizes: type
    build: Callable[[Any], nn.Module] = lambda sizes: sizes.build()
    """Make a network of some sizes, with fresh weights."""
    paper: str = ""
    """Its link."""
    stopping: StoppingRule | None = None
    """The paper's."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {})
    """Models by name: their sizes by dataset, "" for all others. Without any, there is one model of the architecture's
    name."""
    recipes: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=lambda: {})
    """How models are usually trained, by name ("": all of them) and dataset ("": all others): fields of a training
    recipe."""
    settable: tuple[str, ...] | Callable[[Any], tuple[str, ...]] = ()
    """Sizes that no weight depends on, which may be set at test time; a function where that depends on the other
    sizes."""
    judged_by: Callable[[TrainingRecipe, str], Suite | None] | None = None
    """Gives the suite that validates a run, from its recipe and the dataset's name; without one, the usual question
    does."""

    @property
    def models(self) -> tuple[str, ...]:
        return tuple(self.variants) or (self.name,)

    def sizes_of(self, model: str, *, dataset: str = "") -> Any:
        """Return the sizes that a model usually has; of a record that was imported, those of its first one."""
        by_dataset = self.variants.get(model if model in self.variants else self.models[0], {})
        return by_dataset.get(dataset) or by_dataset.get("") or self.sizes()

    def recipe_of(self, model: str, *, dataset: str = "") -> dict[str, Any]:
        """Return the fields of a training recipe in which a model is usually trained otherwise than others."""
        merged: dict[str, Any] = {}
        for by_dataset in (self.recipes.get(name, {}) for name in ("", model)):
            merged |= {**by_dataset.get("", {}), **(by_dataset.get(dataset, {}) if dataset else {})}
        return merged

    def settable_in(self, sizes: Any) -> tuple[str, ...]:
        return self.settable(sizes) if callable(self.settable) else self.settable

    def make(self, sizes: Any) -> nn.Module:
        """Make a network that knows what it is: its checkpoints name this architecture and these sizes."""
        network: Any = self.build(sizes)
        network.architecture, network.sizes = self.name, sizes
        return network


def find_architecture(name: str) -> Architecture:
    """Look up an architecture as checkpoints name it; `package.module:ATTRIBUTE` is imported, which runs that code."""
    if ":" in name and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # where a user's own module is, as with `python -m`
    record = registry.attribute(name) if ":" in name else registry.architectures.get(name)
    if not isinstance(record, Architecture):
        kind = record.__name__ if isinstance(record, type) else type(record).__name__
        raise UnknownName(
            f"{name!r} leads to {kind}, not to an Architecture: see physbench_baselines/architecture.py for what one"
            " says"
        )
    return record if record.name == name else replace(record, name=name)


def architecture_with(model: str) -> Architecture:
    """Find the architecture that has a model of this name; `package.module:ATTRIBUTE` is imported, which runs that
    code."""
    if ":" in model:
        return find_architecture(model)
    for architecture in _architectures():
        if model in architecture.models:
            return architecture
    raise UnknownName(f"no model that can be trained is called {model!r}: {suggest(model, model_names())}")


def architecture_of(network: nn.Module) -> Architecture:
    """Find the architecture that a network is of: the one that made it, or else the one with its sizes."""
    name: Any = getattr(network, "architecture", None)
    if isinstance(name, str):
        return find_architecture(name)
    found = next((each for each in _architectures() if type(getattr(network, "sizes", None)) is each.sizes), None)
    if found is None:
        known = ", ".join(registry.architectures.names())
        raise ModelError(f"{type(network).__name__} has no sizes of a known architecture: there is {known}")
    return found


def model_names() -> list[str]:
    """List the models that can be trained by their name."""
    return [model for architecture in _architectures() for model in architecture.models]


def _architectures() -> Iterator[Architecture]:
    """Our own first. One of an installed package that cannot be imported is passed over."""
    return (record for _, record in registry.architectures.load_all(find_architecture))
