"""IODINE (Greff et al., ICML 2019): an image as a mixture of slots, inferred by refining a guess, to be read beside
section 2 and appendix B.

A slot's z is drawn from its posterior, of which lambda are the numbers; the decoder says from z what each pixel would
be and how much it claims it. A guess at lambda is refined T times by a network that is shown the image, the guess, and
the gradients of the loss, of which nothing is learnt through a second derivative. Where paper and published code
differ, numbers follow the code:

- The slot's z has a variance of softplus(raw), and its prior one of softplus(0) = log 2. The paper says isotropic.
- The gradient of the masks is that of their logits; the mask posterior leaves out the masks; "likelihoods" are their
  logarithms.
- A constant of 5 goes with z into the decoder, and one of 0.5 into the refinement network among the images and among
  the vectors. In the tables of appendix B the first of them is counted (18 and 24 inputs), in its list it is not.
- Steps are weighted 0, 1/T, ..., 1: the first guess costs nothing.
- The first posterior is learnt and the same for all slots: what tells them apart is that each draws its own z.
- Pixels are logistic of a scale of 0.03, not Gaussian; here that is a choice.

The Bernoulli distribution is ours. Black and white pixels are a mixture of Bernoullis of which only the mean matters,
sum_k m_k mu_k: the masks m are not determined by what is on, so here a slot owns a pixel by its posterior, m_k p_k(x).
Otherwise it owns what its mask claims, as in the paper.

B images, K slots, Z numbers of a z, H x W pixels of C channels. Images are (B, C, H, W), what slots say of them (B, K,
C or 1, H, W).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench.errors import ModelError
from physbench_baselines import chance
from physbench_baselines.iodine_layers import (
    Decoder,
    Encoder,
    Glimpse,
    Lstm,
    Norm,
    PredictorCorrector,
    Residual,
    coordinates,
)
from physbench_baselines.pixel_distributions import PIXELS, frames_as_images
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from physbench_baselines.iodine_layers import Memory
    from physbench_baselines.iodine_sizes import IodineSizes

PRIOR_VARIANCE = math.log(2)
CAPACITY = 0.5
"""Goes into the refinement network, for every pixel and for every slot."""

NORMED = {"counterfactual": 1, "dcomponents": 0, "dmask": 1, "log_prob": 1}
"""The images that go through a layer norm, and how many channels they have; 0 = as many as a frame."""


class Guess(NamedTuple):
    """A draw from the posterior, what is drawn of it, and what that is worth beside the image."""

    raw: Tensor  # lambda (B, K, 2 Z): the mean of z, then what softplus makes its variance
    z: Tensor  # (B, K, Z)
    outputs: Tensor  # (B, K, C, H, W) of the decoder: the mean of each pixel, or its logit
    logits: Tensor  # (B, K, 1, H, W) of the masks
    components: Tensor  # (B, K, 1, H, W) log p(x | slot k): the channels of a pixel are summed
    log_prob: Tensor  # (B, 1, H, W) log p(x)
    kl: Tensor  # (B, K)

    @property
    def masks(self) -> Tensor:
        """(B, K, 1, H, W)."""
        return self.logits.softmax(dim=1)

    @property
    def loss(self) -> Tensor:
        """(B,): minus the evidence's lower bound in nats."""
        return self.kl.sum(dim=1) - self.log_prob.sum(dim=(1, 2, 3))


class State(NamedTuple):
    """What it carries on from frame to frame."""

    raw: Tensor
    memory: Memory | None
    seeds: Tensor  # int64 (B,)
    time: int = 0  # draws of z
    means: Tensor | None = None  # (B, K, C, H, W) of the next frame
    shares: Tensor | None = None  # (B, K, H, W) of this one
    answer: tuple[Tensor, Tensor, Tensor] | None = (
        None  # of an image: itself, mean and owner, which are given again if it comes again
    )


class Iodine(nn.Module):
    def __init__(self, sizes: IodineSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.pixels = PIXELS[sizes.distribution](sizes.scale)
        self.likelihood = self.pixels.likelihood
        self.initial = nn.Parameter(
            torch.empty(2 * sizes.latent).uniform_(-1, 1) * math.sqrt(1.5 / sizes.latent)
        )  # Glorot's
        self.decoder = Glimpse(sizes) if sizes.glimpse else Decoder(sizes)
        self.norms = nn.ModuleDict(
            {name: Norm(channels or sizes.channels) for name, channels in NORMED.items()}
            | {"dzp": Norm(2 * sizes.latent)}
        )
        self.encoder = Encoder(sizes)
        features = sizes.dense[-1] + 4 * sizes.latent + 1
        self.lstm = Lstm(features, sizes.lstm) if sizes.lstm else None
        head = Residual if sizes.head == "residual" else PredictorCorrector
        self.head = head(sizes.lstm or features, sizes)

    def start(self, batch: int, slots: int) -> tuple[Tensor, Memory | None]:
        """Give the first posterior (B, K, 2 Z) and what the LSTM remembers: nothing."""
        nothing = self.initial.new_zeros(batch * slots, self.sizes.lstm)
        return self.initial.expand(batch, slots, -1), (nothing, nothing) if self.lstm else None

    def guess(self, raw: Tensor, noise: Tensor, x: Tensor) -> Guess:
        """raw (B, K, 2 Z), noise (B, K, Z), x (B, C, H, W). Gradients can be taken of it, also at test time."""
        learns = torch.is_grad_enabled()
        with torch.enable_grad():
            raw = raw if learns and raw.requires_grad else raw.detach().requires_grad_()
            mean, variance = moments(raw)
            z = mean + variance.sqrt() * noise
            drawn = self.decoder(z.flatten(0, 1), x.shape[-2:]).to(raw.dtype).unflatten(0, z.shape[:2])
            logits, outputs = drawn[:, :, :1], drawn[:, :, 1:]
            components = self.pixels.log_prob(x[:, None], outputs).sum(dim=2, keepdim=True)
            log_prob = (logits.log_softmax(dim=1) + components).logsumexp(dim=1)
            return Guess(raw, z, outputs, logits, components, log_prob, divergence(mean, variance))

    def slopes(self, guess: Guess) -> tuple[Tensor, Tensor, Tensor]:
        """Differentiate the loss by outputs, mask logits and lambda: by first derivatives alone, of which there is no
        graph."""
        learns = torch.is_grad_enabled()
        with torch.enable_grad():
            loss = guess.loss.sum() / self.sizes.inner_batch
        wanted = guess.outputs, guess.logits, guess.raw
        return torch.autograd.grad(loss, wanted, retain_graph=learns)  # type: ignore[return-value]

    def inputs(self, guess: Guess, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """What the refinement network is shown, in this order: images (B, K or 1, channels, H, W), and vectors (B, K,
        numbers)."""
        by_outputs, by_logits, by_raw = self.slopes(guess)
        density = guess.components.exp()
        with torch.no_grad():
            without = leave_one_out(guess.logits + guess.components) - leave_one_out(guess.logits)
            counterfactual = guess.log_prob[:, None] - without
        images = {
            "capacity": torch.full_like(guess.logits, CAPACITY),
            "components": self.pixels.mean(guess.outputs),
            "coordinates": coordinates(self.sizes.coordinates, x)[None, None],
            "counterfactual": self._normalise("counterfactual", counterfactual),
            "dcomponents": self._normalise("dcomponents", by_outputs),
            "dmask": self._normalise("dmask", by_logits),
            "image": x[:, None],
            "log_prob": self._normalise("log_prob", guess.log_prob.detach()[:, None]),
            "mask": guess.logits,
            "posterior": density / (density.sum(dim=1, keepdim=True) + 1e-6),
            "pred_mask": guess.masks,
        }
        vectors = {
            "dzp": self._normalise("dzp", by_raw),
            "flat_capacity": torch.full_like(guess.raw[..., :1], CAPACITY),
            "zp": guess.raw,
        }
        return images, vectors

    def refine(self, guess: Guess, x: Tensor, memory: Memory | None) -> tuple[Tensor, Memory | None]:
        """Give a better lambda, and what the LSTM remembers."""
        images, vectors = self.inputs(guess, x)
        batch, slots = guess.raw.shape[:2]
        stack = torch.cat([image.expand(batch, slots, -1, -1, -1) for image in images.values()], dim=2)
        features = self.encoder(stack.flatten(0, 1))
        features = torch.cat([features, *(vector.flatten(0, 1) for vector in vectors.values())], dim=1)
        if self.lstm:
            assert memory is not None
            memory = self.lstm(features, memory)
            features = memory[0]
        return self.head(features, guess.raw.flatten(0, 1)).view_as(guess.raw), memory

    def unroll(self, frames: Sequence[Tensor], noise: Sequence[Tensor]) -> Iterator[Guess]:
        """T + 1 images (B, C, H, W), as many draws (B, K, Z) -> as many guesses, each of its image, T of them
        refined."""
        raw, memory = self.start(*noise[0].shape[:2])
        for t, (x, draw) in enumerate(zip(frames, noise, strict=True)):
            guess = self.guess(raw, draw, x)
            yield guess
            if t + 1 < len(frames):
                raw, memory = self.refine(guess, x, memory)

    def loss(
        self,
        batch: Mapping[str, Tensor],
        *,
        generator: torch.Generator | None = None,
        share: float = 0.0,
        noise: Sequence[Tensor] | None = None,
        slots: int | None = None,
    ) -> Losses:
        """Nats per image: the bounds of all guesses, the later the more. Of sequences every guess is one at the next
        frame.

        batch: features uint8 (B, T, H, W, C). noise takes the place of what the generator would draw. Nothing depends
        on the share of the run that is over.
        """
        frames = self._frames(batch["features"])
        steps = torch.linspace(0, 1, len(frames), dtype=torch.float64).tolist()
        shape = (len(frames[0]), self._slots(slots), self.sizes.latent)
        if noise is None:
            draws = torch.randn(
                (len(frames), *shape), generator=generator, device=frames[0].device, dtype=self.initial.dtype
            )
            noise = draws.unbind(0)
        total, guess = self.initial.new_zeros(()), None
        for weight, guess in zip(steps, self.unroll(frames, noise), strict=True):
            if weight:
                total = total + weight * guess.loss.mean()
        assert guess is not None
        with torch.no_grad():
            mean = (guess.masks * self.pixels.mean(guess.outputs)).sum(dim=1)
            figures = {
                "bound": guess.loss.mean(),
                "reconstruction": -guess.log_prob.sum(dim=(1, 2, 3)).mean(),
                "kl": guess.kl.sum(dim=1).mean(),
                "mse": (mean - frames[-1]).square().mean(),
            }
        return Losses(total, figures)

    def begin(self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0) -> State:
        """int64 (B,): all randomness of image or sequence i comes from seeds[i]. Any number of slots from 2 will do."""
        self._require(shape[2])
        return State(*self.start(len(seeds), self._slots(slots)), seeds)

    def observe(self, state: State, frame: Tensor, action: Tensor | None = None) -> tuple[State, Tensor, Tensor]:
        """frame (B, H, W, C) -> state, mean (B, H, W, C) of the next one, owner uint8 (B, H, W) of this one.

        A model of sequences refines its guess once and goes on from there. A model of images begins anew with each, and
        takes the next one for the same: where it is, nothing has to be worked out again.
        """
        x = frame.permute(0, 3, 1, 2)
        if self.sizes.sequential:
            refined, guess = self._refine(state, x)
            return self._answer(refined, guess, self._draw(refined, x))
        if state.answer and torch.equal(state.answer[0], frame):
            return state, *state.answer[1:]
        reached, guess = deque(self._course(state, x), maxlen=1).pop()
        reached, mean, owner = self._answer(reached, guess, guess)
        return reached._replace(answer=(frame, mean, owner)), mean, owner

    def refinements(
        self, state: State, frame: Tensor, action: Tensor | None = None
    ) -> Iterator[tuple[State, Tensor, Tensor]]:
        """What `observe` would return after 0, 1, ... T refinements; a model of sequences makes one with each frame."""
        if self.sizes.sequential:
            yield self.observe(state, frame, action)
            return
        for reached, guess in self._course(state, frame.permute(0, 3, 1, 2)):
            yield self._answer(reached, guess, guess)

    def parts(self, state: State) -> tuple[Tensor, Tensor, None]:
        """After a step: the mean (B, K, H, W, C) of the next frame by each slot, and the share (B, K, H, W) of this one
        that is its own."""
        assert state.means is not None and state.shares is not None
        return state.means.permute(0, 1, 3, 4, 2), state.shares, None

    def latents(self, state: State) -> Tensor:
        """(B, K, Z): the mean of each slot's z."""
        return moments(state.raw)[0].detach()

    def _course(self, state: State, x: Tensor) -> Iterator[tuple[State, Guess]]:
        """Begin anew: the T + 1 guesses at an image, and what state each is of."""
        state = State(*self.start(*state.raw.shape[:2]), state.seeds)
        for _ in range(self.sizes.refinements):
            refined, guess = self._refine(state, x)
            yield state, guess
            state = refined
        yield state, self._draw(state, x)

    def _answer(self, state: State, guess: Guess, following: Guess) -> tuple[State, Tensor, Tensor]:
        """Who owns this frame by one guess, and what the next one is by the other."""
        shares, means = self._shares(guess), self.pixels.mean(following.outputs).detach()
        mean = (following.masks.detach() * means).sum(dim=1).permute(0, 2, 3, 1)
        return state._replace(means=means, shares=shares), mean, shares.argmax(dim=1).to(torch.uint8)

    def _draw(self, state: State, x: Tensor) -> Guess:
        batch, slots = state.raw.shape[:2]
        noise = chance.normal(state.seeds, state.time, slots * self.sizes.latent).view(batch, slots, -1)
        return self.guess(state.raw, noise.to(state.raw.dtype), x)

    def _refine(self, state: State, x: Tensor) -> tuple[State, Guess]:
        guess = self._draw(state, x)
        raw, memory = self.refine(guess, x, state.memory)
        return state._replace(raw=raw.detach(), memory=memory, time=state.time + 1), guess

    def _shares(self, guess: Guess) -> Tensor:
        if self.sizes.distribution == "bernoulli":
            return (guess.logits + guess.components).softmax(dim=1).squeeze(2).detach()
        return guess.masks.squeeze(2).detach()

    def _normalise(self, name: str, x: Tensor) -> Tensor:
        """(B, K or 1, channels, ...), each image and slot by itself."""
        normed: Tensor = self.norms[name](x.flatten(0, 1))
        return normed.view_as(x)

    def _frames(self, features: Tensor) -> list[Tensor]:
        """The images of T + 1 guesses, each (B, C, H, W)."""
        self._require(features.shape[4])
        images = frames_as_images(features, self.initial.dtype)
        if not self.sizes.sequential:
            return [images.flatten(0, 1)] * (self.sizes.refinements + 1)
        if images.shape[1] < 2:
            raise ModelError(
                f"there is nothing to predict in sequences of {images.shape[1]} frames: give 2 or more, or set"
                " sequential to False"
            )
        return list(images.unbind(1))

    def _slots(self, wanted: int | None) -> int:
        return self.sizes.slots if wanted is None else replace(self.sizes, slots=wanted).slots  # within the same bounds

    def _require(self, channels: int) -> None:
        if channels != self.sizes.channels:
            raise ModelError(
                f"this model is for frames of {self.sizes.channels} channels, not {channels}: take another dataset, or"
                " train one for them"
            )


def moments(raw: Tensor) -> tuple[Tensor, Tensor]:
    """lambda (..., 2 Z) -> mean and variance (..., Z)."""
    mean, variance = raw.chunk(2, dim=-1)
    return mean, F.softplus(variance, threshold=60)


def divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """(B, K, Z) each -> (B, K): D_KL[posterior || prior]."""
    ratio = variance / PRIOR_VARIANCE
    return 0.5 * (mean.square() / PRIOR_VARIANCE + ratio - 1 - ratio.log()).sum(dim=-1)


def leave_one_out(x: Tensor) -> Tensor:
    """(B, K, ...) -> (B, K, ...): log sum exp over all slots but the k-th, from the sums over those before and those
    after it."""
    slots = x.unbind(dim=1)
    before, after = [torch.full_like(slots[0], -math.inf)], [torch.full_like(slots[0], -math.inf)]
    for first, last in zip(slots[:-1], slots[:0:-1], strict=True):
        before.append(torch.logaddexp(before[-1], first))
        after.append(torch.logaddexp(after[-1], last))
    return torch.logaddexp(torch.stack(before, dim=1), torch.stack(after[::-1], dim=1))
