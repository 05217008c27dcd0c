"""The recorder's chances: counted, not consumed. Every lane has a seed; each of its steps and games has random words of
its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from physbench.recipe import GOLDEN, mix

if TYPE_CHECKING:
    from numpy.typing import NDArray

HIGH = np.uint64(32)
LOW = np.uint64(0xFFFFFFFF)
AT_ONCE = 256
"""Steps whose words are drawn together."""

STEPS, GAMES = 1, 2
"""The streams of a lane."""


def words_of(seeds: NDArray[np.uint64], stream: int, start: int, stop: int) -> NDArray[np.uint64]:
    """Count out words start..stop-1 of a stream of each lane, (B, stop - start)."""
    counters = (np.arange(start, stop, dtype=np.uint64) + np.uint64(1)) * np.uint64(GOLDEN)
    return mix(mix(seeds + np.uint64(stream * GOLDEN & (1 << 64) - 1))[:, None] + counters)


def below(words: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
    """Give a number from 0 to count - 1 for each word, from its lower half."""
    return ((words & LOW) * np.uint64(count) >> HIGH).astype(np.int64)


class Chances(NamedTuple):
    """What one step of B lanes has in store."""

    forced: list[int]  # (B,) a random action instead of the policy's, or -1
    sticks: list[bool]  # (B,) whether the action before is taken again, whatever was chosen
    words: NDArray[np.uint64]  # (B,) for the policy


class Dice:
    """The chances of the steps of B lanes, in order or not."""

    def __init__(self, seeds: NDArray[np.uint64], *, epsilon: float, sticky: float, actions: int) -> None:
        self._seeds = seeds
        self._limits = np.uint64(round(epsilon * (1 << 32))), np.uint64(round(sticky * (1 << 32)))
        self._actions = actions
        self._block = -1

    def roll(self, step: int) -> Chances:
        """Give the chances of a step of all lanes."""
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
