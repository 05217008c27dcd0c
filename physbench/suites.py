"""Suites as data: what is shown, what is asked, and which metric ranks the answers. The metrics are defined in
metrics/.

A package adds a suite by an entry point in the group `physbench.suites` that leads to its Suite. Only a suite that pins
the digests of its data is ranked; other suites can still be run. The digests of the built-in suites are in pins.json.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench import registry
from physbench.askings import Asking, Codes, Colours, Flight, Image, Memory, Rollout, Still, Trajectory, Window
from physbench.errors import RecipeError, UnknownName, suggest
from physbench.states import Shows

if TYPE_CHECKING:
    from physbench.recipe import Recipe

SIZES = {"lite": 1_000, "full": 10_000}

UNRANKED = "unranked"
"""What the size in a result begins with if the suite pins no digests."""

BATCH = 16
"""How many sequences a model is shown at a time. On a CPU, larger batches are not faster, and a run that is killed
loses its last batch. On a GPU, larger batches are better."""

ROWS = ("copy", "blur", "blobs", "tracker", "constant-velocity", "mean", "blank", "oracle")
"""The reference rows: models that learn nothing, shown beside every other model."""

LEAVING = tuple("tracker-80" if name == "tracker" else name for name in ROWS)
"""The reference rows where the frame is a window into a box of 80 pixels."""

BLIND = ("copy", "mean", "blank")
"""The reference rows that assume nothing about balls."""

SEGMENTS = ("k-means-true", "k-means", "blobs", "one-segment", "random-segments")
"""The reference rows that divide an image into segments."""

COLOURS = ("k-means-colour-true", "k-means-colour", "colours")
"""Further reference rows that divide an image into segments, by its colours."""

STATES = ("copy", "inertia", "constant-velocity", "oracle")
"""The reference rows that can predict the positions of balls."""

PICTURES = ("copy", "blur", "mean", "blank", "constant-velocity", "oracle")
"""The reference rows that can predict the next frame in colour."""

CODES = ("pixels", "random-cnn", "blank")
"""The reference rows that have codes of frames."""

PRIVILEGED = ("constant-velocity", "oracle", "k-means-true", "k-means-colour-true")
"""The reference rows that are given the ground truth; the others see only frames."""

SUITE_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
"""How a suite may be called, so that tables can hold its name."""

_PINNED: dict[str, Any] = json.loads(Path(__file__).with_name("pins.json").read_text(encoding="utf-8"))

DIGESTS: dict[tuple[str, int], str] = {(task, count): digest for task, count, digest in _PINNED["digests"]}
"""The content digests of the test splits, by task and number of sequences."""

MEMORYLESS: dict[tuple[str, int, int], tuple[tuple[int, int], ...]] = {
    (task, frames, count): tuple((on, pixels) for on, pixels in counts)
    for task, frames, count, counts in _PINNED["memoryless"]
}
"""For the test splits, by task, frames and number of sequences: how many pixels are on, and how many pixels count, at
distance 1, 2, ... from the curtain.

`permanence_bce` compares a model with these; `python -m physbench.evaluation.memoryless` counts them again.
"""

RARE: frozenset[tuple[str, str, int]] = frozenset((task, metric, count) for task, metric, count in _PINNED["rare"])
"""Figures to which fewer than 64 of the pinned sequences contribute, by task, metric and number of sequences: their
intervals are too narrow for every model."""


@dataclass(frozen=True)
class Task:
    """The test sequences of a dataset, and what is asked about them. dataset: its name, or a recipe."""

    dataset: str | Recipe
    askings: tuple[Asking, ...]
    slots: int | None = None

    @property
    def name(self) -> str:
        """Return the name of the dataset."""
        return self.dataset if isinstance(self.dataset, str) else self.dataset.dataset

    @property
    def recipe(self) -> Recipe:
        """Return the recipe of the dataset."""
        return registry.datasets.get(self.dataset) if isinstance(self.dataset, str) else self.dataset

    @property
    def shows(self) -> Shows:
        """Return the array that all its askings show."""
        return self.askings[0].shows if self.askings else "features"

    def names(self, asking: Asking) -> str:
        """Return the name of an asking in the results."""
        return f"{self.name}/{asking.name}" if asking.name else self.name

    def place(self, asking: Asking) -> str:
        """Return the place of the answer in a file of predictions; every sample has another place."""
        return (
            f"{self.names(asking)}/sample-{asking.sample}"
            if isinstance(asking, Rollout) and asking.samples > 1
            else self.names(asking)
        )

    def farthest(self, rollout: Rollout) -> Rollout:
        """Return the longest rollout from the same context."""
        alike = [
            other
            for other in self.askings
            if isinstance(other, Rollout) and (other.context, other.sample) == (rollout.context, rollout.sample)
        ]
        return max([rollout, *alike], key=lambda other: other.horizon)


@dataclass(frozen=True)
class Pins:
    """Facts about the test sequences of a suite that are stored, by the name of a task and the number of sequences."""

    digests: Mapping[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    memoryless: Mapping[tuple[str, int, int], tuple[tuple[int, int], ...]] = field(
        default_factory=dict[tuple[str, int, int], tuple[tuple[int, int], ...]]
    )
    rare: frozenset[tuple[str, str, int]] = frozenset()


PINS = Pins(DIGESTS, MEMORYLESS, RARE)


@dataclass(frozen=True)
class Suite:
    """Tasks, and the metric that ranks models on them.

    >>> from physbench.suites import Suite, Task, Window
    >>> mine = Suite("mine", 1, "ten frames of the box with a curtain", (Task("balls3curtain64", (Window(10),)),))
    >>> physbench.evaluate("copy", mine, limit=2).provenance.size
    'unranked-limit-2'
    """

    name: str
    version: int
    about: str
    tasks: tuple[Task, ...]
    ranked_by: tuple[str, str] | None = None  # task, metric
    sequences: int | None = None  # a fixed number of sequences, which replaces that of the size
    against: tuple[str, str] | None = (
        None  # more objects, fewer objects: how many times worse the first is, for relative figures
    )
    references: tuple[str, ...] = ROWS  # models that are shown beside every other
    pins: Pins = field(default=Pins(), repr=False)

    def __post_init__(self) -> None:
        if not SUITE_NAME.fullmatch(self.name):
            raise RecipeError(
                f"a suite is called by small letters, digits and hyphens, a letter first, not {self.name[:80]!r}"
            )
        if not self.tasks or not all(task.askings for task in self.tasks):
            raise RecipeError(f"the suite {self.name!r} asks nothing: it needs tasks, and each of them askings")
        if mixed := [task.name for task in self.tasks if len({asking.shows for asking in task.askings}) > 1]:
            raise RecipeError(
                f"the suite {self.name!r} asks about frames and about states of {mixed[0]}: make a suite of each"
            )
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise RecipeError(
                f"the suite {self.name!r} has two tasks of one dataset: put their askings into one, not"
                f" {', '.join(names)}"
            )

    def digest(self, task: Task, sequences: int) -> str | None:
        """Return the pinned digest of the first test sequences of a task, or None if they are not pinned."""
        return self.pins.digests.get((task.name, sequences))

    def is_pinned(self, sequences: int) -> bool:
        """Return whether this number of sequences is pinned for every task: only then are scores ranked."""
        return all(self.digest(task, sequences) is not None for task in self.tasks)


def _segmentation(
    dataset: str, slots: int, more: str, more_slots: int, about: str, references: tuple[str, ...] = SEGMENTS
) -> Suite:
    """Make a suite that asks which object each pixel belongs to: on images as in training, and with more objects."""
    tasks = (Task(dataset, (Image(),), slots), Task(more, (Image(),), more_slots))
    return Suite(f"segmentation-{dataset}", 1, about, tasks, (dataset, "ari"), references=references)


def _memory(
    name: str, about: str, dataset: str, asking: Memory | Codes, metric: str, references: tuple[str, ...] = ("copy",)
) -> Suite:
    """Make a suite about the memory of a console, with 1,000 sequences in every size."""
    return Suite(name, 1, about, (Task(dataset, (asking,)),), (dataset, metric), sequences=1_000, references=references)


_ROLLOUTS = tuple(Rollout(context, horizon) for context in (5, 20) for horizon in (10, 30))
_RIMS: tuple[tuple[str, int | None], ...] = (("balls4mass64", None), ("balls678mass64", 8), ("balls3curtain64", None))
_SAMPLES = tuple(Rollout(9, 1, samples=5, sample=sample) for sample in range(5))

SUITES = {
    suite.name: replace(suite, pins=PINS)
    for suite in (
        Suite(
            "balls",
            2,
            "4 balls, as in training; and single frames of them",
            (Task("balls4mass64", (Window(31), Still(15, shown=15))),),
            ("balls4mass64", "relative_bce"),
        ),
        Suite(
            "extrapolation",
            2,
            "6-8 balls for models that were trained on 4",
            (Task("balls678mass64", (Window(31),), slots=8), Task("balls4mass64", (Window(31),))),
            ("balls678mass64", "relative_bce"),
            against=("balls678mass64", "balls4mass64"),
        ),
        Suite(
            "curtain",
            2,
            "3 balls behind an invisible curtain",
            (Task("balls3curtain64", (Window(51),)),),
            ("balls3curtain64", "permanence_bce"),
        ),
        Suite(
            "simulation",
            2,
            "imagining 10 and 30 frames after 5 or 20",
            (Task("balls4mass64", _ROLLOUTS),),
            ("balls4mass64/rollout-5+10", "rollout_overlap"),
        ),
        Suite(
            "crop50",
            2,
            "the centre of 50x50, whose edges cut balls: the tenth frame, 5 times, as R-SQAIR is measured",
            (Task("balls4mass64-crop50", _SAMPLES, slots=4), Task("balls678mass64-crop50", _SAMPLES, slots=8)),
            ("balls4mass64-crop50/rollout-9+1", "log_likelihood"),
        ),
        Suite(
            "leave",
            1,
            "a window of 50x50 that 1 to 6 balls leave and come back to: the next frame, and boxes with identities",
            (Task("balls-leave50", (Window(31, boxes=True),), slots=6),),
            ("balls-leave50", "log_likelihood"),
            references=LEAVING,
        ),
        Suite(
            "smoke",
            2,
            "64 sequences of each ball set: does a model run at all?",
            (
                Task("balls4mass64", (Window(31), Still(15, shown=15), Rollout(5, 10))),
                Task("balls678mass64", (Window(31),), slots=8),
                Task("balls3curtain64", (Window(51),)),
            ),
            None,
            sequences=64,
        ),
        Suite(
            "rims",
            1,
            "15 frames shown, then 15 and 35 imagined, as recurrent independent mechanisms are measured",
            tuple(Task(name, (Rollout(15, 15), Rollout(15, 35)), slots) for name, slots in _RIMS),
            ("balls4mass64/rollout-15+35", "rollout_overlap"),
        ),
        Suite(
            "invaders",
            1,
            "Space Invaders: the next frame, with the action told",
            (Task("invaders84", (Window(25),)),),
            ("invaders84", "relative_bce"),
            references=BLIND,
        ),
        Suite(
            "smoke-invaders",
            1,
            "64 sequences of Space Invaders: does a model run at all?",
            (Task("invaders84", (Window(25), Rollout(5, 10))),),
            None,
            sequences=64,
            references=BLIND,
        ),
        Suite(
            "trajectories",
            1,
            "10 balls as places, not as pixels: the next state after three, and imagining 10 and 30",
            (Task("balls10", (Flight(3, 10), Flight(3, 30), Trajectory(51))),),
            ("balls10", "relative_position_mse"),
            references=STATES,
        ),
        _memory(
            "ram",
            "Space Invaders as the memory of its console: the next 128 bytes, with the action told",
            "invaders-ram",
            Memory(25),
            "slot_accuracy",
        ),
        _memory(
            "probe",
            "Space Invaders: what of its console's memory a linear probe reads off codes of the frames",
            "invaders84",
            Codes(25),
            "probe_bit_f1",
            CODES,
        ),
        Suite(
            "pixels",
            1,
            "10 balls in colours: the next frame after three, by its squared error",
            (Task("balls10-colour", (Colours(13),), slots=11),),
            ("balls10-colour", "relative_pixel_mse"),
            references=PICTURES,
        ),
        _segmentation("shapes", 4, "shapes456", 7, "who owns the pixels of 3 outlines in black and white, and of 4-6"),
        _segmentation(
            "tetris",
            4,
            "tetris456",
            7,
            "who owns the pixels of 3 tetrominoes in colour, and of 4-6",
            SEGMENTS + COLOURS,
        ),
        _segmentation(
            "multi-dsprites",
            6,
            "multi-dsprites678",
            9,
            "who owns the pixels of 2-5 sprites in colour, and of 6-8",
            SEGMENTS + COLOURS,
        ),
        _segmentation(
            "multi-dsprites-binary",
            4,
            "multi-dsprites-binary456",
            7,
            "who owns the pixels of 2 or 3 sprites in black and white, and of 4-6",
        ),
    )
}
"""The built-in suites, by name."""


def installed_suites() -> dict[str, Suite]:
    """Return all suites by name: the built-in ones and those of installed packages."""
    return {**dict(registry.suites.load_all(suite_of, taken=SUITES)), **SUITES}


def suite_of(name: str) -> Suite:
    """Return the suite of this name, or raise an error that suggests another name."""
    if name in SUITES:
        return SUITES[name]
    if name not in (others := registry.suites.names(SUITES)):
        raise UnknownName(
            f"no suite is called {name!r}: {suggest(name, [*SUITES, *others])} A suite of your own is written"
            " package.module:SUITE"
        )
    suite = registry.suites.get(name)
    if not isinstance(suite, Suite) or suite.name != name:
        raise UnknownName(f"the suite {name!r} of an installed package is {suite!r:.100}, not a Suite of this name")
    return suite
