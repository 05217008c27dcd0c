"""Scores of an agent: whole games of three lives in ale-py's vector environment, and their mean with an interval."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from physbench.errors import MissingPackage, PhysbenchError
from physbench_baselines.dqn.lanes import GAME, MOST_FRAMES, MOST_NOOPS, SKIP

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

RESAMPLES = 10_000

TAIL = 2.5
"""Per cent of the resampled means that lie outside of the interval on each side."""

AT_ONCE = 8
"""How many games are played side by side."""


class Chooser(Protocol):
    """A function that chooses actions."""

    def __call__(self, given: Any) -> NDArray[np.int64] | list[int]: ...


@dataclass(frozen=True)
class GivenScores:
    """The input of a policy in ale-py's vector environment, where there is no memory to read."""

    observations: NDArray[np.uint8]
    words: NDArray[np.uint64]
    fresh: NDArray[np.bool_]
    actions: int

    @property
    def ram(self) -> NDArray[np.uint8]:
        """The memory, which cannot be read here."""
        raise PhysbenchError(
            "ale-py's vector environment does not show the console's memory: play this policy through the recorder,"
            " with --recorder"
        )


@dataclass(frozen=True)
class GameScores:
    """Scores of games that were played to their end."""

    mean: float
    low: float  # of the 95 % interval of the mean, from a bootstrap over games
    high: float
    median: float
    best: float
    worst: float
    games: list[float] = field(default_factory=list[float])

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self)


def summary(games: list[float], *, seed: int = 0) -> GameScores:
    """Summarise the scores of games, with an interval from resampling them."""
    scores = np.array(games, np.float64)
    draws = np.random.default_rng(seed).integers(len(scores), size=(RESAMPLES, len(scores)))
    low, high = np.percentile(scores[draws].mean(1), (TAIL, 100 - TAIL))
    return GameScores(
        scores.mean().item(),
        float(low),
        float(high),
        float(np.median(scores)),
        scores.max().item(),
        scores.min().item(),
        scores.tolist(),
    )


def play(
    policy: Chooser,
    *,
    games: int = 100,
    seed: int = 0,
    epsilon: float = 0.0,
    game: str = GAME,
    progress: Callable[[int, int], None] | None = None,
) -> GameScores:
    """Play this many games to their end.

    Each begins with 0 to 29 no-ops, drawn from the seed and the game's number. epsilon: share of random actions. The
    games are divided among the places side by side beforehand: if the games that end first counted, short games would
    count for more.
    """
    environment = _environment(min(AT_ONCE, games), game)
    count, legal = environment.num_envs, int(environment.single_action_space.n)
    rng = np.random.default_rng([seed, 1])
    left = np.array([games // count + (place < games % count) for place in range(count)])
    observations, info = environment.reset(
        seed=np.array([seed * 1_000_003 % (1 << 30) + place for place in range(count)])
    )
    scores, total, fresh = list[float](), np.zeros(count), np.ones(count, bool)
    while left.any():
        words = cast("NDArray[np.uint64]", rng.integers(1 << 63, size=count).astype(np.uint64) * np.uint64(2))
        actions = np.asarray(policy(GivenScores(observations, words, fresh, legal)), np.int64)
        random = cast("NDArray[np.bool_]", rng.random(count) < epsilon)
        actions[random] = rng.integers(legal, size=int(random.sum()))
        observations, rewards, ended, broken_off, info = environment.step(actions)
        total += rewards
        fresh = ended | broken_off
        for place in np.flatnonzero(fresh):
            if left[place]:
                left[place] -= 1
                scores.append(float(total[place]))
                if progress:
                    progress(len(scores), games)
            total[place] = 0
    del info
    return summary(scores)


def _environment(count: int, game: str) -> Any:
    try:
        from ale_py import ALEInterface, LoggerMode
        from ale_py.vector_env import AtariVectorEnv
        from gymnasium.vector import AutoresetMode
    except ImportError:
        raise MissingPackage(
            "scores are counted in ale-py's vector environment: pip install 'physbench[atari]'"
        ) from None
    quiet: Any = LoggerMode
    ALEInterface.setLoggerMode(quiet.Error)
    return AtariVectorEnv(
        game,
        count,
        num_threads=1,
        frameskip=SKIP,
        noop_max=MOST_NOOPS,
        max_num_frames_per_episode=MOST_FRAMES,
        use_fire_reset=False,
        reward_clipping=False,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
