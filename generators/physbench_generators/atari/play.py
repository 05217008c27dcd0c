"""Sittings, the unit of recording: eight lanes side by side, so that a policy can look at all of them at once.

A lane plays one game after another until it has 32 sequences. What it plays depends only on its own seed, not on the
other lanes. So any sitting can be played anywhere, and a shorter one is the beginning of a longer one. The action that
is recorded is the one that was executed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from physbench.errors import RecipeError
from physbench.scene import Span
from physbench_generators.atari.console import MEMORY, SCREEN, Console
from physbench_generators.atari.dice import GAMES, Dice, below, words_of
from physbench_generators.atari.policies import PolicyInput, ask
from physbench_generators.invaders.downscale import SIDE, observe

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench_generators.atari.policies import Policy

LANES, ROWS = 8, 32
SITTING = LANES * ROWS
"""How many sequences a sitting has: ROWS of the first lane, then ROWS of the second, and so on."""

PATIENCE = 100
"""A lane gives up if it begins this many games, or plays a thousand times as many steps, without a new sequence."""

AS_THEY_ARE = np.arange(256, dtype=np.uint8)
"""The table of grey levels for screens that are already grey."""

MOST_GAMES = 1000
"""The most games of one lane. The numbers of games leave room for this many."""


@dataclass(frozen=True)
class Rules:
    """How games are played and cut into sequences, whatever the policy."""

    game: str
    frames: int
    skip: int
    epsilon: float
    sticky: float
    noops: int
    start_offset: int
    play_byte: int = -1
    """The address of a byte that is 0 during play; only play is recorded. -1: everything counts as play."""


class Witness(Protocol):
    """An observer that follows one game, raw frame by raw frame, and decides what to keep of each frame."""

    looks: bool  # whether it needs the screens

    def start(self, ram: NDArray[np.uint8], screen: NDArray[np.uint8]) -> None:
        """Begin a game."""
        ...

    def follow(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64]) -> None:
        """Process raw frames that are not recorded."""
        ...

    def step(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64], screens: NDArray[np.uint8]) -> Any:
        """Process the raw frames of one step, and return what to keep of its last frame."""
        ...


class Blind:
    """A witness that keeps nothing."""

    looks = False

    def start(self, ram: NDArray[np.uint8], screen: NDArray[np.uint8]) -> None:
        """Do nothing."""

    def follow(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64]) -> None:
        """Do nothing."""

    def step(self, rams: NDArray[np.uint8], rewards: NDArray[np.int64], screens: NDArray[np.uint8]) -> bool:
        """Return True, so that the step is recorded."""
        return True


class Moment(NamedTuple):
    """A frame t, and what happens until the next one."""

    frame: Any  # what the witness keeps of frame t
    ram: NDArray[np.uint8]  # (128,)
    lives: int
    step: int  # counted within the game
    game: int  # counted within the lane
    action: int
    reward: int
    after: Any  # what the witness keeps of frame t + 1


class Lane:
    """A series of games, one after another, cut into sequences."""

    def __init__(
        self, console: Console, rules: Rules, seed: int, number: int, wanted: int, witness: Witness, *, looks: bool
    ) -> None:
        """Begin the first game.

        number: which lane of its split this is. wanted: how many sequences to record. looks: whether the policy sees
        the screens.
        """
        self.console, self.rules, self.number, self.wanted, self.witness = console, rules, number, wanted, witness
        self.taken = bytearray()
        """The action of every step, recorded or not."""
        self.sequences: list[list[Moment]] = []
        self.screens = np.zeros((2, *console.shape), np.uint8)
        """The last two raw frames."""
        self.last, self.game, self.steps = 0, -1, 0
        self._seed = np.array([seed], np.uint64)
        self._looks = looks or witness.looks
        self._rams, self._rewards = np.zeros((max(rules.skip, 1), MEMORY), np.uint8), np.zeros(rules.skip, np.int64)
        self._offset = int(below(words_of(self._seed, GAMES, 0, 1), rules.start_offset + 1)[0, 0])
        self._open: list[Moment] = []
        self._waited = self._games = 0
        self._begin()

    @property
    def done(self) -> bool:
        """Whether the lane has all its sequences."""
        return len(self.sequences) >= self.wanted

    @property
    def fresh(self) -> bool:
        """Whether a game has just begun."""
        return self.steps == 0

    def observe(self) -> NDArray[np.uint8]:
        """Return the frame (84, 84) that ale-py's vector environment makes of the last two raw frames."""
        if self.rules.game == "space_invaders":
            return observe(self.screens)
        if self.console.shape != SCREEN:
            raise RecipeError(
                f"the screen of {self.rules.game} has {self.console.shape[0]} rows, but observations need"
                f" {SCREEN[0]}: let the policy play from the memory, with `observes = False`"
            )
        return observe(self.screens, AS_THEY_ARE)

    def step(self, action: int) -> None:
        """Play one step: hold the action for several raw frames."""
        rules, console, rams, rewards = self.rules, self.console, self._rams, self._rewards
        self.taken.append(action)
        if self._looks and rules.skip == 1:
            self.screens[0] = self.screens[1]
        over, count = False, 0
        for f in range(rules.skip):
            rewards[f] = console.act(action)
            console.read(rams[f])
            if self._looks and f >= rules.skip - 2:
                console.draw(self.screens[f - rules.skip + 2])
            count = f + 1
            if over := console.over:
                break
        byte = rules.play_byte
        plays = not over and (byte < 0 or not rams[:count, byte].any())
        rested = len(self.taken) >= self._offset
        if plays and rested:
            after = self.witness.step(rams, rewards, self.screens)
        else:
            self.witness.follow(rams[:count], rewards[:count])
            after = None
        if self._frame is not None and after is not None:
            reward = int(rewards[:count].sum())
            self._open.append(Moment(self._frame, self.ram, self._lives, self.steps, self.game, action, reward, after))
        else:
            self._open = []
        if len(self._open) == rules.frames:
            self.sequences.append(self._open)
            self._open, self._waited, self._games = [], 0, 0
        self._frame, self.ram, self._lives = after, rams[count - 1].copy(), console.lives
        self.last = action
        self.steps += 1
        self._waited += 1
        if over and not self.done:
            self._begin()
        elif self._waited > 1000 * PATIENCE + self._offset:
            raise self._hopeless()

    def _begin(self) -> None:
        """Begin a game, with some raw frames without action."""
        self.game += 1
        self._games = self._games + 1 if self.game else 0
        if self._games > PATIENCE or self.game >= MOST_GAMES:
            raise self._hopeless()
        self.console.restart()
        self.ram = np.zeros(MEMORY, np.uint8)
        self.console.read(self.ram)
        self.console.draw(self.screens[1])
        self.witness.start(self.ram, self.screens[1])
        idle = int(below(words_of(self._seed, GAMES, self.game + 1, self.game + 2), self.rules.noops + 1)[0, 0])
        for _ in range(idle):
            reward = self.console.act(0)
            self.console.read(self.ram)
            self.witness.follow(self.ram[None], np.array([reward]))
        self.console.draw(self.screens[1])
        self.screens[0] = self.screens[1]
        self.last, self.steps, self._lives = 0, 0, self.console.lives
        self._frame = None
        self._open = []

    def _hopeless(self) -> RecipeError:
        return RecipeError(
            f"{self.game + 1} games of {self.rules.game} with {len(self.taken):,} steps gave only {len(self.sequences)}"
            f" sequences of {self.rules.frames} uninterrupted steps of play: ask for fewer frames, or another policy"
        )


class Actor(Protocol):
    """A source of the actions in all lanes."""

    looks: bool  # whether it looks at the screens

    def choose(self, lanes: Sequence[Lane], step: int) -> Sequence[int]:
        """Return the action of each lane in a step."""
        ...


class Live:
    """A policy that plays, together with the recorder's random numbers."""

    def __init__(self, policy: Policy, dice: Dice, *, name: str, actions: int) -> None:
        self.looks = bool(getattr(policy, "observes", True))
        self._policy, self._dice, self._name, self._actions = policy, dice, name, actions
        self._observations = np.zeros((LANES, 4, SIDE, SIDE), np.uint8)
        self._memory, self._words, self._fresh = (
            np.zeros((LANES, MEMORY), np.uint8),
            np.zeros(LANES, np.uint64),
            np.zeros(LANES, bool),
        )

    def choose(self, lanes: Sequence[Lane], step: int) -> list[int]:
        """Ask the policy for an action in every lane, then let chance replace some of them."""
        chances = self._dice.roll(step)
        self._words[: len(lanes)] = chances.words
        for i, lane in enumerate(lanes):
            if not lane.done:
                self._memory[i], self._fresh[i] = lane.ram, lane.fresh
                if self.looks:
                    seen = self._observations[i]
                    seen[:-1] = 0 if lane.fresh else seen[1:]
                    seen[-1] = lane.observe()
        given = PolicyInput(self._observations, self._memory, self._words, self._fresh, self._actions)
        chosen = ask(self._policy, given, name=self._name)
        return [
            lane.last if sticks else choice if forced < 0 else forced
            for lane, choice, forced, sticks in zip(lanes, chosen, chances.forced, chances.sticks, strict=False)
        ]


class Replay:
    """An actor that repeats the actions of a tape."""

    looks = False

    def __init__(self, actions: Sequence[bytes]) -> None:
        self._actions = actions

    def choose(self, lanes: Sequence[Lane], step: int) -> list[int]:
        """Read the action of every lane from the tape."""
        try:
            return [0 if lane.done else self._actions[i][step] for i, lane in enumerate(lanes)]
        except IndexError:
            raise RecipeError(
                f"the tape ends after {step} steps, but the game goes on: the tape is for other rules or another"
                " emulator"
            ) from None


def sittings_of(recipe: Recipe, split: str) -> list[Span]:
    """Cut a split into its sittings."""
    count = recipe.splits.get(split, 0)
    return [Span(split, start, min(start + SITTING, count)) for start in range(0, count, SITTING)]


def seeds_of(recipe: Recipe, span: Span) -> NDArray[np.uint64]:
    """Return the seed of each lane of a sitting, which is that of its first sequence."""
    return recipe.seeds(span.split, span.start, span.stop)[::ROWS]


def sit(lanes: Sequence[Lane], actor: Actor) -> None:
    """Play until every lane has its sequences."""
    step = 0
    while not all(lane.done for lane in lanes):
        actions = actor.choose(lanes, step)
        for lane, action in zip(lanes, actions, strict=True):
            if not lane.done:
                lane.step(action)
        step += 1


class Consoles:
    """A pool of consoles, because they take long to make. One sitting uses a console at a time."""

    def __init__(self) -> None:
        self._idle: dict[str, list[Console]] = {}

    @contextmanager
    def borrow(self, count: int, game: str) -> Generator[list[Console]]:
        """Lend consoles with a game, and make new ones if too few are idle."""
        idle, taken = self._idle.setdefault(game, []), list[Console]()
        for _ in range(count):
            try:
                taken.append(idle.pop())
            except IndexError:
                taken.append(Console(game))
        yield taken
        idle.extend(taken)


CONSOLES = Consoles()
