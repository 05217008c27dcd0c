"""What SQAIR expects of the next frame before it sees it.

That is how many new objects there are, where they are, and what becomes of those of the last frame.

Shapes: R rows, N slots. `where` is four numbers of a box: two of its scale, two of its shift, by x, y.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench_baselines.sqair_layers import FLOOR, Gru, Mlp, linear, stack

if TYPE_CHECKING:
    from physbench_baselines.sqair_sizes import SqairSizes

GATE = 88.0
"""Subtracted from the logit of what cannot be there."""

SURELY = 10.0
"""Added to the prior's logit that an object stays."""


class Expected(NamedTuple):
    """p(z_t | gamma_t) of each object of the last frame (R, N, ...)."""

    where: tuple[Tensor, Tensor]  # mean and deviation
    what: tuple[Tensor, Tensor]
    logit: Tensor  # of its presence
    state: Tensor  # of the GRU


class NumberPrior(nn.Module):
    """p(n) of discoveries: logits for 0 .. N.

    They have an offset after the first frame, and depend by an MLP on how sure the old objects are to stay.

    Ours has two numbers instead, the logit of each additional object and the logit of none, so that any N is possible.
    The others use the largest n that they know for larger ones.
    """

    def __init__(self, sizes: SqairSizes) -> None:
        super().__init__()
        self.ours, count = sizes.ours, 2 if sizes.ours else sizes.slots + 1
        self.offset = nn.Parameter(torch.zeros(count))
        self.later = nn.Parameter(torch.tensor([10.0, *[0.0] * (count - 1)]))
        self.mlp = Mlp(1, 10, count)
        if self.ours:
            nn.init.constant_(self.later, 0.0)

    def forward(self, sureness: Tensor, first: bool, free: Tensor | None, slots: int) -> Tensor:
        """Return log p(n), (R, N + 1).

        sureness is (R,). free is how many slots are free (R,), or None if that does not matter.
        """
        n = torch.arange(slots + 1, device=sureness.device)
        logits = self.offset + self.mlp(sureness[:, None]) + (0 if first else self.later)
        logits = (
            n * logits[:, :1] + (n == 0) * logits[:, 1:]
            if self.ours
            else F.elu(logits)[:, n.clamp(max=logits.shape[1] - 1)]
        )
        if free is not None:
            logits = logits - GATE * (n > free[:, None])
        return logits.log_softmax(dim=1)


class WherePrior(nn.Module):
    """p(where) of discoveries, one after the other: each is expected from the one before.

    The published code never updates its hidden state, so that only the last sample counts; `code` selects that.
    """

    WIDTH = 128

    def __init__(self, sizes: SqairSizes) -> None:
        super().__init__()
        self.code = sizes.form == "code"
        width = 4 if self.code else self.WIDTH
        self.first = nn.Parameter(torch.zeros(4))
        self.initial = nn.Parameter(torch.zeros(4))
        self.start = linear(4 + sizes.hidden + 1, self.WIDTH)
        self.inputs, self.hidden = linear(4, width), linear(self.WIDTH, width)
        self.readout = linear(width, 8)
        with torch.no_grad():
            self.readout.bias.copy_(
                torch.tensor([-2.0, -2, 0, 0, 1, 1, 1, 1])
                if not sizes.ours
                else torch.tensor([SIZE, SIZE, 0, 0, -1.5, -1.5, 0, 0])
            )

    def forward(self, where: Tensor, context: Tensor, sureness: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and deviation (R, N, 4).

        where (R, N, 4) are the places drawn, context (R, hidden) and sureness (R,) describe the old objects.
        """
        rows = len(where)
        h = F.elu(self.start(torch.cat([self.initial.expand(rows, -1), context, sureness[:, None]], dim=1)))
        outputs: list[Tensor] = []
        for before in (self.first.expand(rows, -1), *where.unbind(1)[:-1]):
            output = torch.tanh(self.inputs(before) + self.hidden(h))
            h = h if self.code else output
            outputs.append(self.readout(output))
        loc, raw = stack(outputs).chunk(2, dim=-1)
        return loc, F.softplus(raw) + FLOOR


class PropagationPrior(nn.Module):
    """p(z_t | gamma_t): each object has a GRU, on what and where it was, and on the effects of the others.

    Ours expects an object to keep its content, and to move on as before.
    """

    def __init__(self, sizes: SqairSizes, effects: int, floor: float) -> None:
        super().__init__()
        self.ours, self.what, self.floor = sizes.ours, sizes.what, floor
        self.gru = Gru(sizes.what + 4 + effects + (2 if self.ours else 0), sizes.hidden)
        self.readout = linear(sizes.hidden, 1 + 2 * (4 + sizes.what))
        if self.ours:
            with torch.no_grad():
                self.readout.bias[5 + sizes.what :] -= 3

    def forward(
        self, what: Tensor, where: Tensor, presence: Tensor, velocity: Tensor, effects: list[Tensor], state: Tensor
    ) -> Expected:
        """Return what is expected of the objects, (R, N, ...) each."""
        motion = [velocity] if self.ours else []
        state = self.gru(torch.cat([what, where, *motion, *effects], dim=-1), state)
        logit, where_loc, what_loc, where_raw, what_raw = self.readout(state).split(
            (1, 4, self.what, 4, self.what), dim=-1
        )
        if self.ours:
            where_loc, what_loc = 0.1 * where_loc + where + F.pad(velocity, (2, 0)), 0.1 * what_loc + what
        where_scale, what_scale = F.softplus(where_raw) + self.floor, F.softplus(what_raw) + FLOOR
        return Expected(
            (where_loc, where_scale), (what_loc, what_scale), gate(logit.squeeze(-1) + SURELY, presence), state
        )


def gate(logit: Tensor, presence: Tensor) -> Tensor:
    """Allow only what was there to be there: lower the logit of everything else."""
    return presence * logit + (presence - 1) * GATE


SIZE = -0.7
"""The logit of a scale at which the form "tracking" begins: a third of a frame."""
