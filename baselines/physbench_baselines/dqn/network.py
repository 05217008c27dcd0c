"""The network that rates actions.

It has the convolutions of Mnih et al. 2015 and the layer normalisation of PQN (Gallici et al. 2024).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physbench_baselines.dqn.sizes import AgentSizes

if TYPE_CHECKING:
    from collections.abc import Sequence


class Normalise(nn.Module):
    """Layer normalisation that keeps the number format of its input, which is faster for bfloat16."""

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(*shape)), nn.Parameter(torch.zeros(*shape))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise x."""
        with torch.autocast(x.device.type, enabled=False):
            return F.layer_norm(x, self.weight.shape, self.weight.to(x.dtype), self.bias.to(x.dtype))


class QNetwork(nn.Module):
    """A network that rates actions: observations u1 (B, 4, 84, 84) -> values (B, A)."""

    def __init__(self, sizes: AgentSizes) -> None:
        super().__init__()
        self.sizes = sizes
        layers: list[nn.Module] = []
        depth = sizes.stack
        for channels, kernel, stride, shape in zip(
            sizes.channels, sizes.kernels, sizes.strides, sizes.shapes(), strict=True
        ):
            layers += [nn.Conv2d(depth, channels, kernel, stride)]
            layers += [Normalise((channels, *shape))] if sizes.normalise else []
            layers += [nn.ReLU()]
            depth = channels
        layers += [nn.Flatten(), nn.Linear(depth * math.prod(sizes.shapes()[-1]), sizes.hidden)]
        layers += [Normalise((sizes.hidden,))] if sizes.normalise else []
        self.body = nn.Sequential(*layers, nn.ReLU())
        self.head = nn.Linear(sizes.hidden, sizes.actions)

    def begin(self, generator: torch.Generator) -> None:
        """Draw the first weights (He et al. 2015)."""
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu", generator=generator)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def forward(self, observations: Tensor) -> Tensor:
        """Return the values (B, A) of the actions."""
        kind = observations.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else self.head.weight.dtype
        (top, bottom), (left, right) = self.sizes.rows, self.sizes.columns
        hidden = self.body(observations[:, :, top:bottom, left:right].to(dtype) / 255)
        with torch.autocast(kind, enabled=False):  # values differ by less than bfloat16 can resolve
            return self.head(hidden.to(self.head.weight.dtype))
