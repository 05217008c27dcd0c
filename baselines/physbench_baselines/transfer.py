"""A processor that another network has learnt: what P of one half of RMR is to the other.

A run takes it once, when it begins; from then on its weights are in the checkpoints of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.errors import ModelError, TrainingError
from physbench_baselines.training.initial import Stage, initial_of
from physbench_baselines.training.trainable import traits_of

if TYPE_CHECKING:
    from torch import Tensor, nn

    from physbench_baselines.training.recipe import TrainingRecipe

PART = "processor."
"""How the names of its weights begin."""


def take_processor(network: nn.Module, source: str) -> list[Stage]:
    """Copy the weights of another model's processor into a network, and give the stages of training that they cost.

    source: a model that comes with the package, the folder of a run, or a checkpoint.
    """
    there = initial_of(source)
    ours, theirs = processor_weights(network), processor_weights(there.network)
    if not ours:
        raise ModelError(f"{type(network).__name__} has no processor that could be taken from {source!r}")
    if not theirs:
        raise ModelError(f"{source!r} has no processor to take: it is a {type(there.network).__name__}")
    for name in sorted(ours.keys() | theirs.keys()):
        shapes = [tuple(weights[name].shape) if name in weights else "none" for weights in (theirs, ours)]
        if shapes[0] != shapes[1]:
            raise ModelError(f"the processor of {source!r} does not fit: {name} has the shape {shapes[0]} there, and {shapes[1]} here")
    network.load_state_dict(theirs, strict=False)
    return there.stages


def begin_processor(network: nn.Module, recipe: TrainingRecipe) -> list[Stage]:
    """Take the processor that a recipe names; refuse a run that lacks one. Weights to begin with are one, too."""
    if recipe.processor_from:
        return take_processor(network, recipe.processor_from)
    if traits_of(network).borrows and not recipe.initial:
        raise TrainingError(f"{recipe.model} learns around a processor that another model has learnt: say which with --processor-from")
    return []


def processor_weights(network: nn.Module) -> dict[str, Tensor]:
    """Give the weights of a network's processor, by their names in the network."""
    return {name: tensor for name, tensor in network.state_dict().items() if name.startswith(PART)}
