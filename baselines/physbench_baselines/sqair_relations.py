"""The effects of objects on one another, gamma of R-SQAIR: an interaction network or a relational memory core.

Read this file beside section 2 of the paper.

Shapes: R rows, N objects; z (R, N, Z) is what, where, presence and its logit of each object in the last frame. Both
modules return what is added to z of each object: the paper's gamma_k is [z_k; e_k].
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from physbench_baselines.sqair_layers import linear


class Interaction(nn.Module):
    """The interaction network, equation 5.

    The layers are those of R-NEM with another width: each has a norm and ReLU, those of the attention tanh and a
    sigmoid. An object that is not there has no effect; the paper does not say.
    """

    memory = 0

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.outputs = width
        self.f, self.g, self.effect = (_Dense(n, width, F.relu) for n in (inputs, 2 * width, width))
        self.attention = nn.Sequential(_Dense(width, width, torch.tanh), linear(width, 1))

    def forward(self, z: Tensor, presence: Tensor, memory: Tensor | None = None) -> tuple[Tensor, None]:
        """Return the sum of the effects of all others, (R, N, width)."""
        nodes = self.f(z)
        count = z.shape[1]
        pairs = torch.cat(
            [nodes[:, :, None].expand(-1, -1, count, -1), nodes[:, None].expand(-1, count, -1, -1)], dim=-1
        )
        xi = self.g(pairs)
        weight = (
            torch.sigmoid(self.attention(xi))
            * (presence[:, None] * (1 - torch.eye(count, dtype=z.dtype, device=z.device)))[..., None]
        )
        return (weight * self.effect(xi)).sum(dim=2), None


class RelationalMemory(nn.Module):
    """The relational memory core [Santoro et al. 2018] with one row of memory for each object.

    It is attended to once per frame. Its input is one row made of all objects, which is the default of its published
    code. With `each` it is one row for each object, and then any number of objects is possible. Its output for object k
    is row k of the new memory.
    """

    def __init__(self, inputs: int, slots: int, heads: int, width: int, *, each: bool) -> None:
        super().__init__()
        self.heads, self.slots, self.each = heads, slots, each
        self.memory = self.outputs = size = heads * width
        self.inputs = linear(inputs if each else inputs * slots, size)
        self.attend = linear(size, 3 * size)
        self.attend_norm, self.first_norm, self.second_norm = (
            nn.LayerNorm(3 * size),
            nn.LayerNorm(size),
            nn.LayerNorm(size),
        )
        self.dense = nn.Sequential(linear(size, size), nn.ReLU(), linear(size, size))
        self.input_gates, self.memory_gates = linear(size, 2 * size), linear(size, 2 * size)

    def begin(self, z: Tensor) -> Tensor:
        """Return the first memory (R, N, memory): the identity, with zeros to its right."""
        return torch.eye(z.shape[1], self.memory, dtype=z.dtype, device=z.device).expand(len(z), -1, -1)

    def forward(self, z: Tensor, presence: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return the new memory (R, N, memory) twice: as the output, and to be kept."""
        slots = z.shape[1]
        rows = self.inputs(z * presence[..., None] if self.each else z.flatten(1)[:, None])
        attended = self._refine(torch.cat([memory, rows], dim=1))[:, :slots]
        inputs, forget = (
            self.input_gates(rows if self.each else rows.expand(-1, slots, -1)) + self.memory_gates(torch.tanh(memory))
        ).chunk(2, dim=-1)
        new = torch.sigmoid(inputs) * torch.tanh(attended) + torch.sigmoid(forget + 1) * memory
        return new, new

    def _refine(self, rows: Tensor) -> Tensor:
        """Let all rows (R, M, memory) attend to all rows."""
        qkv = self.attend_norm(self.attend(rows)).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        q, k, v = qkv.chunk(3, dim=-1)
        weights = (q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])).softmax(dim=-1)
        rows = self.first_norm(rows + (weights @ v).transpose(1, 2).flatten(2))
        return self.second_norm(rows + self.dense(rows))


class _Dense(nn.Module):
    def __init__(self, inputs: int, outputs: int, activation: object) -> None:
        super().__init__()
        self.linear, self.norm, self.activation = linear(inputs, outputs), nn.LayerNorm(outputs), activation

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self.linear(x)))  # type: ignore[operator]
