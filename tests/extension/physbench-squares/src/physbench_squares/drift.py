"""A small network that fits a code to each frame by gradient descent, at test time too, and moves the code as the
action says.

B sequences, T frames, H x W pixels, C channels, A actions, D numbers of code at each pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench.model import Bernoulli
from physbench_baselines.architecture import Architecture

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from physbench_baselines.training.training_recipe import TrainingRecipe


@dataclass(frozen=True)
class DriftSizes:
    """How large it is, and how often it corrects the code of a frame."""

    channels: int = parameter(1, low=1, high=16)
    actions: int = parameter(0, low=0, high=64)
    width: int = parameter(8, low=1, high=64)
    refinements: int = parameter(2, low=1, high=16)

    def __post_init__(self) -> None:
        check_fields(self, ModelError)

    def build(self) -> Drift:
        """Make a network with fresh weights."""
        return Drift(self)


class State(NamedTuple):
    """What it carries on from step to step."""

    code: Tensor  # (B, D, H, W) its guess at the code of the next frame
    mean: Tensor  # (B, C, H, W) and the frame that this code says


class Losses(NamedTuple):
    """`total` to descend; `figures` to look at."""

    total: Tensor
    figures: dict[str, Tensor]


class Drift(nn.Module):
    """Perceive by gradient descent; predict by convolution."""

    likelihood = Bernoulli()

    def __init__(self, sizes: DriftSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.wants = ("features", "actions") if sizes.actions else ("features",)
        self.encoder = nn.Conv2d(sizes.channels, sizes.width, 3, padding=1)
        self.decoder = nn.Conv2d(sizes.width, sizes.channels, 3, padding=1)
        self.drift = nn.Conv2d(sizes.width + sizes.actions, sizes.width, 5, padding=2)

    def perceive(self, frame: Tensor, code: Tensor, refinements: int) -> Tensor:
        """frame (B, C, H, W), code (B, D, H, W) -> a code that says the frame better.

        Takes gradients, also at test time.
        """
        with torch.enable_grad():
            code = code if code.requires_grad else code.detach().requires_grad_()
            for _ in range(refinements):
                error = binary_cross_entropy_with_logits(self.decoder(code), frame, reduction="sum")
                (slope,) = torch.autograd.grad(error, code, create_graph=self.training)
                code = code - 0.5 * slope
        return code if self.training else code.detach()

    def predict(self, code: Tensor, action: Tensor | None) -> Tensor:
        """code (B, D, H, W), action (B, A) -> the code of the next frame."""
        if self.sizes.actions:
            given = code.new_zeros(len(code), self.sizes.actions) if action is None else action
            code = torch.cat([code, given[:, :, None, None].expand(-1, -1, *code.shape[2:])], dim=1)
        return torch.tanh(self.drift(code)) * 4

    def loss(self, batch: Mapping[str, Tensor], *, generator: torch.Generator, share: float) -> Losses:
        """Nats per frame to say the frame itself, and to say the next one; the second counts more and more.

        batch: features uint8 (B, T, H, W, C) and, if it wants them, actions uint8 (B, T, A).
        """
        x = batch["features"].permute(0, 1, 4, 2, 3).float()
        x = x if x.shape[2] == 1 else x / 255
        state, seen, foreseen = None, x.new_zeros(()), x.new_zeros(())
        for t in range(x.shape[1]):
            if state is not None:
                foreseen = foreseen + binary_cross_entropy_with_logits(self.decoder(state), x[:, t], reduction="sum")
            code = self.perceive(x[:, t], self.encoder(x[:, t]) if state is None else state, self.sizes.refinements)
            seen = seen + binary_cross_entropy_with_logits(self.decoder(code), x[:, t], reduction="sum")
            state = self.predict(code, batch["actions"][:, t].float() if "actions" in batch else None)
        frames, transitions = x.shape[0] * x.shape[1], x.shape[0] * max(x.shape[1] - 1, 1)
        seen, foreseen = seen / frames, foreseen / transitions
        return Losses(seen + (0.5 + share) * foreseen, {"seen": seen, "foreseen": foreseen})

    def optimizer(self, recipe: TrainingRecipe) -> torch.optim.Optimizer:
        """Descend with momentum, and more slowly in the decoder, which perception goes through."""
        rest = [*self.encoder.parameters(), *self.drift.parameters()]
        decoder = {"params": list(self.decoder.parameters()), "lr": 0.3 * recipe.learning_rate}
        return torch.optim.SGD([{"params": rest}, decoder], lr=recipe.learning_rate, momentum=0.9)

    def begin(
        self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> State | None:
        """Know nothing yet."""
        if shape[2] != self.sizes.channels:
            raise ModelError(f"this model is for frames of {self.sizes.channels} channels, not {shape[2]}")

    def observe(self, state: State | None, frame: Tensor, action: Tensor | None) -> tuple[State, Tensor, None]:
        """Take a frame (B, H, W, C) -> state, mean (B, H, W, C) of the next one, and no owners."""
        return self.observe_refined(state, frame, action, self.sizes.refinements)

    def refinements(
        self, state: State | None, frame: Tensor, action: Tensor | None
    ) -> Iterator[tuple[State, Tensor, None]]:
        """Tell what `observe` would return after fewer refinements, and at last what it does return: for pictures."""
        return (self.observe_refined(state, frame, action, count) for count in range(self.sizes.refinements + 1))

    def observe_refined(
        self, state: State | None, frame: Tensor, action: Tensor | None, refinements: int
    ) -> tuple[State, Tensor, None]:
        """Observe with so many refinements."""
        seen = frame.permute(0, 3, 1, 2)
        code = self.perceive(seen, self.encoder(seen) if state is None else state.code, refinements)
        following = self.predict(code, action)
        mean = torch.sigmoid(self.decoder(following))
        return State(following, mean), mean.permute(0, 2, 3, 1), None


DRIFT = Architecture(
    name="drift",
    sizes=DriftSizes,
    variants={"drift": {"": DriftSizes(), "walk": DriftSizes(actions=5), "squares": DriftSizes(channels=3)}},
    recipes={
        "": {
            "": {"batch": 8, "frames": (12,), "validation": 16, "scored": 8, "gradient_limit": 10.0},
            "squares": {"frames": (1,)},
        }
    },
    settable=("refinements",),
)
