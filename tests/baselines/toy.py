"""A network of its own architecture that is small enough to be trained in a test, and trainings of it in another
process."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F

from physbench.model import Bernoulli
from physbench_baselines.architecture import Architecture, StoppingRule
from physbench_baselines.noise import draw_uniform

MODEL = "tests.baselines.toy:ARCHITECTURE"


@dataclass(frozen=True)
class ToyLosses:
    total: torch.Tensor
    figures: dict[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class ToySizes:
    channels: int = 4
    noise: float = 0.2
    slots: int = 1
    poisoned: bool = False  # its loss is a number for so long only

    def build(self) -> Toy:
        return Toy(self)


class Toy(torch.nn.Module):
    """The next frame from this one, by two convolutions."""

    likelihood = Bernoulli()

    def __init__(self, sizes: ToySizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.first = torch.nn.Conv2d(1, sizes.channels, 3, padding=1)
        self.second = torch.nn.Conv2d(sizes.channels, sizes.slots, 3, padding=1)
        self.spoilt = torch.nn.Parameter(torch.ones(()))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, H, W) -> logits (B, K, H, W)."""
        return self.second(torch.relu(self.first(images[:, None])))

    def loss(self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator, share: float) -> ToyLosses:
        x = batch["features"][..., 0].float()
        flipped = (draw_uniform(x.shape, generator=generator, like=x) < self.sizes.noise).float()
        seen = (x + flipped - 2 * x * flipped)[:, :-1]
        logits = self(seen.flatten(0, 1)).amax(1).float().view_as(seen)
        each = F.binary_cross_entropy_with_logits(logits, x[:, 1:], reduction="none").sum((2, 3))
        total = each.mean() + 0 * self.spoilt
        if self.sizes.poisoned:
            total = total + torch.log(
                self.spoilt - 0.9955
            )  # Adam takes 0.001 from it in every step, which leaves no logarithm in the sixth
        return ToyLosses(total, {"upper_bound": each.mean().detach()})

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> None:
        return None

    def observe(self, state: None, frame: torch.Tensor, action: Any) -> tuple[None, torch.Tensor, torch.Tensor]:
        logits = self(frame[..., 0])
        return None, torch.sigmoid(logits.amax(1))[..., None], logits.argmax(1).to(torch.uint8)


ARCHITECTURE = Architecture(
    name="toy",
    sizes=ToySizes,
    paper="https://example.org/toys",
    stopping=StoppingRule("until validation stops improving", lambda recipe, steps, ended: ended == "patience"),
    settable=("slots", "noise"),
)


if __name__ == "__main__":
    from physbench_baselines.training import loop
    from physbench_baselines.training.run import train
    from physbench_baselines.training.training_recipe import TrainingRecipe

    _, out, text, count, between_saves = sys.argv
    loop.SAVE_SECONDS = float(between_saves)
    train(TrainingRecipe.from_json(text), out, steps=int(count), device="cpu", workers=0)
