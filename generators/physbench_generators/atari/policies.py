"""Policies, which play the games. A policy chooses actions for several games at once, from what it sees of them.

A policy does not depend on how games are recorded. It sees the observations of ale-py's vector environment, 84x84
pixels of the whole screen, whatever part of them is recorded. Random actions (epsilon), sticky actions and the starts
of games are handled by the recorder. A policy that needs randomness takes it from the words that it gets, so that the
same recipe plays the same games.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, cast

import numpy as np

from physbench import registry
from physbench.errors import RecipeError
from physbench.printable import shorten
from physbench_generators.atari.scripted import choose

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class PolicyInput:
    """The input of a policy for B games."""

    observations: NDArray[np.uint8]
    """(B, 4, 84, 84) the last four frames, the newest last, in grey. Each is the brighter of two raw frames at every
    pixel. Zeros for a policy with `observes = False`."""
    ram: NDArray[np.uint8]
    """(B, 128) the memory of the console."""
    words: NDArray[np.uint64]
    """(B,) random bits, new in every step."""
    fresh: NDArray[np.bool_]
    """(B,) whether this is the first step of a game, so that a policy must forget the previous game."""
    actions: int
    """How many actions the game has. They are 0 to actions - 1, in ale-py's order, and 0 does nothing."""


class Policy(Protocol):
    """A function that chooses actions.

    It may have two attributes: `observes` = False if it does not use the observations, which take time to make, and
    `games`, the games that it can play.
    """

    def __call__(self, given: PolicyInput) -> NDArray[Any]:
        """Return one action for each game, (B,) whole numbers.

        The B games always have the same places. Actions for games that are already over are ignored.
        """
        ...


class Random:
    """A policy that takes every action with equal probability."""

    observes: ClassVar[bool] = False

    def __call__(self, given: PolicyInput) -> NDArray[np.int64]:
        """Draw an action for each game."""
        return ((given.words >> np.uint64(32)) * np.uint64(given.actions) >> np.uint64(32)).astype(np.int64)


class Scripted:
    """A policy for Space Invaders that reads the memory. It dodges bombs and aims ahead of its targets."""

    observes: ClassVar[bool] = False
    games: ClassVar[tuple[str, ...]] = ("space_invaders",)

    def __call__(self, given: PolicyInput) -> NDArray[np.int64]:
        """Choose an action for each game from its memory."""
        return np.array([choose(memory) for memory in given.ram.tolist()])


def resolve_policy(name: str, *, agent: str = "", game: str = "space_invaders") -> Policy:
    """Find a policy by its name in the registry, or import it as package.module:function, which runs its code.

    If it is a class, a new object is made for each sitting, so it may keep a state. agent: a file for policies that
    take one.
    """
    found = registry.attribute(name) if ":" in name else registry.policies.get(name)
    if agent and "agent" not in _parameters(found):
        raise RecipeError(
            f"the policy {name!r} takes no agent file: leave {shorten(agent, 60)} out, or use the policy dqn"
        )
    if isinstance(found, type) or ":" not in name:
        found = found(agent=agent) if agent else found()
    if not callable(found):
        raise RecipeError(
            f"the policy {name!r} is {shorten(repr(found), 60)}: it must be a function that takes a PolicyInput and"
            " returns actions"
        )
    playable: tuple[str, ...] = getattr(found, "games", ()) or ()
    if playable and game not in playable:
        raise RecipeError(
            f"the policy {name!r} plays only {', '.join(playable)}, not {game}: use random, or your own"
            " package.module:function"
        )
    return cast("Policy", found)


def ask(policy: Policy, given: PolicyInput, *, name: str) -> list[int]:
    """Ask a policy for actions, and raise an error if they are not legal."""
    answer = policy(given)
    count = len(given.words)
    chosen = np.asarray(answer)
    if chosen.shape != (count,):
        raise RecipeError(
            f"the policy {name!r} gave {_describe(answer)}: it must give an array of {count} actions, one for each game"
        )
    if chosen.dtype.kind not in "iu":
        raise RecipeError(
            f"the policy {name!r} gave {_describe(answer)}: actions are whole numbers from 0 to {given.actions - 1}"
        )
    wrong = (chosen < 0) | (chosen >= given.actions)
    if wrong.any():
        raise RecipeError(
            f"the policy {name!r} gave the action {chosen[wrong][0]}: the actions are 0 to {given.actions - 1}"
        )
    return chosen.tolist()


def _parameters(found: Any) -> list[str]:
    try:
        return [*inspect.signature(found).parameters]
    except (TypeError, ValueError):
        return []


def _describe(answer: Any) -> str:
    array = np.asarray(answer)
    return (
        f"{array.dtype} of shape {array.shape}" if array.dtype != object and array.ndim else shorten(repr(answer), 60)
    )
