"""The table of planned runs: each row is a model on a dataset, with a recipe, seeds and a budget.

A budget is a number of sequence-steps. One sequence-step is one sequence, predicted one frame further. All models of a
family have the same budget.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from physbench.errors import UnknownName, suggest
from physbench_baselines import conv3_sizes
from physbench_baselines.architecture import model_names
from physbench_baselines.training.training_recipe import TrainingRecipe

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "curriculum": {
        "batch": 32, "frames": (8, 12, 20, 31), "warm_up": 100, "decay": 0.3, "averaging": 0.995, "gradient_limit": 1e4,
        "evaluate_every": 250, "validation": 128, "patience": 100_000,
    },
    "small-steps": {**conv3_sizes.ARCHITECTURE.recipe_of("conv3"), "patience": 100_000},
}  # fmt: skip
"""How a run differs from the paper's recipe.

curriculum: short sequences first, averaged weights, and an end that is known from the start. It reaches in an hour what
the paper's recipe reaches in many. small-steps: many small batches, for a network of a few thousand weights.
"""

STAGE_SEEDS = 1_000
"""Difference between the seeds of a run's stages, so that each stage sees other sequences."""

NEM_BUDGET = 1_200_000
"""2,240 steps of the curriculum. With the speeds on the cards, the rows of this family take about 37 hours of one CPU
core."""


@dataclass(frozen=True)
class PlannedRun:
    """One seed of a row."""

    model: str
    data: str
    recipe: str
    seed: int
    budget: int  # sequence-steps
    settings: Mapping[str, Any] = field(default_factory=lambda: {}, hash=False)
    """Fields of a training recipe that differ from those of the named recipe."""

    @property
    def name(self) -> str:
        """The model's name, the dataset unless it is balls4mass64, and the seed."""
        return ".".join(
            [
                self.model.replace(":", ".").lower(),
                *([] if self.data == "balls4mass64" else [self.data]),
                f"seed{self.seed}",
            ]
        )

    def training_recipe(self, *, stage: int = 1, initial: str = "") -> TrainingRecipe:
        """Return the recipe of a stage.

        A later stage begins with trained weights, so it leaves out the first half of the curriculum.
        """
        settings = dict(RECIPES[self.recipe], **self.settings)
        frames = settings.get("frames", (31,))
        if stage > 1:
            settings["frames"] = frames[len(frames) // 2 :]
        seed = self.seed + STAGE_SEEDS * (stage - 1)
        return TrainingRecipe(model=self.model, data=self.data, seed=seed, initial=initial, **settings)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A row of the table."""

    model: str
    data: str = "balls4mass64"
    recipe: str = "curriculum"
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: int = NEM_BUDGET  # sequence-steps of every seed
    settings: Mapping[str, Any] = field(default_factory=lambda: {})
    """Fields of a training recipe that differ from the named one."""


TABLE: Sequence[Plan] = (
    Plan(model="rnn"),
    Plan(model="lstm"),
    Plan(model="rnn-em"),
    Plan(model="r-nem"),
    Plan(model="r-nem-no-attention"),
    Plan(model="r-nem", data="balls3curtain64"),
    Plan(model="conv3", recipe="small-steps"),
)


def expand(table: Sequence[Plan]) -> list[PlannedRun]:
    """List the runs of a table: the first seed of every row, then the second.

    Rows of models that this installation cannot train are left out.
    """
    known = model_names()
    rows = [plan for plan in table if ":" in plan.model or plan.model in known]
    most = max((len(plan.seeds) for plan in rows), default=0)
    runs = [
        PlannedRun(plan.model, plan.data, plan.recipe, plan.seeds[turn], plan.budget, plan.settings)
        for turn in range(most)
        for plan in rows
        if turn < len(plan.seeds)
    ]
    twice = [name for name, count in Counter(run.name for run in runs).items() if count > 1]
    assert not twice, f"the table has {', '.join(twice)} twice"
    return runs


def find(runs: Sequence[PlannedRun], name: str) -> PlannedRun:
    """Return the run with this name."""
    known = {run.name: run for run in runs}
    if name not in known:
        raise UnknownName(f"no run of the campaign is called {name!r}: {suggest(name, known)}")
    return known[name]


def select(runs: Sequence[PlannedRun], patterns: Sequence[str]) -> list[PlannedRun]:
    """Choose the runs that match patterns such as '*.seed0', in their order; without patterns, choose all."""
    for pattern in patterns:
        if not any(fnmatchcase(run.name, pattern) for run in runs):
            raise UnknownName(
                f"no run of the campaign is called {pattern!r}: there is {', '.join(run.name for run in runs)}"
            )
    return [run for run in runs if not patterns or any(fnmatchcase(run.name, pattern) for pattern in patterns)]
