"""Where every run of a campaign stands, and which one is next.

Next is the run with the smallest share of its budget, the first in the table among equals.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physbench_baselines.campaign.budget import is_flat
from physbench_baselines.campaign.history import History, Ledger
from physbench_baselines.campaign.planned_runs import PlannedRun
from physbench_baselines.campaign.stages import TrainingStage, latest_folder, number_of, read_stage
from physbench_baselines.campaign.weights import history_of_weights

FULL = 0.99
"""Of a budget. What is left then is not worth a stage of its own."""


@dataclass(frozen=True)
class RunStanding:
    run: PlannedRun
    stage: TrainingStage | None
    """The latest one in the folder."""
    moved: History | None
    """Of kept weights that are further than the stage: they were trained on another machine."""

    @property
    def history(self) -> History:
        return self.moved or (self.stage.history if self.stage else History())

    @property
    def share(self) -> float:
        """How much of the budget is used up."""
        return self.history.sequence_steps / self.run.budget

    @property
    def is_full(self) -> bool:
        """Whether nothing is left to do. A stage that was begun is brought to its end, or its learning rate would not
        have fallen."""
        if self.stage is None or self.moved is not None:
            return self.share >= FULL
        return self.stage.ended is not None and (self.share >= FULL or self.stage.ended == "patience")

    @property
    def has_flattened(self) -> bool | None:
        """Whether its validation loss improves no longer; None while there is something left to do, or where the curve
        does not tell."""
        return (
            is_flat([(point.sequence_steps, point.validation_loss) for point in self.history.curve])
            if self.is_full
            else None
        )

    @property
    def state(self) -> str:
        if self.is_full:
            return "full"
        return "under way" if self.history.sequence_steps else "not begun"

    @property
    def next_action(self) -> str:
        """Say what a campaign would do with it."""
        if self.stage is None and self.moved is None:
            return "to be begun"
        if self.moved is not None or (self.stage and self.stage.ended is not None):
            return "a next stage from the weights that are kept"
        return f"to go on at step {self.stage.step:,}" if self.stage else "to be begun"

    @property
    def differences(self) -> list[str]:
        """Fields in which the latest stage was trained otherwise than the table says, as happens with a run that was
        adopted."""
        if self.stage is None:
            return []
        recipe = self.stage.recipe
        number = max(self.stage.record.before.stages + 1, number_of(self.stage.path, self.run))
        planned = self.run.training_recipe(stage=number, initial=recipe.initial)
        return [
            f"{name.replace('_', ' ')} {_short(getattr(recipe, name))}, not {_short(getattr(planned, name))}"
            for name in vars(planned)
            if getattr(recipe, name) != getattr(planned, name)
            and not (name == "precision" and planned.precision == "auto")
        ]

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON."""
        run, history, best = self.run, self.history, self.history.best
        return {
            "name": run.name,
            "model": run.model,
            "data": run.data,
            "recipe": run.recipe,
            "seed": run.seed,
            "state": self.state,
            "budget": run.budget,
            "sequence_steps": history.sequence_steps,
            "share": self.share,
            "stages": history.stages,
            "folder": str(self.stage.path) if self.stage else None,
            "step": self.stage.step if self.stage else None,
            "initial": (Path(self.stage.recipe.initial).name or None) if self.stage else None,
            "steps_limit": (self.stage.limit or None) if self.stage else None,
            "is_moved": self.moved is not None,
            "spent": [vars(each) for each in history.spent],
            "minutes": history.minutes,
            "best": vars(best) if best else None,
            "flattened": self.has_flattened,
            "differences": self.differences,
        }


def read_standings(campaign: Path, runs: Iterable[PlannedRun], ledger: Ledger) -> list[RunStanding]:
    """Read where every run stands."""
    return [_standing(campaign, run, ledger) for run in runs]


def order(standings: Iterable[RunStanding]) -> list[RunStanding]:
    """List what is left to do, the furthest behind first."""
    return sorted((each for each in standings if not each.is_full), key=lambda each: each.share)


def _standing(campaign: Path, run: PlannedRun, ledger: Ledger) -> RunStanding:
    folder = latest_folder(campaign, run)
    stage = read_stage(folder, run, ledger) if folder else None
    moved = history_of_weights(campaign, run)
    here = stage.history.sequence_steps if stage else 0
    return RunStanding(run, stage, moved if moved and moved.sequence_steps > here else None)


def _short(value: Any) -> str:
    return str(value)[:60]
