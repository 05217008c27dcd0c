"""Relational neural expectation maximisation (R-NEM) and its relatives RNN, LSTM and RNN-EM.

From van Steenkiste, Chang, Greff and Schmidhuber (ICLR 2018); read this file beside section 2 of the paper.

All four models are the same cell with a different recurrence. The symbols are the paper's: x is a frame, K the number
of slots, theta_k the representation of slot k, psi_k = f_phi(theta_k) the probability that slot k gives to every pixel
of the next frame, and gamma_k the share of every pixel that belongs to slot k. Where the paper and the published code
differ, the numbers follow the code:

- The norm comes before each activation, and its statistics are taken over height, width and channels together.
- gamma starts from the absolute values of normal random numbers. Nothing else makes the slots different from one
  another.

Shapes: B sequences, T frames, K slots, H x W pixels of C = 1 channel, A actions. Inside the model, psi and gamma are
(B, K, H, W) and frames are (B, H, W), in float32.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import nn

from physbench.errors import ModelError, UnsuitableModel
from physbench.model import Bernoulli
from physbench_baselines import chance
from physbench_baselines.blocks import Decoder, Encoder
from physbench_baselines.nem_sizes import NemSizes
from physbench_baselines.noise import draw_normal, draw_uniform
from physbench_baselines.recurrences import Lstm, Relational, Rnn, others
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    Shape = tuple[int, int, int, int]  # B, K, H, W
    Step = tuple["State", torch.Tensor, torch.Tensor | None]

EPSILON = 1e-6
"""Keeps the E-step from dividing by 0, and logarithms away from 0."""

THRESHOLD = 0.1
"""In a rollout, a pixel counts as on if its prediction is above this."""


HIGHEST = 40.0
"""Logits above this are clipped to it: their probability is already 1 to the last bit."""


class State(NamedTuple):
    """What a model carries on from step to step."""

    theta: torch.Tensor  # (B, K, S), state of the recurrence; S = H, or 2H for an LSTM
    psi: torch.Tensor  # (B, K, H, W), prediction of the next frame
    gamma: torch.Tensor  # (B, K, H, W)
    attention: torch.Tensor | None = (
        None  # (B, K, K) in the last step: how strongly slot k attends to slot i; 0 on the diagonal
    )
    seeds: torch.Tensor | None = None  # int64 (B,)
    time: int = 0  # steps made
    published: torch.Tensor | None = None  # bool (B,), for models with rules of their own: keep to the paper's here


class Nem(nn.Module):
    """A model of the NEM family. The recurrence decides which one it is."""

    likelihood = Bernoulli()
    capturable = True

    def __init__(self, sizes: NemSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(
            (sizes.height, sizes.width, 1), sizes.channels, sizes.kernels, sizes.strides, sizes.dense
        )
        self.recurrence = _recurrence(sizes)
        self.decoder = Decoder(
            sizes.hidden, sizes.dense, sizes.first, sizes.grown, (*sizes.channels[-2::-1], 1), sizes.kernels[::-1]
        )

    def start(self, batch: int, slots: int, *, gamma: torch.Tensor) -> State:
        """Return the first state: theta and psi are 0.

        gamma (B, K, H, W) may hold any numbers that are not negative: they are normalised over K.
        """
        theta = gamma.new_zeros(batch, slots, self.recurrence.state)
        share = (
            torch.ones_like(gamma) if slots == 1 else gamma / gamma.sum(dim=1, keepdim=True).clamp(min=EPSILON**2)
        )  # all draws of a pixel may be 0
        return State(theta, torch.zeros_like(gamma), share)

    def step(self, state: State, noisy: torch.Tensor, action: torch.Tensor | None = None) -> State:
        """Do the M-step, equation 4, and return the state with the next theta and psi.

        Every slot is shown its share of what it did not predict. noisy is (B, H, W), action (B, A).
        """
        batch, slots, height, width = state.psi.shape
        delta = state.gamma * (noisy[:, None] - state.psi)
        x = self.encoder(delta.reshape(-1, height, width, 1)).view(batch, slots, -1)
        theta, output, attention = self.recurrence(state.theta, x, action)
        logits = self.decoder(output.flatten(0, 1))
        psi: torch.Tensor = Sigmoid.apply(logits.float())
        attention = None if attention is None else _square(attention.detach())
        return state._replace(
            theta=theta, psi=psi.view(batch, slots, height, width), attention=attention, time=state.time + 1
        )

    def explain(self, state: State, frame: torch.Tensor) -> State:
        """Do the E-step, equation 5, with the frame (B, H, W) that psi predicts."""
        return state._replace(gamma=e_step(frame, state.psi.detach()))

    def regroup(self, state: State, frame: torch.Tensor) -> State:
        """Return the state to go on from after the E-step: the same one, as the paper has no other rules for slots."""
        return state

    def unroll(
        self, state: State, clean: torch.Tensor, noisy: torch.Tensor, actions: torch.Tensor | None = None
    ) -> Iterator[State]:
        """Go on from the first state, and yield T - 1 states, each with the gamma that its target frame gives.

        clean and noisy are (B, T, H, W), actions (B, T, A).
        """
        for t in range(clean.shape[1] - 1):
            state = self.step(state, noisy[:, t], None if actions is None else actions[:, t])
            explained = self.explain(state, clean[:, t + 1])
            yield explained
            state = self.regroup(explained, clean[:, t + 1])

    @property
    def wants(self) -> tuple[str, ...]:
        """The arrays of a batch that `loss` needs."""
        return ("features", "actions") if self.sizes.actions else ("features",)

    def loss(
        self,
        batch: Mapping[str, torch.Tensor],
        *,
        generator: torch.Generator | None = None,
        share: float = 0.0,
        noisy: torch.Tensor | None = None,
        gamma: torch.Tensor | None = None,
        slots: int | None = None,
    ) -> Losses:
        """Return the loss of equation 3 for the next frame: a mean over sequences and steps.

        batch: features uint8 (B, T, H, W, 1), and actions (B, T, A) if the model takes actions. If there are collisions
        (B, T, H, W, 1), the figures are also given for the pixels of collisions alone: index t weights frame t + 1.
        noisy (B, T, H, W, 1) and gamma (B, K, H, W) replace what the generator would draw. The share, which is how much
        of the run is over, is not used.
        """
        frames, actions, collisions = batch["features"], batch.get("actions"), batch.get("collisions")
        self._require(frames.shape[2:], None if actions is None else actions.shape[-1])
        if frames.shape[1] < 2:
            raise ModelError(f"there is nothing to predict in sequences of {frames.shape[1]} frames: give 2 or more")
        clean = frames.squeeze(-1).float()
        shape = (len(clean), self._slots(slots), *clean.shape[2:])
        if gamma is None:
            first = self.draw_start(shape, generator=generator, like=clean)
        else:
            first = self.start(*shape[:2], gamma=gamma)
        if noisy is None:
            shown = clean[:, :-1]
            noise = draw_uniform(shown.shape, generator=generator, like=clean) < self.sizes.noise
            shown = torch.where(noise, 1 - shown, shown)
        else:
            shown = noisy.squeeze(-1).float()
        told = None if actions is None else actions.float()
        totals: list[torch.Tensor] = []
        sums: list[torch.Tensor] = []
        for t, state in enumerate(self.unroll(first, clean, shown, told)):
            intra, inter = expected_losses(state.psi, clean[:, t + 1], state.gamma)
            totals.append((intra + inter).sum())
            with torch.no_grad():
                maps = torch.stack([intra, inter, *pixel_losses(state.psi.amax(dim=1), clean[:, t + 1])])
                where = [] if collisions is None else [maps * collisions[:, t].squeeze(-1)]
                sums.append(torch.stack([each.sum(dim=(1, 2, 3)) for each in (maps, *where)]))
        scale = 1 / (len(clean) * len(totals))
        return Losses(torch.stack(totals).sum() * scale, _name_sums(torch.stack(sums).sum(dim=0) * scale))

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> State:
        """Return the state before the first frame.

        seeds int64 (B,): all randomness of sequence i comes from seeds[i]. Any number of slots is possible, but a model
        of one slot always has one.
        """
        self._require(shape, actions)
        slots = self._slots(slots)
        gamma = self.seed_shares(seeds, (len(seeds), slots, *shape[:2]))
        return self.start(len(seeds), slots, gamma=gamma)._replace(seeds=seeds)

    def draw_start(self, shape: Shape, *, generator: torch.Generator | None, like: torch.Tensor) -> State:
        """Draw the first state of sequences in training, of shape (B, K, H, W)."""
        return self.start(*shape[:2], gamma=draw_normal(shape, generator=generator, like=like).abs())

    def seed_shares(self, seeds: torch.Tensor, shape: Shape) -> torch.Tensor:
        """Return the shares of pixels (B, K, H, W) that sequences with these seeds begin with."""
        return chance.normal(seeds, 0, math.prod(shape[1:])).abs().view(shape)

    def observe(self, state: State, frame: torch.Tensor, action: torch.Tensor | None = None) -> Step:
        """Take a frame and return the state, the mean of the next frame and the owners of this one.

        frame is (B, H, W, 1), action (B, A), mean (B, H, W, 1), owner uint8 (B, H, W), or None if there is one slot.
        """
        x = frame.squeeze(-1)
        if state.time > 0:
            state = self.regroup(self.explain(state, x), x)
        return self.advance(state, x, action)

    def imagine(self, state: State, action: torch.Tensor | None = None) -> Step:
        """Do the same as `observe`, with the model's own prediction in place of a frame.

        The E-step sees the maximum of the prediction over slots, thresholded (appendix A.1).
        """
        if state.time > 0:
            seen = (state.psi.amax(dim=1) > THRESHOLD).float()
            state = state._replace(gamma=e_step(seen, state.psi))
        return self.advance(state, (state.gamma * state.psi).sum(dim=1), action)

    def parts(self, state: State) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Return the parts of a prediction, after a step at frame t.

        These are psi (B, K, H, W, 1) of frame t + 1, the gamma (B, K, H, W) of frame t that was used for it, and
        attention (B, K, K).
        """
        return state.psi[..., None], state.gamma, state.attention

    def advance(self, state: State, x: torch.Tensor, action: torch.Tensor | None) -> Step:
        """Flip some pixels of a frame (B, H, W), and return the step that it gives."""
        if self.sizes.actions and action is None:
            raise UnsuitableModel(
                f"this model needs one of {self.sizes.actions} actions with every frame, and got none: take a"
                " dataset with actions"
            )
        assert state.seeds is not None
        flips = chance.uniform(state.seeds, 1 + state.time, x[0].numel()).view_as(x) < self.sizes.noise
        owner = owners(state.gamma) if state.gamma.shape[1] > 1 else None  # with one slot there are no groups
        state = self.step(state, torch.where(flips, 1 - x, x), action)
        return state, state.psi.amax(dim=1)[..., None], owner

    def _slots(self, wanted: int | None) -> int:
        if wanted is None or not self.sizes.mixture:
            return self.sizes.slots
        return replace(self.sizes, slots=wanted).slots  # checks the bounds

    def _require(self, shape: tuple[int, ...], actions: int | None) -> None:
        own = (self.sizes.height, self.sizes.width, 1)
        if tuple(shape) != own:
            raise UnsuitableModel(
                f"this model is for frames of {own} (height, width, channels), not {tuple(shape)}: take another"
                " dataset, or train one for them"
            )
        if self.sizes.actions and actions != self.sizes.actions:
            raise UnsuitableModel(
                f"this model needs one of {self.sizes.actions} actions with every frame, and the data have"
                f" {actions or 'none'}"
            )


class Sigmoid(torch.autograd.Function):
    """The sigmoid as e / (1 + e), the form behind the published results.

    The form matters: where no slot explains a pixel, the E-step is a ratio of the last bits of psi.
    """

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor) -> torch.Tensor:
        """Return psi, the probabilities of these logits."""
        e = logits.clamp(max=HIGHEST).exp_()
        psi = e.div_(e + 1)
        ctx.save_for_backward(psi)
        return psi

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        """Return the gradient by the logits."""
        (psi,) = ctx.saved_tensors
        return torch.ops.aten.sigmoid_backward(grad, psi)


def likelihood(x: torch.Tensor, psi: torch.Tensor) -> torch.Tensor:
    """Return P(x | psi) of every pixel."""
    return x * psi + (1 - x) * (1 - psi)


def e_step(x: torch.Tensor, psi: torch.Tensor) -> torch.Tensor:
    """Return gamma (B, K, H, W): how likely it is that each slot made each pixel of the frame, as a share.

    x is (B, H, W), psi (B, K, H, W).
    """
    likely = likelihood(x[:, None], psi) + EPSILON
    return likely / likely.sum(dim=1, keepdim=True)


def owners(gamma: torch.Tensor) -> torch.Tensor:
    """Return the slot with the largest share of each pixel, the first of several equal ones, as uint8 (B, H, W).

    gamma is (B, K, H, W). The loop over slots takes a fraction of the time of argmax.
    """
    largest, owner = gamma[:, 0], torch.zeros_like(gamma[:, 0], dtype=torch.uint8)
    for slot in range(1, gamma.shape[1]):
        share = gamma[:, slot]
        owner = torch.where(share > largest, slot, owner)
        largest = torch.maximum(share, largest)
    return owner


def pixel_losses(psi: torch.Tensor, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two losses of every pixel: -log P(x | psi), and D_KL[P(x) || P(x | psi)].

    x is 0 or 1. The prior P(x) says that every pixel is off.
    """
    return -likelihood(x, psi).clamp(EPSILON, 1 - EPSILON).log(), -(1 - psi).clamp(min=EPSILON).log()


def expected_losses(psi: torch.Tensor, x: torch.Tensor, gamma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the intra- and the inter-cluster loss (B, H, W) of equation 3, each summed over slots.

    psi is (B, K, H, W), x (B, H, W), gamma (B, K, H, W).
    """
    intra, inter = pixel_losses(psi, x[:, None])
    return (gamma * intra).sum(dim=1), ((1 - gamma) * inter).sum(dim=1)


def _recurrence(sizes: NemSizes) -> Rnn | Lstm | Relational:
    if sizes.recurrence == "rnn":
        return Rnn(sizes.dense, sizes.hidden)
    if sizes.recurrence == "lstm":
        return Lstm(sizes.dense, sizes.hidden)
    attention = sizes.attention if sizes.recurrence == "r-nem" else None
    return Relational(sizes.dense, sizes.hidden, attention, actions=sizes.actions, embedding=sizes.embedding)


def _name_sums(sums: torch.Tensor) -> dict[str, torch.Tensor]:
    """Name sums of shape (1 or 2, 4): intra and inter of the loss, then of its upper bound.

    The first row is over all pixels. The second one, if there is one, is over the pixels of collisions.
    """
    figures: dict[str, torch.Tensor] = {}
    for prefix, (intra, inter, bound_intra, bound_inter) in zip(("", "relational_"), sums, strict=False):
        figures |= {f"{prefix}loss": intra + inter, f"{prefix}intra": intra, f"{prefix}inter": inter}
        figures |= {
            f"{prefix}upper_bound": bound_intra + bound_inter,
            f"{prefix}upper_bound_intra": bound_intra,
            f"{prefix}upper_bound_inter": bound_inter,
        }
    return figures


def _square(attention: torch.Tensor) -> torch.Tensor:
    """Put attention to the other slots (B, K, K - 1) into a square (B, K, K)."""
    slots = attention.shape[1]
    square = attention.new_zeros(len(attention), slots, slots)
    return square.scatter(2, others(slots, attention.device).expand_as(attention), attention)
