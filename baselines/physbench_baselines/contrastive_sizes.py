"""Sizes of models that learn codes of frames by contrast, and how they are trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench.suites import Codes, Suite, Task
from physbench_baselines.architecture import Architecture, StoppingRule
from physbench_baselines.rmr_sizes import PAPER, PROCESSORS

if TYPE_CHECKING:
    from physbench_baselines.contrastive import ContrastiveModel
    from physbench_baselines.training.training_recipe import TrainingRecipe

CODES = (0, 1, 3, 4, 11, 12)
"""Codes of the six actions of Space Invaders, in ale-py's numbering for all games.

They are nothing, fire, right, left, right and fire, left and fire.
"""

ALL_ACTIONS = 18


@dataclass(frozen=True)
class ContrastiveSizes:
    """Sizes of a model; the defaults are the paper's where it gives them.

    P has the sizes of the model of a memory that it is taken from.
    """

    processor: str = parameter("mpnn", choices=PROCESSORS)
    side: int = parameter(84, low=36, high=1024)  # of a frame, in pixels
    channels: int = parameter(1, low=1, high=16)  # of a frame
    maps: int = parameter(1, low=1, high=16)  # m: feature maps of each slot
    size: int = parameter(64, low=1, high=4096)  # numbers of each slot
    hidden: int = parameter(64, low=1, high=8192)  # of the layers of P
    passes: int = parameter(1, low=1, high=16)  # passes of messages
    codes: tuple[int, ...] = parameter(
        CODES, low=0, high=ALL_ACTIONS - 1
    )  # of the actions of the data, among the 18 that P knows
    sigma: float = parameter(0.5, above=0.0, high=1e3)  # the unit of the energy
    hinge: float = parameter(1.0, above=0.0, high=1e6)  # the least energy between a state and another one

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        if not self.codes or len(set(self.codes)) < len(self.codes):
            raise ModelError(f"codes is one or more whole numbers that differ, not {self.codes}")

    def build(self) -> ContrastiveModel:
        """Make a model with fresh weights."""
        from physbench_baselines.contrastive import ContrastiveModel

        return ContrastiveModel(self)


def judge_codes(recipe: TrainingRecipe, dataset: str) -> Suite:
    """Return a suite that probes the codes, like the suite of probes."""
    return Suite(
        "training", 1, "what a network is asked while it learns", (Task(dataset, (Codes(recipe.longest),)),), None
    )


USUAL = ContrastiveSizes()
SMALL = replace(USUAL, hidden=32)

ARCHITECTURE = Architecture(
    name="contrastive",
    sizes=ContrastiveSizes,
    paper=PAPER,
    stopping=StoppingRule("on 48 episodes, for a time that it does not say", lambda recipe, steps, ended: False),
    variants={
        "cswm": {"": USUAL},
        "cswm-small": {"": SMALL},
    },
    recipes={
        "": {
            "": {
                "data": "invaders84",
                "batch": 16,
                "frames": (3,),
                "anywhere": True,
                "learning_rate": 5e-4,
                "validation": 256,
                "scored": 200,
                "evaluate_every": 500,
                "patience": 100,
            }
        }
    },
    judged_by=judge_codes,
)
