"""A world of the memory of any Atari game: RAM, actions and rewards, without pixels.

Games are played and cut into sequences as in the world of Space Invaders.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NewType

import numpy as np

from physbench.errors import RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench.scene import Scenes
from physbench_generators.atari.console import emulator_version, rom_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from physbench.scene import Span
    from physbench_generators.atari.play import Rules

ACTIONS = 18
"""How many actions all games have together, in the order of ale-py. Policies choose among those that have an effect in
their game."""

Fixed = NewType("Fixed", str)
"""A string parameter that is not an option of the command line."""

SPACE_INVADERS = Fixed("72ffbef6504b75e69ee1045af9075f66")
"""The MD5 of the game in ale-py. It is written here so that the dataset can be described without ale-py installed."""


@dataclass(frozen=True, kw_only=True)
class AtariRam:
    """A world of one Atari 2600 game, as the 128 bytes of the console's memory."""

    name: ClassVar[str] = "atari-ram"
    version: ClassVar[int] = 1
    actions: ClassVar[int] = ACTIONS
    engine: ClassVar[str] = "processes"
    slow: ClassVar[bool] = True
    arrays: ClassVar[tuple[str, ...]] = ("actions", "reward", "lives", "ram", "episode")

    game: str = parameter("breakout", help="the game, as ale-py calls it: breakout, ms_pacman")
    policy: str = parameter(
        "random",
        help=(
            "who plays: random, package.module:function, which runs its code, or, only in space_invaders, scripted"
            " or dqn"
        ),
    )
    agent: str = parameter("", help="file of the agent that the policy dqn plays", path=True)
    skip: int = parameter(4, help="raw frames that an action is held for", low=1, high=60)
    epsilon: float = parameter(0.0, help="how often an action is random", low=0.0, high=1.0)
    sticky: float = parameter(0.0, help="how often the previous action is repeated", low=0.0, below=1.0)
    noops: int = parameter(
        30, help="at the beginning of a game, nothing is done for up to this many raw frames", low=0, high=1000
    )
    start_offset: int = parameter(
        200, help="before the first recorded step, up to this many steps are played", low=0, high=100_000
    )
    agent_sha256: Fixed = Fixed("")
    rom: Fixed = Fixed("")
    emulator: Fixed = Fixed("")

    def __post_init__(self) -> None:
        check_fields(self, RecipeError)
        if self.agent and not self.agent_sha256:
            from physbench_generators.atari.sitting import digest_of

            object.__setattr__(self, "agent_sha256", digest_of(self.agent, "agent"))
        if not self.emulator:
            object.__setattr__(self, "emulator", emulator_version())
        if not self.rom and self.emulator:
            object.__setattr__(self, "rom", rom_of(self.game))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame: zeros, as there are no pixels."""
        return 0, 0, 0

    @property
    def objects(self) -> int:
        """How many slots there are for objects: none."""
        return 0

    def spans(self, recipe: Recipe, split: str) -> list[Span]:
        """Cut a split into its sittings."""
        from physbench_generators.atari.play import sittings_of

        return sittings_of(recipe, split)

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Play one sitting, and cut it into sequences."""
        from physbench_generators.atari.play import MOST_GAMES, Blind
        from physbench_generators.atari.sitting import play_sitting

        lanes = play_sitting(recipe, span, Blind)
        codes = np.array(lanes[0].console.codes)
        sequences = [(lane.number * MOST_GAMES, moments) for lane in lanes for moments in lane.sequences]
        taken = np.array([[moment.action for moment in moments] for _, moments in sequences])
        arrays = {
            "actions": np.eye(ACTIONS, dtype=np.uint8)[codes[taken]],
            "reward": np.array([[moment.reward for moment in moments] for _, moments in sequences], np.float32),
            "lives": np.array([[moment.lives for moment in moments] for _, moments in sequences], np.uint8),
            "ram": np.array([[moment.ram for moment in moments] for _, moments in sequences]),
            "episode": np.array(
                [(first + moments[0].game, moments[0].step) for first, moments in sequences], np.uint32
            ),
        }
        return Scenes.of(arrays)

    def obstacle(self, recipe: Recipe) -> str:
        """Return the reason why the games of an untrusted file cannot be played here, or ""."""
        from physbench_generators.atari.sitting import obstacle_to

        return obstacle_to(recipe, self.game)

    def rules(self, recipe: Recipe) -> Rules:
        """Return how the games are played and cut."""
        from physbench_generators.atari.play import Rules

        return Rules(
            game=self.game,
            frames=recipe.frames,
            skip=self.skip,
            epsilon=self.epsilon,
            sticky=self.sticky,
            noops=self.noops,
            start_offset=self.start_offset,
        )


atari_ram = Recipe(
    dataset="atari-ram",
    generator=AtariRam(),
    frames=25,
    splits={"training": 4_000, "validation": 1_000, "test": 4_000},
    about="the memory of any Atari game, with actions and rewards, without pixels",
)
invaders_ram = Recipe(
    dataset="invaders-ram",
    generator=AtariRam(
        game="space_invaders", policy="scripted", epsilon=0.3, emulator=Fixed("0.12.1"), rom=SPACE_INVADERS
    ),
    frames=25,
    splits={"training": 4_000, "validation": 1_000, "test": 1_000},
    about="the memory of Space Invaders, played well and badly by a script, with actions and rewards, without pixels",
)
