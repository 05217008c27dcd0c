"""R-NEM with other rules for its slots: the same network, with any weights of R-NEM or with some of its own.

As published, slots begin as noise, and it is left to the network to make each of them follow one object. Often a slot
goes on following two. Three rules are changed; they are ours, and no paper's:

- Each slot begins around a random point of the frame. The points are drawn without a look at the frame.
- A slot that comes to own two separate things keeps the larger one, and a slot that owns next to nothing begins anew
  with the other. This takes an object to be one connected region of at least so many pixels.
- In a rollout the network is shown its prediction in black and white, like the frames that it learnt from: the maximum
  over slots, where it is above a threshold. As published, only the E-step is shown that, at another threshold, and the
  encoder is shown the grey prediction.

Shapes: B sequences, K slots, H x W pixels, N slots that are divided.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from physbench_baselines import chance
from physbench_baselines.nem import Nem, State, e_step, owners
from physbench_baselines.noise import draw_normal, draw_uniform
from physbench_baselines.regions import find_merged

if TYPE_CHECKING:
    from physbench_baselines.nem import Shape, Step
    from physbench_baselines.regrouped_sizes import RegroupedSizes

FIRST = 2
"""The first frame, counted from 0, in which slots are divided.

Before, the network has seen a single frame, and its slots do not follow anything yet.
"""

REMAINDER = 1e-3
"""How much of its share of a pixel a slot keeps if the pixel belongs to the other thing."""


class RegroupedNem(Nem):
    """R-NEM whose slots begin in places, and are divided when they own two things."""

    sizes: RegroupedSizes
    capturable = False  # what is divided depends on the numbers

    def draw_start(self, shape: Shape, *, generator: torch.Generator | None, like: torch.Tensor) -> State:
        """Draw the first state of sequences in training; some of them start as published, and keep their slots."""
        points = draw_uniform((*shape[:2], 2), generator=generator, like=like)
        near = spread_shares(points, shape, self.sizes.spread)
        if not self.sizes.published:
            return self.start(*shape[:2], gamma=near)
        noise = draw_normal(shape, generator=generator, like=like).abs()
        published = draw_uniform(shape[:1], generator=generator, like=like) < self.sizes.published
        gamma = torch.where(published[:, None, None, None], noise, near)
        return self.start(*shape[:2], gamma=gamma)._replace(published=published)

    def seed_shares(self, seeds: torch.Tensor, shape: Shape) -> torch.Tensor:
        """Return the shares of pixels that sequences with these seeds begin with."""
        points = chance.uniform(seeds, 0, 2 * shape[1]).view(*shape[:2], 2)
        return spread_shares(points, shape, self.sizes.spread)

    def regroup(self, state: State, frame: torch.Tensor) -> State:
        """Divide the slots that own two things."""
        if state.time < FIRST or not self.sizes.smallest_thing:
            return state
        on = frame > 0.5
        if state.published is not None:
            on = on & ~state.published[:, None, None]
        return self.divide(state, on)

    def divide(self, state: State, on: torch.Tensor) -> State:
        """Give one of the two things that a slot owns to a free slot, by the frame's pixels that are on (B, H, W).

        The free slot begins anew. The other one keeps what it has noted, and its prediction of the pixels that are
        nearer to its own thing.
        """
        owner = owners(state.gamma).cpu().numpy()
        sizes, slots = self.sizes, state.gamma.shape[1]
        found, places = find_merged(owner, on.cpu().numpy(), slots, sizes.smallest_thing, sizes.largest_free)
        if not len(found):
            return state
        at, slot, free = torch.from_numpy(found).to(on.device).unbind(1)
        stays, goes = torch.from_numpy(places).to(state.gamma).unbind(1)
        side = measure_distances(goes, on.shape[1:]) < measure_distances(stays, on.shape[1:])  # (N, H, W)
        theta, psi, gamma = state.theta.clone(), state.psi.clone(), state.gamma.clone()
        share = gamma[at, slot]
        gamma[at, free] = torch.where(side, share, REMAINDER * share)
        gamma[at, slot] = torch.where(side, REMAINDER * share, share)
        theta[at, free] = 0
        psi[at, free] = 0
        psi[at, slot] = torch.where(side, 0, psi[at, slot])
        return state._replace(theta=theta, psi=psi, gamma=gamma / gamma.sum(dim=1, keepdim=True))

    def imagine(self, state: State, action: torch.Tensor | None = None) -> Step:
        """Do the same as `observe`, with the model's own prediction in black and white in place of a frame."""
        seen = (state.psi.amax(dim=1) > self.sizes.threshold).float()
        if state.time > 0:
            state = state._replace(gamma=e_step(seen, state.psi))
        return self.advance(state, seen, action)


def spread_shares(points: torch.Tensor, shape: Shape, spread: float) -> torch.Tensor:
    """Share out pixels (B, K, H, W) among slots: the nearer its point, the more.

    points (B, K, 2) are rows and columns, from 0 to 1.
    """
    places = points * points.new_tensor(shape[2:])
    return torch.softmax(-measure_distances(places, shape[2:]) / spread, dim=1)


def measure_distances(places: torch.Tensor, shape: tuple[int, int] | torch.Size) -> torch.Tensor:
    """Return the distance of each pixel from each place (..., 2), row and column: (..., H, W)."""
    rows, columns = (torch.arange(size, dtype=places.dtype, device=places.device) for size in shape)
    return torch.hypot(places[..., 0, None, None] - rows[:, None], places[..., 1, None, None] - columns)
