"""IODINE (Greff et al., ICML 2019): an image as a mixture of slots, inferred by refining a guess.

Read this file beside section 2 and appendix B of the paper.

Each slot has a latent vector z, drawn from a posterior with parameters lambda. From z, the decoder predicts each pixel
and how strongly the slot claims that pixel (its mask). A guess at lambda is refined T times by a network that sees the
image, the guess, and the gradients of the loss. Those gradients count as constants: nothing is learnt through second
derivatives. Where the paper and the published code differ, the numbers follow the code:

- A slot's z has a variance of softplus(raw), and its prior one of softplus(0) = log 2. The paper says
  isotropic.
- The gradient of the masks is taken by their logits; the mask posterior leaves out the masks; what the paper calls
  likelihoods are their logarithms.
- A constant of 5 goes into the decoder with z. A constant of 0.5 goes into the refinement network, among the images and
  among the vectors. The tables of appendix B count the first constant (18 and 24 inputs), the list there does not.
- The steps are weighted 0, 1/T, ..., 1: the first guess has no weight.
- The first posterior is learnt, and the same for all slots. Slots differ because each draws its own z.
- Pixels are logistic with a scale of 0.03 in the code, and Gaussian in the paper. Here this is an option.

The Bernoulli distribution is our addition. Black and white pixels are a mixture of Bernoullis, which depends only on
its mean, sum_k m_k mu_k. The masks m are not determined by which pixels are on. So with this distribution a pixel
belongs to the slot with the largest posterior m_k p_k(x). Otherwise it belongs to the slot with the largest mask, as in
the paper.

Shapes: B images, K slots, Z numbers in a z, H x W pixels of C channels. Images are (B, C, H, W); images by slot are (B,
K, C or 1, H, W).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench.errors import ModelError, UnsuitableModel
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
from physbench_baselines.noise import draw_normal
from physbench_baselines.pixel_distributions import PIXELS, frames_as_images
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from physbench_baselines.iodine_layers import Memory
    from physbench_baselines.iodine_sizes import IodineSizes

PRIOR_VARIANCE = math.log(2)
"""Variance of the prior of z."""

CAPACITY = 0.5
"""A constant input of the refinement network, for every pixel and for every slot."""

NORMED = {"counterfactual": 1, "dcomponents": 0, "dmask": 1, "log_prob": 1}
"""The images that go through a layer norm, and their number of channels; 0 = as many as a frame has."""


class Guess(NamedTuple):
    """A draw of z from the posterior, what the decoder makes of it, and how well it explains the image."""

    raw: Tensor  # lambda (B, K, 2 Z): the mean of z, then its variance before softplus
    z: Tensor  # (B, K, Z)
    outputs: Tensor  # (B, K, C, H, W) from the decoder: the mean of each pixel, or the logit of the mean
    logits: Tensor  # (B, K, 1, H, W) of the masks
    components: Tensor  # (B, K, 1, H, W), log p(x | slot k), summed over the channels of a pixel
    log_prob: Tensor  # (B, 1, H, W), log p(x)
    kl: Tensor  # (B, K)

    @property
    def masks(self) -> Tensor:
        """The masks (B, K, 1, H, W)."""
        return self.logits.softmax(dim=1)

    @property
    def loss(self) -> Tensor:
        """Minus the lower bound of the evidence in nats, (B,)."""
        return self.kl.sum(dim=1) - self.log_prob.sum(dim=(1, 2, 3))


class State(NamedTuple):
    """What the model carries on from frame to frame."""

    raw: Tensor
    memory: Memory | None
    seeds: Tensor  # int64 (B,)
    time: int = 0  # how many z have been drawn
    means: Tensor | None = None  # (B, K, C, H, W), prediction of the next frame
    shares: Tensor | None = None  # (B, K, H, W), who owns this frame
    answer: tuple[Tensor, Tensor, Tensor] | None = (
        None  # an image, its mean and its owners, returned again if the same image comes again
    )


class Iodine(nn.Module):
    """The network: a decoder, and a network that refines a guess."""

    def __init__(self, sizes: IodineSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.pixels = PIXELS[sizes.distribution](sizes.scale)
        self.likelihood = self.pixels.likelihood
        bound = math.sqrt(1.5 / sizes.latent)  # Glorot's
        self.initial = nn.Parameter(nn.init.uniform_(torch.empty(2 * sizes.latent), -bound, bound))
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
        """Return the first posterior (B, K, 2 Z), and the empty memory of the LSTM if there is one."""
        nothing = self.initial.new_zeros(batch * slots, self.sizes.lstm)
        return self.initial.expand(batch, slots, -1), (nothing, nothing) if self.lstm else None

    def guess(self, raw: Tensor, noise: Tensor, x: Tensor) -> Guess:
        """Draw z with this noise, and decode it.

        raw is (B, K, 2 Z), noise (B, K, Z), x (B, C, H, W). Gradients can be taken of the guess, also at test time.
        """
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
        """Differentiate the loss by outputs, mask logits and lambda.

        The derivatives have no graph, so they cannot be differentiated again.
        """
        learns = torch.is_grad_enabled()
        with torch.enable_grad():
            loss = guess.loss.sum() / self.sizes.inner_batch
        wanted = guess.outputs, guess.logits, guess.raw
        return torch.autograd.grad(loss, wanted, retain_graph=learns)  # type: ignore[return-value]

    def inputs(self, guess: Guess, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return what the refinement network sees, in this order: images and vectors.

        Images are (B, K or 1, channels, H, W), vectors (B, K, numbers).
        """
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
        """Return a better lambda, and the new memory of the LSTM."""
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
        """Yield T + 1 guesses, one for each image: the first one, then T refined ones.

        There are T + 1 images (B, C, H, W), and as many draws (B, K, Z).
        """
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
        """Return the loss in nats per image: the bounds of all guesses, later ones with more weight.

        In a model of sequences, every guess is a guess at the next frame.

        batch: features uint8 (B, T, H, W, C). noise replaces what the generator would draw. The share, which is how
        much of the run is over, is not used.
        """
        frames = self._frames(batch["features"])
        steps = torch.linspace(0, 1, len(frames), dtype=torch.float64).tolist()
        shape = (len(frames[0]), self._slots(slots), self.sizes.latent)
        if noise is None:
            draws = draw_normal((len(frames), *shape), generator=generator, like=self.initial, axis=1)
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
        """Return the state before the first frame.

        seeds int64 (B,): all randomness of image or sequence i comes from seeds[i]. Any number of slots from 2 on is
        possible.
        """
        self._require(shape[2])
        return State(*self.start(len(seeds), self._slots(slots)), seeds)

    def observe(self, state: State, frame: Tensor, action: Tensor | None = None) -> tuple[State, Tensor, Tensor]:
        """Take a frame and return the state, the mean of the next frame and the owners of this one.

        frame and mean are (B, H, W, C), owner is uint8 (B, H, W). A model of sequences refines its guess once with each
        frame. A model of images starts again with each frame, and predicts that the next one is the same. If it is the
        same, the answer is returned without computing it again.
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
        """Yield what `observe` would return after 0, 1, ... T refinements.

        A model of sequences makes one refinement with each frame, so it yields once.
        """
        if self.sizes.sequential:
            yield self.observe(state, frame, action)
            return
        for reached, guess in self._course(state, frame.permute(0, 3, 1, 2)):
            yield self._answer(reached, guess, guess)

    def parts(self, state: State) -> tuple[Tensor, Tensor, None]:
        """Return each slot's mean (B, K, H, W, C) of the next frame, and its share (B, K, H, W) of this one.

        Call it after a step.
        """
        assert state.means is not None and state.shares is not None
        return state.means.permute(0, 1, 3, 4, 2), state.shares, None

    def latents(self, state: State) -> Tensor:
        """Return the mean of each slot's z, (B, K, Z)."""
        return moments(state.raw)[0].detach()

    def _course(self, state: State, x: Tensor) -> Iterator[tuple[State, Guess]]:
        """Start again, and yield the T + 1 guesses at an image with the state of each."""
        state = State(*self.start(*state.raw.shape[:2]), state.seeds)
        for _ in range(self.sizes.refinements):
            refined, guess = self._refine(state, x)
            yield state, guess
            state = refined
        yield state, self._draw(state, x)

    def _answer(self, state: State, guess: Guess, following: Guess) -> tuple[State, Tensor, Tensor]:
        """Return the owners of this frame by one guess, and the mean of the next frame by the other."""
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
        """Normalise (B, K or 1, channels, ...), each image and slot on its own."""
        normed: Tensor = self.norms[name](x.flatten(0, 1))
        return normed.view_as(x)

    def _frames(self, features: Tensor) -> list[Tensor]:
        """Return the images of T + 1 guesses, each (B, C, H, W)."""
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
        return self.sizes.slots if wanted is None else replace(self.sizes, slots=wanted).slots  # checks the bounds

    def _require(self, channels: int) -> None:
        if channels != self.sizes.channels:
            raise UnsuitableModel(
                f"this model is for frames of {self.sizes.channels} channels, not {channels}: take another dataset, or"
                " train one for them"
            )


def moments(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance (..., Z) from lambda (..., 2 Z)."""
    mean, variance = raw.chunk(2, dim=-1)
    return mean, F.softplus(variance, threshold=60)


def divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """Return D_KL[posterior || prior], (B, K), from mean and variance (B, K, Z)."""
    ratio = variance / PRIOR_VARIANCE
    return 0.5 * (mean.square() / PRIOR_VARIANCE + ratio - 1 - ratio.log()).sum(dim=-1)


def leave_one_out(x: Tensor) -> Tensor:
    """Return, for each slot k, the log sum exp over all slots but k: (B, K, ...) -> (B, K, ...).

    It is made from sums over the slots before k and sums over the slots after k.
    """
    slots = x.unbind(dim=1)
    before, after = [torch.full_like(slots[0], -math.inf)], [torch.full_like(slots[0], -math.inf)]
    for first, last in zip(slots[:-1], slots[:0:-1], strict=True):
        before.append(torch.logaddexp(before[-1], first))
        after.append(torch.logaddexp(after[-1], last))
    return torch.logaddexp(torch.stack(before, dim=1), torch.stack(after[::-1], dim=1))
