"""Games of Space Invaders, played by the emulator itself: memory, rewards and screens of every raw frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest

Array = np.ndarray[Any, Any]
Player = Callable[[Array], int]


@dataclass(frozen=True)
class Moment:
    """What F raw frames of one action leave behind."""

    action: int
    rams: Array  # (F, 128)
    rewards: Array  # (F,)
    screens: Array  # (F, 210, 160)
    first: tuple[Array, Array] | None  # memory and screen after a reset, where a game begins with this moment
    over: bool  # the game


def random_player(seed: int) -> Player:
    draws = np.random.default_rng(seed)
    return lambda ram: int(draws.integers(6))


def able_player(seed: int) -> Player:
    """Clear whole waves: step aside from bombs, shoot where the nearest column of aliens will be."""
    draws, seen = np.random.default_rng(seed), [0, 0.0]

    def choose(ram: Array) -> int:
        memory = ram.astype(int)
        ship, left = memory[28] + 2, memory[26] - 1
        moved = left - seen[0]
        seen[0], seen[1] = left, 0.8 * seen[1] + 0.2 * (moved / 4 if abs(moved) < 9 else 0.0)
        if draws.random() < 0.03:
            return int(draws.integers(6))
        near = [
            x - 2
            for y, x in ((memory[81], memory[83]), (memory[82], memory[84]))
            if 64 < y < 95 and abs(x - 2 - ship) <= 7
        ]
        if near:
            right = near[0] < ship or ship < 40
            return 4 if right and ship < 115 else 5
        columns = [j for j in range(6) if (memory[18:24] >> j & 1).any()]
        targets = [left + 16 * j + 4 + seen[1] * ((140 - 2 * memory[16]) / 2 + 4) - ship for j in columns]
        aim = min(targets, key=abs, default=0)
        return 1 if abs(aim) <= 2 else (4 if aim > 0 else 5)

    return choose


def play(frames: int, *, player: Player, skip: int = 4, waits: int = 0) -> Iterator[Moment]:
    """Play one game after another until so many raw frames are there. waits: raw frames without an action at the
    beginning of the n-th game, n times."""
    ale_py = pytest.importorskip("ale_py")
    ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
    ale = ale_py.ALEInterface()
    ale.setFloat("repeat_action_probability", 0.0)
    ale.loadROM(ale_py.roms.get_rom_path("space_invaders"))
    actions = ale.getMinimalActionSet()
    played = games = 0
    while played < frames:
        ale.reset_game()
        first = ale.getRAM(), ale.getScreen()
        idle = -(-waits * games // skip)
        odd = waits * games % skip or skip
        games += 1
        while played < frames and not ale.game_over():
            idle -= 1
            action = 0 if idle >= 0 else player(ale.getRAM())
            rams, rewards, screens = [], [], []
            for _ in range(odd if idle == 0 else skip):
                rewards.append(ale.act(actions[action]))
                rams.append(ale.getRAM())
                screens.append(ale.getScreen())
                if ale.game_over():
                    break
            played += len(rams)
            yield Moment(action, np.stack(rams), np.array(rewards, np.int64), np.stack(screens), first, ale.game_over())
            first = None


@cache
def short_play(skip: int = 4) -> tuple[Moment, ...]:
    """A few thousand raw frames, of both players."""
    parts = (
        play(2400, player=random_player(1), skip=skip, waits=1),
        play(3600, player=able_player(2), skip=skip, waits=1),
    )
    return tuple(moment for part in parts for moment in part)
