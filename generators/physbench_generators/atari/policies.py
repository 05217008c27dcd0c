"""Who plays. A policy chooses an action for each of some games at once, from what it sees of them; it knows nothing of
how they are recorded.

What it sees is the observation of ale-py's vector environment, 84x84 pixels of the whole screen, whatever is recorded
of it. Epsilon, sticky actions and starts belong to the recorder. A policy that draws takes its chances from the words
it is given, so that the same recipe plays the same games.
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
    """What a policy sees of B games."""

    observations: NDArray[np.uint8]
    """(B, 4, 84, 84) the last four frames, the newest last: grey, the brighter of two raw frames. Zeros for a policy
    that does not look."""
    ram: NDArray[np.uint8]
    """(B, 128) the memory of the console."""
    words: NDArray[np.uint64]
    """(B,) random bits, new in every step."""
    fresh: NDArray[np.bool_]
    """(B,) whether this is the first step of a game: forget what you remember of the one before."""
    actions: int
    """How many actions the game has: 0 to actions - 1, in ale-py's order; 0 does nothing."""


class Policy(Protocol):
    """Choose. It may have two attributes more: `observes` = False if it does not look at the observations, which take
    time, and `games`, those it can play."""

    def __call__(self, given: PolicyInput) -> NDArray[Any]:
        """Give (B,) whole numbers. The B games are always in the same places; a place whose game is done is asked, and
        its answer ignored."""
        ...


class Random:
    """Any action, each as likely."""

    observes: ClassVar[bool] = False

    def __call__(self, given: PolicyInput) -> NDArray[np.int64]:
        return ((given.words >> np.uint64(32)) * np.uint64(given.actions) >> np.uint64(32)).astype(np.int64)


class Scripted:
    """Dodge bombs and lead the aim, from the memory of the console."""

    observes: ClassVar[bool] = False
    games: ClassVar[tuple[str, ...]] = ("space_invaders",)

    def __call__(self, given: PolicyInput) -> NDArray[np.int64]:
        return np.array([choose(memory) for memory in given.ram.tolist()])


def resolve_policy(name: str, *, agent: str = "", game: str = "space_invaders") -> Policy:
    """Find a policy by its name in the registry, or by its place, package.module:function, whose code is run.

    A class is made anew for each sitting, and may remember. agent: a file for a policy that takes one.
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
            f"the policy {name!r} is {shorten(repr(found), 60)}: it is a function that takes what is seen and gives"
            " actions"
        )
    playable: tuple[str, ...] = getattr(found, "games", ()) or ()
    if playable and game not in playable:
        raise RecipeError(
            f"the policy {name!r} plays {', '.join(playable)} alone, not {game}: use random, or package.module:function"
            " of your own"
        )
    return cast("Policy", found)


def ask(policy: Policy, given: PolicyInput, *, name: str) -> list[int]:
    """Ask a policy, and require legal actions of it."""
    answer = policy(given)
    count = len(given.ram)
    chosen = np.asarray(answer)
    if chosen.shape != (count,):
        raise RecipeError(
            f"the policy {name!r} gave {_describe(answer)}: it gives an array of {count} actions, one for each game"
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
