"""The random numbers of the recorder.

Every lane has a seed, and each of its steps and games has its own random words. A word depends only on the seed and on
its position, not on which words were drawn before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from physbench.recipe import GOLDEN, mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGH = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
AT_ONCE = 256
"""How many steps have their words drawn together."""

STEPS, GAMES = 1, 2
"""The two random streams of a lane."""


def words_of(seeds: NDArray[np.uint64], stream: int, start: int, stop: int) -> NDArray[np.uint64]:
    """Return words start..stop-1 of a stream of each lane, (B, stop - start)."""
    counters = (np.arange(start, stop, dtype=np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
    return mix(mix(seeds + np.uint64(stream * GOLDEN & (1 << 64) - 1))[:, None] + counters)


def below(words: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Turn each word into a number from 0 to count - 1, using its lower half."""
    return ((words & LOW) * np.uint64(count) >> HIGH).astype(np.int64)


class Chances(NamedTuple):
    """The random numbers of one step of B lanes."""

    forced: list[int]  # (B,) a random action that replaces the policy's, or -1
    sticks: list[bool]  # (B,) whether the previous action is repeated, whatever was chosen
    words: NDArray[np.uint64]  # (B,) random bits for the policy


class Dice:
    """The random numbers of all steps of B lanes. Steps may be rolled in any order."""

    def __init__(self, seeds: NDArray[np.uint64], *, epsilon: float, sticky: float, actions: int) -> None:
        self._seeds = seeds
        self._limits = np.uint64(round(epsilon * (1 << 32))), np.uint64(round(sticky * (1 << 32)))
        self._actions = actions
        self._block = -1

    def roll(self, step: int) -> Chances:
        """Return the random numbers of one step of all lanes."""
        block, place = divmod(step, AT_ONCE)
        if block != self._block:
            self._draw(block)
        return Chances(self._forced[place], self._sticks[place], self._words[place])

    def _draw(self, block: int) -> None:
        drawn = words_of(self._seeds, STEPS, 3 * AT_ONCE * block, 3 * AT_ONCE * (block + 1)).reshape(
            len(self._seeds), AT_ONCE, 3
        )
        explores, sticks, words = (np.ascontiguousarray(drawn[:, :, k].T) for k in range(3))
        self._forced = np.where(explores >> HIGH < self._limits[0], below(explores, self._actions), -1).tolist()
        self._sticks = (sticks >> HIGH < self._limits[1]).tolist()
        self._words = words
        self._block = block
