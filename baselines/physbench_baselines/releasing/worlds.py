"""Worlds: what a model is scored on follows from what it learnt, and every world has a table of its own. Another world
is another entry of WORLDS."""

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
    title: str
    suites: tuple[str, ...]
    """What a model that learnt any of their datasets is asked. By the first one weights are made smaller, and without
    noise it alone is asked."""
    figures: Mapping[str, Place]
    """Of its table, by heading; those of the first suite come first."""
    learnt: tuple[str, ...] = ()
    """The datasets that its models learnt; without any, those of its suites."""

    @property
    def first(self) -> str:
        return self.suites[0]

    @property
    def datasets(self) -> set[str]:
        return set(self.learnt) or {task.name for suite in self.suites for task in SUITES[suite].tasks}

    @property
    def references(self) -> tuple[str, ...]:
        """Name the rows that learn nothing and stand in its table."""
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
    """Make the world of a set of images, whose suite asks about it and then about more objects."""
    learnt, more = (task.name for task in suite.tasks)
    figures = {f"`{metric}`": (suite.name, learnt, metric) for metric in ("ari", *(card.name for card in IMAGE_CARDS))}
    return ModelWorld(f"Images of {learnt}", (suite.name,), {**figures, f"`ari`, {more}": (suite.name, more, "ari")})


HELP = "With commas between them; by default those of the world that it learnt."
"""Of the option that asks for other suites."""

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
    """Find the world of a dataset, which may be named with its version, as files are."""
    name = strip_version(dataset)
    return next((world for world in WORLDS if name in world.datasets), None)


def suites_of(dataset: str) -> tuple[str, ...]:
    """Name the suites of a model that learnt a dataset."""
    if world := world_of(dataset):
        return world.suites
    raise TrainingError(f"which suites are for models that learnt {dataset!r} is not known: name them with --suites")


def yardstick(dataset: str, suites: Sequence[str]) -> str | None:
    """Name the suite by which weights are made smaller: the first of the world that they learnt; where that is not
    known, the first that is asked."""
    world = world_of(dataset)
    return world.first if world else next(iter(suites), None)
