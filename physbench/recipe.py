"""A recipe is everything that decides the bytes of a dataset: same recipe, same dataset, on any machine.

Randomness is counted, not consumed. Sequence i of a split has the seed number (split, i) of a SplitMix64 walk [Steele, Lea, Flood 2014],
so every slice can be made alone and no two sequences of a dataset share a seed.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

from physbench.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from physbench.scene import Generator

SPLITS = ("training", "validation", "test")
PAPER_SIZES = {"training": 50_000, "validation": 10_000, "test": 10_000}

MAX_FRAMES = 10_000
MAX_SEQUENCES = 1 << 32
MAX_CHUNK = 1 << 28
"""The most bytes one pixel array of one sequence may have: what a reader must be ready to hold."""

SHARED_STREAM = frozenset({"balls", "balls4mass64", "balls678mass64", "balls3curtain64"})
"""Datasets whose bytes are frozen with one random stream between them: their sequences i are alike in their draws."""

GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


@dataclass(frozen=True, kw_only=True)
class Recipe:
    dataset: str
    generator: Generator
    frames: int = 51
    splits: Mapping[str, int] = field(default_factory=lambda: dict(PAPER_SIZES))
    seed: int = 0
    about: str = field(default="", compare=False)
    """A line for people; not part of what decides the bytes."""

    def __post_init__(self) -> None:
        if not 2 <= self.frames <= MAX_FRAMES:
            raise RecipeError(f"a sequence has 2 to {MAX_FRAMES} frames, not {self.frames}")
        if not 0 <= self.seed <= _WORD:
            raise RecipeError(f"a seed is a whole number from 0 to 2^64 - 1, not {self.seed}")
        unknown = set(self.splits) - set(SPLITS)
        if unknown:
            raise RecipeError(f"unknown split {min(unknown)!r}: the splits are {', '.join(SPLITS)}")
        for split, count in self.splits.items():
            if not 0 <= count < MAX_SEQUENCES:
                raise RecipeError(f"the {split} split cannot have {count} sequences: 0 to 2^32 - 1")
        if not any(self.splits.values()):
            raise RecipeError("nothing to make: every split has 0 sequences")
        height, width, channels = self.generator.shape
        if self.frames * height * width * channels > MAX_CHUNK:
            raise RecipeError(
                f"{self.frames} frames of {height}x{width}x{channels} pixels are more than {MAX_CHUNK >> 20} MiB in one sequence: fewer frames or smaller ones"
            )
        object.__setattr__(self, "splits", {split: self.splits[split] for split in SPLITS if self.splits.get(split)})

    @property
    def name(self) -> str:
        """The dataset with the version of its generator: bytes change only with this name."""
        return f"{self.dataset}-v{self.generator.version}"

    @property
    def sequences(self) -> int:
        return sum(self.splits.values())

    def seeds(self, split: str, start: int, stop: int) -> NDArray[np.uint64]:
        """The seeds of sequences start..stop-1 of a split; the split may be longer than the recipe says, or absent from it."""
        import numpy as np

        first = (SPLITS.index(split) << 40) + start + 1
        steps = np.arange(stop - start, dtype=np.uint64) + np.uint64(first)
        return _mix(np.uint64(mixed(self.seed ^ self._stream)) + steps * np.uint64(GOLDEN))

    @property
    def _stream(self) -> int:
        """What a dataset mixes into its seeds, so that no two draw alike: 64 bits of its name."""
        return 0 if self.dataset in SHARED_STREAM else int.from_bytes(hashlib.sha256(self.dataset.encode()).digest()[:8], "little")

    def resized(self, splits: Mapping[str, int]) -> Recipe:
        """The same sequences, more or fewer of them."""
        return replace(self, splits=splits)

    def to_json(self) -> str:
        """Canonical text: one recipe has one text."""
        return json.dumps(
            {
                "dataset": self.dataset,
                "frames": self.frames,
                "generator": self.generator.name,
                "parameters": asdict(self.generator),  # type: ignore[call-overload]
                "seed": self.seed,
                "splits": dict(self.splits),
                "version": self.generator.version,
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    def file_name(self, usual: Recipe) -> str:
        """A name that says what is inside: the dataset, and whatever differs from the usual recipe."""
        words = [self.dataset]
        given, expected = asdict(self.generator), asdict(usual.generator)  # type: ignore[call-overload]
        for name, value in given.items():
            if value != expected[name]:
                words.append(name if value is True else f"{name}{_short(value)}")
        if self.frames != usual.frames:
            words.append(f"frames{self.frames}")
        if self.seed != usual.seed:
            words.append(f"seed{self.seed}")
        if self.splits != usual.splits:
            words.append("+".join(str(count) for count in self.splits.values()))
        return "-".join(words) + ".h5"

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _short(value: Any) -> str:
    return "-".join(str(part) for part in dict.fromkeys(cast("tuple[int, ...]", value))) if isinstance(value, tuple) else str(value)


def mixed(number: int) -> int:
    """The finalizer of SplitMix64 for one Python integer."""
    number = ((number ^ (number >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    number = ((number ^ (number >> 27)) * 0x94D049BB133111EB) & _WORD
    return number ^ (number >> 31)


def _mix(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    import numpy as np

    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
