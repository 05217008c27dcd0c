"""SQAIR (Kosiorek et al., NeurIPS 2018) and R-SQAIR (Stanic, Schmidhuber, 2019).

Objects are discovered, propagated and lost. Each has a content (`what`), a place (`where`), and a presence that says
whether it is there. Read this file beside section 2 of the R-SQAIR paper.

Every frame is explained by N slots. First the objects of the last frame are propagated, then new ones are discovered in
the slots that are left. R-SQAIR also gives the prior and the posterior of propagation the effects of objects on one
another, gamma = Gamma(z). The model learns a bound on the likelihood of a sequence from K particles (IWAE). Presence is
drawn, so its gradient is that of VIMCO's score function.

`form` chooses one of three versions:

- "paper": the textbook's. Discovery has as many slots as are free. Its prior of places remembers what it drew. The
  learning signal of particle k is the bound minus the bound without k, and its terms are summed over particles.
- "code": the published code's. Discovery may find N objects, however many were propagated; those that do not fit are
  dropped, but their cost is still counted. The prior of places does not remember. The learning signal is the logarithm
  of the particle's own weight minus the bound without it, averaged over particles.
- "tracking": ours, which can learn on a CPU. Discovery finds a place by convolutions on what is not yet explained.
  Objects are expected to move on as before and to keep their content. Shifts are not bounded, so objects can leave the
  frame; if slots are few, objects out of sight give way to new ones. Scales are bounded to a third of a frame, give or
  take a third. The deviation of a place may be a tenth of the paper's, which is a fortieth of a pixel. Presence depends
  on how much likelier an object makes the frame. During the first share of a run (`forced`), every slot has to hold an
  object. The prior of the number of new objects is geometric except at zero.

Where neither the paper nor the code decides something for R-SQAIR: gamma goes into the four layers that see the last
frame's object (the RNN over objects, the head of where, the object's GRU, the prior's GRU). They then have as many
additional weights as the paper gives for the memory core. In the interaction network an absent object has no effect;
the memory core keeps its row, to which the others attend, and in the paper's form also sees where and what it was.

Shapes: R rows, where row b * K + k is particle k of sequence b; N slots; L x L pixels of one channel, or H x W of
larger frames.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from physbench.errors import ModelError, TrainingError, UnsuitableModel
from physbench.model import Gaussian
from physbench_baselines import chance
from physbench_baselines.noise import draw_normal, draw_uniform
from physbench_baselines.rmsprop import TensorFlowRmsProp
from physbench_baselines.sqair_bound import evidence, log_clipped, number_probabilities, surrogate
from physbench_baselines.sqair_inference import Discovery, Draws, Explained, Eye, Propagation
from physbench_baselines.sqair_layers import Mlp, log_bernoulli, log_normal, write
from physbench_baselines.sqair_priors import GATE, NumberPrior, PropagationPrior, WherePrior
from physbench_baselines.sqair_relations import Interaction, RelationalMemory
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from physbench.model import Likelihood
    from physbench_baselines.sqair_priors import Expected
    from physbench_baselines.sqair_sizes import SqairSizes
    from physbench_baselines.training.training_recipe import TrainingRecipe

STEEP = 20.0
"""How steep the edges of objects are in `Sqair.cover`."""

STREAMS = 5
"""How many streams of random numbers a frame uses."""

SHOWN = 0.5
"""An object has left the frame if its brightest pixel there is darker than this; it is still remembered."""

NAMES = 255
"""A map of owners names objects by their identity modulo this; it marks pixels of no object with this number."""


class Objects(NamedTuple):
    """What is known of the objects of a frame: (R, N, ...)."""

    what: Tensor
    where: Tensor
    presence: Tensor
    logit: Tensor  # of the presence
    temporal: Tensor  # state of each object's GRU
    prior: Tensor  # state of the prior's GRU
    velocity: Tensor  # (R, N, 2), change of its shift since the last frame
    memory: Tensor  # (R, N, 0) if the model has no memory
    identity: Tensor  # (R, N), -1 for none


class ExplainedFrame(NamedTuple):
    """One frame, the objects that explain it, and the log probabilities of both."""

    objects: Objects
    canvas: Tensor  # (R, H, W)
    likelihood: Tensor  # (R,), log p(x | z)
    log_p: Tensor  # (R,), log probability of z by the prior
    log_q: Tensor  # (R,), log probability of z by the posterior
    discrete: Tensor  # (R,), log q of the discrete variables, which have no gradient
    terms: Mapping[str, Tensor]  # the terms of log_p and log_q


class State(NamedTuple):
    """What the model carries on from frame to frame, one row for each sequence."""

    objects: Objects
    highest: Tensor  # (B,), highest identity so far
    seeds: Tensor  # int64 (B,)
    time: int = 0
    following: Objects | None = None  # objects of the next frame, by the prior
    shape: tuple[int, int] = (0, 0)
    """Height and width of a frame."""


class Sqair(nn.Module):
    """The network: priors, discovery, propagation and, in R-SQAIR, a relation."""

    def __init__(self, sizes: SqairSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.likelihood: Likelihood = Gaussian(sizes.sigma)
        entity = sizes.what + 6
        self.relation: Interaction | RelationalMemory | None = None
        if sizes.relation == "interaction":
            self.relation = Interaction(entity - 1, sizes.embedding)
        elif sizes.relation == "memory":
            self.relation = RelationalMemory(entity, sizes.slots, sizes.heads, sizes.head, each=sizes.ours)
        effects = self.relation.outputs if self.relation else 0
        self.eye = Eye(sizes)
        self.discovery = Discovery(sizes, self.eye)
        self.propagation = Propagation(sizes, effects, self.eye)
        self.context = Mlp(sizes.what + 4, sizes.hidden, sizes.hidden, ends=True)
        self.number_prior = NumberPrior(sizes)
        self.where_prior = WherePrior(sizes)
        self.propagation_prior = PropagationPrior(sizes, effects, 1e-3 if sizes.ours else 0.01)
        if not sizes.ours:
            self.optimizer = self._optimizer
        self.mean_image = nn.Parameter(torch.zeros(sizes.side, sizes.side)) if sizes.mean_image else None

    def nothing(self, rows: int, slots: int) -> Objects:
        """Return empty slots."""
        zeros = self.eye.output_scale.new_zeros
        temporal = self.propagation.gru.initial.expand(rows, slots, -1)
        prior = self.propagation_prior.gru.initial.expand(rows, slots, -1)
        what = zeros(rows, slots, self.sizes.what)
        memory = self.relation.begin(what) if isinstance(self.relation, RelationalMemory) else zeros(rows, slots, 0)
        flat = zeros(rows, slots)
        return Objects(
            what, zeros(rows, slots, 4), flat, flat - GATE, temporal, prior, zeros(rows, slots, 2), memory, flat - 1
        )

    def relate(self, z: Objects) -> tuple[list[Tensor], Tensor]:
        """Return the effects of objects on one another, and the new memory."""
        if self.relation is None:
            return [], z.memory
        entity = [z.what, z.where, z.presence[..., None]]
        if isinstance(self.relation, RelationalMemory):
            effects, memory = self.relation(
                torch.cat([*entity, z.logit[..., None].clamp(-10, 10)], dim=-1), z.presence, z.memory
            )
            return [effects], memory
        return [self.relation(torch.cat(entity, dim=-1), z.presence)[0]], z.memory

    def expect(self, z: Objects) -> tuple[Expected, list[Tensor], Tensor]:
        """Return what the prior expects of the next frame, the effects that it uses, and the new memory."""
        effects, memory = self.relate(z)
        return self.propagation_prior(z.what, z.where, z.presence, z.velocity, effects, z.prior), effects, memory

    def step(
        self, z: Objects, highest: Tensor, images: Tensor, draws: Draws, *, first: bool, force: bool = False
    ) -> tuple[ExplainedFrame, Tensor]:
        """Explain frames (R, H, W) with the objects of the last ones.

        Return the explained frame, and the highest identity (R,) of each row.
        """
        sizes, slots = self.sizes, z.presence.shape[1]
        expected, effects, memory = self.expect(z)
        old, left = self.propagation(images, z.what, z.where, z.presence, z.temporal, z.velocity, effects, draws, force)
        context = (old.presence[..., None] * self.context(torch.cat([old.what, old.where], dim=-1))).sum(dim=1)
        sureness = (torch.sigmoid(expected.logit) - 0.5).sum(dim=1) / slots
        held = old.presence * self.eye.overlaps(old.where) if sizes.ours else old.presence
        free = None if sizes.form == "code" else slots - held.sum(dim=1)
        new = self.discovery(images, left, context, free, draws, force)
        number = self.number_prior(sureness, first, free, slots)
        place = self.where_prior(new.where, context, sureness)
        terms = {
            **self._old_terms(z, old, expected),
            **_new_terms(new, number, place),
        }
        log_q = sum((term for name, term in terms.items() if name.startswith("q_")), images.new_zeros(len(images)))
        log_p = sum((term for name, term in terms.items() if name.startswith("p_")), images.new_zeros(len(images)))
        objects, highest = self._choose(z, old, new, held, expected, memory, highest)
        canvas = self.render(objects, (images.shape[1], images.shape[2]))
        likelihood = log_normal(images.flatten(1), canvas.flatten(1), torch.full_like(canvas, sizes.sigma).flatten(1))
        discrete = terms["q_old_presence"] + terms["q_number"]
        return ExplainedFrame(objects, canvas, likelihood, log_p, log_q, discrete, terms), highest

    def render(self, z: Objects, shape: tuple[int, int]) -> Tensor:
        """Draw all objects: (R, H, W)."""
        canvas = (z.presence[..., None, None] * self.eye.draw(z.what, z.where, shape)).sum(dim=1)
        return canvas if self.mean_image is None else canvas + self.cover(z) * self.mean_image

    def cover(self, z: Objects) -> Tensor:
        """Return how much of the picture behind the objects is added, (R, L, L).

        The published code adds that picture where objects are drawn, and nowhere else.
        """
        scale, shift = (each.flatten(0, 1) for each in self.eye.box(z.where))
        ones = write(
            scale.new_ones(len(scale), self.sizes.glimpse, self.sizes.glimpse),
            scale,
            shift,
            (self.sizes.side, self.sizes.side),
        )
        return torch.sigmoid(
            STEEP * (z.presence[..., None, None] * ones.unflatten(0, z.presence.shape)).sum(dim=1) - STEEP / 2
        )

    def _old_terms(self, z: Objects, old: Explained, expected: Expected) -> dict[str, Tensor]:
        """Return the terms of propagation.

        They count only for objects that were there, and those of where and what only for objects that stay.
        """
        stays = z.presence * old.presence
        return {
            "q_old_where": (stays * old.log_where).sum(dim=1),
            "q_old_what": (stays * old.log_what).sum(dim=1),
            "q_old_presence": (z.presence * log_bernoulli(old.presence, old.logit)).sum(dim=1),
            "p_old_where": (stays * log_normal(old.where, *expected.where)).sum(dim=1),
            "p_old_what": (stays * log_normal(old.what, *expected.what)).sum(dim=1),
            "p_old_presence": (z.presence * log_bernoulli(old.presence, expected.logit)).sum(dim=1),
        }

    def _choose(
        self,
        z: Objects,
        old: Explained,
        new: Explained,
        held: Tensor,
        expected: Expected,
        memory: Tensor,
        highest: Tensor,
    ) -> tuple[Objects, Tensor]:
        """Put the objects that are there first, old ones before new ones, and keep N of them.

        held (R, N) says which old ones do not give way to new ones.
        """
        slots = z.presence.shape[1]
        fresh = self.nothing(len(highest), slots)
        assert old.temporal is not None
        number = new.presence.cumsum(dim=1)
        velocity = torch.zeros_like(z.velocity) if not self.sizes.ours else old.where[..., 2:] - z.where[..., 2:]
        pairs = Objects(
            what=torch.cat([old.what, new.what], dim=1),
            where=torch.cat([old.where, new.where], dim=1),
            presence=torch.cat([old.presence, new.presence], dim=1),
            logit=torch.cat([old.logit, new.logit], dim=1),
            temporal=torch.cat([old.temporal, fresh.temporal], dim=1),
            prior=torch.cat([expected.state, fresh.prior], dim=1),
            velocity=torch.cat([velocity, fresh.velocity], dim=1),
            memory=torch.cat([memory, fresh.memory], dim=1),
            identity=torch.cat([z.identity, torch.where(new.presence > 0, highest[:, None] + number, -1.0)], dim=1),
        )
        rank = pairs.presence + torch.cat(
            [held, new.presence], dim=1
        )  # first held and new ones, then others that are there, then empty slots
        order = rank.argsort(dim=1, descending=True, stable=True)[:, :slots]
        objects = Objects(*(_pick(each, order) for each in pairs))
        return (
            objects._replace(identity=torch.where(objects.presence > 0, objects.identity, -1.0)),
            highest + number[:, -1],
        )

    def loss(
        self,
        batch: Mapping[str, Tensor],
        *,
        generator: torch.Generator | None = None,
        share: float = 0.0,
        draws: Sequence[Draws] | None = None,
        slots: int | None = None,
    ) -> Losses:
        """Return minus the bound in nats per frame, with an additional term for the gradients of presence.

        batch: features uint8 (B, T, H, W, 1). draws replace what the generator would draw. The share is how much of the
        run is over; in the beginning every slot may have to hold an object.
        """
        sizes, slots = self.sizes, self._slots(slots)
        force = share < sizes.forced
        particles = 1 if force else sizes.particles  # nothing discrete is drawn
        frames = self._frames(batch["features"]).repeat_interleave(particles, dim=0)
        if draws is None:
            draws = [draw_from(generator, len(frames), slots, sizes.what, frames) for _ in range(frames.shape[1])]
        z, highest = self.nothing(len(frames), slots), frames.new_full((len(frames),), -1.0)
        steps: list[ExplainedFrame] = []
        for t, draw in enumerate(draws):
            step, highest = self.step(z, highest, frames[:, t], draw, first=t == 0, force=force)
            z = step.objects
            steps.append(step)
        length = len(steps)
        weights = sum(
            (step.likelihood + step.log_p - step.log_q for step in steps), frames.new_zeros(len(frames))
        ).view(-1, particles)
        discrete = sum((step.discrete for step in steps), frames.new_zeros(len(frames))).view(-1, particles)
        bound = evidence(weights)
        total = surrogate(weights, discrete, form=sizes.form).mean() / length
        with torch.no_grad():
            figures = {
                "bound": bound.mean() / length,
                "likelihood": torch.stack([step.likelihood.mean() for step in steps]).mean(),
                "kl": torch.stack([(step.log_q - step.log_p).mean() for step in steps]).mean(),
                "objects": torch.stack([step.objects.presence.sum(dim=1).mean() for step in steps]).mean(),
            }
        return Losses(total, figures)

    def _optimizer(self, recipe: TrainingRecipe) -> torch.optim.Optimizer:
        """Return the paper's optimizer, TensorFlow's RMSProp, which differs from torch's; or Adam."""
        if recipe.optimizer == "adam":
            return torch.optim.Adam(
                self.parameters(), recipe.learning_rate, recipe.betas, recipe.epsilon, recipe.weight_decay
            )
        if recipe.optimizer != "rmsprop" or recipe.weight_decay:
            raise TrainingError(
                f"{recipe.model} learns by rmsprop without weight decay, as in its paper, or by adam: give --optimizer"
                " adam"
            )
        return TensorFlowRmsProp(
            self.parameters(), recipe.learning_rate, recipe.smoothing, recipe.momentum, recipe.epsilon
        )

    def begin(self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0) -> State:
        """Return the state before the first frame.

        seeds int64 (B,): all randomness of sequence i comes from seeds[i]. If frames are larger than in training, only
        the form "tracking" sees their edges.
        """
        side = self.sizes.side
        if shape[2] != 1 or min(shape[:2]) < side or (shape[0] - side) % 2 or (shape[1] - side) % 2:
            raise UnsuitableModel(
                f"this model is for frames of ({side}, {side}, 1) (height, width, channels), or larger by an even"
                f" number, not {tuple(shape)}"
            )
        z = self.nothing(len(seeds), self._slots(slots))
        return State(z, z.presence.new_full((len(seeds),), -1.0), seeds, shape=(shape[0], shape[1]))

    def observe(self, state: State, frame: Tensor, action: Tensor | None = None) -> tuple[State, Tensor, Tensor]:
        """Take a frame and return the state, the mean of the next frame and the owners of this one.

        frame and mean are (B, H, W, 1), owner is uint8 (B, H, W). If there are several guesses at a frame, one is kept,
        drawn by their weights.
        """
        guesses, (top, left) = self.sizes.guesses, self._margins(state.shape)
        images = frame[:, top : state.shape[0] - top, left : state.shape[1] - left, 0].repeat_interleave(guesses, dim=0)
        z = Objects(*(each.repeat_interleave(guesses, dim=0) for each in state.objects))
        draws = self._chances(state, guesses, z)
        step, highest = self.step(z, state.highest.repeat_interleave(guesses), images, draws, first=state.time == 0)
        weights = (step.likelihood + step.log_p - step.log_q).view(-1, guesses)
        noise = chance.uniform(state.seeds, STREAMS * state.time + 2, guesses).to(weights.dtype)
        kept = (weights - (-(noise + 1e-9).log()).log()).argmax(dim=1) + torch.arange(
            len(weights), device=weights.device
        ) * guesses
        objects = Objects(*(each[kept] for each in step.objects))
        return self._answer(state._replace(objects=objects, highest=highest[kept]))

    def imagine(self, state: State, action: Tensor | None = None) -> tuple[State, Tensor, Tensor]:
        """Do the same as `observe`, for a frame that the prior predicted."""
        assert state.following is not None
        return self._answer(state._replace(objects=state.following))

    def boxes(self, state: State) -> Tensor:
        """Return the boxes (B, N, 5) of the frame just seen: x, y, width, height in pixels, and the identity.

        A box is NaN where there is no object, or where it does not show.
        """
        z, side = state.objects, self.sizes.side
        scale, shift = self.eye.box(z.where)
        margin = torch.tensor([(state.shape[1] - side) / 2, (state.shape[0] - side) / 2], device=scale.device)
        middle = (shift + 1) * ((side - 1) / 2) + margin
        boxes = torch.cat([middle, scale * side, z.identity[..., None]], dim=-1)
        shows = self.eye.draw(z.what, z.where, state.shape).flatten(2).amax(dim=2) > SHOWN
        return torch.where((shows & (z.presence > 0))[..., None], boxes, torch.nan)

    def follow(self, z: Objects, normal: Tensor, presence: Callable[[Tensor], Tensor]) -> Objects:
        """Return the next frame's objects by the prior; nothing new is discovered.

        normal (R, N, 4 + what) are standard normal numbers. presence is a function of the logits.
        """
        expected, _, memory = self.expect(z)
        where = expected.where[0] + expected.where[1] * normal[..., :4]
        there = presence(expected.logit) * z.presence
        return z._replace(
            what=expected.what[0] + expected.what[1] * normal[..., 4:],
            where=where,
            presence=there,
            logit=expected.logit,
            prior=expected.state,
            velocity=where[..., 2:] - z.where[..., 2:] if self.sizes.ours else z.velocity,
            memory=memory,
            identity=torch.where(there > 0, z.identity, -1.0),
        )

    def _answer(self, state: State) -> tuple[State, Tensor, Tensor]:
        z, (top, left) = state.objects, self._margins(state.shape)
        rows, slots = z.presence.shape
        if self.sizes.future == "mean":
            following = self.follow(
                z, z.what.new_zeros(rows, slots, 4 + self.sizes.what), lambda logit: (logit > 0).to(logit.dtype)
            )
        else:
            normal = (
                chance.normal(state.seeds, STREAMS * state.time + 3, slots * (4 + self.sizes.what))
                .view(rows, slots, -1)
                .to(z.what.dtype)
            )
            uniform = chance.uniform(state.seeds, STREAMS * state.time + 4, slots)
            following = self.follow(z, normal, lambda logit: (uniform < torch.sigmoid(logit)).to(logit.dtype))
        shape = (state.shape[0] - 2 * top, state.shape[1] - 2 * left)
        mean = self._pad(self.render(following, shape), state.shape)[..., None]
        drawn = z.presence[..., None, None] * self.eye.draw(z.what, z.where, shape)
        names = torch.where(z.presence > 0, z.identity.remainder(NAMES), NAMES).to(torch.uint8)
        owner = names.gather(1, drawn.argmax(dim=1).flatten(1)).unflatten(1, drawn.shape[2:])
        return state._replace(following=following, time=state.time + 1), mean, self._pad(owner, state.shape)

    def _margins(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Return how many pixels at the top and at the left are not seen; as many are not seen on the opposite sides.

        The form "tracking" sees the whole frame.
        """
        return (0, 0) if self.sizes.ours else ((shape[0] - self.sizes.side) // 2, (shape[1] - self.sizes.side) // 2)

    def _pad(self, images: Tensor, shape: tuple[int, int]) -> Tensor:
        top, left = self._margins(shape)
        return torch.nn.functional.pad(images, (left, left, top, top))

    def _chances(self, state: State, guesses: int, z: Objects) -> Draws:
        """Draw all random numbers of a frame from the seeds."""
        rows, slots, what = len(z.presence), z.presence.shape[1], self.sizes.what
        normal = (
            chance.normal(state.seeds, STREAMS * state.time, guesses * 2 * slots * (4 + what))
            .view(rows, 2 * slots, -1)
            .to(z.what.dtype)
        )
        uniform = chance.uniform(state.seeds, STREAMS * state.time + 1, guesses * 2 * slots).view(rows, 2 * slots)
        return Draws(normal[..., :4], normal[..., 4:], uniform.to(z.what.dtype))

    def _frames(self, features: Tensor) -> Tensor:
        """Return frames (B, T, L, L) from uint8 (B, T, H, W, 1)."""
        side = self.sizes.side
        if features.ndim != 5 or tuple(features.shape[2:]) != (side, side, 1):
            raise ModelError(
                f"this model learns from frames of ({side}, {side}, 1) (height, width, channels), not"
                f" {tuple(features.shape[2:])}"
            )
        return features.squeeze(-1).to(self.eye.output_scale.dtype)

    def _slots(self, wanted: int | None) -> int:
        slots = self.sizes.slots if wanted is None else replace(self.sizes, slots=wanted).slots
        if isinstance(self.relation, RelationalMemory) and not self.relation.each and slots != self.relation.slots:
            raise UnsuitableModel(
                f"the memory of this model is made of {self.relation.slots} objects at once, not of {slots}"
            )
        return slots


def _new_terms(new: Explained, number: Tensor, place: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    """Return the terms of discovery."""
    count = new.presence.sum(dim=1).long()[:, None]
    chosen = number_probabilities(new.logit).gather(1, count).squeeze(1)
    zero, one = torch.zeros_like(new.what), torch.ones_like(new.what)
    return {
        "q_new_where": (new.presence * new.log_where).sum(dim=1),
        "q_new_what": (new.presence * new.log_what).sum(dim=1),
        "q_number": log_clipped(chosen),
        "p_new_where": (new.presence * log_normal(new.where, *place)).sum(dim=1),
        "p_new_what": (new.presence * log_normal(new.what, zero, one)).sum(dim=1),
        "p_number": number.gather(1, count).squeeze(1),
    }


def _pick(array: Tensor, order: Tensor) -> Tensor:
    """Pick the slots of array (R, M, ...) in this order (R, N): (R, N, ...)."""
    if array.ndim == 2:
        return array.gather(1, order)
    return array.gather(1, order[..., None].expand(-1, -1, array.shape[2]))


def draw_from(generator: torch.Generator | None, rows: int, slots: int, what: int, like: Tensor) -> Draws:
    """Draw all random numbers of a frame, on the device and with the type of another tensor."""

    def normal(*shape: int) -> Tensor:
        return draw_normal(shape, generator=generator, like=like)

    uniform = draw_uniform((rows, 2 * slots), generator=generator, like=like)
    return Draws(normal(rows, 2 * slots, 4), normal(rows, 2 * slots, what), uniform)
