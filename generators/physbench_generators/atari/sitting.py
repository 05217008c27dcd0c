"""One sitting of a recipe: consoles, and a policy or a tape that supplies the actions."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from physbench.errors import PhysbenchError, RecipeError, StorageError
from physbench.files import read_regular_file
from physbench_generators.atari.console import require_emulator
from physbench_generators.atari.dice import Dice
from physbench_generators.atari.play import CONSOLES, ROWS, Lane, Live, Replay, seeds_of, sit, sittings_of
from physbench_generators.atari.policies import resolve_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.scene import Span
    from physbench_generators.atari.play import Actor, Rules, Witness
    from physbench_generators.atari.policies import Policy

LARGEST = 1 << 28
"""The largest size of an agent's file or of a tape, in bytes."""


class Played(Protocol):
    """The parameters that all worlds of games have in common."""

    policy: str
    agent: str
    agent_sha256: str
    rom: str
    emulator: str

    def rules(self, recipe: Recipe) -> Rules:
        """Return how the games are played and cut."""
        ...


def play_sitting(
    recipe: Recipe,
    span: Span,
    witness: Callable[[], Witness],
    *,
    tape: tuple[NDArray[np.uint64], Sequence[bytes]] | None = None,
) -> list[Lane]:
    """Play a sitting until it has all its sequences.

    tape: the seed and the actions of each lane. Without it, the policy of the recipe plays.
    """
    world: Played = recipe.generator  # type: ignore[assignment]
    rules, seeds = world.rules(recipe), tape[0] if tape else seeds_of(recipe, span)
    require_emulator(game=rules.game, rom=world.rom, made_with=world.emulator)
    with CONSOLES.borrow(len(seeds), rules.game) as consoles:
        count = len(consoles[0].codes)
        if tape:
            actor: Actor = Replay(tape[1])
        else:
            policy = find_player(world, rules.game)
            actor = Live(
                policy,
                Dice(seeds, epsilon=rules.epsilon, sticky=rules.sticky, actions=count),
                name=world.policy,
                actions=count,
            )
        first, lanes = span.start // ROWS, list[Lane]()
        for i, (console, seed) in enumerate(zip(consoles, seeds.tolist(), strict=True)):
            lanes.append(
                Lane(console, rules, seed, first + i, min(ROWS, len(span) - ROWS * i), witness(), looks=actor.looks)
            )
        sit(lanes, actor)
    return lanes


def find_player(world: Played, game: str) -> Policy:
    """Find the policy of a recipe, and raise an error if its agent is not the one that the recipe names."""
    if world.agent:
        require_digest(world.agent, world.agent_sha256, "agent")
    policy = resolve_policy(world.policy, agent=world.agent, game=game)
    if world.agent_sha256 and not world.agent and (found := getattr(policy, "sha256", "")) != world.agent_sha256:
        raise RecipeError(
            f"the recipe needs an agent whose SHA-256 begins with {world.agent_sha256[:16]}, but that of the policy"
            f" {world.policy} here begins with {found[:16] or 'nothing'}: install the version of physbench that has it"
        )
    return policy


def obstacle_to(recipe: Recipe, game: str, *, known: Callable[[Span], bool] | None = None) -> str:
    """Return the reason why the games of an untrusted file cannot be played here, or "".

    known: says whether a tape has a sitting.
    """
    world: Played = recipe.generator  # type: ignore[assignment]
    try:
        require_emulator(game=game, rom=world.rom, made_with=world.emulator)
        if known and all(known(span) for split in recipe.splits for span in sittings_of(recipe, split)):
            return ""
        if ":" in world.policy:
            return f"its policy {world.policy} is code that the file names, and such code is not run"
        find_player(world, game)
    except (PhysbenchError, ImportError) as error:
        return str(error)
    return ""


def digest_of(path: str, what: str) -> str:
    """Return the SHA-256 of the file of an agent or a tape."""
    return hashlib.sha256(read_bytes(path, what)).hexdigest()


def require_digest(path: str, digest: str, what: str) -> bytes:
    """Read a file that the recipe names, and raise an error if its SHA-256 is another one."""
    data = read_bytes(path, what)
    if hashlib.sha256(data).hexdigest() != digest:
        raise RecipeError(
            f"{path} is not the {what} of the recipe, whose SHA-256 begins with {digest[:16]}: the file was changed, or"
            " it is another one"
        )
    return data


def read_bytes(path: str, what: str) -> bytes:
    """Read the file of an agent or a tape. what: which of the two, for the error message."""
    try:
        return read_regular_file(Path(path), LARGEST)
    except StorageError as error:
        raise RecipeError(f"the {what}: {error}") from None
