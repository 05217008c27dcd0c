"""Games side by side, with the agent's observations and the console's memory.

The observations are those of ale-py's vector environment. Without sticky actions, a game is a function of its actions,
so the state of a lane is a short list.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import MissingPackage
from physbench_baselines.dqn.picture import HEIGHT, SIDE, STACK, WIDTH, see

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

GAME = "space_invaders"

SKIP = 4
"""Raw frames per step of the agent."""

MOST_NOOPS = 30
"""The most no-ops before a game, drawn for each game, as in Mnih et al. 2015."""

MOST_FRAMES = 108_000
"""Raw frames after which a game is stopped: half an hour of play."""


def ale() -> Any:
    """Return the package ale_py, without its messages, or say that it is not installed."""
    try:
        import ale_py
    except ImportError:
        raise MissingPackage("the games need the package ale-py: pip install 'physbench[atari]'") from None
    package: Any = ale_py
    package.ALEInterface.setLoggerMode(package.LoggerMode.Error)
    return package


@dataclass(frozen=True)
class LaneStep:
    """The result of one action in each lane. Where a game ended, the observation is of the next game."""

    rewards: NDArray[np.float32]  # (N,), as the game counts them
    lost: NDArray[np.bool_]  # (N,), whether a life or the game was lost
    scores: dict[int, float]  # of the games that ended, by lane


class AgentLane:
    """One game after another."""

    def __init__(self, number: int, *, seed: int, game: str = GAME) -> None:
        package = ale()
        self._ale = package.ALEInterface()
        self._ale.setInt("random_seed", 0)
        self._ale.setFloat("repeat_action_probability", 0.0)
        self._ale.loadROM(package.roms.get_rom_path(game))
        self._actions = self._ale.getMinimalActionSet()
        self._number, self._seed = number, seed
        self._screens = np.zeros((2, HEIGHT, WIDTH), np.uint8)
        self.stack = np.zeros((STACK, SIDE, SIDE), np.uint8)
        self.games, self.score, self.lives = 0, 0.0, 0
        self.taken: list[int] = []

    def begin(self) -> None:
        """Begin the next game."""
        self.games += 1
        self._ale.reset_game()
        for _ in range(self.noops()):
            self._ale.act(self._actions[0])
        self._ale.getScreen(self._screens[1])
        self.stack[:] = 0
        see(self._screens[1], self._screens[1], self.stack[-1])
        self.score, self.lives, self.taken = 0.0, self._ale.lives(), []

    def step(self, action: int, *, look: bool = True) -> tuple[float, bool, bool]:
        """Play four frames, and return the reward, whether a life was lost, and whether the game is over."""
        reward = 0
        for frame in range(SKIP):
            reward += self._ale.act(self._actions[action])
            if frame >= SKIP - 2:
                self._ale.getScreen(self._screens[frame - SKIP + 2])
        if look:
            self.stack[:-1] = self.stack[1:]
            see(self._screens[0], self._screens[1], self.stack[-1])
        self.taken.append(action)
        self.score += reward
        over = self._ale.game_over(with_truncation=False) or self._ale.getEpisodeFrameNumber() >= MOST_FRAMES
        lives, self.lives = self.lives, self._ale.lives()
        return float(reward), self.lives < lives or over, over

    def replay(self, games: int, actions: Sequence[int]) -> None:
        """Bring the lane back to game number `games`, after these actions."""
        self.games = games - 1
        self.begin()
        for place, action in enumerate(actions):
            self.step(int(action), look=place >= len(actions) - STACK)

    def memory(self, out: NDArray[np.uint8]) -> None:
        """Copy the console's memory to out."""
        self._ale.getRAM(out)

    def noops(self) -> int:
        """Return the number of no-ops before this game, 0 to 30, from the seed, the lane and the number of the game."""
        word = sha256(f"physbench dqn noops {self._seed} {self._number} {self.games}".encode()).digest()
        return int.from_bytes(word[:8], "little") % (MOST_NOOPS + 1)


class Lanes:
    """N games at once, with their present observations u1 (N, 4, 84, 84) and memories u1 (N, 128)."""

    def __init__(self, count: int, *, seed: int, first: int = 0) -> None:
        self._lanes = [AgentLane(first + number, seed=seed) for number in range(count)]
        self.observations = np.zeros((count, STACK, SIDE, SIDE), np.uint8)
        self.memories = np.zeros((count, 128), np.uint8)

    def begin(self) -> None:
        """Begin the first game in each lane."""
        for number, lane in enumerate(self._lanes):
            lane.begin()
            self._look(number)

    def step(self, actions: NDArray[np.int64]) -> LaneStep:
        """Take one action in each lane."""
        rewards, lost = np.zeros(len(self._lanes), np.float32), np.zeros(len(self._lanes), bool)
        scores: dict[int, float] = {}
        for number, lane in enumerate(self._lanes):
            rewards[number], lost[number], over = lane.step(int(actions[number]))
            if over:
                scores[number] = lane.score
                lane.begin()
            self._look(number)
        return LaneStep(rewards, lost, scores)

    def state(self) -> dict[str, NDArray[Any]]:
        """Return what is needed to restore the games: which game each lane plays, and all actions in it."""
        return {
            "games": np.array([lane.games for lane in self._lanes], np.int64),
            "lengths": np.array([len(lane.taken) for lane in self._lanes], np.int64),
            "taken": np.array([action for lane in self._lanes for action in lane.taken], np.uint8),
        }

    def restore(self, state: dict[str, NDArray[Any]]) -> None:
        """Bring all lanes back to a state."""
        ends = np.cumsum(state["lengths"])
        for number, lane in enumerate(self._lanes):
            lane.replay(
                int(state["games"][number]),
                state["taken"][ends[number] - state["lengths"][number] : ends[number]].tolist(),
            )
            self._look(number)

    def _look(self, number: int) -> None:
        self.observations[number] = self._lanes[number].stack
        self._lanes[number].memory(self.memories[number])
