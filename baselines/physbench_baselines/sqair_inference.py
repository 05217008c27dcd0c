"""How SQAIR explains a frame: by propagation, then by discovery.

Propagation finds the objects of the last frame again, one by one. Discovery looks for new ones.

Shapes: R rows, N slots. The variables of a slot are drawn: where and what from normal distributions by given standard
normal numbers, presence from a Bernoulli by a given uniform number. A later slot depends on the variables of earlier
ones.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench_baselines.sqair_layers import (
    FLOOR,
    GaussianHead,
    Gru,
    Localiser,
    Mlp,
    VanillaRnn,
    log_normal,
    read,
    stack,
    write,
)
from physbench_baselines.sqair_priors import GATE, SIZE, gate

if TYPE_CHECKING:
    from physbench_baselines.sqair_sizes import SqairSizes

MASK_HIDDEN = 128
SHIFTED = 0.1
"""Factor of what an MLP adds to a place."""

FORGET = 0.9999
"""Factor of the gates that mix the old and the new content of an object."""

TIGHT = 1e-3
"""The least deviation of `where` in the form "tracking": a fortieth of a pixel."""

REACH = 0.3
"""How far the logit of a scale can go from its middle in the form "tracking"."""


class Draws(NamedTuple):
    """Random numbers of a frame: the first N are for propagation, the others for discovery."""

    where: Tensor  # (R, 2 N, 4) standard normal
    what: Tensor  # (R, 2 N, what) standard normal
    presence: Tensor  # (R, 2 N) uniform in 0..1


class Explained(NamedTuple):
    """What was drawn for N slots, and the log densities of it: (R, N, ...)."""

    where: Tensor
    what: Tensor
    presence: Tensor
    logit: Tensor  # of the presence
    log_where: Tensor  # (R, N), log densities
    log_what: Tensor
    temporal: Tensor | None = None


class Eye(nn.Module):
    """What propagation and discovery share: it cuts out and draws boxes, and encodes and decodes glimpses."""

    def __init__(self, sizes: SqairSizes) -> None:
        super().__init__()
        self.side, self.glimpse, self.ours, self.sigma = sizes.side, sizes.glimpse, sizes.ours, sizes.sigma
        pixels, hidden = sizes.glimpse**2, sizes.hidden
        self.encoder = Mlp(pixels, hidden, hidden, ends=True)
        self.head = GaussianHead(hidden, sizes.what)
        self.decoder = Mlp(sizes.what, hidden, hidden, pixels)
        self.output_scale = nn.Parameter(torch.tensor(0.25))

    def box(self, where: Tensor) -> tuple[Tensor, Tensor]:
        """Return scale and shift (..., 2) from where (..., 4).

        The form "tracking" does not bound the shift, so objects can leave the frame.
        """
        scale = torch.sigmoid(where[..., :2]).clamp(min=1e-4)
        return scale, where[..., 2:] if self.ours else torch.tanh(where[..., 2:])

    def overlaps(self, where: Tensor) -> Tensor:
        """Return 1 where a part of the box lies in the frame, else 0, from where (..., 4)."""
        scale, shift = self.box(where)
        return (shift.abs() < 1 + scale).all(dim=-1).to(where.dtype)

    def look(self, images: Tensor, where: Tensor, mask: Tensor | None = None) -> Tensor:
        """Encode the glimpse that `where` cuts out of each image: (R, hidden).

        images are (R, H, W), where (R, 4), mask (R, pixels).
        """
        glimpse = read(images, *self.box(where), self.glimpse, self.side).flatten(1)
        return self.encoder(glimpse if mask is None else glimpse * mask)

    def picture(self, what: Tensor) -> Tensor:
        """Decode what (..., what) to a glimpse (..., G, G)."""
        return (self.decoder(what) * self.output_scale).unflatten(-1, (self.glimpse, self.glimpse))

    def draw(self, what: Tensor, where: Tensor, shape: tuple[int, int]) -> Tensor:
        """Draw each object on an image of its own: what and where (R, N, ...) -> (R, N, H, W)."""
        scale, shift = (each.flatten(0, 1) for each in self.box(where))
        return write(self.picture(what).flatten(0, 1), scale, shift, shape, self.side).unflatten(0, what.shape[:2])

    def gain(self, images: Tensor, what: Tensor, where: Tensor) -> tuple[Tensor, Tensor]:
        """Return how much likelier a frame is with one more object, and what stays unexplained.

        The first is in hundreds of nats (R, 1). what and where are of one slot (R, ...).
        """
        with torch.no_grad():
            left = images - self.draw(what[:, None], where[:, None], (images.shape[1], images.shape[2]))[:, 0]
            better = images.square().sum(dim=(1, 2)) - left.square().sum(dim=(1, 2))
            return (better / (200 * self.sigma**2)).clamp(-5, 5)[:, None], left

    def bound(self, where: Tensor) -> Tensor:
        """Keep a mean's scale near its starting value, in the form "tracking"."""
        if not self.ours:
            return where
        return torch.cat([SIZE + REACH * torch.tanh((where[..., :2] - SIZE) / REACH), where[..., 2:]], dim=-1)


class Discovery(nn.Module):
    """q(z^D_t | x_t, z^P_t): an RNN draws, slot by slot, where a new object is, what it is, and whether there is one.

    The paper's looks at the whole image. Ours looks with convolutions at what is not yet explained, then at the place
    that they find.
    """

    def __init__(self, sizes: SqairSizes, eye: Eye) -> None:
        super().__init__()
        self.sizes, self.eye, self.ours, hidden = (
            sizes,
            (eye,),
            sizes.ours,
            sizes.hidden,
        )  # a tuple, so that the eye's weights are not registered as this module's
        if self.ours:
            self.localiser = Localiser()
        else:
            self.encoder = Mlp(sizes.side**2, hidden, hidden, ends=True)
        self.rnn = VanillaRnn(2 * hidden + sizes.what + 5, hidden)
        self.where = Mlp(hidden, hidden, hidden, 8)
        self.offset = nn.Parameter(torch.tensor(-3.0))
        self.presence = Mlp(hidden + sizes.what + self.ours, sizes.presence_hidden, 1, bias=1.0)

    def forward(
        self, images: Tensor, left: Tensor, context: Tensor, free: Tensor | None, draws: Draws, force: bool
    ) -> Explained:
        """Return N discoveries.

        They depend on the frames and on what propagation leaves of them (R, H, W), on its context (R, hidden), and on
        how many slots are free, (R,) or None.
        """
        (eye,), slots, sizes = self.eye, draws.where.shape[1] // 2, self.sizes
        features = None if self.ours else self.encoder(images.flatten(1))
        nothing = images.new_zeros(len(images))
        h = self.rnn.initial.expand(len(images), -1)
        what, where, presence = nothing[:, None].expand(-1, sizes.what), nothing[:, None].expand(-1, 4), nothing + 1
        said: list[tuple[Tensor, ...]] = []
        for k in range(slots):
            there = presence if free is None else presence * (k < free)
            (rows,) = there.nonzero(as_tuple=True)  # all other rows have stopped
            if not len(rows):
                said += [
                    (torch.zeros_like(where), torch.zeros_like(what), nothing, nothing - GATE, nothing, nothing)
                ] * (slots - k)
                break
            seen = left[rows] if self.ours else images[rows]
            if self.ours:
                place = self.localiser(seen, eye.side)
                proposal = torch.cat([torch.full_like(place, SIZE), place], dim=1)
                glance = eye.look(seen, proposal)
            else:
                proposal = None
                assert features is not None
                glance = features[rows]
            now = self.rnn(
                torch.cat([glance, context[rows], what[rows], where[rows], presence[rows, None]], dim=1), h[rows]
            )
            loc, raw = self.where(now).chunk(2, dim=1)
            if proposal is not None:
                loc = eye.bound(proposal + SHIFTED * loc)
            scale = F.softplus(raw + self.offset) + (TIGHT if self.ours else FLOOR)
            place = loc + scale * draws.where[rows, slots + k]
            code = eye.head(eye.look(seen, place))
            thing = code[0] + code[1] * draws.what[rows, slots + k]
            hints = [now, thing]
            if self.ours:
                gain, after = eye.gain(seen, thing, place)
                hints.append(gain)
            logit = self.presence(torch.cat(hints, dim=1)).squeeze(1) + 2 * GATE * force
            drawn = (draws.presence[rows, slots + k] < torch.sigmoid(logit)).to(thing.dtype)
            if self.ours:
                left = left.index_copy(0, rows, torch.where(drawn[:, None, None] > 0, after, seen))
            results = (place, thing, drawn, logit + GATE, log_normal(place, loc, scale), log_normal(thing, *code))
            where, what, presence, logits, log_where, log_what = (
                each.new_zeros(len(images), *each.shape[1:]).index_copy(0, rows, each) for each in results
            )  # fmt: skip
            h = h.index_copy(0, rows, now)
            said.append((where, what, presence, logits - GATE, log_where, log_what))
        return Explained(*(stack(column) for column in zip(*said, strict=True)))


class Propagation(nn.Module):
    """q(z^P_t | gamma_t, h_t): each object has a GRU that remembers it over time, and an RNN runs over the objects.

    Ours expects an object to move on as before. It looks at what earlier slots leave of the frame, and knows how much
    likelier the frame is with the object.
    """

    def __init__(self, sizes: SqairSizes, effects: int, eye: Eye) -> None:
        super().__init__()
        self.sizes, self.eye, self.ours, hidden, what = sizes, (eye,), sizes.ours, sizes.hidden, sizes.what
        self.mask = Mlp(hidden, MASK_HIDDEN, sizes.glimpse**2, bias=1.0)
        self.proposal = Mlp(hidden, MASK_HIDDEN, 4)
        seen = hidden if self.ours else what
        self.rnn = VanillaRnn(seen + 2 * (what + 5) + hidden + effects, hidden)
        self.where = Mlp(hidden + 4 + hidden + effects, hidden, hidden, 8)
        self.offset = nn.Parameter(torch.tensor(-3.0))
        self.cholesky = nn.Parameter(torch.zeros(4, 4) if self.ours else torch.empty(4, 4).uniform_(-0.55, 0.55).tril())
        self.gru = Gru(hidden + 4 + 2 * what + effects, hidden)
        self.head = GaussianHead(hidden, what)
        self.gates = Mlp(hidden, 3 * what, bias=1.0)
        self.presence = Mlp(2 * hidden + what + self.ours, sizes.presence_hidden, 1, bias=5.0)

    def forward(
        self,
        images: Tensor,
        what: Tensor,
        where: Tensor,
        presence: Tensor,
        temporal: Tensor,
        velocity: Tensor,
        effects: list[Tensor],
        draws: Draws,
        force: bool,
    ) -> tuple[Explained, Tensor]:
        """Return the propagated objects, and what they leave of the frame.

        images are (R, H, W), the objects of the last frame (R, N, ...).
        """
        (eye,), (rows, slots), ours = self.eye, presence.shape, self.ours
        mask = torch.sigmoid(self.mask(temporal))
        going = F.pad(velocity, (2, 0)) if ours else 0
        proposal = where + going + SHIFTED * self.proposal(temporal)
        h, left = self.rnn.initial.expand(rows, -1), images
        before = images.new_zeros(rows, what.shape[-1] + 5)
        told = torch.cat([what, where, presence[..., None], temporal, *effects], dim=-1)
        said: list[tuple[Tensor, ...]] = []
        for k in range(slots):
            own = [each[:, k] for each in effects]
            seen = left if ours else images
            glance = eye.look(seen, proposal[:, k], mask[:, k])
            h = self.rnn(torch.cat([glance if ours else eye.head(glance)[0], before, told[:, k]], dim=1), h)
            delta, raw = self.where(torch.cat([h, where[:, k], temporal[:, k], *own], dim=1)).chunk(2, dim=1)
            ahead = going[:, k] if ours else 0.0  # type: ignore[index]
            loc = eye.bound(where[:, k] + ahead + SHIFTED * delta) if ours else where[:, k] + delta
            scale = F.softplus(raw + self.offset - 1) + (TIGHT if ours else FLOOR)
            triangle = torch.diag_embed(scale) + scale[..., None] * self.cholesky.tril()
            noise = draws.where[:, k]
            there = loc + (triangle @ noise[..., None]).squeeze(-1)
            log_there = log_normal(noise, torch.zeros_like(noise), torch.ones_like(noise)) - triangle.diagonal(
                dim1=1, dim2=2
            ).abs().log().sum(dim=1)
            code, deviation = eye.head(eye.look(seen, there, mask[:, k]))
            state = self.gru(torch.cat([h, there, code, deviation, *own], dim=1), temporal[:, k])
            new, new_deviation = self.head(state)
            forget, inputs, remember = (FORGET * torch.sigmoid(self.gates(state))).chunk(3, dim=1)
            mean = forget * what[:, k] + (1 - inputs) * code + (1 - remember) * new
            spread = (1 - inputs) * deviation + (1 - remember) * new_deviation
            thing = mean + spread * draws.what[:, k]
            hints = [h, temporal[:, k], thing]
            if ours:
                gain, after = eye.gain(left, thing, there)
                hints.append(gain)
            logit = gate(self.presence(torch.cat(hints, dim=1)).squeeze(1) + 2 * GATE * force, presence[:, k])
            stays = (draws.presence[:, k] < torch.sigmoid(logit)).to(thing.dtype) * presence[:, k]
            if ours:
                left = torch.where(stays[:, None, None] > 0, after, left)
            before = torch.cat([thing, there, stays[:, None]], dim=1)
            said.append((there, thing, stays, logit, log_there, log_normal(thing, mean, spread), state))
        return Explained(*(stack(column) for column in zip(*said, strict=True))), left
