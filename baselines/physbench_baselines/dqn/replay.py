"""The replay memory: the last steps that were played.

It keeps one frame per step and not four, since the stacks overlap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Transitions(NamedTuple):
    """A batch of B transitions."""

    seen: NDArray[np.uint8]  # (B, 4, 84, 84)
    actions: NDArray[np.int64]
    rewards: NDArray[np.float32]
    lost: NDArray[np.bool_]  # a life or the game; then nothing follows
    later: NDArray[np.uint8]  # (B, 4, 84, 84), observations of the next step


class ReplayMemory:
    """The last steps of N games, `each` of every game, in ring buffers that turn together."""

    def __init__(self, games: int, each: int, *, stack: int, side: int) -> None:
        self._frames = np.zeros((each, games, side, side), np.uint8)
        self._begins = np.zeros((each, games), bool)
        self._actions, self._rewards, self._lost = (
            np.zeros((each, games), np.int64),
            np.zeros((each, games), np.float32),
            np.zeros((each, games), bool),
        )
        self._stack, self._each, self._games, self.added = stack, each, games, 0

    def __len__(self) -> int:
        """Return how many transitions can be drawn. Those whose stack or whose next step is not kept do not count."""
        return max(min(self.added, self._each) - self._stack, 0) * self._games

    def add(
        self,
        frames: NDArray[np.uint8],
        begins: NDArray[np.bool_],
        actions: NDArray[np.int64],
        rewards: NDArray[np.float32],
        lost: NDArray[np.bool_],
    ) -> None:
        """Keep a step of all games.

        frames (N, 84, 84): the newest frame that was seen. begins (N,): whether a game began with it.
        """
        place = self.added % self._each
        self._frames[place], self._begins[place], self._actions[place] = frames, begins, actions
        self._rewards[place], self._lost[place] = rewards, lost
        self.added += 1

    def draw(self, rng: np.random.Generator, count: int) -> Transitions:
        """Draw transitions, all with the same probability."""
        kept = min(self.added, self._each)
        ages = rng.integers(1, kept - self._stack + 1, size=count)  # steps before the last one
        games = rng.integers(self._games, size=count)
        steps = self.added - 1 - ages
        places = steps % self._each
        at = (places, games)
        return Transitions(
            self._stack_frames(steps, games),
            self._actions[at],
            self._rewards[at],
            self._lost[at],
            self._stack_frames(steps + 1, games),
        )

    def _stack_frames(self, steps: NDArray[np.int64], games: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the stack of frames up to each step, without frames of the game before."""
        out = np.zeros((len(steps), self._stack, *self._frames.shape[2:]), np.uint8)
        going = np.ones(len(steps), bool)
        for back in range(self._stack):
            places = (steps - back) % self._each
            out[going, -1 - back] = self._frames[places[going], games[going]]
            going &= ~self._begins[places, games]
        return out
