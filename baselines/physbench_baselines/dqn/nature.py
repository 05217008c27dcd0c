"""Q-learning with replay and a target network, as in Mnih et al. 2015.

The paper whose frames `invaders84` follows used such an agent.
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physbench_baselines.dqn.lanes import Lanes
from physbench_baselines.dqn.replay import ReplayMemory

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench_baselines.dqn.agent_recipe import AgentRecipe
    from physbench_baselines.dqn.learner import Learner


class ReplayedPlay:
    """The games of a run, and learning from them.

    The replay is not saved with a run; a run that is resumed fills it first.
    """

    def __init__(self, recipe: AgentRecipe, learner: Learner) -> None:
        self.recipe, self.learner = recipe, learner
        self.lanes = Lanes(recipe.games, seed=recipe.seed)
        sizes = recipe.sizes()
        self.replay = ReplayMemory(
            recipe.games, max(recipe.replay // recipe.games, sizes.stack + 1), stack=sizes.stack, side=sizes.side
        )
        self._begins = np.ones(recipe.games, bool)
        self._target = deepcopy(learner.network)
        self._learnt, self._owed = 0, 0.0

    @property
    def steps_each(self) -> int:
        """Steps of the agent in an update."""
        return self.recipe.games * self.recipe.rollout

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the games."""
        return self.lanes.state()

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore the state of the games."""
        self.lanes.restore(state)

    def update(self, number: int, share: float) -> tuple[dict[str, float], list[tuple[bool, float]]]:
        """Play `rollout` steps of each game and learn at the same time.

        Return the mean errors, and (True, score) for each game that ended.
        """
        recipe, lanes = self.recipe, self.lanes
        rng = np.random.default_rng([recipe.seed, number])
        scores: list[tuple[bool, float]] = []
        errors: list[float] = []
        values = np.zeros((1, 1), np.float32)
        for _ in range(recipe.rollout):
            values = self.learner.rate(lanes.observations)
            actions = values.argmax(1)
            random = rng.random(recipe.games) < recipe.epsilon_at(share)
            actions[random] = rng.integers(values.shape[1], size=int(random.sum()))
            frames = lanes.observations[:, -1].copy()
            came = lanes.step(actions)
            self.replay.add(frames, self._begins, actions, np.clip(came.rewards, -1, 1), came.lost)
            self._begins = np.isin(np.arange(recipe.games), list(came.scores))
            scores += [(True, score) for score in came.scores.values()]
            if len(self.replay) >= min(recipe.replay_first, (self.replay_room() + 1) // 2):
                self._owed += recipe.games / recipe.every
            while self._owed >= 1:
                self._owed -= 1
                errors.append(self._learn(rng, share))
        return {"value": float(values.max(1).mean()), "error": float(np.mean(errors)) if errors else 0.0}, scores

    def replay_room(self) -> int:
        """Return how many transitions can be drawn when the replay is full."""
        return max(self.recipe.replay // self.recipe.games - self.recipe.sizes().stack, 1) * self.recipe.games

    def _learn(self, rng: np.random.Generator, share: float) -> float:
        recipe = self.recipe
        if self._learnt % recipe.target_every == 0:
            self._target.load_state_dict(self.learner.network.state_dict())
        self._learnt += 1
        some = self.replay.draw(rng, recipe.batch)
        with torch.no_grad():
            later = self._target(torch.from_numpy(some.later).to(self.learner.device)).amax(1).float().cpu().numpy()
        targets = some.rewards + np.float32(recipe.discount) * np.where(some.lost, np.float32(0), later)
        return self.learner.learn(some.seen, some.actions, targets, None, learning_rate=recipe.learning_rate_at(share))[
            "error"
        ]
