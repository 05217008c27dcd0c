"""The card of a model that comes with the package: how its weights came about, as JSON that a person can read too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from physbench.errors import StorageError, TrainingError
from physbench.files import read_regular_file
from physbench_baselines.architecture import find_architecture
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.initial import total
from physbench_baselines.training.keep import kept
from physbench_baselines.training.recipe import MOST_TEXT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from physbench_baselines.checkpoint import Checkpoint
    from physbench_baselines.training.folder import Row

    Card = dict[str, Any]

MOST_ROWS = 100
"""Of the log; as many of them as there are, up to half, with a validation."""


def header(best: Checkpoint, run: Path, name: str) -> Card:
    """What the weights say of themselves."""
    architecture = find_architecture(best.header.architecture)
    link, rule = architecture.paper or None, architecture.stopping
    told: Card = {"name": name, "model_link": link, "paper_link": link, "training": None}
    told |= {field: best.card.get(field) for field in ("train_seed", "steps", "sequences")}
    if rule and not rule.holds(Folder(run).recipe(), total(best.card, "steps"), _ended(run)):
        told["training"] = f"{total(best.card, 'sequences'):,} sequences; the paper trains {rule.words}"
    return told


def course(run: Path) -> Card:
    """What the schedules of the run went by, and its curves."""
    last = kept(Folder(run).last) if Folder(run).last.exists() else {}
    limits = {name: last.get(name) or None for name in ("steps_limit", "minutes_limit")}
    return {"ended": _ended(run), **limits, "log": [_shortened(row) for row in thinned(Folder(run).rows())]}


def without_folders(recipe: Card) -> Card:
    """Files alone: where they lay is nobody's business."""
    return {**recipe, **{field: Path(recipe[field]).name for field in ("data", "initial") if recipe.get(field)}}


def thinned(rows: Sequence[Row]) -> list[Row]:
    """At most MOST_ROWS, over the whole run."""
    measured = _spread([row for row in rows if row.validation_loss is not None], MOST_ROWS // 2)
    others = _spread([row for row in rows if row.validation_loss is None], MOST_ROWS - len(measured))
    return sorted([*measured, *others], key=lambda row: row.step)


def to_json(card: Card) -> str:
    """A line for each thing that is told, and for each row of what is a table."""
    return "{\n" + ",\n".join(f"{json.dumps(name)}: {_lines(value)}" for name, value in card.items()) + "\n}\n"


def read(path: Path) -> Card:
    """As it stands; nothing where there is none."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError:
        found = None
    if not isinstance(found, dict) or not {"weights_sha256", "source_sha256", "comparison", "not_played", "scores"} <= found.keys():
        raise TrainingError(f"{path} is not the card of a model: put it back or delete it")
    return cast("Card", found)


def _ended(run: Path) -> str | None:
    """None for a run that still goes on."""
    try:
        return json.loads(read_regular_file(run / "result.json", MOST_TEXT))["ended"] if (run / "result.json").exists() else None
    except (StorageError, ValueError, KeyError, TypeError, RecursionError):
        raise TrainingError(f"{run / 'result.json'} is not the result of a run: put it back or delete it") from None


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    """The last one, and others at even distances before it."""
    count = min(most, len(rows))
    return [rows[(number + 1) * len(rows) // count - 1] for number in range(count)]


def _shortened(row: Row) -> Mapping[str, float | None]:
    return {name: float(f"{value:.6g}") if isinstance(value, float) else value for name, value in row.cells().items()}


def _lines(value: Any) -> str:
    if not value or not isinstance(value, list) or not isinstance(value[0], dict):
        return json.dumps(value, allow_nan=False)
    return "[\n" + ",\n".join(json.dumps(row, allow_nan=False) for row in cast("list[Any]", value)) + "\n]"
