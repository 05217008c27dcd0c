"""Standings: how far each run of a campaign is, and which one is next.

The next run is the one with the smallest share of its budget, and the first in the table among equal ones.
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
"""A budget counts as used up from this share on. What is left then is not worth another stage."""


@dataclass(frozen=True)
class RunStanding:
    """How far a run is."""

    run: PlannedRun
    stage: TrainingStage | None
    """The latest stage in the folder."""
    moved: History | None
    """History of kept weights that are further than the stage, because they were trained on another machine."""

    @property
    def history(self) -> History:
        """History of the weights that are furthest."""
        return self.moved or (self.stage.history if self.stage else History())

    @property
    def share(self) -> float:
        """How much of the budget is used up."""
        return self.history.sequence_steps / self.run.budget

    @property
    def is_full(self) -> bool:
        """Whether nothing is left to do.

        A stage that was begun is always finished, because otherwise its learning rate would not have fallen.
        """
        if self.stage is None or self.moved is not None:
            return self.share >= FULL
        return self.stage.ended is not None and (self.share >= FULL or self.stage.ended == "patience")

    @property
    def has_flattened(self) -> bool | None:
        """Whether the validation loss has stopped improving.

        It is None while there is something left to do, or if the curve has too few points.
        """
        return (
            is_flat([(point.sequence_steps, point.validation_loss) for point in self.history.curve])
            if self.is_full
            else None
        )

    @property
    def state(self) -> str:
        """One of "full", "under way" and "not begun"."""
        if self.is_full:
            return "full"
        return "under way" if self.history.sequence_steps else "not begun"

    @property
    def next_action(self) -> str:
        """What a campaign would do with it next."""
        if self.stage is None and self.moved is None:
            return "to be begun"
        if self.moved is not None or (self.stage and self.stage.ended is not None):
            return "a next stage from the weights that are kept"
        return f"to go on at step {self.stage.step:,}" if self.stage else "to be begun"

    @property
    def differences(self) -> list[str]:
        """Fields in which the latest stage differs from the table, as can happen with a run that was adopted."""
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
        """Return plain JSON."""
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
    """Read how far each run is."""
    return [_standing(campaign, run, ledger) for run in runs]


def order(standings: Iterable[RunStanding]) -> list[RunStanding]:
    """List the runs that are not full, starting with the one that is furthest behind."""
    return sorted((each for each in standings if not each.is_full), key=lambda each: each.share)


def _standing(campaign: Path, run: PlannedRun, ledger: Ledger) -> RunStanding:
    folder = latest_folder(campaign, run)
    stage = read_stage(folder, run, ledger) if folder else None
    moved = history_of_weights(campaign, run)
    here = stage.history.sequence_steps if stage else 0
    return RunStanding(run, stage, moved if moved and moved.sequence_steps > here else None)


def _short(value: Any) -> str:
    return str(value)[:60]
