"""A network and its optimiser: the loss, and one step at a time."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from physbench_baselines.dqn.network import QNetwork

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench_baselines.dqn.agent_recipe import AgentRecipe


GOOD = 1e-3
"""An action with at most this regret counts as good as the best one."""


def outdo(values: Tensor, regrets: Tensor, *, margin: float, softness: float) -> Tensor:
    """Return how far the actions without regret are from being rated best by a margin: (B, A), (B, A) -> (B,).

    This is the large-margin loss of Hester et al. 2018, with a soft maximum in place of their hard one. The margin
    grows with an action's regret, so the loss asks for nothing between actions that are equally good.
    """
    good = values.masked_fill(regrets > GOOD, -torch.inf)
    return softness * (torch.logsumexp((values + margin * regrets) / softness, 1) - torch.logsumexp(good / softness, 1))


class Learner:
    """A network in training, with its optimiser."""

    def __init__(self, recipe: AgentRecipe, *, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.network = QNetwork(recipe.sizes())
        self.network.begin(torch.Generator().manual_seed(recipe.seed))
        self.network.to(device)
        make = torch.optim.RAdam if recipe.algorithm == "pqn" else torch.optim.RMSprop
        self.optimiser = make(self.network.parameters(), lr=recipe.learning_rate)
        self.bf16 = recipe.precision == "bf16"

    @torch.no_grad()
    def rate(self, observations: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return the values of all actions: (B, 4, 84, 84) -> (B, A)."""
        with self._fast():
            return self.network(torch.from_numpy(observations).to(self.device)).float().cpu().numpy()

    def learn(
        self,
        observations: NDArray[np.uint8],
        actions: NDArray[np.int64],
        targets: NDArray[np.float32],
        regrets: NDArray[np.float32] | None,
        *,
        learning_rate: float,
    ) -> dict[str, float]:
        """Take one step, and return the errors. regrets (B, A): the demonstrator's judgement of each action."""
        recipe = self.recipe
        with self._fast():
            values = self.network(torch.from_numpy(observations).to(self.device)).float()
        taken = values.gather(1, torch.from_numpy(actions).to(self.device)[:, None])[:, 0]
        wanted = torch.from_numpy(targets).to(self.device)
        error = 0.5 * F.mse_loss(taken, wanted) if recipe.algorithm == "pqn" else F.smooth_l1_loss(taken, wanted)
        loss, told = error, {}
        if regrets is not None:
            worse = torch.from_numpy(regrets).to(self.device)
            short = outdo(values, worse, margin=recipe.margin, softness=recipe.softness).mean()
            loss = loss + recipe.margin_weight * short
            told = {
                "margin": float(short.detach()),
                "regret": float(worse.gather(1, values.argmax(1, keepdim=True)).mean()),
            }
        for group in self.optimiser.param_groups:
            group["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), recipe.gradient_limit)
        self.optimiser.step()
        return {"error": float(error.detach()), **told}

    def state(self) -> dict[str, Tensor]:
        """Return the state of the optimiser, by name. The weights are saved separately."""
        kept: dict[str, Tensor] = {}
        for name, parameter in self.network.named_parameters():
            for key, value in self.optimiser.state.get(parameter, {}).items():
                kept[f"{key}/{name}"] = value.detach().cpu()
        return kept

    def restore(self, state: dict[str, Tensor]) -> None:
        """Restore the state of the optimiser."""
        for name, parameter in self.network.named_parameters():
            found = {key.partition("/")[0]: value for key, value in state.items() if key.partition("/")[2] == name}
            if found:
                self.optimiser.state[parameter] = {
                    key: value if key == "step" else value.to(self.device) for key, value in found.items()
                }

    def _fast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()
