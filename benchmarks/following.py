"""Question 16: how fast do SQAIR and R-SQAIR learn from sequences, in the sizes of the paper and in small ones?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch

from benchmarks.report import Table, percent, times
from benchmarks.timing import cost_of, interleave
from physbench.registry import datasets
from physbench_baselines.sqair_sizes import NAMES
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.step import Stepper, fast

if TYPE_CHECKING:
    from benchmarks.plan import Plan
    from physbench_baselines.training.training_recipe import TrainingRecipe

DATASET = "balls4mass64-crop50"
MODELS = (*NAMES, *(f"{name}-small" for name in NAMES))
"""The models; all others are compared with the first one."""
ABOUT = """
Forward, backward and the optimiser's move in fp32, with {threads} for torch, at the end of a run, when presence is
drawn. A *sequence-step* is one sequence, shown one frame, explained by {particles} particles of {slots} slots; {frames}
frames a sequence. On a graphics card batches are those of the recipe.
"""


class Learner:
    """A model in training, with a batch for it."""

    def __init__(self, recipe: TrainingRecipe, frames: int, device: torch.device) -> None:
        self.recipe, self.device = recipe, device
        self.stepper = Stepper(network_of(recipe, dataset=DATASET), recipe, device=device, graphs=False)
        data = replace(datasets.get(DATASET), frames=frames)
        features = torch.as_tensor(data.scenes("training", 0, recipe.batch, ("features",)).features)
        self.batch = {"features": features.to(device)}
        self.steps = recipe.batch * frames

    def step(self) -> None:
        """Take a step of training."""
        self.stepper.take(self.batch, step=1, learning_rate=self.recipe.learning_rate, share=1.0)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    with fast():
        learners = _learners(plan)
        for learner in learners.values():
            learner.step()
        costs = interleave(
            {name: partial(cost_of, learner.step) for name, learner in learners.items()}, plan.repetitions
        )
    speeds = {name: (learners[name].steps / of.wall, learners[name].steps / of.cpu) for name, of in costs.items()}
    wall, cpu = next(iter(speeds.values()))
    rows = [
        (
            name,
            f"{learner.recipe.batch}",
            f"{sum(each.numel() for each in learner.stepper.network.parameters()):,}",
            f"{speeds[name][0]:,.3g}",
            f"{speeds[name][1]:,.3g}",
            times(speeds[name][0] / wall),
            times(speeds[name][1] / cpu),
            percent(costs[name].spread),
        )
        for name, learner in learners.items()
    ]
    threads = "one thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads"
    sizes = next(iter(learners.values())).stepper.network.sizes
    about = ABOUT.format(threads=threads, particles=sizes.particles, slots=sizes.slots, frames=plan.followed)
    columns = (
        "model",
        "batch",
        "parameters",
        "sequence-steps/s of wall",
        "of CPU",
        "wall, of `sqair`",
        "CPU, of `sqair`",
        "spread",
    )
    return Table("16. Learning from sequences, object by object", columns, rows, about)


def _learners(plan: Plan) -> dict[str, Learner]:
    devices = {"": torch.device("cpu")}
    if torch.cuda.is_available():
        devices[f", {torch.cuda.get_device_name()}"] = torch.device("cuda")
    learners: dict[str, Learner] = {}
    for suffix, device in devices.items():
        for model in MODELS:
            recipe = usual_recipe(model, data=DATASET)
            if device.type == "cpu":
                recipe = replace(recipe, batch=plan.small_batch)
            learners[f"{model}{suffix}"] = Learner(recipe, plan.followed, device)
    return learners
