"""The network that a run begins with.

It is freshly drawn from a seed, or has the weights of another run or of a model that comes with the package. In that
case the cost of those weights is kept, too.
"""

from contextlib import ExitStack
from dataclasses import fields, replace
from importlib.resources import as_file
from pathlib import Path
from typing import Any, NamedTuple

import torch

from physbench.errors import StorageError, TrainingError
from physbench.recipe import mix
from physbench_baselines import bundled, checkpoint
from physbench_baselines.architecture import architecture_with
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import Stage, stage_of, stages_before


class Initial(NamedTuple):
    """A network to begin with, and how it was trained."""

    network: torch.nn.Module
    stages: list[Stage]
    """The stages of training that gave its weights, the first one first."""


def network_of(recipe: TrainingRecipe, initial: Initial | None = None, *, dataset: str = "") -> torch.nn.Module:
    """Build the network of a run.

    The name of the dataset decides the default sizes of the model. The first weights are the same on every device.
    """
    sizes = sizes_of(recipe, dataset=dataset)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(mix(recipe.seed + 3))
        network: Any = architecture_with(recipe.model).make(sizes)
    if initial:
        begin_with(network, initial, recipe.initial)
    return network


def sizes_of(recipe: TrainingRecipe, *, dataset: str = "") -> Any:
    """Return the default sizes of the model, with the changes of the recipe."""
    architecture = architecture_with(recipe.model)
    usual = architecture.sizes_of(recipe.model, dataset=dataset)
    changes = {name: tuple(value) if isinstance(value, list) else value for name, value in recipe.sizes.items()}
    if getattr(usual, "slots", 0) == 1 != changes.get("slots", 1) and "slots" not in architecture.settable_in(usual):
        raise TrainingError(
            f"{recipe.model} is a model of one slot, not {changes['slots']!r:.60}: leave slots out, or train one that"
            " has some"
        )
    known = {item.name for item in fields(usual)}
    for name in changes:
        if name not in known:
            raise TrainingError(f"{recipe.model} has no size {name!r}: it has {', '.join(sorted(known))}")
    return replace(usual, **changes)


def initial_of(name: str, *, model: str = "") -> Initial:
    """Load weights to begin with: from a file, or from a model that comes with the package.

    A name of such a model is never read as a file. model: the model to be trained. If that is the user's own code, it
    is also used for weights that name code of their own.
    """
    known = name in bundled.names()
    with ExitStack() as stack:
        path = stack.enter_context(as_file(bundled.FOLDER / f"{name}.safetensors")) if known else Path(name)
        try:
            own = ":" in model and ":" in checkpoint.inspect(path).architecture
            found = checkpoint.load(path, architecture=model if own else None)
        except StorageError as error:
            hint = (
                ""
                if path.exists()
                else f", and no model that comes with the package has this name: there is {', '.join(bundled.names())}"
            )
            raise TrainingError(f"this run cannot begin with {name!r}: {error}{hint}") from None
    card = {**found.card, **vars(bundled.card(name))} if known else found.card
    return Initial(found.network, [*stages_before(card), stage_of(card) | {"weights_sha256": found.sha256}])


def begin_with(network: torch.nn.Module, initial: Initial, name: str) -> None:
    """Fill a network with the weights of another one of the same sizes.

    The number of slots and the noise may differ.
    """
    ours, theirs = network.state_dict(), initial.network.state_dict()
    odd = next(
        (
            weight
            for weight in [*ours, *theirs]
            if weight not in ours or weight not in theirs or ours[weight].shape != theirs[weight].shape
        ),
        None,
    )
    if odd is not None:
        raise TrainingError(
            f"this run cannot begin with {name!r}: it is another model or of other sizes, they differ in {odd}"
        )
    network.load_state_dict({weight: tensor.to(ours[weight].dtype) for weight, tensor in theirs.items()})
