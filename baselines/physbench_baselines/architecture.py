"""Architectures: a record of each family of networks, at the end of its file.

The registry `physbench.registry.architectures` leads to the records. Another package adds one with an entry point in
the group `physbench.architectures`. A record can be read without torch; only its `build` needs torch.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench import registry
from physbench.errors import ModelError, UnknownName, suggest
from physbench.recipe import require_frozen
from physbench.suites import Suite
from physbench_baselines.training.training_recipe import TrainingRecipe

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class StoppingRule:
    """How long a paper trains, in words that follow "the paper trains", and a test of whether a run was that long."""

    words: str
    holds: Callable[[TrainingRecipe, int, str | None], bool]  # of a recipe, the steps, and why the run ended


def _build_sizes(sizes: Any) -> nn.Module:
    """Let sizes build their network."""
    if not callable(getattr(sizes, "build", None)):
        raise ModelError(
            f"{type(sizes).__name__} has no build(): the sizes of an architecture build the network, or its record says"
            " how: Architecture(..., build=FUNCTION OF THE SIZES)"
        )
    return sizes.build()


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A family of networks.

    Its sizes are a frozen dataclass of numbers, words, booleans and tuples of whole numbers.
    """

    name: str
    """The name in checkpoints: a name in the registry, or the package.module:ATTRIBUTE that the record was imported
    from."""
    sizes: type
    build: Callable[[Any], nn.Module] = _build_sizes
    """Makes a network of some sizes, with fresh weights."""
    paper: str = ""
    """The paper's link."""
    stopping: StoppingRule | None = None
    """How long the paper trains."""
    variants: Mapping[str, Mapping[str, Any]] = field(default_factory=lambda: {})
    """Models by name, each with its sizes by dataset; "" is for all other datasets.

    Without any, there is one model, with the architecture's name.
    """
    recipes: Mapping[str, Mapping[str, Mapping[str, Any]]] = field(default_factory=lambda: {})
    """Fields of a training recipe by model name ("": all models) and by dataset ("": all other datasets)."""
    settable: tuple[str, ...] | Callable[[Any], tuple[str, ...]] = ()
    """Sizes that no weight depends on, which can be set at test time.

    It is a function if that depends on the other sizes.
    """
    judged_by: Callable[[TrainingRecipe, str], Suite | None] | None = None
    """Returns the suite that validates a run, from its recipe and the dataset's name; without it, the usual suite
    does."""

    def __post_init__(self) -> None:
        require_frozen(self.sizes, f"the sizes of the architecture {self.name} are", ModelError)

    @property
    def models(self) -> tuple[str, ...]:
        """The names of its models."""
        return tuple(self.variants) or (self.name,)

    def sizes_of(self, model: str, *, dataset: str = "") -> Any:
        """Return a model's default sizes; for an imported record, those of its first model."""
        by_dataset = self.variants.get(model if model in self.variants else self.models[0], {})
        return by_dataset.get(dataset) or by_dataset.get("") or self.sizes()

    def recipe_of(self, model: str, *, dataset: str = "") -> dict[str, Any]:
        """Return the fields of a training recipe in which a model's default differs from the general default."""
        merged: dict[str, Any] = {}
        for by_dataset in (self.recipes.get(name, {}) for name in ("", model)):
            merged |= {**by_dataset.get("", {}), **(by_dataset.get(dataset, {}) if dataset else {})}
        return merged

    def settable_in(self, sizes: Any) -> tuple[str, ...]:
        """Return the names of the sizes that can be set at test time, given the others."""
        return self.settable(sizes) if callable(self.settable) else self.settable

    def make(self, sizes: Any) -> nn.Module:
        """Make a network that knows its architecture and sizes, so that its checkpoints can name them."""
        network: Any = self.build(sizes)
        network.architecture, network.sizes = self.name, sizes
        return network


def find_architecture(name: str) -> Architecture:
    """Look up an architecture by the name that checkpoints use.

    If the name is `package.module:ATTRIBUTE`, that code is imported, which runs it.
    """
    if ":" in name and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # where a user's own module is, as with `python -m`
    record = registry.attribute(name) if ":" in name else registry.architectures.get(name)
    if not isinstance(record, Architecture):
        kind = record.__name__ if isinstance(record, type) else type(record).__name__
        raise UnknownName(
            f"{name!r} leads to {kind}, not to an Architecture: physbench_baselines/architecture.py says what an"
            " Architecture is"
        )
    return record if record.name == name else replace(record, name=name)


def architecture_with(model: str) -> Architecture:
    """Find the architecture that has a model of this name.

    If the name is `package.module:ATTRIBUTE`, that code is imported, which runs it.
    """
    if ":" in model:
        return find_architecture(model)
    for architecture in _architectures():
        if model in architecture.models:
            return architecture
    raise UnknownName(f"no model that can be trained is called {model!r}: {suggest(model, model_names())}")


def architecture_of(network: nn.Module) -> Architecture:
    """Find the architecture of a network: the one that made it, or else the one with its type of sizes."""
    name: Any = getattr(network, "architecture", None)
    if isinstance(name, str):
        return find_architecture(name)
    found = next((each for each in _architectures() if type(getattr(network, "sizes", None)) is each.sizes), None)
    if found is None:
        known = ", ".join(registry.architectures.names())
        raise ModelError(f"{type(network).__name__} has no sizes of a known architecture: there is {known}")
    return found


def model_names() -> list[str]:
    """List the models that can be trained by name."""
    return [model for architecture in _architectures() for model in architecture.models]


def _architectures() -> Iterator[Architecture]:
    """Yield all records, our own first. A record of an installed package that cannot be imported is left out."""
    return (record for _, record in registry.architectures.load_all(find_architecture))
