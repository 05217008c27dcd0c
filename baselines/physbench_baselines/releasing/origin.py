"""What the folder of a run says about its training, for the card of the weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from physbench_baselines.architecture import Architecture
from physbench_baselines.model_card import RunCard
from physbench_baselines.training.folder import Folder, LogRow
from physbench_baselines.training.keep import load_run_state
from physbench_baselines.training.reuse import drop_folders
from physbench_baselines.training_stages import stages_before, total

T = TypeVar("T")

MOST_ROWS = 100
"""The most rows of the log; up to half of them are rows with a validation."""


def header(card: RunCard, architecture: Architecture, run: Path, name: str) -> dict[str, Any]:
    """Return what the header of the weights' file says about them."""
    link, rule = architecture.paper or None, architecture.stopping
    short = rule is not None and not rule.holds(Folder(run).recipe(), total(vars(card), "steps"), _why_it_ended(run))
    return {
        "name": name,
        "model_link": link,
        "paper_link": link,
        "training": f"{total(vars(card), 'sequences'):,} sequences; the paper trains {rule.words}"
        if rule and short
        else None,
        "train_seed": card.train_seed,
        "steps": card.steps,
        "sequences": card.sequences,
    }


def budget_of(run: Path) -> tuple[int | None, float | None]:
    """How many steps and minutes a run was given; None where there was no such limit."""
    last = load_run_state(Folder(run).last) if Folder(run).last.exists() else {}
    return last.get("steps_limit") or None, last.get("minutes_limit") or None


def course(run: Path) -> dict[str, Any]:
    """What the schedules of the run went by, and its curves."""
    steps, minutes = budget_of(run)
    limits = {"steps_limit": steps, "minutes_limit": minutes}
    return {"ended": _why_it_ended(run), **limits, "log": [_shorten(row) for row in thin(Folder(run).rows())]}


def without_folders(card: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipes of a card and of the stages before it, with file names only; local folders are dropped."""
    return {"recipe": _bare(card), "before": [{**stage, "recipe": _bare(stage)} for stage in stages_before(card)]}


def thin(rows: Sequence[LogRow]) -> list[LogRow]:
    """Choose at most MOST_ROWS rows, spread over the whole run."""
    measured = spread([row for row in rows if row.validation_loss is not None], MOST_ROWS // 2)
    others = spread([row for row in rows if row.validation_loss is None], MOST_ROWS - len(measured))
    return sorted([*measured, *others], key=lambda row: row.step)


def _bare(stage: Mapping[str, Any]) -> dict[str, Any]:
    recipe: Any = stage.get("recipe") or {}
    return {
        **recipe,
        **{field: drop_folders(recipe[field]) for field in ("data", "initial", "reuse") if recipe.get(field)},
    }


def _why_it_ended(run: Path) -> str | None:
    """Return why a run ended, or None if it goes on, as it does where the result is of an earlier step."""
    folder = Folder(run)
    ended, at = folder.result() or (None, 0)
    reached = load_run_state(folder.last).get("step") if folder.last.exists() else at
    return ended if at == reached else None


def spread(rows: Sequence[T], most: int) -> list[T]:
    """Choose the last row, and others at even distances before it."""
    count = min(most, len(rows))
    return [rows[(number + 1) * len(rows) // count - 1] for number in range(count)]


def _shorten(row: LogRow) -> Mapping[str, float | None]:
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in row.cells().items()}
