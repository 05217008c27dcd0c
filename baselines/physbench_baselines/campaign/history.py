"""Histories: what a run of a campaign has cost and reached so far, and the file campaign.json.

A history is plain JSON that is stored with the weights. campaign.json holds what a campaign knows about its stages in
addition to what is in their folders.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from physbench.errors import StorageError, TrainingError
from physbench.files import read_regular_file
from physbench_baselines.campaign.budget import count_in_stage
from physbench_baselines.releasing.origin import spread
from physbench_baselines.training.folder import Folder
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import stage_of

T = TypeVar("T")

_hints = cache(get_type_hints)

NAME = "campaign.json"
MOST_BYTES = 1 << 24

MOST_POINTS = 100
"""The most points of a curve that is stored with weights."""


@dataclass(frozen=True)
class CurvePoint:
    """The figures of one validation."""

    sequence_steps: int
    validation_loss: float
    relative_bce: float | None
    ari: float | None


@dataclass(frozen=True)
class Spent:
    """Time on one kind of hardware. The description of the hardware does not identify the machine."""

    hardware: str
    minutes: float


@dataclass(frozen=True)
class History:
    """What a run has cost and reached so far."""

    stages: int = 0
    sequence_steps: int = 0
    spent: tuple[Spent, ...] = ()
    validation: str = ""
    """What the curve was measured on; curves on other sequences cannot be joined to it."""
    curve: tuple[CurvePoint, ...] = ()

    @property
    def minutes(self) -> float:
        """Minutes of training on all hardware."""
        return sum(each.minutes for each in self.spent)

    @property
    def best(self) -> CurvePoint | None:
        """The validation with the lowest loss, which is that of the weights kept as the best."""
        return min(self.curve, key=lambda point: point.validation_loss, default=None)

    def add(
        self, sequence_steps: int, spent: Iterable[Spent], validation: str, points: Iterable[CurvePoint]
    ) -> History:
        """Return the history with one more stage; the stage's points count from its own beginning."""
        moved = [replace(point, sequence_steps=self.sequence_steps + point.sequence_steps) for point in points]
        before = self.curve if validation == self.validation else ()
        return History(
            self.stages + 1,
            self.sequence_steps + sequence_steps,
            _merge([*self.spent, *spent]),
            validation,
            (*before, *moved),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON, with a thinner curve if it is long."""
        return asdict(replace(self, curve=tuple(spread(self.curve, MOST_POINTS))))


@dataclass(frozen=True)
class TrainingPlace:
    """Hardware of a stage, and the minute of the stage at which it started to be used."""

    hardware: str
    since: float


@dataclass(frozen=True)
class Saved:
    """What the last weights say about their run, stored so that 100 MB need not be read to know it."""

    mark: tuple[int, int]  # of the file: time of writing in nanoseconds, and size
    step: int
    minutes: float
    steps_limit: int  # 0 = none
    minutes_limit: float


@dataclass(frozen=True)
class RunRecord:
    """What campaign.json says about a stage."""

    before: History
    """History of the weights that the stage began with."""
    steps_limit: int = 0
    places: tuple[TrainingPlace, ...] = ()
    saved: Saved | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON."""
        return asdict(self) | {"before": self.before.to_dict()}


def history_of_stages(stages: Iterable[Mapping[str, Any]]) -> History:
    """Add up the stages of training on a card, made by any command. Their curves are unknown."""
    history = History()
    for stage in stages:
        minutes = 60 * float(stage.get("hours", 0.0))
        hardware = str(stage.get("hardware", "unknown hardware"))[:100]
        history = history.add(count_in_stage(stage_of(stage)), [Spent(hardware, minutes)] if minutes else [], "", [])
    return history


def describe_validation(recipe: TrainingRecipe) -> str:
    """Describe what the validation losses of this recipe are measured on, and with which sizes of the network."""
    network = "".join(f", {name} {recipe.sizes[name]}" for name in ("slots", "noise") if name in recipe.sizes)
    return f"{recipe.validation} sequences of {recipe.longest} frames of {Path(recipe.data).name}{network}"


def _merge(spent: Iterable[Spent]) -> tuple[Spent, ...]:
    minutes: dict[str, float] = {}
    for each in spent:
        minutes[each.hardware] = minutes.get(each.hardware, 0.0) + each.minutes
    return tuple(Spent(hardware, round(count, 4)) for hardware, count in minutes.items())


class Ledger:
    """The records in a campaign's folder, by the names of the stages' folders."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise TrainingError(f"{folder} is a file: a campaign needs a folder")
        self.path = folder / NAME
        self._records = self._read()

    def get(self, name: str) -> RunRecord | None:
        """Return the record of a stage, or None."""
        return self._records.get(name)

    def put(self, name: str, record: RunRecord) -> None:
        """Store a record, so that it is kept even if the process is killed right after."""
        if self._records.get(name) != record:
            self._records[name] = record
            text = json.dumps({each: known.to_dict() for each, known in self._records.items()}, indent=1)
            Folder(self.path.parent).write(NAME, text + "\n")

    def _read(self) -> dict[str, RunRecord]:
        try:
            given: Any = json.loads(read_regular_file(self.path, MOST_BYTES)) if self.path.exists() else {}
            if not isinstance(given, dict):
                raise ValueError("it is no object in JSON")
        except (StorageError, ValueError, RecursionError) as error:
            raise TrainingError(f"{self.path} cannot be read ({str(error)[:100]}): put it back or delete it") from None
        return {
            name: read_record(RunRecord, record, self.path) for name, record in cast("dict[str, Any]", given).items()
        }


def read_record(kind: type[T], given: Any, place: Path) -> T:
    """Read a history or a record that `to_dict` wrote. The file can come from any source."""
    try:
        return _convert(kind, given)
    except (KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{place} is not as a campaign writes it ({error}): put it back or delete it") from None


def _convert(kind: Any, given: Any) -> Any:
    """Check JSON against a type, and convert it.

    There are counts, finite numbers and printable lines in tuples and dataclasses.
    """
    if is_dataclass(kind):
        return cast("Any", kind)(**{name: _convert(hint, given[name]) for name, hint in _hints(kind).items()})
    inner = get_args(kind)
    if get_origin(kind) is tuple:
        kinds = inner[:1] * len(given) if inner[-1] is ... else inner
        return tuple(_convert(each, value) for each, value in zip(kinds, given, strict=True))
    if inner:  # an optional value
        return None if given is None else _convert(inner[0], given)
    good = {
        int: type(given) is int and 0 <= given < 1 << 63,
        float: type(given) in (int, float) and -1e300 < given < 1e300,
        str: isinstance(given, str) and len(given) <= 300 and given.isprintable(),
    }
    if not good[kind]:
        raise ValueError(f"{given!r:.40} is no {dict(zip(good, ('count', 'number', 'text'), strict=True))[kind]}")
    return kind(given)
