"""What a campaign writes down of the stages in its folder, beside what their own folders tell: campaign.json."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from physbench.errors import TrainingError
from physbench_baselines.campaign.history import History, as_number, as_text, as_whole
from physbench_baselines.training.folder import Folder

if TYPE_CHECKING:
    from pathlib import Path

NAME = "campaign.json"
MOST_BYTES = 1 << 24


@dataclass(frozen=True)
class Place:
    """Hardware in words, and the minute of the stage at which it took over."""

    hardware: str
    since: float


@dataclass(frozen=True)
class Saved:
    """What the last weights say, so that 100 MB need not be read to know it."""

    mark: tuple[int, int]  # of the file: when it was written, in nanoseconds, and its size
    step: int
    minutes: float
    steps_limit: int  # 0 = none
    minutes_limit: float


@dataclass(frozen=True)
class Record:
    before: History
    """Of the weights that the stage began with."""
    steps_limit: int = 0
    places: tuple[Place, ...] = field(default=())
    saved: Saved | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"before": self.before.to_dict()}

    @staticmethod
    def from_dict(given: Any, path: Path) -> Record:
        try:
            entries = dict(given)
            saved: Any = entries["saved"]
            return Record(
                History.from_dict(entries["before"], str(path)),
                as_whole(entries["steps_limit"]),
                tuple(Place(as_text(item["hardware"]), as_number(item["since"])) for item in entries["places"]),
                None if saved is None else _saved(saved),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise TrainingError(f"{path} is not as a campaign writes it ({error}): put it back or delete it") from None


class Ledger:
    """The records of a campaign's folder, by the name of a stage's folder."""

    def __init__(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            raise TrainingError(f"{folder} is a file: a campaign needs a folder")
        self.path = folder / NAME
        self._records = self._read()

    def get(self, name: str) -> Record | None:
        return self._records.get(name)

    def put(self, name: str, record: Record) -> None:
        """Keep a record, also if the process is killed right after."""
        if self._records.get(name) != record:
            self._records[name] = record
            text = json.dumps({each: known.to_dict() for each, known in self._records.items()}, indent=1)
            Folder(self.path.parent).write(NAME, text + "\n")

    def _read(self) -> dict[str, Record]:
        try:
            if self.path.stat().st_size > MOST_BYTES:
                raise ValueError("it is too long")
            given: Any = json.loads(self.path.read_text(encoding="utf-8"))
            if not isinstance(given, dict):
                raise ValueError("it is no object in JSON")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, RecursionError) as error:
            raise TrainingError(f"{self.path} cannot be read ({str(error)[:100]}): put it back or delete it") from None
        return {name: Record.from_dict(record, self.path) for name, record in cast("dict[str, Any]", given).items()}


def _saved(given: Any) -> Saved:
    written, size = given["mark"]
    return Saved(
        (as_whole(written, most=1 << 63), as_whole(size)),
        as_whole(given["step"]),
        as_number(given["minutes"]),
        as_whole(given["steps_limit"]),
        as_number(given["minutes_limit"]),
    )
