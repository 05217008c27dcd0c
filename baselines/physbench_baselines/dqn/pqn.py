"""Parallel Q-learning without replay: PQN (Gallici et al. 2024), with optional demonstrations.

Many games are played for some steps. Then all these steps are learnt from, once or a few times, and forgotten. With
demonstrations (Hester et al. 2018; Ross et al. 2011), the demonstrator plays a part of the games. In every state of
every game, it says how much worse each action is than the best one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench_baselines.dqn.lanes import Lanes
from physbench_baselines.dqn.marksman import choose, judge
from physbench_baselines.dqn.targets import trace_back

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench_baselines.dqn.agent_recipe import AgentRecipe
    from physbench_baselines.dqn.learner import Learner

PHASE, PLAY = 42, 0
"""The byte of the memory that says whether the game is being played, and its value if so."""


class ParallelPlay:
    """The games of a run, and learning from them.

    All draws are functions of the seed and the number of the update.
    """

    def __init__(self, recipe: AgentRecipe, learner: Learner) -> None:
        self.recipe, self.learner = recipe, learner
        self.lanes = Lanes(recipe.games, seed=recipe.seed)
        shape = (recipe.rollout, recipe.games)
        self._seen = np.zeros((*shape, *self.lanes.observations.shape[1:]), np.uint8)
        self._actions, self._rewards, self._lost = (
            np.zeros(shape, np.int64),
            np.zeros(shape, np.float32),
            np.zeros(shape, bool),
        )
        self._regrets = np.zeros((*shape, recipe.sizes().actions), np.float32)
        self._best = np.zeros((recipe.rollout + 1, recipe.games), np.float32)
        self._own = np.ones(recipe.games, bool)  # whether the agent has played the whole game so far

    @property
    def steps_each(self) -> int:
        """Steps of the agent in an update."""
        return self.recipe.games * self.recipe.rollout

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the state of the games."""
        return {**self.lanes.state(), "own": self._own.copy()}

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Restore the state of the games."""
        self.lanes.restore(state)
        self._own[:] = state["own"]

    def update(self, number: int, share: float) -> tuple[dict[str, float], list[tuple[bool, float]]]:
        """Play and learn once.

        Return the mean errors, and for each game that ended whether the agent played it, and its score.
        """
        rng = np.random.default_rng([self.recipe.seed, number])
        scores = self._play(rng, share)
        return self._learn(rng, share), scores

    def _play(self, rng: np.random.Generator, share: float) -> list[tuple[bool, float]]:
        recipe, lanes, scores = self.recipe, self.lanes, list[tuple[bool, float]]()
        theirs = round(recipe.shown_at(share) * recipe.games)  # the first lanes are the demonstrator's
        noise = np.full(recipe.games, recipe.epsilon_at(share))
        noise[:theirs] = recipe.shown_noise
        for step in range(recipe.rollout):
            values = self.learner.rate(lanes.observations)
            self._seen[step], self._best[step] = lanes.observations, values.max(1)
            actions = values.argmax(1)
            if recipe.demonstrations:
                regrets = judge(lanes.memories, spare=recipe.spare)
                actions[:theirs] = choose(regrets[:theirs])
                self._regrets[step] = np.where(lanes.memories[:, PHASE, None] == PLAY, regrets, 0)
                self._own[:theirs] = False
            random = rng.random(recipe.games) < noise
            actions[random] = rng.integers(values.shape[1], size=int(random.sum()))
            came = lanes.step(actions)
            self._actions[step], self._rewards[step], self._lost[step] = (
                actions,
                np.clip(came.rewards, -1, 1),
                came.lost,
            )
            for lane, score in came.scores.items():
                if self._own[lane] or lane < theirs:  # a game that both played counts for neither
                    scores.append((bool(self._own[lane]), score))
                self._own[lane] = True
        self._best[-1] = self.learner.rate(lanes.observations).max(1)
        return scores

    def _learn(self, rng: np.random.Generator, share: float) -> dict[str, float]:
        recipe = self.recipe
        targets = trace_back(self._rewards, self._lost, self._best, discount=recipe.discount, trace=recipe.trace)
        flat = [_flat(array) for array in (self._seen, self._actions, targets, self._regrets)]
        told: list[dict[str, float]] = []
        for _ in range(recipe.epochs):
            order = rng.permutation(self.steps_each)
            for first in range(0, self.steps_each, recipe.batch):
                some = order[first : first + recipe.batch]
                seen, actions, wanted, regrets = (array[some] for array in flat)
                told.append(
                    self.learner.learn(
                        seen,
                        actions,
                        wanted,
                        regrets if recipe.demonstrations else None,
                        learning_rate=recipe.learning_rate_at(share),
                    )
                )
        return {
            "value": float(self._best.mean()),
            **{name: float(np.mean([each[name] for each in told if name in each])) for name in told[-1]},
        }


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    return array.reshape(-1, *array.shape[2:])
