"""Whole games on the recorder's console, to find out what a policy scores there. Only the scores are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench.errors import RecipeError
from physbench_generators.atari.console import MEMORY, Console
from physbench_generators.atari.policies import PolicyInput, ask
from physbench_generators.invaders.downscale import SIDE, observe

if TYPE_CHECKING:
    from collections.abc import Callable

    from physbench_generators.atari.policies import Policy

SKIP, MOST_NOOPS, MOST_STEPS = 4, 30, 27_000
"""Raw frames in a step; the most raw frames without action before a game; and the step at which a game is stopped."""

STACK = 4


def play_games(
    policy: Policy,
    *,
    name: str,
    games: int,
    seed: int,
    epsilon: float = 0.0,
    game: str = "space_invaders",
    progress: Callable[[int, int], None] | None = None,
) -> list[float]:
    """Play games to their end, and return the score of each.

    Each game has its own random numbers, which depend on the seed and on the number of the game. name: the policy's
    name, for error messages. epsilon: the share of actions that are random.
    """
    looks = bool(getattr(policy, "observes", True))
    if looks and game != "space_invaders":
        raise RecipeError(
            f"the recorder shows a policy the screen of space_invaders only, not of {game}: use a policy that reads"
            " the memory"
        )
    console, scores = Console(game), list[float]()
    for number in range(games):
        scores.append(
            _play(console, policy, np.random.default_rng([seed, number]), name=name, epsilon=epsilon, looks=looks)
        )
        if progress:
            progress(number + 1, games)
    return scores


def _play(
    console: Console, policy: Policy, rng: np.random.Generator, *, name: str, epsilon: float, looks: bool
) -> float:
    console.restart()
    screens, memory = np.zeros((2, *console.shape), np.uint8), np.zeros(MEMORY, np.uint8)
    score, seen = 0.0, np.zeros((1, STACK, SIDE, SIDE), np.uint8)
    for _ in range(int(rng.integers(MOST_NOOPS + 1))):
        score += console.act(0)
    if looks:
        console.draw(screens[1])
        screens[0] = screens[1]
    legal = len(console.codes)
    for step in range(MOST_STEPS):
        console.read(memory)
        if looks:
            seen[0, :-1] = seen[0, 1:]
            seen[0, -1] = observe(screens)
        words = rng.integers(1 << 63, size=1).astype(np.uint64) * np.uint64(2)
        (action,) = ask(policy, PolicyInput(seen, memory[None], words, np.array([step == 0]), legal), name=name)
        if rng.random() < epsilon:
            action = int(rng.integers(legal))
        for frame in range(SKIP):
            score += console.act(action)
            if console.over:
                return score
            if looks and frame >= SKIP - 2:
                console.draw(screens[frame - SKIP + 2])
    return score
