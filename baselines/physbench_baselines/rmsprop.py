"""RMSProp of TensorFlow 1, with which older models were trained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterable


class TensorFlowRmsProp(torch.optim.Optimizer):
    """RMSProp that differs from torch's in three ways.

    The mean of squares begins at 1, epsilon is added before the root is taken, and the momentum includes the learning
    rate.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        smoothing: float = 0.9,
        momentum: float = 0.0,
        epsilon: float = 1e-10,
    ) -> None:
        super().__init__(parameters, {"lr": lr, "smoothing": smoothing, "momentum": momentum, "epsilon": epsilon})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Take a step with the present gradients."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                kept = self.state[weight]
                if not kept:
                    kept["squares"], kept["momentum"] = torch.ones_like(weight), torch.zeros_like(weight)
                kept["squares"].mul_(group["smoothing"]).addcmul_(
                    weight.grad, weight.grad, value=1 - group["smoothing"]
                )
                kept["momentum"].mul_(group["momentum"]).addcdiv_(
                    weight.grad * group["lr"], (kept["squares"] + group["epsilon"]).sqrt()
                )
                weight.sub_(kept["momentum"])
