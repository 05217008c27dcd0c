"""What the trainer asks of a network, and what a network may say beside: it is looked up here and nowhere else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from physbench.errors import ModelError, TrainingError
from physbench_baselines.training.training_recipe import TrainingRecipe

LOSS = "loss"
"""The name of the total among the figures."""


class Losses(NamedTuple):
    """What a loss gives: `total` to descend, `figures` to look at. Anything with these two will do."""

    total: Tensor  # (), a mean over the sequences of the batch
    figures: Mapping[str, Tensor]  # () each, likewise; any names


class Trainable(Protocol):
    """An nn.Module with a loss. It may also have the attributes of `Traits` that have a default."""

    def loss(self, batch: Mapping[str, Tensor], *, generator: torch.Generator, share: float) -> Losses:
        """batch: (B, T, ...) arrays by name, of the types they are stored in. generator: where noise comes from. share:
        of the run that is over."""
        ...


@dataclass(frozen=True)
class Traits:
    """What a network says of how it is trained."""

    wants: tuple[str, ...] = ("features",)
    """The arrays that are fetched for it."""
    capturable: bool = False
    """Whether a CUDA graph may replay its step: then its loss does not depend on `share`, nor does its course on any
    number of the batch."""
    optimizer: Callable[[TrainingRecipe], torch.optim.Optimizer] | None = None
    """Makes its own optimiser; without one, the recipe names it."""
    observe: Callable[..., Any] | None = None
    """As the evaluator wants it; a network without it has no figures of the evaluator."""


def traits_of(network: torch.nn.Module) -> Traits:
    """Look up what a network says."""
    if not callable(getattr(network, "loss", None)):
        raise ModelError(f"{type(network).__name__} cannot be trained: it has no loss(batch, *, generator, share)")
    said = {name: getattr(network, name) for name in Traits.__dataclass_fields__ if hasattr(network, name)}
    wants: Any = said.get("wants", Traits.wants)
    if isinstance(wants, str) or not wants or not all(isinstance(name, str) for name in wants):
        raise ModelError(f"what {type(network).__name__} wants is a tuple of names of arrays, not {wants!r:.60}")
    if not callable(said.get("optimizer", callable)):
        raise ModelError(
            f"optimizer of {type(network).__name__} is a function of the recipe, not {said['optimizer']!r:.60}"
        )
    return Traits(**{**said, "wants": tuple(wants)})


def measure(
    network: torch.nn.Module, batch: Mapping[str, Tensor], *, generator: torch.Generator, share: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the loss (), to descend, and all figures (), to look at: the loss is the first of them."""
    given = cast("Any", network).loss(batch, generator=generator, share=share)
    if not (isinstance(getattr(given, "total", None), Tensor) and isinstance(getattr(given, "figures", None), Mapping)):
        raise TrainingError(
            f"the loss of {type(network).__name__} returned a {type(given).__name__}: it returns a record with a tensor"
            " `total` and a mapping `figures`, such as physbench_baselines.training.trainable.Losses"
        )
    losses = cast("Losses", given)
    total, figures = losses.total, {name: figure for name, figure in losses.figures.items() if name != LOSS}
    for name, figure in {LOSS: total, **figures}.items():
        if not name.isidentifier():
            raise TrainingError(f"the figure of a loss is called by one word, not {name!r:.60}")
        if figure.ndim:
            raise TrainingError(
                f"{name} of {type(network).__name__} is one number, not an array of the shape {tuple(figure.shape)}:"
                " take its mean"
            )
    return total, {name: figure.detach().float() for name, figure in {LOSS: total, **figures}.items()}
