"""What the trainer needs from a network, and what a network may define in addition. It is read only here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, cast

import torch
from torch import Tensor

from physbench.errors import ModelError, TrainingError
from physbench.evaluation.signatures import require_signature
from physbench_baselines.training.training_recipe import TrainingRecipe

LOSS = "loss"
"""The name of the total loss among the figures."""


class Losses(NamedTuple):
    """The result of a loss: `total` to minimise, `figures` to look at. Any object with these two attributes will do."""

    total: Tensor  # (), a mean over the sequences of the batch
    figures: Mapping[str, Tensor]  # () each, also means; any names


class Trainable(Protocol):
    """An nn.Module with a loss. It may also have the attributes of `Traits` that have a default."""

    def loss(self, batch: Mapping[str, Tensor], *, generator: torch.Generator, share: float) -> Losses:
        """Return the loss of a batch.

        batch: (B, T, ...) arrays by name, with their stored types. generator: source of noise, which is drawn by
        `physbench_baselines.noise`. share: how much of the run is over.
        """
        ...


@dataclass(frozen=True)
class Traits:
    """What a network defines about its training."""

    wants: tuple[str, ...] = ("features",)
    """The arrays of a batch that it needs."""
    capturable: bool = False
    """Whether a CUDA graph may replay its step.

    If so, its loss must not depend on `share`, and its control flow must not depend on numbers in the batch.
    """
    separable: bool = True
    """Whether its loss is a mean over independent sequences, so that several processes can share a batch."""
    optimizer: Callable[[TrainingRecipe], torch.optim.Optimizer] | None = None
    """Makes its own optimiser; without it, the recipe names one."""
    observe: Callable[..., Any] | None = None
    """The method that the evaluator calls; a network without it has no figures of the evaluator."""


def traits_of(network: torch.nn.Module) -> Traits:
    """Read what a network defines about its training."""
    if not callable(getattr(network, "loss", None)):
        raise ModelError(f"{type(network).__name__} cannot be trained: it has no loss(batch, *, generator, share)")
    require_signature(cast("Any", network).loss, type(network).__name__, positional="batch", keywords="generator share")
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
    """Compute the loss (), and all figures (), the loss first."""
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
            raise TrainingError(f"the name of a figure is one word, not {name!r:.60}")
        if figure.ndim:
            raise TrainingError(
                f"{name} of {type(network).__name__} is one number, not an array of the shape {tuple(figure.shape)}:"
                " take its mean"
            )
    return total, {name: figure.detach().float() for name, figure in {LOSS: total, **figures}.items()}
