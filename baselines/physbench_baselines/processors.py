"""Processors, the P of RMR: networks that turn the latent vectors of a state into those of the next state.

There is a vector for each thing. Processors can be taken out of a model and used in another one.

Shapes: B states, N things (balls, or bytes of a memory), D numbers of each, A numbers of an action on them all. All
processors have the same signature: z (B, N, D), action (B, A) or None -> z (B, N, D).

The paper says that messages come from a perceptron of three layers. It does not say how they are gathered, or how a
thing uses them. Here z_k becomes z_k + the sum (or the mean) over i of M(z_k, z_i), where each pass has its own M, and
i goes through all things, k among them. The paper says that the adjacency of Deep Sets is the identity, so there i is
only k. The weights of M start as those of any layer, so a processor that has learnt nothing adds random messages.
"""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

Gather = Literal["sum", "mean"]

AT_ONCE = 1 << 23
"""How many numbers of pairs are kept in memory at once.

If there are more, receivers are treated in groups, one after the other, and the backward pass computes them again.
"""


class Messages(nn.Module):
    """M(z_k, z_i) of all pairs, summed or averaged over i: three layers, with ReLU after the first two.

    The first layer on [z_k; action; z_i] is the sum of one on [z_k; action] and one on z_i. Each is computed once per
    thing, and for a pair the two are only added. The last layer is linear, so it comes after the sum, once per thing.
    Only the layer in the middle sees pairs.

    differences: whether the first layer starts as a function of z_k - z_i, which is what matters between bodies. It can
    learn to be any other function.
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
                self.sender.weight.copy_(self.receiver.weight[:, :size]).mul_(-1)
        self.middle = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, size)

    def forward(self, z: torch.Tensor, action: torch.Tensor | None = None) -> torch.Tensor:
        """Return the gathered messages: z (B, N, D), action (B, A) -> (B, N, D)."""
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
        """Apply the first two layers to each pair, and sum over the senders: (B, R, H), (B, N, H) -> (B, R, H)."""
        return F.relu(self.middle(F.relu(receivers[:, :, None] + senders[:, None]))).sum(dim=2)


class OwnMessages(nn.Module):
    """Messages where each thing only receives its own: the adjacency of Deep Sets."""

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
        """Return the messages: z (B, N, D), action (B, A) -> (B, N, D)."""
        return self.layers(_join_action(z, action))


class MessagePassing(nn.Module):
    """Passes of messages, one after the other.

    It is an MPNN on the fully connected graph, or one where the adjacency is the identity.
    """

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
        """Return the next z (B, N, D)."""
        for messages in self.passes:
            z = z + messages(z, action)
        return z


class Perceptron(nn.Module):
    """Three layers on all things together, which have to learn about each thing separately."""

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
        """Return the next z (B, N, D)."""
        flat = z.flatten(1)
        return self.layers(flat if action is None else torch.cat([flat, action], dim=1)).view_as(z)


def _join_action(z: torch.Tensor, action: torch.Tensor | None) -> torch.Tensor:
    """Put the action beside the vector of every thing."""
    return z if action is None else torch.cat([z, action[:, None].expand(-1, z.shape[1], -1)], dim=-1)
