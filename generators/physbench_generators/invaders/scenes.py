"""The world of Space Invaders: its parameters, and the named dataset.

The unit of recording is the sitting (atari/play.py): eight games side by side, recorded while a policy plays. The
pixels come from the emulator, and so does the ground truth: every label, position and event is derived from the
console's memory and screen (truth.py). This is frozen with version 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NewType

from physbench.errors import PhysbenchError, RecipeError
from physbench.fields import check_fields, parameter
from physbench.recipe import Recipe
from physbench.scene import Scenes
from physbench_generators.atari.console import emulator_version
from physbench_generators.invaders.addresses import OBJECTS, PHASE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from numpy.typing import NDArray

    from physbench.scene import Fault, Marks, Span
    from physbench_generators.atari.play import Rules
    from physbench_generators.atari.tape import Tape

GAME = "space_invaders"
ROM = "72ffbef6504b75e69ee1045af9075f66"
"""The MD5 of the game whose memory addresses are known here."""

ACTIONS = ("nothing", "fire", "right", "left", "right and fire", "left and fire")

Fixed = NewType("Fixed", str)
"""A string parameter that is not an option of the command line."""

AGENT = Fixed("4c5ab66f8e0ce4abb0ca8db0e12cb6fe32dbc12135066c69aa481c8c05fcd736")
"""The SHA-256 of the agent that plays `invaders84`."""


@dataclass(frozen=True, kw_only=True)
class Invaders:
    """A world of Space Invaders on the Atari 2600, played by an agent."""

    name: ClassVar[str] = "invaders"
    version: ClassVar[int] = 1
    actions: ClassVar[int] = len(ACTIONS)
    engine: ClassVar[str] = "processes"
    slow: ClassVar[bool] = True

    arrays: ClassVar[tuple[str, ...]] = (
        *(
            "features",
            "groups",
            "collisions",
            "contact",
            "position",
            "velocity",
            "visible",
            "actions",
            "reward",
            "lives",
            "phase",
            "ram",
            "episode",
        ),
        *(f"events/{name}" for name in ("offset", "sequence", "time", "a", "b", "kind", "uid")),
    )

    policy: str = parameter(
        "dqn", help="who plays: dqn, scripted, random, or package.module:function, which runs its code"
    )
    agent: str = parameter(
        "", help="file of the agent that the policy dqn plays; by default the one that comes with physbench", path=True
    )
    geometry: str = parameter(
        "full", help="the whole screen, or the part that Mnih et al. cut out in 2013", choices=("full", "mnih2013")
    )
    hud: str = parameter(
        "mask", help="leave score, lives and ground out of the frames, or keep them", choices=("mask", "keep")
    )
    skip: int = parameter(4, help="raw frames that an action is held for", choices=(3, 4))
    epsilon: float = parameter(0.05, help="how often an action is random", low=0.0, high=1.0)
    sticky: float = parameter(0.0, help="how often the previous action is repeated", low=0.0, below=1.0)
    noops: int = parameter(
        30, help="at the beginning of a game, nothing is done for up to this many raw frames", low=0, high=1000
    )
    start_offset: int = parameter(
        500, help="before the first recorded frame, up to this many steps are played", low=0, high=100_000
    )
    play_only: bool = parameter(True, help="leave out the moments in which the ship burns or blinks, or a wave is over")
    tape: str = parameter(
        "", help="replay recorded actions instead of playing: the name of a tape, or a file", path=True
    )
    agent_sha256: Fixed = Fixed("")
    tape_sha256: Fixed = Fixed("")
    rom: Fixed = Fixed(ROM)
    emulator: Fixed = Fixed("")
    """The version of ale-py; by default the installed one."""

    def __post_init__(self) -> None:
        check_fields(self, RecipeError)
        for name in ("agent", "tape"):
            told, digest = getattr(self, name), getattr(self, f"{name}_sha256")
            if told and not digest and (name == "agent" or Path(told).suffix):
                from physbench_generators.atari.sitting import digest_of

                object.__setattr__(self, f"{name}_sha256", digest_of(told, name))
        if not self.emulator:
            object.__setattr__(self, "emulator", emulator_version())

    @property
    def objects(self) -> int:
        """How many slots there are for objects."""
        return OBJECTS

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of a frame."""
        return 84, 84, 1

    def spans(self, recipe: Recipe, split: str) -> list[Span]:
        """Cut a split into its sittings."""
        from physbench_generators.atari.play import sittings_of

        return sittings_of(recipe, split)

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        """Play one sitting, and cut it into sequences."""
        from physbench_generators.atari.sitting import play_sitting
        from physbench_generators.invaders.record import ScreenRecorder, scenes_of

        tape = self.load_tape(recipe)
        lanes = play_sitting(
            recipe,
            span,
            lambda: ScreenRecorder(geometry=self.geometry, hud=self.hud),
            tape=tape.actions(recipe, span) if tape else None,
        )
        return scenes_of(lanes, self.rules(recipe), actions=self.actions)

    def check(self, scenes: Scenes) -> Iterator[Fault]:
        """Compare pixels, labels, events and rewards with the memory and with one another; yield what differs."""
        from physbench_generators.invaders.check import find_faults

        return find_faults(scenes, hud=self.hud, skip=self.skip, play_only=self.play_only)

    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        """Name the objects in a picture of one sequence, and mark those that hit or are hit."""
        from physbench_generators.invaders.marks import mark_invaders

        return mark_invaders(arrays, events)

    def obstacle(self, recipe: Recipe) -> str:
        """Return the reason why the games of an untrusted file cannot be played here, or ""."""
        from physbench_generators.atari.sitting import obstacle_to

        try:
            tape = self.load_tape(recipe)
        except PhysbenchError as error:
            return str(error)
        return obstacle_to(recipe, GAME, known=(lambda span: tape.has(span)) if tape else None)

    def load_tape(self, recipe: Recipe) -> Tape | None:
        """Load the tape that the recipe names, and raise an error if it does not fit the recipe."""
        if not self.tape:
            return None
        from physbench_generators.atari.tape import load_tape

        tape = load_tape(self.tape, self.tape_sha256)
        tape.require_fit(recipe)
        return tape

    def rules(self, recipe: Recipe) -> Rules:
        """Return how the games are played and cut."""
        from physbench_generators.atari.play import Rules

        return Rules(
            game=GAME,
            frames=recipe.frames,
            skip=self.skip,
            epsilon=self.epsilon,
            sticky=self.sticky,
            noops=self.noops,
            start_offset=self.start_offset,
            play_byte=PHASE if self.play_only else -1,
        )


invaders = Recipe(
    dataset="invaders",
    generator=Invaders(),
    frames=25,
    about="Space Invaders of your own: any policy, geometry, frame skip, starts",
)
invaders84 = Recipe(
    dataset="invaders84",
    generator=Invaders(tape="invaders84", agent_sha256=AGENT, emulator=Fixed("0.12.1")),
    frames=25,
    about="Space Invaders played by a DQN agent, 84x84, with actions and every object labelled",
)
