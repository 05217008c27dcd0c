"""Processors: what turns the latent vectors of all things of a state into those of the next state. The P of RMR, to be
taken out and used elsewhere.

B states, N things (balls, bytes of a memory), D numbers of each, A of what is done to them all. All take and give the
same: z (B, N, D), action (B, A) or None -> z (B, N, D).

The paper says that messages come from a perceptron of three layers, and neither how they are gathered nor how a thing
takes them in. Here z_k becomes z_k + the sum (or the mean) over i of M(z_k, z_i), each pass with an M of its own; i
goes through all things, k among them. So Deep Sets, of which the paper says that their adjacency is the identity, hear
from i = k alone, and a processor that has learnt nothing leaves z as it is.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

Gather = Literal["sum", "mean"]

AT_ONCE = 1 << 23
"""Numbers of pairs that are held together: where there are more, receivers go one group after the other, and a gradient
makes theirs again."""


class Messages(nn.Module):
    """M(z_k, z_i) of all pairs, gathered over i: three layers, ReLU after the first two.

    The first layer on [z_k; action; z_i] is the sum of one on [z_k; action] and one on z_i: each is computed once per
    thing, and pairs only add. The last is linear, so it comes after the sum, once per thing. Only the layer between
    them sees pairs.

    differences: whether the first layer starts as one on z_k - z_i, which is what matters between bodies. It is free to
    become anything else.
    """

    def __init__(
        self, size: int, hidden: int, *, actions: int = 0, gather: Gather = "sum", differences: bool = False
    ) -> None:
        super().__init__()
        self.gather = gather
        self.receiver = nn.Linear(size + actions, hidden)
        self.sender = nn.Linear(size, hidden, bias=False)
        if differences:
            with torch.no_grad():
                self.sender.weight.copy_(-self.receiver.weight[:, :size])
        self.middle = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, size)

    def forward(self, z: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
        """(B, N, D), (B, A) -> (B, N, D)."""
        receivers, senders = self.receiver(_join_action(z, action)), self.sender(z)
        things = z.shape[1]
        group = max(AT_ONCE // max(senders.numel(), 1), 1)
        if group >= things:
            gathered = self._gather(receivers, senders)
        else:
            parts = receivers.split(group, dim=1)
            gathered = torch.cat([self._part(part, senders) for part in parts], dim=1)
        if self.gather == "mean":
            return self.last(gathered / things)
        return F.linear(gathered, self.last.weight) + things * self.last.bias

    def _part(self, receivers: torch.Tensor, senders: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return self._gather(receivers, senders)
        return checkpoint(self._gather, receivers, senders, use_reentrant=False, preserve_rng_state=False)

    def _gather(self, receivers: torch.Tensor, senders: torch.Tensor) -> torch.Tensor:
        """(B, R, H), (B, N, H) -> (B, R, H): what the first two layers make of each pair, summed over the senders."""
        return F.relu(self.middle(F.relu(receivers[:, :, None] + senders[:, None]))).sum(dim=2)


class OwnMessages(nn.Module):
    """The same where each thing hears from itself alone: the adjacency of Deep Sets."""

    def __init__(self, size: int, hidden: int, *, actions: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(size + actions, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, size),
        )

    def forward(self, z: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
        """(B, N, D), (B, A) -> (B, N, D)."""
        return self.layers(_join_action(z, action))


class MessagePassing(nn.Module):
    """Passes of messages, one after the other: an MPNN on the graph in which everything is connected, or with the
    identity for its adjacency."""

    def __init__(
        self,
        size: int,
        hidden: int,
        passes: int,
        *,
        connected: bool = True,
        actions: int = 0,
        gather: Gather = "sum",
        differences: bool = False,
    ) -> None:
        super().__init__()

        def make() -> nn.Module:
            if not connected:
                return OwnMessages(size, hidden, actions=actions)
            return Messages(size, hidden, actions=actions, gather=gather, differences=differences)

        self.passes = nn.ModuleList(make() for _ in range(passes))

    def forward(self, z: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
        for messages in self.passes:
            z = z + messages(z, action)
        return z


class Perceptron(nn.Module):
    """Three layers on all things together: what has to learn each of them by itself."""

    def __init__(self, things: int, size: int, hidden: int, *, actions: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(things * size + actions, hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, things * size),
        )

    def forward(self, z: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
        flat = z.flatten(1)
        return self.layers(flat if action is None else torch.cat([flat, action], dim=1)).view_as(z)


def _join_action(z: torch.Tensor, action: torch.Tensor | None) -> torch.Tensor:
    """Put the action beside the vector of every thing."""
    return z if action is None else torch.cat([z, action[:, None].expand(-1, z.shape[1], -1)], dim=-1)
