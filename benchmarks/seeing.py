"""Question 14: how fast do IODINE and Slot Attention learn from images, in the sizes of the paper and in small ones?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmarks.peak_memory import measure_peak
from benchmarks.report import Table, percent, times
from benchmarks.timing import cost_of, interleave
from physbench.registry import datasets
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.step import Stepper, fast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from benchmarks.plan import Plan
    from physbench_baselines.training.training_recipe import TrainingRecipe

SETS = ("shapes", "tetris", "multi-dsprites")
BALLS = "balls4mass64"
ITERATIVE = ("iodine", "iodine-small", "iodine-glimpse")
"""Iterative models; all others are compared with the first one."""
MODELS = (*ITERATIVE, "slot-attention", "slot-attention-small")
LARGE = ("iodine", "slot-attention")
"""The models in the sizes of the paper."""
ABOUT = """
Forward, backward and Adam in fp32, with {threads} for torch, by each model's usual recipe but for the batch. `iodine`
and `slot-attention` have the paper's sizes, the others the small ones; the paper's IODINE refines a guess 5 times, the
small ones 3 times. A step of the paper's sizes takes seconds on a processor: its batches are tiny here. On a graphics
card they are those of the recipe. `{balls}` are sequences, of which {frames} frames are counted and each refines the
guess once: an image is then a *sequence-step*, one sequence, shown one frame. *Peak*: the most memory that the tensors
of a step take up at one time, beyond what there is before it, divided by its images.
"""


class Learner:
    """A model in training, with a batch for it."""

    def __init__(
        self, recipe: TrainingRecipe, network: nn.Module, *, frames: int = 1, device: torch.device | None = None
    ) -> None:
        """Prepare a model and a batch. frames: how many frames of a sequence count; the first frame is extra."""
        self.recipe = recipe
        self.device = device or torch.device("cpu")
        self.stepper = Stepper(network, recipe, device=self.device, graphs=True)
        data = datasets.get(recipe.data)
        data = replace(data, frames=frames + 1) if recipe.data == BALLS else data
        features = torch.as_tensor(data.scenes("training", 0, recipe.batch, ("features",)).features)
        self.batch = {"features": features.to(self.device)}
        self.images = recipe.batch * frames

    def step(self) -> None:
        """Take a step of training."""
        self.stepper.take(self.batch, step=1, learning_rate=self.recipe.learning_rate)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    rows: list[tuple[str, ...]] = []
    with fast():
        for dataset in (*SETS, BALLS):
            rows += _rows(_learners(dataset, plan), plan.repetitions)
    threads = "one thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    columns = (
        "images, model",
        "batch",
        "images/s of wall",
        "of CPU",
        "wall, of `iodine`",
        "CPU, of `iodine`",
        "peak MB/image",
        "spread",
    )
    return Table(
        "14. Learning from images", columns, rows, ABOUT.format(threads=threads, balls=BALLS, frames=plan.refined)
    )


def _learners(dataset: str, plan: Plan) -> dict[str, Learner]:
    """Return the learners by the names of their rows; the first is the one that others are compared with."""
    devices = {"": torch.device("cpu")}
    if torch.cuda.is_available():
        devices[f", {torch.cuda.get_device_name()}"] = torch.device("cuda")
    learners: dict[str, Learner] = {}
    for suffix, device in devices.items():
        for model in ITERATIVE if dataset == BALLS else MODELS:
            recipe = usual_recipe(model, data=dataset)
            if device.type == "cpu":
                recipe = replace(recipe, batch=plan.large_batch if model in LARGE else plan.small_batch)
            frames = plan.refined if dataset == BALLS else 1
            learners[f"{dataset}, {model}{suffix}"] = Learner(
                recipe, network_of(recipe, dataset=dataset), frames=frames, device=device
            )
    return learners


def _rows(learners: Mapping[str, Learner], repetitions: int) -> list[tuple[str, ...]]:
    peaks = {
        name: measure_peak(learner.step, learner.device) for name, learner in learners.items()
    }  # measured in the first steps, which also warm up
    costs = interleave({name: partial(cost_of, learner.step) for name, learner in learners.items()}, repetitions)
    speeds = {name: (learners[name].images / of.wall, learners[name].images / of.cpu) for name, of in costs.items()}
    wall, cpu = next(iter(speeds.values()))
    return [
        (
            name,
            f"{learner.recipe.batch}",
            f"{speeds[name][0]:,.3g}",
            f"{speeds[name][1]:,.3g}",
            times(speeds[name][0] / wall),
            times(speeds[name][1] / cpu),
            f"{peaks[name] / learner.images / 1e6:,.3g}",
            percent(costs[name].spread),
        )
        for name, learner in learners.items()
    ]
