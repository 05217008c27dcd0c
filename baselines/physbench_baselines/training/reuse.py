"""Reuse of parts of other networks, such as the processor of a model of states.

These parts are frozen while the rest learns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physbench.errors import TrainingError
from physbench_baselines.training.initial import initial_of

if TYPE_CHECKING:
    import torch

    from physbench_baselines.training_stages import Stage


def split_reuse(reuse: str) -> list[tuple[str, str]]:
    """Split "processor=rmr-mpnn.balls10" into the names of parts and the sources of their weights.

    Several are separated by commas.
    """
    pairs: list[tuple[str, str]] = []
    for each in reuse.split(","):
        part, equals, source = each.partition("=")
        if not (equals and part and source) or part in dict(pairs):
            raise TrainingError(
                f"reuse is written PART=WEIGHTS, such as processor=rmr-mpnn.balls10, each part once, not {reuse!r:.60}"
            )
        pairs.append((part, source))
    return pairs


def freeze_parts(network: torch.nn.Module, reuse: str) -> dict[str, torch.nn.Module]:
    """Exclude parts from learning, and return them by name."""
    return {part: _freeze(network, part) for part, _ in split_reuse(reuse)}


def reuse_parts(network: torch.nn.Module, reuse: str) -> list[Stage]:
    """Fill parts with the weights of the same parts of other networks, and freeze them.

    Return the stages of training that gave those weights.
    """
    stages: list[Stage] = []
    for part, source in split_reuse(reuse):
        ours = _freeze(network, part)
        initial = initial_of(source)
        theirs = dict(initial.network.named_modules()).get(part)
        if theirs is None:
            raise TrainingError(f"{source} has no part {part!r}: it is a {type(initial.network).__name__}")
        wanted, there = ours.state_dict(), theirs.state_dict()
        for name in sorted(wanted.keys() | there.keys()):
            if name not in wanted or name not in there:
                raise TrainingError(
                    f"the {part} of {source} is another one than this model's: only one of them has {name}"
                )
            if wanted[name].shape != there[name].shape:
                shapes = f"{tuple(there[name].shape)}, not {tuple(wanted[name].shape)}"
                raise TrainingError(f"the {part} of {source} is of other sizes than this model's: {name} is {shapes}")
        ours.load_state_dict(there)
        stages += [stage for stage in initial.stages if stage not in stages]
    return stages


def _freeze(network: torch.nn.Module, part: str) -> torch.nn.Module:
    found = dict(network.named_modules()).get(part)
    if found is None or not list(found.parameters()):
        known = ", ".join(name for name, child in network.named_children() if list(child.parameters()))
        raise TrainingError(f"{type(network).__name__} has no part {part!r:.60} that learns: it has {known}")
    return found.requires_grad_(False)
