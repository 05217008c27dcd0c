"""Worlds: groups of datasets and suites. What a model is scored on depends on the world that it learnt.

Every world has a table. A new world is a new entry of WORLDS.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from physbench.errors import TrainingError
from physbench.metrics.box_cards import BOX_CARDS
from physbench.metrics.image_cards import IMAGE_CARDS
from physbench.suites import SUITES, Image, Suite
from physbench_baselines.releasing.bars import Place
from physbench_baselines.training.preflight import strip_version


@dataclass(frozen=True)
class ModelWorld:
    """A world of models."""

    title: str
    suites: tuple[str, ...]
    """The suites on which a model that learnt any of its datasets is scored.

    The first one decides whether weights are made smaller, and it is the only one that is also scored without noise.
    """
    figures: Mapping[str, Place]
    """The columns of its table, by heading; those of the first suite come first."""
    learnt: tuple[str, ...] = ()
    """The datasets that its models learn; by default those of its suites."""

    @property
    def first(self) -> str:
        """The first suite."""
        return self.suites[0]

    @property
    def datasets(self) -> set[str]:
        """The datasets that its models learn."""
        return set(self.learnt) or {task.name for suite in self.suites for task in SUITES[suite].tasks}

    @property
    def references(self) -> tuple[str, ...]:
        """The names of the rows in its table that learn nothing."""
        return tuple(dict.fromkeys(name for suite in self.suites for name in SUITES[suite].references))


BALLS = ModelWorld(
    "Balls",
    ("balls", "extrapolation", "curtain", "simulation", "crop50"),
    {
        "`relative_bce`, 4 balls": ("balls", "balls4mass64", "relative_bce"),
        "`ari_video`, 4 balls": ("balls", "balls4mass64", "ari_video"),
        "`ari`, 4 balls": ("balls", "balls4mass64", "ari"),
        "`ari_last`, 4 balls": ("balls", "balls4mass64", "ari_last"),
        "`relative_bce`, 6-8 balls": ("extrapolation", "balls678mass64", "relative_bce"),
        "`rollout_overlap`, 5+10": ("simulation", "balls4mass64/rollout-5+10", "rollout_overlap"),
        "`permanence_bce`, curtain": ("curtain", "balls3curtain64", "permanence_bce"),
    },
    learnt=("balls4mass64", "balls678mass64", "balls3curtain64"),
)

_CROP = tuple((task.name, f"{task.name}/{task.askings[0].name}") for task in SUITES["crop50"].tasks)

CROP = ModelWorld(
    "The centre of the balls' frame",
    ("crop50", "balls", "extrapolation"),
    {
        f"`{metric}`, {name}": ("crop50", place, metric)
        for name, place in _CROP
        for metric in ("log_likelihood", "relational_log_likelihood")
    },
    learnt=tuple(name for name, _ in _CROP),
)

LEAVING = ModelWorld(
    "Balls that leave the frame",
    ("leave",),
    {
        f"`{metric}`": ("leave", "balls-leave50", metric)
        for metric in ("log_likelihood", *(card.name for card in BOX_CARDS))
    },
)

INVADERS = ModelWorld(
    "Space Invaders",
    ("invaders", "probe"),
    {
        **{
            f"`{metric}`": ("invaders", "invaders84", metric)
            for metric in ("relative_bce", "relative_relational_bce", "bce", "relational_bce", "ari_video", "ari")
        },
        **{
            f"`{metric}`": ("probe", "invaders84", metric)
            for metric in ("probe_bit_f1", "probe_slot_accuracy", "probe_variables")
        },
    },
)

TRAJECTORIES = ModelWorld(
    "Balls as states",
    ("trajectories",),
    {
        "`relative_position_mse`": ("trajectories", "balls10", "relative_position_mse"),
        **{
            f"`{metric}`, 3+10": ("trajectories", "balls10/rollout-3+10", metric)
            for metric in ("relative_position_mse", "energy_error", "penetration")
        },
    },
)

PIXELS = ModelWorld(
    "Balls in colour",
    ("pixels",),
    {f"`{metric}`": ("pixels", "balls10-colour", metric) for metric in ("relative_pixel_mse", "pixel_mse")},
)

MEMORIES = ModelWorld(
    "Memories", ("ram",), {f"`{metric}`": ("ram", "invaders-ram", metric) for metric in ("slot_accuracy", "bit_f1")}
)


def _images(suite: Suite) -> ModelWorld:
    """Make the world of a set of images, whose suite asks about the set, and then about more objects."""
    learnt, more = (task.name for task in suite.tasks)
    figures = {f"`{metric}`": (suite.name, learnt, metric) for metric in ("ari", *(card.name for card in IMAGE_CARDS))}
    return ModelWorld(f"Images of {learnt}", (suite.name,), {**figures, f"`ari`, {more}": (suite.name, more, "ari")})


HELP = "Suites, separated by commas; by default those of the world that the model learnt."
"""The help of the option --suites."""

WORLDS = (
    BALLS,
    CROP,
    LEAVING,
    INVADERS,
    TRAJECTORIES,
    PIXELS,
    MEMORIES,
    *(_images(suite) for suite in SUITES.values() if isinstance(suite.tasks[0].askings[0], Image)),
)


def world_of(dataset: str) -> ModelWorld | None:
    """Find the world of a dataset, whose name may have a version."""
    name = strip_version(dataset)
    return next((world for world in WORLDS if name in world.datasets), None)


def suites_of(dataset: str) -> tuple[str, ...]:
    """Return the names of the suites for a model that learnt a dataset."""
    if world := world_of(dataset):
        return world.suites
    raise TrainingError(f"the suites for models that learnt {dataset!r} are not known: name them with --suites")


def yardstick(dataset: str, suites: Sequence[str]) -> str | None:
    """Return the name of the suite that decides whether weights are made smaller.

    It is the first one of the world that they learnt; if that world is not known, the first of these suites.
    """
    world = world_of(dataset)
    return world.first if world else next(iter(suites), None)
