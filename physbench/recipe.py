"""Recipes. A recipe is everything that decides the bytes of a dataset: the same recipe gives the same dataset on any
machine.

The seed of a sequence depends only on its number: sequence i of a split has the seed number (split, i) of a SplitMix64
walk [Steele, Lea, Flood 2014]. So every slice can be made alone, and no two sequences of a dataset share a seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from physbench.errors import PhysbenchError, RecipeError
from physbench.printable import shorten

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from physbench.scene import Scenes, Span
    from physbench.world import Memory, World

Word = TypeVar("Word", int, "NDArray[np.uint64]")

SPLITS = ("training", "validation", "test")
SPLIT_ALIASES = {"train": "training", "valid": "validation", "val": "validation"}
PAPER_SIZES = {"training": 50_000, "validation": 10_000, "test": 10_000}

MAX_FRAMES = 10_000
MAX_SEQUENCES = 1 << 32
MAX_CHUNK = 1 << 28
"""The most bytes that one pixel array of one sequence may have; a reader must be able to hold them in memory."""

SHARED_STREAM = frozenset(
    {"balls", "balls4mass64", "balls678mass64", "balls3curtain64", "balls4mass64-crop50", "balls678mass64-crop50"}
)
"""Datasets that share one random stream, because their bytes are frozen: in each, sequence i has the same draws."""

GOLDEN = 0x9E3779B97F4A7C15
_WORD = (1 << 64) - 1


def expand_split(name: str) -> str:
    """Return the full name of a split: `train` is training, `valid` and `val` are validation. Other names stay as they
    are."""
    return SPLIT_ALIASES.get(name, name)


def resolve_split(name: str) -> str:
    """Return the full name of a split; raise an error if there is no such split."""
    if expand_split(name) not in SPLITS:
        raise RecipeError(f"there is no split {name!r}: there is {', '.join(SPLITS)}")
    return expand_split(name)


def require_frozen(kind: type, what: str, error: type[PhysbenchError]) -> None:
    """Refuse a dataclass whose values can be changed: they are hashed, and stored beside what was made of them.

    what: the beginning of the message, with a verb.
    """
    if is_dataclass(kind) and not cast("Any", kind).__dataclass_params__.frozen:
        raise error(f"{what} of a class that can be changed: write @dataclass(frozen=True) above {kind.__name__}")


@dataclass(frozen=True)
class Excerpt:
    """Where the sequences of a shard lie in the whole dataset."""

    start: int
    """The number of its first sequence there."""
    of: Mapping[str, int]
    """The sequences of each split there."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What a dataset is made of: a generator with its parameters, the frames, how many sequences, the seed.

    Most users need no recipe: `physbench.generate("balls", "mine.h5", n=4, train=1000)` makes one.

    >>> from physbench_generators.balls.scenes import Balls
    >>> world = Balls(n=(6, 8), gravity=0.1)
    >>> recipe = physbench.Recipe(dataset="mine", generator=world, splits={"train": 10, "test": 2})
    >>> recipe.name, recipe.sequences
    ('mine-v1', 12)
    >>> physbench.generate(recipe, "mine.h5").name
    'mine.h5'
    """

    dataset: str
    generator: World
    frames: int = 51
    splits: Mapping[str, int] = field(default_factory=lambda: dict(PAPER_SIZES))
    seed: int = 0
    excerpt: Excerpt | None = None
    """None for a whole dataset."""
    about: str = field(default="", compare=False)
    """A line for people; it does not affect the bytes."""

    def __post_init__(self) -> None:
        require_frozen(type(self.generator), f"the world {self.generator.name} is", RecipeError)
        if not 1 <= self.frames <= MAX_FRAMES:
            raise RecipeError(f"a sequence has 1 to {MAX_FRAMES} frames, not {self.frames}")
        if not 0 <= self.seed <= _WORD:
            raise RecipeError(f"a seed is a whole number from 0 to 2^64 - 1, not {self.seed}")
        splits = {expand_split(name): count for name, count in self.splits.items()}
        if len(splits) < len(self.splits):
            raise RecipeError(f"a split is given twice: {', '.join(self.splits)}")
        unknown = set(splits) - set(SPLITS)
        if unknown:
            raise RecipeError(f"unknown split {min(unknown)!r}: the splits are {', '.join(SPLITS)}")
        for split, count in splits.items():
            if isinstance(count, bool) or not isinstance(count, int):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise RecipeError(f"the {split} split has a whole number of sequences, not {count!r}")
            if not 0 <= count < MAX_SEQUENCES:
                raise RecipeError(f"the {split} split cannot have {count} sequences: 0 to 2^32 - 1")
        if not any(splits.values()):
            raise RecipeError("nothing to make: every split has 0 sequences")
        height, width, channels = self.generator.shape
        if self.frames * height * width * channels > MAX_CHUNK:
            raise RecipeError(
                f"{self.frames} frames of {height}x{width}x{channels} pixels are more than {MAX_CHUNK >> 20} MiB in one"
                " sequence: fewer frames or smaller ones"
            )
        object.__setattr__(self, "splits", {split: splits[split] for split in SPLITS if splits.get(split)})
        if self.excerpt is not None:
            self._require_inside(self.excerpt)

    def _require_inside(self, excerpt: Excerpt) -> None:
        (split, count), *others = self.splits.items()
        there = self.whole.splits.get(split, 0)
        if others or not 0 <= excerpt.start <= there - count:
            raise RecipeError(
                f"an excerpt holds consecutive sequences of one split: there are none from {excerpt.start} to"
                f" {excerpt.start + count - 1} in the {there} of {split}"
            )

    @property
    def whole(self) -> Recipe:
        """Give the recipe of the whole dataset, of which this one may be an excerpt.

        >>> from physbench.registry import datasets
        >>> from physbench.scene import Span
        >>> recipe = datasets.get("balls4mass64")
        >>> excerpt = recipe.cut_out(Span("training", 512, 1024))
        >>> excerpt.splits, excerpt.whole == recipe
        ({'training': 512}, True)
        """
        return self if self.excerpt is None else replace(self, splits=self.excerpt.of, excerpt=None)

    def cut_out(self, span: Span) -> Recipe:
        """Give the recipe of a dataset that holds the sequences of a span alone: the same ones.

        >>> from physbench.registry import datasets
        >>> from physbench.scene import Span
        >>> recipe = datasets.get("balls4mass64")
        >>> excerpt = recipe.cut_out(Span("training", 512, 1024))
        >>> bool((excerpt.seeds("training", 0, 9) == recipe.seeds("training", 512, 521)).all())
        True
        """
        whole, place = self.locate(span)
        return replace(whole, splits={place.split: len(place)}, excerpt=Excerpt(place.start, whole.splits))

    def locate(self, span: Span) -> tuple[Recipe, Span]:
        """Give the recipe of the whole dataset, and where a span of this one lies in it.

        >>> from physbench.registry import datasets
        >>> from physbench.scene import Span
        >>> excerpt = datasets.get("balls4mass64").cut_out(Span("training", 512, 1024))
        >>> excerpt.locate(Span("training", 0, 8))[1]
        Span(split='training', start=512, stop=520)
        """
        if self.excerpt is None:
            return self, span
        start = self.excerpt.start
        return self.whole, replace(span, start=start + span.start, stop=start + span.stop)

    @property
    def name(self) -> str:
        """Return the name of the dataset with the version of its generator; the bytes never change under one name.

        >>> physbench.open("balls.h5").attributes["dataset"]
        'balls-v1'
        """
        return f"{self.dataset}-v{self.generator.version}"

    @property
    def sequences(self) -> int:
        """Count the sequences of all splits.

        >>> from physbench.registry import datasets
        >>> datasets.get("balls678mass64").sequences
        10000
        """
        return sum(self.splits.values())

    def seeds(self, split: str, start: int, stop: int) -> NDArray[np.uint64]:
        """Return the seeds of sequences start..stop-1 of a split.

        The numbers may lie beyond the size of the split in the recipe, and the recipe may lack the split.

        >>> from physbench.registry import datasets
        >>> seeds = datasets.get("balls4mass64").seeds("test", 0, 1000)
        >>> seeds.shape, seeds.dtype.name
        ((1000,), 'uint64')
        """
        import numpy as np

        offset = self.excerpt.start if self.excerpt else 0
        first = (SPLITS.index(resolve_split(split)) << 40) + offset + start + 1
        steps = np.arange(stop - start, dtype=np.uint64) + np.uint64(first)
        return mix(np.uint64(mix(self.seed ^ self._stream)) + steps * np.uint64(GOLDEN))

    def scenes(
        self, split: str, start: int, stop: int, only: Collection[str] | None = None, *, memory: Memory | None = None
    ) -> Scenes:
        """Make sequences start..stop-1 of a split.

        only: the names of the arrays that are wanted; all of them if it is None. memory: a function that returns the
        memory that pixels are drawn into. If the world can make every sequence alone, the numbers may lie beyond the
        size of the split in the recipe.

        >>> from physbench.registry import datasets
        >>> scenes = datasets.get("balls4mass64").scenes("test", 10_000, 10_002, only=["features", "position"])
        >>> scenes.features.shape, list(scenes.truth)
        ((2, 51, 64, 64, 1), ['position'])
        """
        from physbench.scene import Span
        from physbench.world import make_scenes

        return make_scenes(self, Span(resolve_split(split), start, stop), only, memory=memory)

    @property
    def _stream(self) -> int:
        """Return 64 bits of a digest of the name, which enter the seeds, so that no two datasets draw alike."""
        return (
            0
            if self.dataset in SHARED_STREAM
            else int.from_bytes(hashlib.sha256(self.dataset.encode()).digest()[:8], "little")
        )

    def difference(self, other: Mapping[str, Any]) -> list[str]:
        """List what differs in another recipe, given as JSON: the name, its value and ours.

        >>> from physbench.registry import datasets
        >>> datasets.get("balls").difference(physbench.open("balls.h5").recipe)[0]
        'frames is 12 there, 51 here'
        """
        ours, theirs = _flat(json.loads(self.to_json())), _flat(other)
        keys = [key for key in dict.fromkeys([*ours, *theirs]) if ours.get(key) != theirs.get(key)]
        return [f"{key[1]} is {_word(theirs.get(key))} there, {_word(ours.get(key))} here" for key in keys]

    def to_json(self) -> str:
        """Return the canonical text: equal recipes have the same text.

        >>> from physbench.registry import datasets
        >>> datasets.get("balls678mass64").to_json()[:40]
        '{"dataset":"balls678mass64","frames":51,'
        """
        return json.dumps(
            {
                "dataset": self.dataset,
                "frames": self.frames,
                "generator": self.generator.name,
                "parameters": asdict(self.generator),  # type: ignore[call-overload]
                "seed": self.seed,
                "splits": dict(self.splits),
                "version": self.generator.version,
                **({"excerpt": {"start": self.excerpt.start, "of": dict(self.excerpt.of)}} if self.excerpt else {}),
            },
            sort_keys=True,
            separators=(",", ":"),
        )

    def file_name(self, usual: Recipe) -> str:
        """Return a file name that describes the content: the dataset, and whatever differs from the usual recipe.

        >>> from dataclasses import replace
        >>> from physbench.registry import datasets
        >>> usual = datasets.get("balls4mass64")
        >>> replace(usual, splits={"test": 64}).file_name(usual)
        'balls4mass64-64.h5'
        """
        words = [self.dataset]
        given, expected = asdict(self.generator), asdict(usual.generator)  # type: ignore[call-overload]
        for name, value in given.items():
            if value != expected[name]:
                words.append(
                    name
                    if value is True
                    else "".join(
                        letter if letter.isalnum() or letter in "._-" else "-" for letter in f"{name}{_short(value)}"
                    )
                )
        if self.frames != usual.frames:
            words.append(f"frames{self.frames}")
        if self.seed != usual.seed:
            words.append(f"seed{self.seed}")
        if self.splits != usual.splits:
            words.append("+".join(str(count) for count in self.splits.values()))
        return "-".join(words) + ".h5"

    @property
    def sha256(self) -> str:
        """Return the digest of the canonical text.

        >>> from physbench.registry import datasets
        >>> len(datasets.get("balls4mass64").sha256)
        64
        """
        return hashlib.sha256(self.to_json().encode()).hexdigest()


def _flat(recipe: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """Return everything in a recipe by (group, name); parameters and splits are groups."""
    flat: dict[tuple[str, str], Any] = {}
    for name, value in recipe.items():
        inner = (
            cast("dict[str, Any]", value)
            if name in ("parameters", "splits", "excerpt") and isinstance(value, dict)
            else None
        )
        flat |= {("", name): value} if inner is None else {(name, key): each for key, each in inner.items()}
    return flat


def _word(value: Any) -> str:
    """Return a value of a recipe on one line."""
    return shorten(json.dumps(value) if value is not None else "not given", 60)


def _short(value: Any) -> str:
    return (
        "-".join(str(part) for part in dict.fromkeys(cast("tuple[int, ...]", value)))
        if isinstance(value, tuple)
        else str(value)
    )


def mix(number: Word) -> Word:
    """Apply the finalizer of SplitMix64 to an integer or an array of uint64."""
    word: Any = number
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _WORD
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _WORD
    return word ^ (word >> 31)
