"""Stages: the training runs in a campaign's folder, and how far each has come.

The first stage of a run is in NAME. A later one, which begins with weights kept for moving, is in NAME.stage2 and so
on.
"""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from physbench.errors import TrainingError
from physbench_baselines import checkpoint
from physbench_baselines.campaign.budget import count_sequence_steps
from physbench_baselines.campaign.history import (
    CurvePoint,
    History,
    Ledger,
    RunRecord,
    Saved,
    Spent,
    TrainingPlace,
    describe_validation,
    history_of_stages,
)
from physbench_baselines.campaign.planned_runs import PlannedRun
from physbench_baselines.training.folder import Folder, LogRow
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import stages_before


@dataclass(frozen=True)
class TrainingStage:
    """One training run, as its last save left it."""

    path: Path
    recipe: TrainingRecipe
    record: RunRecord
    step: int
    minutes: float
    limit: int
    """Steps of the whole stage; 0 if it is limited by minutes."""
    ended: str | None
    """Why it ended: steps, time or patience; None if it has not ended."""
    is_saved: bool
    points: tuple[CurvePoint, ...]

    @property
    def history(self) -> History:
        """Everything up to now, including earlier stages."""
        done = count_sequence_steps(self.recipe, self.step, self.limit)
        return self.record.before.add(done, self._list_spent(), describe_validation(self.recipe), self.points)

    def _list_spent(self) -> list[Spent]:
        places = self.record.places
        ends = [*(place.since for place in places[1:]), self.minutes]
        return (
            [Spent(place.hardware, max(end - place.since, 0.0)) for place, end in zip(places, ends, strict=True)]
            if places
            else []
        )


def folder_of(campaign: Path, run: PlannedRun, number: int) -> Path:
    """Return the folder of a stage."""
    return campaign / (run.name if number == 1 else f"{run.name}.stage{number}")


def latest_folder(campaign: Path, run: PlannedRun) -> Path | None:
    """Return the folder of the latest stage, or None if no stage was begun."""
    numbers = {number_of(entry, run): entry for entry in campaign.iterdir()} if campaign.is_dir() else {}
    latest = max((number for number, entry in numbers.items() if number and not is_beginning(entry)), default=0)
    return folder_of(campaign, run, latest) if latest else None


def number_of(path: Path, run: PlannedRun) -> int:
    """Return the number of the stage in a folder, or 0 if it is not a stage of this run."""
    match = re.fullmatch(re.escape(run.name) + r"(?:\.stage([1-9]\d{0,5}))?", path.name)
    return int(match[1] or 1) if match else 0


def next_number(campaign: Path, run: PlannedRun, before: History) -> int:
    """Return the number of the next stage."""
    latest = latest_folder(campaign, run)
    return max(before.stages, number_of(latest, run) if latest else 0) + 1


def read_stage(path: Path, run: PlannedRun, ledger: Ledger) -> TrainingStage:
    """Read how far a stage has come, or refuse a folder that belongs to another model or dataset."""
    folder = Folder(path)
    recipe = folder.recipe()
    if (recipe.model, recipe.data) != (run.model, run.data):
        raise TrainingError(
            f"{path} holds a run of {recipe.model} on {recipe.data}, and {run.name} is {run.model} on {run.data}: move"
            " it away or give it another name"
        )
    record = record_of(path, ledger)
    saved = record.saved
    limit = record.steps_limit if saved is None else 0 if saved.minutes_limit else saved.steps_limit
    step = saved.step if saved else 0
    ended, at = folder.result() or (None, 0)  # a result at an earlier step is of a shorter run
    return TrainingStage(
        path,
        recipe,
        record,
        step,
        saved.minutes if saved else 0.0,
        limit,
        ended if at == step else None,
        saved is not None,
        tuple(
            _point(row, recipe, limit)
            for row in folder.rows()
            if row.step <= step and math.isfinite(row.validation_loss or math.nan)
        ),
    )


def record_of(path: Path, ledger: Ledger) -> RunRecord:
    """Return the record of a stage, updated from its last weights."""
    known, last = ledger.get(path.name), Folder(path).last
    if not last.exists():
        return replace(known, saved=None) if known else RunRecord(History())
    told = last.stat()
    mark = (told.st_mtime_ns, told.st_size)
    if known and known.saved and known.saved.mark == mark:
        return known
    found = checkpoint.load(last)
    saved = _read_saved(found.training, mark, last)
    if known is not None:
        return replace(known, saved=saved)
    places = tuple(TrainingPlace(each.hardware, 0.0) for each in history_of_stages([found.card]).spent)
    return RunRecord(history_of_stages(stages_before(found.card)), saved.steps_limit, places, saved)


def is_beginning(path: Path) -> bool:
    """Return whether a folder holds only what a run leaves if it is killed before it has written its recipe.

    That is an empty log.
    """
    if not path.is_dir() or (path / "recipe.json").exists():
        return False
    names = [entry.name for entry in path.iterdir()]
    return (
        all(re.fullmatch(r"log\.csv|\.?(log\.csv|recipe\.json)\.[0-9a-f]{8}\.part", name) for name in names)
        and not Folder(path).rows()
    )


def clear_beginning(path: Path) -> None:
    """Remove the folder of a run that was killed at its beginning."""
    if is_beginning(path):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()


def _read_saved(training: Any, mark: tuple[int, int], last: Path) -> Saved:
    try:
        step, seconds, steps, minutes = (training[name] for name in ("step", "seconds", "steps_limit", "minutes_limit"))
        if not (
            0 <= int(step) < 1 << 40
            and 0 <= int(steps) < 1 << 40
            and 0 <= float(seconds) < 1e12
            and 0 <= float(minutes) < 1e9
        ):
            raise ValueError
        return Saved(mark, int(step), round(float(seconds) / 60, 4), int(steps), float(minutes))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise TrainingError(f"{last} holds no state of a run that could go on: move its folder away") from None


def _point(row: LogRow, recipe: TrainingRecipe, limit: int) -> CurvePoint:
    assert row.validation_loss is not None
    bce, ari = (
        value if value is not None and math.isfinite(value) else None
        for value in (row.figures.get(name) for name in ("relative_bce", "ari"))
    )
    return CurvePoint(count_sequence_steps(recipe, row.step, limit), row.validation_loss, bce, ari)
