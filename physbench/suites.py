"""Suites as data: what is shown, what is asked, and what the answer is ranked by. Definitions of the metrics are in
metrics/.

A package adds a suite with an entry point in the group `physbench.suites` that leads to its Suite. Only a suite that
pins the digests of its data is ranked; any other can be run all the same. Ours are pinned in pins.json.
"""

from __future__ import annotations

import json
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
"""What the size of a result begins with, where its suite pins no digests."""

BATCH = 16
"""Sequences that a model is shown at a time. On a CPU more are no faster, and a run that is killed loses its last
batch; a GPU is better used with more."""

ROWS = ("copy", "blur", "blobs", "tracker", "constant-velocity", "mean", "blank", "oracle")
"""Reference rows: models that stand beside every other, and learn nothing."""

LEAVING = tuple("tracker-80" if name == "tracker" else name for name in ROWS)
"""The same where the frame is a window into a box of 80 pixels."""

BLIND = ("copy", "mean", "blank")
"""The rows that know no balls."""

SEGMENTS = ("k-means-true", "k-means", "blobs", "one-segment", "random-segments")
"""The rows that cut an image up."""

COLOURS = ("k-means-colour-true", "k-means-colour", "colours")
"""Those that look at colours, too."""

STATES = ("copy", "inertia", "constant-velocity", "oracle")
"""Those that can say where balls will be."""

PICTURES = ("copy", "blur", "mean", "blank", "constant-velocity", "oracle")
"""Those that can say how a frame in colours goes on."""

CODES = ("pixels", "random-cnn", "blank")
"""Those that have codes of frames."""

PRIVILEGED = ("constant-velocity", "oracle", "k-means-true", "k-means-colour-true")
"""Rows that are told the truth; the others see frames alone."""

_PINNED: dict[str, Any] = json.loads(Path(__file__).with_name("pins.json").read_text(encoding="utf-8"))

DIGESTS: dict[tuple[str, int], str] = {(task, count): digest for task, count, digest in _PINNED["digests"]}
"""Of the test splits, by task and number of sequences: what a file of them carries as its content digest."""

MEMORYLESS: dict[tuple[str, int, int], tuple[tuple[int, int], ...]] = {
    (task, frames, count): tuple((on, pixels) for on, pixels in counts)
    for task, frames, count, counts in _PINNED["memoryless"]
}
"""Of the test splits, by task, frames and number of sequences: pixels that are on, and all that count, at distance 1,
2, ... to the curtain.

What `permanence_bce` holds a model against; `python -m physbench.evaluation.memoryless` counts them again.
"""

RARE: frozenset[tuple[str, str, int]] = frozenset((task, metric, count) for task, metric, count in _PINNED["rare"])
"""Figures that fewer than 64 of the pinned sequences contribute to, by task, metric and number of sequences: their
intervals are, for every model, too narrow."""


@dataclass(frozen=True)
class Task:
    """The test sequences of a dataset, and what is asked about them. dataset: its name, or a recipe of your own."""

    dataset: str | Recipe
    askings: tuple[Asking, ...]
    slots: int | None = None

    @property
    def name(self) -> str:
        return self.dataset if isinstance(self.dataset, str) else self.dataset.dataset

    @property
    def recipe(self) -> Recipe:
        return registry.datasets.get(self.dataset) if isinstance(self.dataset, str) else self.dataset

    @property
    def shows(self) -> Shows:
        """The array that all its askings show."""
        return self.askings[0].shows if self.askings else "features"

    def names(self, asking: Asking) -> str:
        """The task of a row of the results."""
        return f"{self.name}/{asking.name}" if asking.name else self.name

    def place(self, asking: Asking) -> str:
        """Where the answer lies in a file of predictions: every sample has its own."""
        return (
            f"{self.names(asking)}/sample-{asking.sample}"
            if isinstance(asking, Rollout) and asking.samples > 1
            else self.names(asking)
        )

    def farthest(self, rollout: Rollout) -> Rollout:
        """The longest rollout from the same context."""
        alike = [
            other
            for other in self.askings
            if isinstance(other, Rollout) and (other.context, other.sample) == (rollout.context, rollout.sample)
        ]
        return max([rollout, *alike], key=lambda other: other.horizon)


@dataclass(frozen=True)
class Pins:
    """What is known beforehand of the test sequences of a suite, by the name of a task and the number of sequences."""

    digests: Mapping[tuple[str, int], str] = field(default_factory=dict[tuple[str, int], str])
    memoryless: Mapping[tuple[str, int, int], tuple[tuple[int, int], ...]] = field(
        default_factory=dict[tuple[str, int, int], tuple[tuple[int, int], ...]]
    )
    rare: frozenset[tuple[str, str, int]] = frozenset()


PINS = Pins(DIGESTS, MEMORYLESS, RARE)


@dataclass(frozen=True)
class Suite:
    """Tasks, and what their answers are ranked by.

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
    sequences: int | None = None  # a fixed number, whatever the size
    against: tuple[str, str] | None = (
        None  # more objects, fewer objects: how many times worse the first is, for relative figures
    )
    references: tuple[str, ...] = ROWS  # models that stand beside every other
    pins: Pins = field(default=Pins(), repr=False)

    def __post_init__(self) -> None:
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
        """The pinned digest of the first so many test sequences of a task."""
        return self.pins.digests.get((task.name, sequences))

    def is_pinned(self, sequences: int) -> bool:
        """Whether so many sequences of every task are pinned: only then are scores ranked."""
        return all(self.digest(task, sequences) is not None for task in self.tasks)


def _segmentation(
    dataset: str, slots: int, more: str, more_slots: int, about: str, references: tuple[str, ...] = SEGMENTS
) -> Suite:
    """Who owns the pixels of images: as in training, and of more objects than in training."""
    tasks = (Task(dataset, (Image(),), slots), Task(more, (Image(),), more_slots))
    return Suite(f"segmentation-{dataset}", 1, about, tasks, (dataset, "ari"), references=references)


def _memory(
    name: str, about: str, dataset: str, asking: Memory | Codes, metric: str, references: tuple[str, ...] = ("copy",)
) -> Suite:
    """The memory of a console, in 1,000 sequences whatever the size."""
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
"""Our own."""


def installed_suites() -> dict[str, Suite]:
    """Ours, then those of installed packages."""
    return {**dict(registry.suites.load_all(suite_of)), **SUITES}


def suite_of(name: str) -> Suite:
    if name in SUITES:
        return SUITES[name]
    if name not in (others := registry.suites.names()):
        raise UnknownName(
            f"no suite is called {name!r}: {suggest(name, [*SUITES, *others])}; one of your own is written"
            " package.module:SUITE"
        )
    suite = registry.suites.get(name)
    if not isinstance(suite, Suite) or suite.name != name:
        raise UnknownName(f"the suite {name!r} of an installed package is {suite!r:.100}, not a Suite of this name")
    return suite
