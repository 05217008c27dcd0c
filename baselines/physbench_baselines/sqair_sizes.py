"""Sizes and kinds of SQAIR, and how it is trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench_baselines.architecture import Architecture, StoppingRule

if TYPE_CHECKING:
    from physbench_baselines.sqair import Sqair

RELATIONS = ("none", "interaction", "memory")
FORMS = ("paper", "code", "tracking")
FUTURES = ("sample", "mean")


@dataclass(frozen=True)
class SqairSizes:
    """Sizes of a model; the defaults are SQAIR's with the numbers of R-SQAIR's section 3."""

    side: int = parameter(50, low=8, high=256)  # of a frame; only the middle of a larger one is seen
    slots: int = parameter(4, low=1, high=32)  # N in training; it can be changed at test time
    what: int = parameter(5, low=1, high=512)
    hidden: int = parameter(256, low=4, high=4096)
    presence_hidden: int = parameter(128, low=1, high=4096)
    glimpse: int = parameter(20, low=2, high=128)  # side of a glimpse
    particles: int = parameter(5, low=1, high=256)  # of the bound
    guesses: int = parameter(1, low=1, high=256)  # at each frame at test time; one of them is kept
    sigma: float = parameter(0.3, above=0, high=10)  # of a pixel
    relation: str = parameter("none", choices=RELATIONS)  # none is SQAIR, the others R-SQAIR
    embedding: int = parameter(5, low=1, high=1024)  # of the interaction network
    heads: int = parameter(4, low=1, high=64)  # of the relational memory core
    head: int = parameter(10, low=1, high=512)  # size of each head
    mean_image: bool = False  # whether objects are drawn on a learnt picture
    form: str = parameter("paper", choices=FORMS)  # the textbook's, the published code's, or ours; see sqair.py
    forced: float = parameter(0.0, low=0, high=1)  # during this first share of a run every slot has to hold an object
    future: str = parameter("sample", choices=FUTURES)  # the next frame: one draw from the prior, or its mean

    def __post_init__(self) -> None:
        check_fields(self, ModelError)

    @property
    def ours(self) -> bool:
        """Whether this is our form, "tracking"."""
        return self.form == "tracking"

    def build(self) -> Sqair:
        """Make a model with fresh weights."""
        from physbench_baselines.sqair import Sqair

        return Sqair(self)


PAPER = SqairSizes()
SMALL = SqairSizes(hidden=128, presence_hidden=64, glimpse=16, particles=3, embedding=32, form="tracking", forced=0.2)

NAMES = {"sqair": "none", "r-sqair-in": "interaction", "r-sqair-rmc": "memory"}
"""Names of models, and the relation of each."""

PAPER_RECIPE: dict[str, Any] = {
    "precision": "fp32",
    "batch": 32,
    "frames": tuple(range(3, 11)),
    "anywhere": True,
    "optimizer": "rmsprop",
    "learning_rate": 1e-5,
    "smoothing": 0.9,
    "momentum": 0.9,
    "epsilon": 1e-10,
}
"""SQAIR's defaults, with R-SQAIR's curriculum."""

SMALL_RECIPE: dict[str, Any] = {
    "optimizer": "adam",
    "batch": 16,
    "learning_rate": 1e-3,
    "betas": (0.9, 0.99),
    "warm_up": 100,
    "decay": 0.3,
    "epsilon": 1e-8,
    "gradient_limit": 1_000.0,
    "frames": (1, 2, 3, 4, 6, 8),
    "validation": 64,
    "scored": 64,
    "evaluate_every": 250,
}

ARCHITECTURE = Architecture(
    name="sqair",
    sizes=SqairSizes,
    paper="https://arxiv.org/abs/1910.05231",
    stopping=StoppingRule(
        "until the bound has not improved for 10 epochs",
        lambda recipe, steps, ended: (
            ended == "patience" and recipe.batch >= 32 and recipe.patience >= 10 and recipe.epoch >= 50_000
        ),
    ),
    variants={
        f"{name}{suffix}": {"": replace(sizes, relation=relation)}
        for suffix, sizes in (("", PAPER), ("-small", SMALL))
        for name, relation in NAMES.items()
    },
    recipes={"": {"": PAPER_RECIPE}, **{f"{name}-small": {"": SMALL_RECIPE} for name in NAMES}},
    settable=("slots", "guesses"),
)
