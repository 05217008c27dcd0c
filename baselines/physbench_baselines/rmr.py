"""Reasoning learnt from states (Velickovic, Bosnjak, Kipf, Lerchner, Hadsell, Pascanu, Blundell, Reasoning-Modulated
Representations, 2021), the first half: models of states, g(P(f(state))), whose processor P is what the second half puts
between networks of pixels. To be read beside sections 3 and 4 and the appendices. There is no published code, and the
paper leaves open what is decided here:

- how messages are gathered and taken in: see processors.py; and that those between balls start from differences of z,
  from which a small model learns much sooner;
- how places are scaled. Here the side of the box is 1;
- in which form f is given them. It is linear on the three last states, and so it may as well be given the newest one
  and the two steps between them, each of a size near 1; and since P leaves z as it is until it has learnt something, g
  may as well say how far the next place is from straight flight. As long as D is well above 6, an MPNN and Deep Sets
  can say what they could of places alone, and they learn it sooner;
- how a byte of a memory is told from another: f sees its address beside its bits, as a one-hot vector, and is as linear
  as before;
- how often messages pass between the bytes of a memory, which is one time here, and two times between balls as the
  paper says;
- what teacher forcing is: while it learns, the bytes that do change are overwritten, whatever the mask says. So bits
  are learnt where bytes change.

B states, T times, K balls, N = 128 bytes, D numbers of each in between, A actions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn

from physbench.errors import ModelError
from physbench.model import Bernoulli
from physbench.states import BYTES
from physbench_baselines.processors import MessagePassing, Perceptron
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from physbench_baselines.contrastive_sizes import ContrastiveSizes
    from physbench_baselines.rmr_sizes import MemorySizes, TrajectorySizes

PAST = 3
"""States that are seen. Where a sequence has just begun, its first one stands for those that are missing."""

STEP = 32.0
"""Steps are multiplied by it: balls of up to 3 pixels a frame make 0.05 of a box of 64."""

PLACE = 16.0
"""Places are multiplied by it, from the centre of the box on: a ball of radius 4 in a box of 64 has the radius 1."""


class Past(NamedTuple):
    """What is carried on from step to step."""

    places: torch.Tensor  # (B, 3, K, 2) the newest last
    next: torch.Tensor  # (B, K, 2) as it is imagined


class TrajectoryModel(nn.Module):
    """Three states of balls in, the next one out."""

    likelihood = Bernoulli()  # which is said of pixels, and of places is not looked at
    wants = ("position",)

    def __init__(self, sizes: TrajectorySizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = nn.Linear(2 * PAST, sizes.size)
        self.processor = make_processor(sizes, sizes.balls)
        self.decoder = nn.Linear(sizes.size, 2)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """(B, 3, K, 2) in sides of the box -> (B, K, 2): how far the next places are from straight flight, in 1 / STEP
        of a side."""
        self._require(places.shape[2])
        steps = STEP * places.diff(dim=1)  # (B, 2, K, 2)
        x = torch.cat([PLACE * (places[:, -1] - 0.5), steps[:, 0], steps[:, 1]], dim=-1)
        return self.decoder(self.processor(self.encoder(x)))

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """The squared error of the next places, from every three states in a row: the total in steps, its figure in
        sides of the box.

        batch: position (B, T, K, 2) in pixels. Neither the generator nor the share is needed. All balls are taken to be
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
        """Know nothing: no randomness, no slots, no actions."""
        if shape[1:] != (2, 1):
            raise ModelError(
                f"this model is shown the places of balls, not frames of {shape}: take the suite trajectories"
            )
        self._require(shape[0])
        return None

    def observe(
        self, state: Past | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[Past, torch.Tensor, None]:
        """Take places (B, K, 2, 1) -> state, the next ones (B, K, 2, 1), and no owners."""
        newest = frame.squeeze(-1)[:, None]
        older = newest.expand(-1, PAST - 1, -1, -1) if state is None else state.places[:, 1:]
        places = torch.cat([older, newest], dim=1)
        following = straight(places) + self(places) / STEP
        return Past(places, following), following[..., None], None

    def imagine(self, state: Past, action: torch.Tensor | None = None) -> tuple[Past, torch.Tensor, None]:
        """Observe its own prediction."""
        return self.observe(state, state.next[..., None], action)

    def _require(self, balls: int) -> None:
        if self.sizes.processor == "mlp" and balls != self.sizes.balls:
            raise ModelError(
                f"this model is for {self.sizes.balls} balls, not {balls}: take another dataset, or train one for it"
            )


def straight(places: torch.Tensor) -> torch.Tensor:
    """(B, 3, K, 2) -> (B, K, 2): where the last step leads when it is made again."""
    return 2 * places[:, -1] - places[:, -2]


class MemoryModel(nn.Module):
    """The memory of a console and an action in, the next memory out: which bytes are overwritten, and with what."""

    likelihood = Bernoulli()
    wants = ("ram", "actions")

    def __init__(self, sizes: MemorySizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = nn.Linear(8 + BYTES, sizes.size)
        self.processor = make_processor(sizes, BYTES, actions=sizes.actions)
        self.decoder = nn.Linear(sizes.size, 8)
        self.mask = nn.Linear(sizes.size, 1)

    def forward(self, bits: torch.Tensor, action: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """bits (B, 128, 8), action (B, A) -> logits of the next bits (B, 128, 8) and of each byte being overwritten (B,
        128)."""
        of_bits, of_addresses = self.encoder.weight.split([8, BYTES], dim=1)
        z = F.linear(bits, of_bits, self.encoder.bias) + of_addresses.T
        z = self.processor(z, action)
        return self.decoder(z), self.mask(z).squeeze(-1)

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """Cross-entropy of the mask, and of the bits of bytes that change: means over bytes, and over those bits.

        batch: ram uint8 (B, T, 128), actions (B, T, A). Neither the generator nor the share is needed.
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
        """Know nothing: no randomness, no slots, and nothing of before."""
        if shape != (BYTES, 8, 1):
            raise ModelError(f"this model is shown the bits of a memory, not frames of {shape}: take the suite ram")
        self._require(actions)
        return None

    def observe(
        self, state: torch.Tensor | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Take bits (B, 128, 8, 1) and the action -> the probabilities of the next bits, as the state too, and no
        owners."""
        if action is None:
            raise ModelError(
                f"this model is told one of {self.sizes.actions} actions with every memory, and was told none: take a"
                " dataset with actions"
            )
        bits = frame.squeeze(-1)
        following = overwrite(bits, *self(bits, action))[..., None]
        return following, following, None

    def imagine(
        self, state: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, None]:
        """Observe its own prediction, each bit as what it probably is."""
        return self.observe(None, (state > 0.5).float(), action)

    def _require(self, actions: int) -> None:
        if actions != self.sizes.actions:
            raise ModelError(
                f"this model is told one of {self.sizes.actions} actions, not of {actions}: take another dataset, or"
                " train one for it"
            )


def unpack(ram: torch.Tensor) -> torch.Tensor:
    """uint8 (..., 128) -> float32 (..., 128, 8), the highest bit first."""
    places = torch.arange(7, -1, -1, device=ram.device, dtype=torch.uint8)
    return ((ram[..., None] >> places) & 1).float()


def overwrite(bits: torch.Tensor, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """bits (B, 128, 8), their logits, the mask's logits (B, 128) -> probabilities (B, 128, 8): predicted where the mask
    is likelier than not, else copied."""
    return torch.where(mask[..., None] > 0, torch.sigmoid(logits.float()), bits)


def make_processor(
    sizes: TrajectorySizes | MemorySizes | ContrastiveSizes, things: int, *, actions: int = 0
) -> nn.Module:
    """Make P as the sizes of a model say, for so many things."""
    if sizes.processor == "mlp":
        return Perceptron(things, sizes.size, sizes.hidden, actions=actions)
    connected = sizes.processor == "mpnn"
    if actions:  # the bytes are always as many, and forces add up
        return MessagePassing(
            sizes.size, sizes.hidden, sizes.passes, connected=connected, actions=actions, gather="mean"
        )
    return MessagePassing(sizes.size, sizes.hidden, sizes.passes, connected=connected, differences=True)
