"""The folder of a run.

It holds recipe.json, log.csv, last.safetensors, best.safetensors, curves.svg and, at the end, result.json. Every file
in it is complete at any moment.
"""

import csv
import io
import json
import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from physbench.errors import HostileFile, StorageError, TrainingError
from physbench.files import open_regular_file, read_regular_file, write_whole
from physbench.lock import try_lock
from physbench_baselines.training.training_recipe import MOST_TEXT, TrainingRecipe


@dataclass(frozen=True)
class LogRow:
    """A row of the log: what every run has, and any other figures by name."""

    step: int
    sequences: int
    minutes: float
    sequences_per_second: float
    learning_rate: float
    frames: int
    loss: float | None  # mean over the steps since the last row, like all figures of training
    figures: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def validation_loss(self) -> float | None:
        """The validation loss, or None if this row has no validation."""
        return self.figures.get("validation_loss")

    def cells(self) -> dict[str, float | None]:
        """Return all values by the name of their column."""
        return {**{name: getattr(self, name) for name in CORE}, **self.figures}


MOST_LOG = 1 << 28
"""The most bytes that a log may have."""

CORE = tuple(item.name for item in fields(LogRow) if item.name != "figures")
"""The columns of every log. The columns of other figures follow, in the order in which the figures first appeared."""


class AtWork(TrainingError):
    """An error: another process is using what this one wants to write."""


@contextmanager
def hold(file: Path, sentence: str) -> Generator[None]:
    """Lock a file for as long as the context lasts.

    If another process has locked it, raise AtWork with this sentence.
    """
    with open_regular_file(file, MOST_TEXT) as handle:
        if not try_lock(handle):
            raise AtWork(sentence)
        yield


class Folder:
    """The folder of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def last(self) -> Path:
        """The weights and the state of the run at the last save."""
        return self._weights("last")

    @property
    def best(self) -> Path:
        """The weights with the best validation loss."""
        return self._weights("best")

    def _weights(self, name: str) -> Path:
        """Return the path of weights. Older runs used .pt files, and can be resumed."""
        path, before = (self.path / f"{name}{suffix}" for suffix in (".safetensors", ".pt"))
        return before if before.exists() and not path.exists() else path

    def begin(self, recipe: TrainingRecipe) -> None:
        """Make the folder, with an empty log and the recipe."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self.path} cannot be made: {error.strerror}") from None
        self._write_log([])
        self.write("recipe.json", recipe.to_json())

    @contextmanager
    def hold(self) -> Generator[None]:
        """Keep other processes out of this run."""
        with hold(
            self.path / "recipe.json", f"the run in {self.path} is at work in another process: stop that one first"
        ):
            yield

    @staticmethod
    def require_none(path: Path) -> None:
        """Refuse a path that holds a run or anything else: a run never overwrites another one."""
        if path.exists() and not path.is_dir():
            raise TrainingError(f"{path} is a file: a run needs its own folder")
        if (path / "recipe.json").exists():
            raise TrainingError(f"{path} holds a run already: resume it, or give another folder")
        if path.is_dir() and any(path.iterdir()):
            raise TrainingError(f"{path} is not empty: a run needs its own folder")

    def recipe(self) -> TrainingRecipe:
        """Read the recipe that the run in this folder was started with."""
        place = self.path / "recipe.json"
        try:
            text = read_regular_file(place, MOST_TEXT).decode()
        except HostileFile as error:
            raise TrainingError(f"{place} is not a training recipe: {error}") from None
        except (StorageError, UnicodeDecodeError):
            raise TrainingError(f"there is no run in {self.path} to resume") from None
        try:
            return TrainingRecipe.from_json(text)
        except TrainingError as error:
            raise TrainingError(f"{place}: {error}") from None

    def result(self) -> tuple[str, int] | None:
        """Return why the run ended, and at which step, or None if it has not ended."""
        place = self.path / "result.json"
        if not place.exists():
            return None
        try:
            given = json.loads(read_regular_file(place, MOST_TEXT))
            return str(given["ended"]), int(given["step"])
        except (StorageError, ValueError, KeyError, TypeError, RecursionError):
            raise TrainingError(f"{place} is not the result of a run: put it back or delete it") from None

    def append(self, row: LogRow) -> None:
        """Append a row to the log. If it has a new figure, the log is written again with one more column."""
        columns = self._columns()
        if not row.cells().keys() <= set(columns):
            return self._write_log([*self.rows(), row])
        try:
            with (self.path / "log.csv").open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, columns, lineterminator="\n").writerow(_write_row(row))
        except OSError as error:
            raise TrainingError(f"{self.path / 'log.csv'} cannot be written: {error.strerror}") from None

    def rows(self) -> list[LogRow]:
        """Read the log. An incomplete last line, of a run that was killed while it wrote, does not count."""
        try:
            text = read_regular_file(self.path / "log.csv", MOST_LOG).decode()
        except (StorageError, UnicodeDecodeError):
            return []
        whole = text[: text.rfind("\n") + 1]
        try:
            return [_row(cells) for cells in csv.DictReader(io.StringIO(whole))]
        except (ValueError, KeyError, TypeError, csv.Error):
            raise TrainingError(f"{self.path / 'log.csv'} is not the log of a run: put it back or delete it") from None

    def cut(self, step: int) -> None:
        """Remove the rows after a step from the log, because these steps will run again."""
        self._write_log([row for row in self.rows() if row.step <= step])

    def _write_log(self, rows: Sequence[LogRow]) -> None:
        columns = dict.fromkeys([*CORE, *(name for row in rows for name in row.figures)])
        text = io.StringIO()
        table = csv.DictWriter(text, columns, lineterminator="\n")
        table.writeheader()
        table.writerows(_write_row(row) for row in rows)
        self.write("log.csv", text.getvalue())

    def _columns(self) -> list[str]:
        try:
            with (self.path / "log.csv").open(encoding="utf-8", newline="") as file:
                return next(csv.reader(file), [])
        except (OSError, UnicodeDecodeError, csv.Error):
            return []

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file completely or not at all."""
        write_whole(self.path / name, content)


def _write_row(row: LogRow) -> dict[str, str]:
    return {name: "" if value is None else repr(value) for name, value in row.cells().items()}


def _row(cells: dict[str, str]) -> LogRow:
    whole = {"step", "sequences", "frames"}
    values: dict[str, Any] = {name: (int if name in whole else float)(cells.pop(name) or "nan") for name in CORE}
    loss = None if math.isnan(values["loss"]) else values["loss"]
    return LogRow(**{**values, "loss": loss}, figures={name: float(cell) for name, cell in cells.items() if cell})
