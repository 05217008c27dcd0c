"""Recurrences: what carries the representation of each slot from step to step.

There is a plain RNN, an LSTM, and the relational recurrence of R-NEM with and without attention.

Shapes: B sequences, K slots, D values from the encoder, H hidden, S of state (H; 2H for the LSTM), A actions. All have
the same signature: state (B, K, S), input (B, K, D), action (B, A) or None -> state (B, K, S), output to the decoder
(B, K, H), attention (B, K, K - 1) or None.
"""

import torch
import torch.nn.functional as F
from torch import nn

from physbench_baselines.blocks import EPSILON, Dense, Norm, initialise

Step = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


class Rnn(nn.Module):
    """A plain RNN, theta = sigma(W x + R theta). The norm is on the output, not on the recurrent path."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.state = hidden
        self.linear = initialise(nn.Linear(inputs + hidden, hidden))
        self.norm = Norm(hidden)

    def forward(self, state: torch.Tensor, x: torch.Tensor, action: torch.Tensor | None = None) -> Step:
        """Do one step."""
        u = self.linear(torch.cat([x, state], dim=-1)).float()
        return torch.sigmoid(u), torch.sigmoid(self.norm(u)), None


class Lstm(nn.Module):
    """The layer-normalised LSTM, with a norm on each of the four gates and on the cell.

    The normalised cell is carried on. The state is the cell, then the output.
    """

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.state = 2 * hidden
        self.linear = initialise(nn.Linear(inputs + hidden, 4 * hidden, bias=False))
        self.gain = nn.Parameter(torch.ones(4, hidden))  # of the gates in the order i, j, f, o
        self.offset = nn.Parameter(torch.zeros(4, hidden))
        self.norm = Norm(hidden)

    def forward(self, state: torch.Tensor, x: torch.Tensor, action: torch.Tensor | None = None) -> Step:
        """Do one step."""
        cell, output = state.chunk(2, dim=-1)
        gates = self.linear(torch.cat([x, output], dim=-1)).float().unflatten(-1, self.gain.shape)
        i, j, f, o = (F.layer_norm(gates, gates.shape[-1:], None, None, EPSILON) * self.gain + self.offset).unbind(-2)
        cell = self.norm(cell * torch.sigmoid(f + 1) + torch.sigmoid(i) * torch.tanh(j))
        output = torch.tanh(cell) * torch.sigmoid(o)
        return torch.cat([cell, output], dim=-1), output, None


class Relational(nn.Module):
    """The relational recurrence, theta_k = sigma(W [x_k; Upsilon_k(theta)]).

    Upsilon_k holds the effects of all other slots on slot k (equation 5).

    The embedding of a pair begins with a linear layer on [theta_k; theta_i], which is the sum of one on theta_k and one
    on theta_i. Each is computed once per slot, and for a pair the two are only added. The published code gives the
    embedded actions of one sequence to another one of the batch, because it repeats them slot by slot while the rows
    are ordered sequence by sequence. Here every sequence gets its own.
    """

    def __init__(
        self, inputs: int, hidden: int, attention: int | None, *, actions: int = 0, embedding: int = 0
    ) -> None:
        super().__init__()
        self.state = hidden
        told = embedding if actions else 0
        self.act = Dense(actions, embedding, F.relu) if actions else None
        self.enc = Dense(hidden + told, hidden, F.relu)
        self.emb = initialise(nn.Linear(2 * hidden, hidden))
        self.emb_norm = Norm(hidden)
        self.eff = Dense(hidden, hidden, F.relu)
        self.att = (
            nn.Sequential(Dense(hidden, attention, torch.tanh), initialise(nn.Linear(attention, 1)))
            if attention
            else None
        )
        self.linear = initialise(nn.Linear(2 * hidden + inputs + told, hidden))
        self.norm = Norm(hidden)

    def forward(self, state: torch.Tensor, x: torch.Tensor, action: torch.Tensor | None = None) -> Step:
        """Do one step."""
        told = [self.act(action)[:, None].expand(-1, state.shape[1], -1)] if self.act is not None else []
        theta = self.enc(torch.cat([state, *told], dim=-1))
        xi = F.relu(self.emb_norm(self.pairs(theta)))
        e = self.eff(xi)
        alpha = torch.sigmoid(self.att(xi).float()) if self.att is not None else None  # (B, K, K - 1, 1)
        effect = (e if alpha is None else alpha * e).sum(dim=2)
        u = self.linear(torch.cat([theta, effect, x, *told], dim=-1)).float()
        return torch.sigmoid(u), torch.sigmoid(self.norm(u)), None if alpha is None else alpha.squeeze(-1)

    def pairs(self, theta: torch.Tensor) -> torch.Tensor:
        """Apply the linear layer to [theta_k; theta_i]: (B, K, H) -> (B, K, K - 1, H).

        For every slot k, i goes through all other slots in their order.
        """
        of_focus, of_context = self.emb.weight.chunk(2, dim=1)
        focus, context = F.linear(theta, of_focus, self.emb.bias), F.linear(theta, of_context)
        return focus[:, :, None] + context[:, others(theta.shape[1], theta.device)]


def others(slots: int, device: torch.device) -> torch.Tensor:
    """Return the numbers of all other slots of each slot, ascending: int64 (K, K - 1)."""
    first = torch.arange(slots - 1, device=device)
    return first + (first >= torch.arange(slots, device=device)[:, None])
