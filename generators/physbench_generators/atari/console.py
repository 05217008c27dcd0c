"""The console: one game in the emulator, played raw frame by raw frame.

ale-py is an optional dependency, imported when a console is made. The emulator is deterministic here: there are no
sticky actions, no frames are skipped, and every game begins from the same state, whatever was played before.
"""

from __future__ import annotations

import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import MissingPackage, RecipeError, suggest
from physbench.notices import announce
from physbench.printable import shorten

if TYPE_CHECKING:
    from numpy.typing import NDArray

MISSING = "the games of the Atari 2600 need the emulator ale-py, which is not installed: pip install 'physbench[atari]'"

MEMORY = 128
"""The size of the console's memory in bytes."""

SCREEN = (210, 160)
"""Rows and columns of the screen of Space Invaders."""


def emulator() -> Any:
    """Import ale-py, or raise an error that says how to install it."""
    try:
        import ale_py
    except ImportError:
        raise MissingPackage(MISSING) from None
    package: Any = ale_py
    package.ALEInterface.setLoggerMode(package.LoggerMode.Error)
    return package


def emulator_version() -> str:
    """Return the version of ale-py that is installed, or "" if there is none."""
    try:
        return version("ale-py")
    except PackageNotFoundError:
        return ""


@cache
def games() -> dict[str, str]:
    """Return the MD5 of each game of the installed emulator, by name. The emulator itself is not loaded."""
    table: dict[str, str] = json.loads((_roms() / "md5.json").read_text(encoding="utf-8"))
    return {name.removesuffix(".bin"): digest for name, digest in sorted(table.items())}


def rom_of(game: str) -> str:
    """Return the MD5 of a game, or raise an error that suggests a similar name."""
    if game not in games():
        raise RecipeError(f"the emulator has no game {shorten(repr(game), 60)}: {suggest(game, games())}")
    return games()[game]


def path_of(game: str) -> Path:
    """Return the path of a game's ROM in the emulator."""
    return _roms() / f"{game}.bin"


def _roms() -> Path:
    found = find_spec("ale_py")
    if found is None or not found.submodule_search_locations:
        raise MissingPackage(MISSING)
    return Path(found.submodule_search_locations[0]) / "roms"


def require_game(game: str) -> str:
    """Return the MD5 of a game, or raise an error if it cannot be played alone."""
    rom = rom_of(game)
    if emulator().ALEInterface.isSupportedROM(str(path_of(game))) is None:
        raise RecipeError(f"the game {game} is for two players: the emulator cannot play it with one player")
    return rom


def require_emulator(*, game: str, rom: str, made_with: str) -> None:
    """Compare the installed emulator with the recipe. Another ROM is an error; another version is only reported."""
    if (found := require_game(game)) != rom:
        raise RecipeError(
            f"the recipe needs the ROM {rom} of {game}, but ale-py {emulator_version()} has {found}: install ale-py"
            f" {made_with}"
        )
    if emulator_version() != made_with:
        announce(
            f"the recipe was made with ale-py {made_with}, but {emulator_version()} is installed: the frames may"
            " differ; physbench verify shows whether they do"
        )


class Console:
    """A console with one game. Actions are indices into the set of actions that have an effect in this game."""

    def __init__(self, game: str) -> None:
        ale_py = emulator()
        require_game(game)
        self._ale = ale = ale_py.ALEInterface()
        ale.setFloat("repeat_action_probability", 0.0)
        ale.setInt("frame_skip", 1)
        ale.setInt("max_num_frames_per_episode", 0)
        ale.setBool("color_averaging", False)
        ale.setInt("random_seed", 0)
        ale.loadROM(str(path_of(game)))
        ale.reset_game()
        self._actions = ale.getMinimalActionSet()
        self.codes = tuple(int(action.value) for action in self._actions)
        """The codes of these actions, among the 18 actions of all games."""
        self._draw = ale.getScreen if game == "space_invaders" else ale.getScreenGrayscale
        self._start = ale.cloneState(include_rng=True)
        self._first = np.ascontiguousarray(self._draw())
        self.restart()

    def restart(self) -> None:
        """Begin a game, always from the same state."""
        self._ale.restoreState(self._start)
        self._begun = True

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the screen."""
        rows, columns = self._first.shape
        return rows, columns

    def act(self, action: int) -> int:
        """Play one raw frame, and return the reward."""
        self._begun = False
        return self._ale.act(self._actions[action])

    def read(self, memory: NDArray[np.uint8]) -> None:
        """Copy the 128 bytes of memory."""
        self._ale.getRAM(memory)

    def draw(self, screen: NDArray[np.uint8]) -> None:
        """Copy the screen (rows, columns).

        For Space Invaders these are palette indices, because colours tell the objects apart. For other games they are
        grey levels.
        """
        if self._begun:  # the emulator has no picture of a state that was restored
            screen[:] = self._first
        else:
            self._draw(screen)

    @property
    def over(self) -> bool:
        """Whether the game is over."""
        return self._ale.game_over()

    @property
    def lives(self) -> int:
        """How many lives are left."""
        return self._ale.lives()
