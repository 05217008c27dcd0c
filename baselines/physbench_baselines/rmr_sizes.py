"""Sizes of models of states, and how they are trained. Needs no torch.

The paper's models of balls learn for 10,000 epochs on eight TPU cores, from a set whose size the paper does not say. So
no run counts as long enough. A small model is one that learns in an hour on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench.suites import Memory, Suite, Task, Trajectory
from physbench_baselines.architecture import Architecture, StoppingRule

if TYPE_CHECKING:
    from physbench_baselines.rmr import MemoryModel, TrajectoryModel
    from physbench_baselines.training.training_recipe import TrainingRecipe

PROCESSORS = ("mpnn", "deep-sets", "mlp")
PAPER = "https://arxiv.org/abs/2107.08881"


@dataclass(frozen=True)
class TrajectorySizes:
    """Sizes of a model of balls."""

    processor: str = parameter("mpnn", choices=PROCESSORS)
    balls: int = parameter(10, low=1, high=255)  # only for mlp; the other processors take any number
    size: int = parameter(128, low=1, high=4096)  # numbers of each ball inside the model
    hidden: int = parameter(128, low=1, high=8192)  # of the layers of P
    passes: int = parameter(2, low=1, high=16)  # of messages
    box: float = parameter(64.0, above=0.0, high=1e6)  # its side in pixels

    def __post_init__(self) -> None:
        check_fields(self, ModelError)

    def build(self) -> TrajectoryModel:
        """Make a model with fresh weights."""
        from physbench_baselines.rmr import TrajectoryModel

        return TrajectoryModel(self)


@dataclass(frozen=True)
class MemorySizes:
    """Sizes of a model of the 128 bytes of a console."""

    processor: str = parameter("mpnn", choices=PROCESSORS)
    size: int = parameter(64, low=1, high=4096)  # numbers of each byte inside the model
    hidden: int = parameter(64, low=1, high=8192)  # of the layers of P
    passes: int = parameter(1, low=1, high=16)  # of messages
    actions: int = parameter(18, low=1, high=1024)

    def __post_init__(self) -> None:
        check_fields(self, ModelError)

    def build(self) -> MemoryModel:
        """Make a model with fresh weights."""
        from physbench_baselines.rmr import MemoryModel

        return MemoryModel(self)


def judge_states(recipe: TrainingRecipe, dataset: str) -> Suite:
    """Return a suite that scores predictions of the next places, like the suite of trajectories."""
    return Suite(
        "training", 1, "what a network is asked while it learns", (Task(dataset, (Trajectory(recipe.longest),)),), None
    )


def judge_memories(recipe: TrainingRecipe, dataset: str) -> Suite:
    """Return a suite that scores predictions of the next memory, like the suite of memories."""
    return Suite(
        "training", 1, "what a network is asked while it learns", (Task(dataset, (Memory(recipe.longest),)),), None
    )


def _trajectories() -> dict[str, dict[str, TrajectorySizes]]:
    usual = TrajectorySizes()
    return {
        "rmr-mpnn": {"": usual},
        "rmr-mpnn-small": {"": replace(usual, size=64, hidden=64, passes=1)},
        "rmr-deep-sets": {"": replace(usual, processor="deep-sets")},
        "rmr-mlp": {"": replace(usual, processor="mlp", size=16, hidden=512)},
    }


SMALL: dict[str, Any] = {
    "batch": 4, "learning_rate": 8e-3, "warm_up": 50, "decay": 1.0, "averaging": 0.99, "validation": 100, "scored": 16,
}  # fmt: skip
"""What differs from the paper's training when there is little time for it."""

TRAJECTORIES = Architecture(
    name="rmr-trajectories",
    sizes=TrajectorySizes,
    paper=PAPER,
    stopping=StoppingRule("for 10,000 epochs of a set whose size it does not say", lambda recipe, steps, ended: False),
    variants=_trajectories(),
    recipes={
        "": {
            "": {
                "precision": "fp32",
                "data": "balls10",
                "batch": 10,
                "frames": (51,),
                "learning_rate": 1e-4,
                "validation": 500,
                "scored": 200,
                "evaluate_every": 1_000,
            }
        },
        "rmr-mpnn-small": {"": SMALL},
    },
    judged_by=judge_states,
)
"""The record of models of balls. Ten sequences have 480 windows; the paper's batch has 512."""

MEMORIES = Architecture(
    name="rmr-memories",
    sizes=MemorySizes,
    paper=PAPER,
    stopping=StoppingRule("on 48 episodes, for a time that it does not say", lambda recipe, steps, ended: False),
    variants={
        "rmr-ram-mpnn": {"": MemorySizes()},
        "rmr-ram-mpnn-small": {"": MemorySizes(hidden=32)},
        "rmr-ram-deep-sets": {"": MemorySizes(processor="deep-sets")},
        "rmr-ram-mlp": {"": MemorySizes(processor="mlp", size=16, hidden=512)},
    },
    recipes={
        "": {
            "": {
                "precision": "fp32",
                "data": "invaders-ram",
                "batch": 10,
                "frames": (6,),
                "anywhere": True,
                "learning_rate": 1e-3,
                "validation": 500,
                "scored": 200,
                "evaluate_every": 1_000,
                "patience": 100,
            }
        },
        "rmr-ram-mpnn-small": {"": {**SMALL, "learning_rate": 3e-3, "evaluate_every": 500}},
    },
    judged_by=judge_memories,
)
