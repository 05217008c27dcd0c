"""A run that was trained by other means becomes a run of the campaign: its folder is copied."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from physbench.errors import TrainingError
from physbench.files import publish
from physbench_baselines.campaign.history import Ledger
from physbench_baselines.campaign.stages import Stage, clear_beginning, folder_of, latest_folder, read_stage
from physbench_baselines.campaign.table import PlannedRun
from physbench_baselines.campaign.work import hold_campaign
from physbench_baselines.training.folder import Folder

WEIGHTS = tuple(f"{name}{suffix}" for name in ("last", "best") for suffix in (".safetensors", ".pt"))
FILES = ("recipe.json", "log.csv", *WEIGHTS, "curves.svg", "result.json")


def adopt(campaign: Path, folders: Mapping[PlannedRun, Path]) -> list[Stage]:
    """Copy the folders of training runs into a campaign; none of them, if one cannot be had.

    The folder copied from stays as it is. A run that has a stage in the campaign keeps it.
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


def _copy(campaign: Path, run: PlannedRun, source: Path) -> Stage:
    """Copy while nobody writes."""
    path = folder_of(campaign, run, 1)
    beside = campaign / f".{run.name}.{secrets.token_hex(4)}.part"
    try:
        with Folder(source).held():
            beside.mkdir()
            for name in FILES:
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
