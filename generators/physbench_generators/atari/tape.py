"""Tapes: the exact actions of recorded sittings, so that the games can be played again without the policy.

A tape is a line that names the format, a line of JSON, and the coded actions of each sitting (see coder.py). It holds
everything that determines the games except the emulator: their rules, their seeds, and which ROM. It holds no frames,
because the emulator draws them again, in any geometry.

    python -m physbench_generators.atari.tape invaders84 invaders84.tape --train 10000
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from physbench.errors import HostileFile, RecipeError, StorageError, suggest
from physbench.recipe import SPLITS
from physbench.scene import Span
from physbench_generators.atari.coder import decode, encode
from physbench_generators.atari.dice import Dice
from physbench_generators.atari.play import ROWS, SITTING, seeds_of
from physbench_generators.atari.sitting import read_bytes, require_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from physbench.recipe import Recipe

MAGIC = b"physbench tape 1\n"
BUNDLED = Path(__file__).parent / "tapes"
LONGEST_HEADER = 1 << 20
MOST_STEPS = 1_000_000
"""The most steps of one lane."""

RULES = ("skip", "epsilon", "sticky", "noops", "start_offset", "play_only", "policy", "agent_sha256")
"""The parameters of a world that determine its games. Those that only change the frames are left out."""

TEXTS, NUMBERS, TABLES = ("dataset", "rom", "emulator", "sha256"), ("seed", "frames", "actions"), ("rules", "splits")
"""The keys of a tape's header, by the type of their values."""


@dataclass(frozen=True)
class Tape:
    """A tape: the recorded sittings of a dataset."""

    name: str
    header: Mapping[str, Any]
    body: bytes

    def require_fit(self, recipe: Recipe) -> None:
        """Raise an error if the recipe is for other games than those on the tape."""
        world: Any = recipe.generator
        if self.header["rom"] != world.rom:
            raise RecipeError(
                f"the tape {self.name} is for the ROM {self.header['rom']}, but the recipe is for {world.rom}"
            )
        told, given = (
            {"frames": self.header["frames"], **self.header["rules"]},
            {"frames": recipe.frames, **rules_of(world)},
        )
        for key, value in given.items():
            if told.get(key) != value:
                raise RecipeError(
                    f"the tape {self.name} has {key.replace('_', '-')} {told.get(key)!r}, but the recipe has"
                    f" {value!r}: they must be the same"
                )

    def has(self, span: Span) -> bool:
        """Return whether a sitting is on the tape."""
        return len(span) <= self._sittings.get((span.split, span.start), (0, b""))[0]

    def actions(self, recipe: Recipe, span: Span) -> tuple[NDArray[np.uint64], list[bytes]] | None:
        """Return the seeds and the actions of the lanes of a sitting, or None if it is not completely on the tape."""
        if not self.has(span):
            return None
        count, data = self._sittings[span.split, span.start]
        seeds = self._seeds(recipe, Span(span.split, span.start, span.start + count))
        lengths = np.frombuffer(data[: 4 * len(seeds)].ljust(4 * len(seeds), b"\xff"), "<u4").tolist()
        if max(lengths) > MOST_STEPS:
            raise HostileFile(
                f"the tape {self.name} says that a lane of {span.split} has {max(lengths):,} steps, but at most"
                f" {MOST_STEPS:,} are allowed"
            )
        rules = self.header["rules"]
        forced = forced_of(
            seeds, max(lengths), epsilon=rules["epsilon"], sticky=rules["sticky"], actions=self.header["actions"]
        )
        try:
            lanes = decode(data[4 * len(seeds) :], lengths, forced, self.header["actions"])
        except StorageError as error:
            raise HostileFile(
                f"the tape {self.name} is damaged in {span.split} at sequence {span.start}: {error}"
            ) from None
        needed = len(range(0, len(span), ROWS))
        return seeds[:needed], lanes[:needed]

    def _seeds(self, recipe: Recipe, span: Span) -> NDArray[np.uint64]:
        """Return the seeds of a span in the dataset from which the tape was recorded."""
        return seeds_of(replace(recipe, dataset=self.header["dataset"], seed=self.header["seed"]), span)

    @cached_property
    def _sittings(self) -> dict[tuple[str, int], tuple[int, bytes]]:
        """The number of sequences and the data of each sitting, by its split and its first sequence."""
        found: dict[tuple[str, int], tuple[int, bytes]] = {}
        place = 0
        for split, sittings in self.header["splits"].items():
            for number, (count, size) in enumerate(sittings):
                found[split, number * SITTING] = count, self.body[place : place + size]
                place += size
        return found


def rules_of(world: Any) -> dict[str, Any]:
    """Return the parameters of a world that determine its games."""
    return {name: getattr(world, name) for name in RULES}


def forced_of(seeds: NDArray[np.uint64], steps: int, *, epsilon: float, sticky: float, actions: int) -> list[list[int]]:
    """Return the action that chance takes in each step of each lane.

    It is -1 where chance takes none, or where the previous action is repeated.
    """
    dice = Dice(seeds, epsilon=epsilon, sticky=sticky, actions=actions)
    rolls = [dice.roll(step) for step in range(steps)]
    return [[-1 if roll.sticks[lane] else roll.forced[lane] for roll in rolls] for lane in range(len(seeds))]


def pack_sitting(
    lanes: Sequence[bytes], seeds: NDArray[np.uint64], *, epsilon: float, sticky: float, actions: int
) -> bytes:
    """Write one sitting as bytes: how many steps each lane has, and the actions in them."""
    lengths = [len(lane) for lane in lanes]
    forced = forced_of(seeds, max(lengths), epsilon=epsilon, sticky=sticky, actions=actions)
    return np.array(lengths, "<u4").tobytes() + encode(lanes, forced, actions)


def pack_tape(recipe: Recipe, sittings: Mapping[str, Sequence[tuple[int, bytes]]]) -> bytes:
    """Write a tape as bytes. sittings: for each split, the number of sequences and the data of each sitting."""
    world: Any = recipe.generator
    body = b"".join(data for split in sittings.values() for _, data in split)
    header: dict[str, Any] = {
        "dataset": recipe.dataset,
        "seed": recipe.seed,
        "frames": recipe.frames,
        "rom": world.rom,
        "emulator": world.emulator,
        "actions": world.actions,
        "rules": rules_of(world),
        "splits": {split: [[count, len(data)] for count, data in each] for split, each in sittings.items()},
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    return MAGIC + json.dumps(header, separators=(",", ":")).encode() + b"\n" + body


def read_tape(data: bytes, name: str) -> Tape:
    """Read a tape from bytes that are not trusted, and raise an error if anything in it is wrong."""
    if not data.startswith(MAGIC):
        raise HostileFile(f"{name} is not a tape of actions: record one with python -m physbench_generators.atari.tape")
    line, _, body = data[len(MAGIC) : len(MAGIC) + LONGEST_HEADER].partition(b"\n")
    body = data[len(MAGIC) + len(line) + 1 :]
    try:
        given: Any = json.loads(line)
        header = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
        good = all(
            type(header.get(key)) is kind
            for kind, keys in ((str, TEXTS), (int, NUMBERS), (dict, TABLES))
            for key in keys
        )
        good = (
            good
            and set(header["splits"]) <= set(SPLITS)
            and set(header["rules"]) == set(RULES)
            and 2 <= header["actions"] <= 18
        )
        good = good and all(
            type(number) is int and number > 0 for each in header["splits"].values() for pair in each for number in pair
        )
        good = good and all(
            len(pair) == 2 and pair[0] <= SITTING and pair[1] > 4 for each in header["splits"].values() for pair in each
        )
        good = good and all(
            isinstance(header["rules"][key], (int, float)) and 0 <= header["rules"][key] <= 1
            for key in ("epsilon", "sticky")
        )
    except (ValueError, TypeError, KeyError, RecursionError):
        header, good = dict[str, Any](), False
    if not good:
        raise HostileFile(f"the tape {name} has a header that is not valid")
    size = sum(size for each in header["splits"].values() for _, size in each)
    if len(body) != size or hashlib.sha256(body).hexdigest() != header["sha256"]:
        raise HostileFile(
            f"the tape {name} is cut short or damaged: it has {len(body):,} bytes of actions where its header says"
            f" {size:,}, or their SHA-256 is wrong"
        )
    return Tape(name, header, body)


def load_tape(name: str, sha256: str = "") -> Tape:
    """Load a tape by its name, if it comes with physbench, or from a file."""
    if sha256:
        return _read(require_digest(name, sha256, "tape"), name)
    file = BUNDLED / f"{name}.tape"
    if not Path(name).suffix and file.is_file():
        return _read(file.read_bytes(), name)
    known = sorted(path.stem for path in BUNDLED.glob("*.tape"))
    if not Path(name).suffix:
        raise RecipeError(
            f"no tape is called {name!r}: "
            + (suggest(name, known) if known else "none comes with physbench; name a file")
        )
    return _read(read_bytes(name, "tape"), name)


@lru_cache(2)
def _read(data: bytes, name: str) -> Tape:
    return read_tape(data, name)


if __name__ == "__main__":
    from physbench_generators.atari.recording import main

    main()
