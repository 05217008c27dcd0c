"""The work of a campaign: it trains the run that is furthest behind, piece by piece.

If a piece is killed, at most a minute of training is lost.
"""

import secrets
import shutil
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch

from physbench.errors import PhysbenchError, TrainingError
from physbench.files import publish
from physbench_baselines.adapter import device_of
from physbench_baselines.campaign.budget import steps_for
from physbench_baselines.campaign.history import History, Ledger, RunRecord, TrainingPlace
from physbench_baselines.campaign.planned_runs import PlannedRun
from physbench_baselines.campaign.stages import (
    TrainingStage,
    clear_beginning,
    folder_of,
    latest_folder,
    next_number,
    read_stage,
    record_of,
)
from physbench_baselines.campaign.standing import RunStanding, order, read_standings
from physbench_baselines.campaign.weights import keep_weights, weights_of
from physbench_baselines.training.folder import AtWork, Folder, hold
from physbench_baselines.training.keep import hardware_of
from physbench_baselines.training.loop import TrainingProgress
from physbench_baselines.training.run import train
from physbench_baselines.training.training_recipe import TrainingRecipe

SHORTEST = 0.25
"""Minutes; if less time is left, no further piece is begun."""

WEIGHTS = tuple(f"{name}{suffix}" for name in ("last", "best") for suffix in (".safetensors", ".pt"))
ADOPTED = ("recipe.json", "log.csv", *WEIGHTS, "curves.svg", "result.json")
"""Files that are copied when a run is adopted."""


@dataclass(frozen=True)
class Piece:
    """The result of one piece of training."""

    name: str
    step: int
    minutes: float
    ended: str  # pause: it is not over


@contextmanager
def hold_campaign(folder: Path) -> Generator[None]:
    """Make the folder of a campaign if needed, and keep other campaigns out of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "campaign.lock").touch()
    except OSError as error:
        raise TrainingError(f"{folder} cannot be the folder of a campaign: {error.strerror}") from None
    with hold(
        folder / "campaign.lock",
        f"a campaign is at work in {folder} in another process: stop that one first, or give another folder",
    ):
        yield


def check_minutes(minutes: float | None, piece: float) -> None:
    """Refuse lengths of time that make no sense."""
    for name, value in (("minutes", minutes), ("piece", piece)):
        if value is not None and not 0 < value < 1e9:
            raise TrainingError(f"{name} is above 0, not {value}")


def work(
    folder: Path,
    runs: Sequence[PlannedRun],
    *,
    minutes: float | None = None,
    piece: float = 15.0,
    device: str = "auto",
    threads: int | None = None,
    progress: Callable[[str, TrainingProgress], None] | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> list[Piece]:
    """Train the run that is furthest behind, until the minutes are over or every budget is used up.

    piece: minutes after which the run to train is chosen again. threads: of torch; the default on a CPU is 1. A run
    that fails does not stop the others, and is named at the end. A run that another process is training is skipped.
    """
    check_minutes(minutes, piece)
    if threads is not None and not 1 <= threads <= 1024:
        raise TrainingError(f"threads is 1 to 1024, not {threads}")
    place = device_of(device)
    end = float("inf") if minutes is None else time.monotonic() + 60 * minutes
    pieces: list[Piece] = []
    failures: dict[str, str] = {}
    busy: dict[str, str] = {}
    with hold_campaign(folder), ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())  # restore the caller's number
        if threads or place.type == "cpu":
            torch.set_num_threads(threads or 1)
        ledger = Ledger(folder)
        while True:
            left = (end - time.monotonic()) / 60
            waiting = [
                each for each in order(read_standings(folder, runs, ledger)) if each.run.name not in failures | busy
            ]
            if not waiting or (left < SHORTEST and pieces):
                break
            name = waiting[0].run.name
            try:
                pieces.append(
                    _train_piece(folder, waiting[0], ledger, min(piece, max(left, 1e-6)), place, progress, say)
                )
            except AtWork as error:
                busy[name] = str(error)
                say(f"{name} is skipped: {error}")
            except PhysbenchError as error:
                failures[name] = str(error)
                say(f"{name} failed: {error}")
    if not pieces:
        failures |= busy
    if failures:
        raise TrainingError("; ".join(f"{name}: {sentence}" for name, sentence in failures.items()))
    return pieces


def _train_piece(
    folder: Path,
    standing: RunStanding,
    ledger: Ledger,
    minutes: float,
    place: torch.device,
    progress: Callable[[str, TrainingProgress], None] | None,
    say: Callable[[str], None],
) -> Piece:
    """Continue a stage or begin the next one, and keep its weights."""
    run, began = standing.run, time.monotonic()
    if standing.stage is not None and standing.stage.ended is None and standing.moved is None:
        job = _resume(standing.stage, run)
    else:
        if standing.stage is not None and standing.moved is None:
            _keep(folder, run, ledger, say)
        job = _begin(folder, run, standing.history)
    record, hardware = job.record, hardware_of(place)
    if not record.places or record.places[-1].hardware != hardware:
        record = replace(record, places=(*record.places, TrainingPlace(hardware, job.minutes)))
    ledger.put(job.path.name, record)
    show = partial(progress, run.name) if progress else None
    try:
        result = train(
            job.recipe,
            job.path,
            steps=job.steps,
            pause_after=minutes,
            resume=job.recipe is None,
            device=str(place),
            progress=show,
        )
    finally:
        if Folder(job.path).last.exists():
            ledger.put(job.path.name, record_of(job.path, ledger))
            _keep(folder, run, ledger, say)
    return Piece(run.name, result.step, (time.monotonic() - began) / 60, result.ended)


@dataclass(frozen=True)
class _Job:
    path: Path
    record: RunRecord
    recipe: TrainingRecipe | None  # None = continue the run in the folder
    steps: int | None  # None = the number it was begun with
    minutes: float  # minutes of the stage so far


def _resume(stage: TrainingStage, run: PlannedRun) -> _Job:
    """Prepare to continue a stage, or raise AtWork if another process is training it."""
    with Folder(stage.path).hold():
        pass  # checked before anything is written about it
    steps = (
        None
        if stage.is_saved
        else stage.limit or steps_for(stage.recipe, run.budget - stage.record.before.sequence_steps)
    )
    return _Job(stage.path, stage.record, None, steps, stage.minutes)


def _begin(folder: Path, run: PlannedRun, before: History) -> _Job:
    """Prepare a stage with what is left of the budget, from fresh weights or from those that are kept."""
    number = next_number(folder, run, before)
    recipe = run.training_recipe(stage=number, initial=str(weights_of(folder, run)) if before.sequence_steps else "")
    steps = steps_for(recipe, run.budget - before.sequence_steps)
    path = folder_of(folder, run, number)
    clear_beginning(path)
    return _Job(path, RunRecord(before, steps), recipe, steps, 0.0)


def _keep(folder: Path, run: PlannedRun, ledger: Ledger, say: Callable[[str], None]) -> None:
    """Keep the weights of the latest stage for moving."""
    path = latest_folder(folder, run)
    assert path is not None
    if keep_weights(folder, run, read_stage(path, run, ledger)) is None:
        say(f"the weights of {run.name} are too large for moving, and were not kept apart from {path}")


def adopt(campaign: Path, folders: Mapping[PlannedRun, Path]) -> list[TrainingStage]:
    """Copy the folders of other training runs into a campaign: all of them, or none if one cannot be copied.

    The original folders are not changed. A run that already has a stage in the campaign is refused.
    """
    with hold_campaign(campaign):
        for run, source in folders.items():
            _require(campaign, run, source)
        return [_copy(campaign, run, source) for run, source in folders.items()]


def _require(campaign: Path, run: PlannedRun, source: Path) -> None:
    there = latest_folder(campaign, run)
    if there is not None:
        raise TrainingError(f"{run.name} has a run already, in {there}: move it away first")
    if not (last := Folder(source).last).is_file():
        Folder(source).recipe()
        raise TrainingError(f"the run in {source} saved nothing yet: there is no {last.name} to go on with")
    read_stage(source, run, Ledger(source))


def _copy(campaign: Path, run: PlannedRun, source: Path) -> TrainingStage:
    """Copy a run while no process writes to it."""
    path = folder_of(campaign, run, 1)
    beside = campaign / f".{run.name}.{secrets.token_hex(4)}.part"
    try:
        with Folder(source).hold():
            beside.mkdir()
            for name in ADOPTED:
                if (source / name).is_file():
                    shutil.copyfile(source / name, beside / name)
        clear_beginning(path)
        publish(beside, path)
    except OSError as error:
        raise TrainingError(f"{source} cannot be copied to {path}: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    ledger = Ledger(campaign)
    stage = read_stage(path, run, ledger)
    ledger.put(path.name, stage.record)
    return stage
