"""The table of planned runs: each row is a model on a dataset, with a recipe, seeds and a budget.

A budget is a number of sequence-steps. One sequence-step is one sequence, predicted one frame further, or one image.
All models of a family have the same budget.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

from physbench.errors import UnknownName, suggest
from physbench_baselines import rmr_sizes
from physbench_baselines.architecture import model_names
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.training_recipe import TrainingRecipe

RECIPES: Mapping[str, Mapping[str, Any]] = {
    "curriculum": {
        "batch": 32, "frames": (8, 12, 20, 31), "warm_up": 100, "decay": 0.3, "averaging": 0.995, "gradient_limit": 1e4,
        "evaluate_every": 250, "validation": 128,
    },
    "usual": {},
}  # fmt: skip
"""How a run differs from the usual recipe of its model, which is the paper's unless the model has its own.

curriculum: short sequences first, averaged weights, and an end that is known from the start. It reaches in an hour what
the paper's recipe reaches in many.
"""

PATIENCE = 100_000
"""No run of a campaign ends early: runs are compared on equal budgets."""

STAGE_SEEDS = 1_000
"""Difference between the seeds of a run's stages, so that each stage sees other sequences."""


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
    title: str = ""

    @property
    def name(self) -> str:
        """The model's name or the row's own title, the dataset unless it is balls4mass64, and the seed."""
        return ".".join(
            [
                (self.title or self.model).replace(":", ".").lower(),
                *([] if self.data == "balls4mass64" else [self.data]),
                f"seed{self.seed}",
            ]
        )

    def training_recipe(self, *, stage: int = 1, initial: str = "") -> TrainingRecipe:
        """Return the recipe of a stage.

        A later stage begins with trained weights, so it leaves out the first half of the curriculum.
        """
        settings = {"patience": PATIENCE, **RECIPES[self.recipe], **self.settings}
        seed = self.seed + STAGE_SEEDS * (stage - 1)
        recipe = usual_recipe(self.model, data=self.data, seed=seed, initial=initial, **settings)
        return recipe if stage == 1 else replace(recipe, frames=recipe.frames[len(recipe.frames) // 2 :])


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A row of the table."""

    model: str
    data: str = "balls4mass64"
    recipe: str = "curriculum"
    seeds: tuple[int, ...] = (0, 1, 2)
    budget: int  # sequence-steps of every seed
    settings: Mapping[str, Any] = field(default_factory=lambda: {})
    """Fields of a training recipe that differ from the named one."""
    title: str = ""
    """A name of its own for a row that has model and dataset in common with another one."""


def _plan(models: Sequence[str], datasets: Sequence[str] = (Plan.data,), *, budget: int, **same: Any) -> list[Plan]:
    """Plan models on datasets, with everything else in common."""
    return [Plan(model=model, data=data, budget=budget, **same) for model in models for data in datasets]


NEM = ("rnn", "lstm", "rnn-em", "r-nem", "r-nem-no-attention")
SQAIR = ("sqair-small", "r-sqair-in-small", "r-sqair-rmc-small")
SMALL_NEM: Mapping[str, Any] = {
    "batch": 16, "frames": (8,), "warm_up": 30, "averaging": 0.99, "evaluate_every": 30, "validation": 64,
}  # fmt: skip
"""R-NEM on images, which are shown again and again."""
SMALL_RAM: Mapping[str, Any] = {
    name: value
    for name, value in rmr_sizes.MEMORIES.recipe_of("rmr-ram-mpnn-small").items()
    if name not in ("data", "patience")
}
"""For the models that rmr-ram-mpnn-small is compared with."""

TABLE: Sequence[Plan] = (
    # 2,240 steps of the curriculum
    *_plan(NEM, budget=1_200_000),
    Plan(model="r-nem", data="balls3curtain64", budget=1_200_000),
    Plan(model="r-nem-regrouped", budget=1_200_000, settings={"sizes": {"slots": 8}}),
    Plan(model="conv3", recipe="usual", budget=1_200_000),
    *_plan(("rnn", "lstm"), ("invaders84",), budget=300_000, settings={"frames": (8, 12, 25)}),
    Plan(
        model="r-nem",
        data="invaders84",
        budget=300_000,
        settings={"frames": (8, 12, 25), "sizes": {"slots": 4}},
    ),
    *_plan(SQAIR, ("balls4mass64-crop50",), recipe="usual", budget=72_000),
    Plan(model="sqair-small", data="balls-leave50", recipe="usual", budget=128_000, settings={"sizes": {"slots": 6}}),
    Plan(model="rmr-mpnn-small", data="balls10", recipe="usual", budget=220_000),
    Plan(model="rmr-ram-mpnn-small", data="invaders-ram", recipe="usual", budget=60_000),
    Plan(model="rmr-ram-deep-sets", data="invaders-ram", recipe="usual", budget=60_000, settings=SMALL_RAM),
    Plan(
        model="rmr-ram-mlp",
        data="invaders-ram",
        recipe="usual",
        budget=60_000,
        settings={**SMALL_RAM, "sizes": {"hidden": 64}},
    ),
    Plan(model="cswm-small", data="invaders84", recipe="usual", budget=64_000),
    Plan(
        model="cswm-small",
        data="invaders84",
        recipe="usual",
        budget=64_000,
        settings={"reuse": "processor=rmr-ram-mpnn.invaders-ram"},
        title="rmr-contrastive",
    ),
    Plan(
        model="rmr-pixels-small",
        data="balls10-colour",
        recipe="usual",
        budget=640_000,
        settings={"reuse": "processor=rmr-mpnn.balls10"},
        title="rmr-pixels",
    ),
    Plan(
        model="rmr-pixels-small",
        data="balls10-colour",
        recipe="usual",
        budget=640_000,
        title="rmr-pixels-end-to-end",
    ),
    Plan(
        model="r-nem",
        data="shapes",
        recipe="usual",
        budget=17_000,
        settings={**SMALL_NEM, "decay": 0.2, "sizes": {"channels": (16, 32), "hidden": 32, "dense": 250}},
    ),
    Plan(
        model="r-nem",
        data="multi-dsprites-binary",
        recipe="usual",
        budget=10_000,
        settings={**SMALL_NEM, "decay": 0.3, "sizes": {"channels": (8, 16, 32), "hidden": 32, "dense": 64}},
    ),
    *_plan(("iodine-glimpse",), ("shapes", "multi-dsprites-binary"), recipe="usual", budget=50_000),
    *_plan(("iodine",), ("tetris", "multi-dsprites"), recipe="usual", budget=640_000),
    *_plan(("slot-attention-small",), ("shapes", "tetris", "multi-dsprites"), recipe="usual", budget=190_000),
)
"""Balls, Space Invaders, objects in boxes, states, images."""


def expand(table: Sequence[Plan]) -> list[PlannedRun]:
    """List the runs of a table: the first seed of every row, then the second.

    Rows of models that this installation cannot train are left out.
    """
    known = model_names()
    rows = [plan for plan in table if ":" in plan.model or plan.model in known]
    most = max((len(plan.seeds) for plan in rows), default=0)
    runs = [
        PlannedRun(plan.model, plan.data, plan.recipe, plan.seeds[turn], plan.budget, plan.settings, plan.title)
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
