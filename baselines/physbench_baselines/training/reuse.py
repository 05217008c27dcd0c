"""Reuse of a part of another network, such as the processor of a model of states.

The part is frozen while the rest learns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.errors import TrainingError
from physbench_baselines.training.initial import initial_of

if TYPE_CHECKING:
    import torch

    from physbench_baselines.training_stages import Stage


def split_reuse(reuse: str) -> tuple[str, str]:
    """Split "processor=rmr-mpnn.balls10" into the name of a part and the source of its weights."""
    part, equals, source = reuse.partition("=")
    if not (equals and part and source):
        raise TrainingError(f"reuse is written PART=WEIGHTS, such as processor=rmr-mpnn.balls10, not {reuse!r:.60}")
    return part, source


def freeze_part(network: torch.nn.Module, reuse: str) -> torch.nn.Module:
    """Exclude a part from learning, and return it."""
    part, _ = split_reuse(reuse)
    found = dict(network.named_modules()).get(part)
    if found is None or not list(found.parameters()):
        known = ", ".join(name for name, child in network.named_children() if list(child.parameters()))
        raise TrainingError(f"{type(network).__name__} has no part {part!r:.60} that learns: it has {known}")
    return found.requires_grad_(False)


def reuse_part(network: torch.nn.Module, reuse: str) -> list[Stage]:
    """Fill a part with the weights of the same part of another network, and freeze it.

    Return the stages of training that gave those weights.
    """
    ours = freeze_part(network, reuse)
    part, source = split_reuse(reuse)
    initial = initial_of(source)
    theirs = dict(initial.network.named_modules()).get(part)
    if theirs is None:
        raise TrainingError(f"{source} has no part {part!r}: it is a {type(initial.network).__name__}")
    wanted, there = ours.state_dict(), theirs.state_dict()
    for name in sorted(wanted.keys() | there.keys()):
        if name not in wanted or name not in there:
            raise TrainingError(f"the {part} of {source} is another one than this model's: only one of them has {name}")
        if wanted[name].shape != there[name].shape:
            shapes = f"{tuple(there[name].shape)}, not {tuple(wanted[name].shape)}"
            raise TrainingError(f"the {part} of {source} is of other sizes than this model's: {name} is {shapes}")
    ours.load_state_dict(there)
    return initial.stages
