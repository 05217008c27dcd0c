"""Reasoning-Modulated Representations (RMR), first half: models that learn from states.

From Velickovic, Bosnjak, Kipf, Lerchner, Hadsell, Pascanu and Blundell (2021); read this file beside sections 3 and 4
and the appendices of the paper. A model of states is g(P(f(state))). Its processor P is what the second half puts
between networks of pixels. There is no published code, and the paper does not decide the following:

- How messages are gathered and used: see processors.py. Messages between balls start as functions of differences of z,
  with which a small model learns much sooner.
- How places are scaled. Here the side of the box is 1.
- In which form f gets the places. f is linear in the three last states, so it may as well get the newest state and the
  two steps between them, each scaled to a size near 1. g predicts how far the next place is from straight flight. As
  long as D is well above 6, an MPNN and Deep Sets can represent the same functions as with places alone, and they learn
  them sooner.
- How one byte of a memory is distinguished from another. f sees the address as a one-hot vector beside the bits, and is
  still linear.
- How often messages pass between the bytes of a memory. Here it is once, and twice between balls as in the paper.
- What teacher forcing means. During training, the bytes that change are overwritten, whatever the mask says. So bits
  are learnt where bytes change.

Shapes: B states, T times, K balls, N = 128 bytes, D numbers of each inside the model, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from physbench.errors import ModelError, UnsuitableModel
from physbench.model import Bernoulli
from physbench.states import BYTES
from physbench_baselines.processors import MessagePassing, Perceptron
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from physbench_baselines.contrastive_sizes import ContrastiveSizes
    from physbench_baselines.rmr_sizes import MemorySizes, TrajectorySizes

PAST = 3
"""How many states the model sees. At the start of a sequence, its first state replaces the missing ones."""

STEP = 32.0
"""Factor of steps: balls of up to 3 pixels a frame move 0.05 of a box of 64."""

PLACE = 16.0
"""Factor of places, measured from the centre of the box: a ball of radius 4 in a box of 64 gets the radius 1."""


class Past(NamedTuple):
    """What the model carries on from step to step."""

    places: torch.Tensor  # (B, 3, K, 2), the newest last
    next: torch.Tensor  # (B, K, 2), the predicted next places


class TrajectoryModel(nn.Module):
    """A model that predicts the next state of balls from three states."""

    likelihood = Bernoulli()  # for pixels; with places it is not used
    wants = ("position",)

    def __init__(self, sizes: TrajectorySizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = nn.Linear(2 * PAST, sizes.size)
        self.processor = make_processor(sizes, sizes.balls)
        self.decoder = nn.Linear(sizes.size, 2)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """Return how far the next places are from straight flight, (B, K, 2), in 1 / STEP of a side.

        places are (B, 3, K, 2) in sides of the box.
        """
        self._require(places.shape[2])
        steps = STEP * places.diff(dim=1)  # (B, 2, K, 2)
        x = torch.cat([PLACE * (places[:, -1] - 0.5), steps[:, 0], steps[:, 1]], dim=-1)
        return self.decoder(self.processor(self.encoder(x)))

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """Return the squared error of the next places, predicted from every three states in a row.

        The total is in steps, the figure in sides of the box.

        batch: position (B, T, K, 2) in pixels. The generator and the share are not used. All balls are assumed to be
        there.
        """
        places = batch["position"].float() / self.sizes.box
        if places.shape[1] <= PAST:
            raise ModelError(
                f"there is nothing to predict in sequences of {places.shape[1]} states: give {PAST + 1} or more"
            )
        windows = places.unfold(1, PAST + 1, 1).permute(0, 1, 4, 2, 3).flatten(0, 1)  # (B (T - 3), 4, K, 2)
        past, there = windows[:, :PAST], windows[:, PAST]
        total = F.mse_loss(self(past), STEP * (there - straight(past)))
        return Losses(total, {"position_mse": total.detach() / STEP**2})

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> Past | None:
        """Check the shape. There is no state before the first frame, and no randomness, slots or actions."""
        if shape[1:] != (2, 1):
            raise UnsuitableModel(
                f"this model sees the places of balls, not frames of {shape}: take the suite trajectories"
            )
        self._require(shape[0])
        return None

    def observe(
        self, state: Past | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[Past, torch.Tensor, None]:
        """Take places (B, K, 2, 1) and return the state, the next places (B, K, 2, 1), and no owners."""
        newest = frame.squeeze(-1)[:, None]
        older = newest.expand(-1, PAST - 1, -1, -1) if state is None else state.places[:, 1:]
        places = torch.cat([older, newest], dim=1)
        following = straight(places) + self(places) / STEP
        return Past(places, following), following[..., None], None

    def imagine(self, state: Past, action: torch.Tensor | None = None) -> tuple[Past, torch.Tensor, None]:
        """Observe the model's own prediction."""
        return self.observe(state, state.next[..., None], action)

    def _require(self, balls: int) -> None:
        if self.sizes.processor == "mlp" and balls != self.sizes.balls:
            raise UnsuitableModel(
                f"this model is for {self.sizes.balls} balls, not {balls}: take another dataset, or train one for it"
            )


def straight(places: torch.Tensor) -> torch.Tensor:
    """Return the next places (B, K, 2) if the last step is repeated, from places (B, 3, K, 2)."""
    return 2 * places[:, -1] - places[:, -2]


class MemoryModel(nn.Module):
    """A model that predicts the next memory of a console from its memory and an action.

    It predicts which bytes are overwritten, and with what.
    """

    likelihood = Bernoulli()
    wants = ("ram", "actions")
    separable = False  # a mean over the bytes that change, of which sequences have more or fewer

    def __init__(self, sizes: MemorySizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = nn.Linear(8 + BYTES, sizes.size)
        self.processor = make_processor(sizes, BYTES, actions=sizes.actions)
        self.decoder = nn.Linear(sizes.size, 8)
        self.mask = nn.Linear(sizes.size, 1)

    def forward(self, bits: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return logits of the next bits (B, 128, 8), and logits of each byte being overwritten (B, 128).

        bits are (B, 128, 8), action (B, A).
        """
        of_bits, of_addresses = self.encoder.weight.split([8, BYTES], dim=1)
        z = F.linear(bits, of_bits, self.encoder.bias) + of_addresses.T
        z = self.processor(z, action)
        return self.decoder(z), self.mask(z).squeeze(-1)

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """Return the cross-entropy of the mask plus that of the bits of bytes that change.

        The first is a mean over bytes, the second over these bits.

        batch: ram uint8 (B, T, 128), actions (B, T, A). The generator and the share are not used.
        """
        ram = batch["ram"]
        self._require(batch["actions"].shape[-1])
        if ram.shape[1] < 2:
            raise ModelError(f"there is nothing to predict in sequences of {ram.shape[1]} states: give 2 or more")
        now, following = ram[:, :-1].flatten(0, 1), ram[:, 1:].flatten(0, 1)
        changes = (now != following).float()
        logits, mask = self(unpack(now), batch["actions"][:, :-1].flatten(0, 1).float())
        of_mask = F.binary_cross_entropy_with_logits(mask, changes)
        of_bits = F.binary_cross_entropy_with_logits(logits, unpack(following), reduction="none").mean(dim=-1)
        of_bits = (of_bits * changes).sum() / changes.sum().clamp(min=1)
        with torch.no_grad():
            right = (overwrite(unpack(now), logits, mask) > 0.5) == (unpack(following) > 0.5)
            figures = {
                "mask_bce": of_mask.detach(),
                "bits_bce": of_bits.detach(),
                "right_bytes": right.all(dim=-1).float().mean(),
            }
        return Losses(of_mask + of_bits, figures)

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> torch.Tensor | None:
        """Check the shape. There is no state before the first frame, and no randomness or slots."""
        if shape != (BYTES, 8, 1):
            raise UnsuitableModel(f"this model sees the bits of a memory, not frames of {shape}: take the suite ram")
        self._require(actions)
        return None

    def observe(
        self, state: torch.Tensor | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Take bits (B, 128, 8, 1) and the action, and return the state, the prediction, and no owners.

        The state and the prediction are both the probabilities of the next bits.
        """
        if action is None:
            raise UnsuitableModel(
                f"this model needs one of {self.sizes.actions} actions with every memory, and got none: take a"
                " dataset with actions"
            )
        bits = frame.squeeze(-1)
        following = overwrite(bits, *self(bits, action))[..., None]
        return following, following, None

    def imagine(
        self, state: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Observe the model's own prediction, with each bit rounded to 0 or 1."""
        return self.observe(None, (state > 0.5).float(), action)

    def _require(self, actions: int) -> None:
        if actions != self.sizes.actions:
            raise UnsuitableModel(
                f"this model takes one of {self.sizes.actions} actions, not of {actions}: take another dataset, or"
                " train one for it"
            )


def unpack(ram: torch.Tensor) -> torch.Tensor:
    """Return the bits of bytes, the highest first: uint8 (..., 128) -> float32 (..., 128, 8)."""
    places = torch.arange(7, -1, -1, device=ram.device, dtype=torch.uint8)
    return ((ram[..., None] >> places) & 1).float()


def overwrite(bits: torch.Tensor, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Return the probabilities of the next bits (B, 128, 8).

    They are predicted where the mask says that a byte is more likely than not to be overwritten, and copied elsewhere.
    bits are (B, 128, 8) like their logits, mask are logits (B, 128).
    """
    return torch.where(mask[..., None] > 0, torch.sigmoid(logits.float()), bits)


def make_processor(
    sizes: TrajectorySizes | MemorySizes | ContrastiveSizes, things: int, *, actions: int = 0
) -> nn.Module:
    """Make the P that a model's sizes describe, for this many things."""
    if sizes.processor == "mlp":
        return Perceptron(things, sizes.size, sizes.hidden, actions=actions)
    connected = sizes.processor == "mpnn"
    if actions:  # a mean: the number of bytes is fixed; between balls a sum, as forces add up
        return MessagePassing(
            sizes.size, sizes.hidden, sizes.passes, connected=connected, actions=actions, gather="mean"
        )
    return MessagePassing(sizes.size, sizes.hidden, sizes.passes, connected=connected, differences=True)
