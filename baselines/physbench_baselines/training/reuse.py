"""Parts of other networks: a run may begin with some, and learn on, or reuse some as they are.

The processor of a model of states is reused by a model of frames; it is frozen while the rest learns.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from physbench.errors import TrainingError
from physbench_baselines.training.initial import initial_of

if TYPE_CHECKING:
    import torch

    from physbench_baselines.training_stages import Stage


PART = r"[A-Za-z_][\w.]*"
"""How the name of a part is written."""


def names_parts(text: str) -> bool:
    """Tell PART=WEIGHTS,... from weights of a whole network, which may be a file with such a name."""
    return "=" in text and not Path(text).exists()


def split_parts(text: str) -> list[tuple[str, str]]:
    """Split "processor=rmr-mpnn.balls10" into the names of parts and the sources of their weights.

    Several are separated by commas.
    """
    pairs: list[tuple[str, str]] = []
    for each in text.split(","):
        part, equals, source = each.partition("=")
        if not (equals and part and source) or part in dict(pairs):
            raise TrainingError(
                f"parts are written PART=WEIGHTS, such as processor=rmr-mpnn.balls10, each part once, not {text!r:.60}"
            )
        pairs.append((part, source))
    return pairs


def drop_folders(text: str) -> str:
    """Return weights, of a network or of parts, without the folders that they lie in."""
    if not re.match(f"{PART}=", text):
        return Path(text).name
    named = (each.partition("=") for each in re.split(f",(?={PART}=)", text))
    return ",".join(f"{part}{equals}{Path(source).name}" for part, equals, source in named)


def freeze_parts(network: torch.nn.Module, reuse: str) -> dict[str, torch.nn.Module]:
    """Exclude parts from learning, and return them by name."""
    return {part: _part_of(network, part).requires_grad_(False) for part, _ in split_parts(reuse)}


def reuse_parts(network: torch.nn.Module, reuse: str) -> list[Stage]:
    """Fill parts with the weights of the same parts of other networks, and freeze them.

    Return the stages of training that gave those weights.
    """
    stages = fill_parts(network, reuse)
    freeze_parts(network, reuse)
    return stages


def fill_parts(network: torch.nn.Module, parts: str) -> list[Stage]:
    """Fill parts with the weights of the same parts of other networks.

    Return the stages of training that gave those weights.
    """
    stages: list[Stage] = []
    for part, source in split_parts(parts):
        ours = _part_of(network, part)
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


def _part_of(network: torch.nn.Module, part: str) -> torch.nn.Module:
    found = dict(network.named_modules()).get(part)
    if found is None or not list(found.parameters()):
        known = ", ".join(name for name, child in network.named_children() if list(child.parameters()))
        raise TrainingError(f"{type(network).__name__} has no part {part!r:.60} that learns: it has {known}")
    return found
