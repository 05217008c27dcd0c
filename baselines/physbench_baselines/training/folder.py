"""A run is a folder: recipe.json, log.csv, last.safetensors, best.safetensors, curves.svg and, at the end, result.json.

What is in it is whole at any moment.
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
    """Of the log: what every run has, and whatever figures there are, by name."""

    step: int
    sequences: int
    minutes: float
    sequences_per_second: float
    learning_rate: float
    frames: int
    loss: float | None  # a mean over the steps since the row before, like the other figures of training
    figures: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def validation_loss(self) -> float | None:
        """None where nothing was validated."""
        return self.figures.get("validation_loss")

    def cells(self) -> dict[str, float | None]:
        """By the name of the column."""
        return {**{name: getattr(self, name) for name in CORE}, **self.figures}


MOST_LOG = 1 << 28
"""Bytes."""

CORE = tuple(item.name for item in fields(LogRow) if item.name != "figures")
"""The columns of every log. Those of figures stand after them, in the order in which they came."""


class AtWork(TrainingError):
    """Another process has what this one wants to write to."""


@contextmanager
def hold(file: Path, sentence: str) -> Generator[None]:
    """Keep other processes out for as long as this lasts; AtWork with the sentence where one is in already."""
    with open_regular_file(file, MOST_TEXT) as handle:
        if not try_lock(handle):
            raise AtWork(sentence)
        yield


class Folder:
    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def last(self) -> Path:
        return self._weights("last")

    @property
    def best(self) -> Path:
        return self._weights("best")

    def _weights(self, name: str) -> Path:
        """Runs of before ended in .pt, and may go on."""
        path, before = (self.path / f"{name}{suffix}" for suffix in (".safetensors", ".pt"))
        return before if before.exists() and not path.exists() else path

    def begin(self, recipe: TrainingRecipe) -> None:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TrainingError(f"{self.path} cannot be made: {error.strerror}") from None
        self._write_log([])
        self.write("recipe.json", recipe.to_json())

    @contextmanager
    def hold(self) -> Generator[None]:
        """One process at a time."""
        with hold(
            self.path / "recipe.json", f"the run in {self.path} is at work in another process: stop that one first"
        ):
            yield

    @staticmethod
    def require_none(path: Path) -> None:
        """A run never writes over another one."""
        if path.exists() and not path.is_dir():
            raise TrainingError(f"{path} is a file: a run needs a folder of its own")
        if (path / "recipe.json").exists():
            raise TrainingError(f"{path} holds a run already: resume it, or give another folder")
        if path.is_dir() and any(path.iterdir()):
            raise TrainingError(f"{path} is not empty: a run needs a folder of its own")

    def recipe(self) -> TrainingRecipe:
        """What the run in this folder was started with."""
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
        """Why the run is over, and at which step; None for one that goes on."""
        place = self.path / "result.json"
        if not place.exists():
            return None
        try:
            given = json.loads(read_regular_file(place, MOST_TEXT))
            return str(given["ended"]), int(given["step"])
        except (StorageError, ValueError, KeyError, TypeError, RecursionError):
            raise TrainingError(f"{place} is not the result of a run: put it back or delete it") from None

    def append(self, row: LogRow) -> None:
        """A row with a figure that is new makes the log anew, with one more column."""
        columns = self._columns()
        if not row.cells().keys() <= set(columns):
            return self._write_log([*self.rows(), row])
        try:
            with (self.path / "log.csv").open("a", encoding="utf-8", newline="") as file:
                csv.DictWriter(file, columns, lineterminator="\n").writerow(_write_row(row))
        except OSError as error:
            raise TrainingError(f"{self.path / 'log.csv'} cannot be written: {error.strerror}") from None

    def rows(self) -> list[LogRow]:
        """Half a last line, of a run that was killed while it wrote, is no row."""
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
        """Forget what was logged after a step: it is going to happen again."""
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
        """As a whole or not at all."""
        write_whole(self.path / name, content)


def _write_row(row: LogRow) -> dict[str, str]:
    return {name: "" if value is None else repr(value) for name, value in row.cells().items()}


def _row(cells: dict[str, str]) -> LogRow:
    whole = {"step", "sequences", "frames"}
    values: dict[str, Any] = {name: (int if name in whole else float)(cells.pop(name) or "nan") for name in CORE}
    loss = None if math.isnan(values["loss"]) else values["loss"]
    return LogRow(**{**values, "loss": loss}, figures={name: float(cell) for name, cell in cells.items() if cell})
