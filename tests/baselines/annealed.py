"""A network unlike the others: for single images, with two losses (one of them annealed), dropout, and its own
optimiser."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from physbench.model import Bernoulli
from physbench_baselines.architecture import Architecture

MODEL = "tests.baselines.annealed:ARCHITECTURE"


@dataclass(frozen=True)
class Sizes:
    hidden: int = 6


class Losses(NamedTuple):
    total: torch.Tensor
    figures: dict[str, torch.Tensor]


class Annealed(torch.nn.Module):
    """An autoencoder whose code costs more and more."""

    likelihood = Bernoulli()
    shares: list[float]

    def __init__(self, sizes: Sizes) -> None:
        super().__init__()
        self.encoder = torch.nn.Linear(64 * 64, sizes.hidden)
        self.decoder = torch.nn.Linear(sizes.hidden, 64 * 64)
        self.dropout = torch.nn.Dropout(0.25)
        self.shares = []

    def optimizer(self, recipe: Any) -> torch.optim.Optimizer:
        groups = [
            {"params": self.encoder.parameters(), "lr": 3 * recipe.learning_rate},
            {"params": self.decoder.parameters()},
        ]
        return torch.optim.NAdam(groups, lr=recipe.learning_rate)

    def loss(self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator, share: float) -> Losses:
        self.shares.append(share)
        x = batch["features"].flatten(2).float()
        code = self.encoder(self.dropout(x))
        code = code + torch.randn(code.shape, generator=generator, device=code.device)
        reconstruction = (
            torch.nn.functional.binary_cross_entropy_with_logits(self.decoder(code), x, reduction="none").sum(-1).mean()
        )
        cost = (code**2).sum(-1).mean()
        return Losses(
            reconstruction + share * cost, {"reconstruction": reconstruction, "cost": cost, "loss": reconstruction}
        )

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> None:
        return None

    def observe(self, state: None, frame: torch.Tensor, action: Any) -> tuple[None, torch.Tensor, None]:
        return None, torch.sigmoid(self.decoder(self.encoder(frame.flatten(1)))).view_as(frame), None


ARCHITECTURE = Architecture(name="annealed", sizes=Sizes, build=Annealed)
