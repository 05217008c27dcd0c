"""Work on a grid of evaluations in a folder, one cell after the other, each shared out over the workers.

A cell is one file, written whole. What is there and of the same thing is not made again; what is in the making
elsewhere is left alone; a killed cell goes on by its journal.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from physbench.errors import ClusterError, PhysbenchError, StorageError, UnsuitableModel
from physbench.evaluation.contestant import Contestant, contestant, own_code
from physbench.evaluation.evaluate import Extent, evaluate
from physbench.evaluation.evaluation_journal import EvaluationJournal
from physbench.evaluation.identity import identify
from physbench.files import require_replaceable, write_whole
from physbench.lock import hold_lock
from physbench.metrics.catalogue import headlines
from physbench.progress import Progress
from physbench.registry import models as registered
from physbench.result import Score
from physbench.suites import SUITES
from physbench_leaderboard.grid_cells import Entered, GridCell, GridError, GridOptions, read_cell
from physbench_leaderboard.submission import Row, SubmissionError, cell_of

State = Literal["there", "missing", "scored", "skipped", "failed", "elsewhere"]
"""Of a cell: its file was there; it is to be scored; it was scored just now; the model cannot be asked this; it failed;
another process is at it."""

LOCKS = ".cells"
"""The folder, in that of a grid, of what is in the making."""


@dataclass(frozen=True)
class CellOutcome:
    """A cell, and what became of it."""

    cell: GridCell
    state: State
    path: Path
    detail: str = ""
    figure: Row | Score | None = None  # that ranks the suite


@dataclass(frozen=True)
class EvaluationGrid:
    """Cells, the sequences of their suites, and the folder of their files."""

    folder: Path
    cells: Sequence[GridCell]
    extents: Mapping[str, Extent]  # by the name of a suite
    options: GridOptions
    overwrite: bool = False
    _entered: dict[str, Entered] = field(default_factory=dict[str, Entered], repr=False)  # by the name of a model

    def path(self, cell: GridCell) -> Path:
        return self.folder / f"{cell.stem(self.extents[cell.suite].size)}.csv"

    def examine(self) -> list[CellOutcome]:
        """Say of each cell whether it is there, without scoring anything. Files of something else are refused."""
        return [self._examine(cell) for cell in self.cells]

    def _examine(self, cell: GridCell) -> CellOutcome:
        try:
            entered = self._describe(cell.model)
        except Exception as error:
            return CellOutcome(cell, "failed", self.path(cell), in_one_line(error))
        try:
            rows = read_cell(self.folder, cell, self.extents[cell.suite], entered, self.options)
        except GridError:
            if not self.overwrite:
                raise
            require_replaceable(self.path(cell))
            rows = None
        if rows is None:
            return CellOutcome(cell, "missing", self.path(cell))
        return CellOutcome(cell, "there", self.path(cell), figure=self._find_ranked(cell, rows))

    def _describe(self, model: str) -> Entered:
        """Load a model once to know its weights, and let go of it."""
        if model not in self._entered:
            self._entered[model] = describe_model(model, self.options.device)
        return self._entered[model]

    def score_missing(
        self,
        outcomes: Sequence[CellOutcome],
        *,
        team: Mapping[str, Any],
        say: Callable[[str], None] = lambda text: None,
        progress: Callable[[Progress], None] = lambda now: None,
    ) -> list[CellOutcome]:
        """Score the cells that are missing, and return what became of all. team: workers, engine and scheduler."""
        total = sum(self._count(each.cell) for each in outcomes if each.state == "missing")
        behind = 0
        ended: list[CellOutcome] = []
        for each in outcomes:
            if each.state == "missing":
                before, doing = behind, f"{each.cell.model} on {each.cell.suite}"

                def show(now: Progress, before: int = before, doing: str = doing) -> None:
                    progress(Progress(before + now.done, total, doing))

                each = self._score_alone(each.cell, team, show)
                behind += self._count(each.cell)
                say(f"{each.cell}: {WORDS[each.state]}{f': {each.detail}' if each.detail else ''}")
            ended.append(each)
        return [self._look_again(each) for each in ended]

    def _look_again(self, outcome: CellOutcome) -> CellOutcome:
        """What another process was at may have been finished by it."""
        now = self._examine(outcome.cell) if outcome.state == "elsewhere" else outcome
        return outcome if now.state == "missing" else now

    def _count(self, cell: GridCell) -> int:
        extent = self.extents[cell.suite]
        return extent.count * len(extent.suite.tasks)

    def _score_alone(
        self, cell: GridCell, team: Mapping[str, Any], progress: Callable[[Progress], None]
    ) -> CellOutcome:
        """Score a cell, unless another process does."""
        path = self.path(cell)
        making = self.folder / LOCKS / path.stem
        with ExitStack() as stack:
            try:
                making.mkdir(parents=True, exist_ok=True)
                stack.enter_context(hold_lock(making, patience=0))
            except (StorageError, FileNotFoundError):  # held; or removed just now by who held it
                return CellOutcome(cell, "elsewhere", path)
            stack.callback(_remove_empty, making)
            again = self._examine(cell)
            if again.state != "missing":
                return again
            try:
                return self._score(cell, team, progress)
            except ClusterError:
                raise
            except UnsuitableModel as error:
                return CellOutcome(cell, "skipped", path, in_one_line(error))
            except Exception as error:  # the others go on
                return CellOutcome(cell, "failed", path, in_one_line(error))

    def _score(self, cell: GridCell, team: Mapping[str, Any], progress: Callable[[Progress], None]) -> CellOutcome:
        chosen, options = self.extents[cell.suite], self.options
        entered = enter_model(cell.model, options.device)
        settings = {
            **{name: getattr(options, name) for name in ("size", "limit", "batch")},
            **{"seed": cell.seed, "fresh": None, "data": None},
        }
        journal = None
        if entered.identity and cell.suite in SUITES:
            journal = EvaluationJournal.of(identify(entered, cell.suite, options.device, settings))
        result = evaluate(
            entered,
            chosen.suite,
            name=make_label(entered.name),
            journal=journal,
            notes=("own-code",) if is_own_code(cell.model) else (),
            progress=progress,
            **settings,
            **team,
        )
        path = self.path(cell)
        if options.per_sequence:
            result.save_sums(path.with_suffix(".npz"))
        write_whole(path, result.to_csv())
        if journal:
            journal.discard()
        return CellOutcome(cell, "scored", path, figure=self._find_ranked(cell, result.scores))

    def _find_ranked(self, cell: GridCell, rows: Sequence[Row] | Sequence[Score]) -> Row | Score | None:
        """Find the figure that ranks the suite; where none does, the first one that tables show of its first task."""
        suite = self.extents[cell.suite].suite
        wanted = [suite.ranked_by] if suite.ranked_by else [(suite.tasks[0].name, name) for name in headlines()]
        known = {(row.task, row.metric): row for row in rows}
        return next((known[key] for key in wanted if key in known), None)


WORDS: dict[State, str] = {
    "there": "there already",
    "missing": "missing",
    "scored": "scored",
    "skipped": "skipped",
    "failed": "failed",
    "elsewhere": "left to another process",
}


def _remove_empty(making: Path) -> None:
    for folder in (making, making.parent):
        with suppress(OSError):  # other cells are in the making
            folder.rmdir()


def is_own_code(model: str) -> bool:
    """Whether a model is package.module:FACTORY, whose code is run."""
    return ":" in model and model not in registered.names()


def enter_model(model: str, device: str) -> Contestant:
    """Load a model: a name, a checkpoint, the folder of a run, or code of the user's own."""
    return own_code(model, device=device) if is_own_code(model) else contestant(model, device=device)


def describe_model(model: str, device: str) -> Entered:
    """Load a model, and say what its results are known by."""
    entered = enter_model(model, device)
    origin = getattr(entered.model, "origin", None)
    own = is_own_code(model) or (origin is not None and origin.code is not None)
    return Entered(make_label(entered.name), getattr(origin, "weights_sha256", None), own)


def make_label(name: str) -> str:
    """A name as tables of results take it."""
    label = re.sub(r"[^A-Za-z0-9_.+:-]", "-", name).lstrip("_.+:-")[:64] or "model"
    try:
        return cell_of("model", label)
    except SubmissionError:
        return "model"


def in_one_line(error: Exception) -> str:
    """An error in a line; of what is not ours, its kind too."""
    text = " ".join(str(error).split())[:300]
    return text if isinstance(error, PhysbenchError) else f"{type(error).__name__}: {text}".rstrip(": ")
