"""The cells of a grid of evaluations: which there are, what their files are called, and what lies in them already."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from physbench.errors import PhysbenchError, StorageError
from physbench.evaluation.evaluate import Extent
from physbench.files import read_regular_file
from physbench.result import METRIC_VERSION, load_run
from physbench.suites import SUITE_NAME
from physbench_leaderboard.submission import Row, SubmissionError, quote, read

MOST_BYTES, MOST_CELLS = 1 << 20, 10_000
"""Of a plan; of a grid."""

PLAIN_MODEL = re.compile(r"[a-z0-9][a-z0-9_.+-]{0,63}")
"""What can stand in the name of a file as it is, on every system, and means the same folder nowhere."""

LARGEST_SEED = (1 << 63) - 1


class GridError(PhysbenchError):
    """A grid of evaluations cannot be worked on as it is."""


@dataclass(frozen=True)
class GridCell:
    """One evaluation: a model on a suite, with a seed of the model's own randomness."""

    model: str
    suite: str
    seed: int

    def stem(self, size: str) -> str:
        """The name of its file without the ending. No other cell has it, and nothing in it leads elsewhere."""
        model, suite = _plain(self.model, PLAIN_MODEL), _plain(self.suite, SUITE_NAME).replace("_", "-")
        return f"{model}__{suite}__{size}__seed{self.seed}"

    def __str__(self) -> str:
        return f"{self.model} on {self.suite}, seed {self.seed}"


@dataclass(frozen=True)
class GridOptions:
    """What all cells have in common."""

    size: str = "lite"
    limit: int | None = None
    batch: int = 16
    device: str = "auto"
    per_sequence: bool = False


@dataclass(frozen=True)
class Entered:
    """What is known of a model before it is asked anything."""

    label: str  # its name in tables
    weights_sha256: str | None
    is_own_code: bool


def expand_cells(
    models: Sequence[str], suites: Sequence[str], seeds: Sequence[int], plan: Sequence[GridCell] = ()
) -> list[GridCell]:
    """List every model on every suite with every seed, and what a plan adds, each once."""
    crossed = [GridCell(*each) for each in product(models, suites, seeds or [0])]
    cells = list(dict.fromkeys([*crossed, *plan]))
    if not cells:
        raise GridError("a grid has no cells: give --model and --suite, or a plan")
    if len(cells) > MOST_CELLS:
        raise GridError(f"a grid has at most {MOST_CELLS:,} cells, not {len(cells):,}: cut it into several")
    return cells


def read_plan(path: Path) -> list[GridCell]:
    """Read a CSV file with the columns model and suite, and seed where it is not 0."""
    try:
        text = read_regular_file(path, MOST_BYTES).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise GridError(f"{path} is no plan: it is not CSV in UTF-8 ({error})") from None
    header = [cell.strip() for cell in rows[0]] if rows else []
    if sorted(header) not in (["model", "suite"], ["model", "seed", "suite"]):
        raise GridError(
            f"{path} is no plan: its first line names the columns model,suite or model,suite,seed,"
            f" not {quote(','.join(header))}"
        )
    return [_read_line(path, number, header, cells) for number, cells in enumerate(rows[1:], 2) if cells]


def _read_line(path: Path, number: int, header: list[str], cells: list[str]) -> GridCell:
    if len(cells) != len(header):
        raise GridError(f"{path}, line {number}: {len(cells)} cells where the header has {len(header)}")
    given = {name: cell.strip() for name, cell in zip(header, cells, strict=True)}
    if not given["model"] or not given["suite"]:
        raise GridError(f"{path}, line {number}: a cell is a model and a suite, and one of them is empty")
    for name in ("model", "suite"):
        if ":" in given[name]:
            raise GridError(
                f"{path}, line {number}: {quote(given[name])} would run code, and a file may not ask for that:"
                f" name it with --{name}"
            )
    seed = given.get("seed") or "0"
    if not re.fullmatch(r"[0-9]{1,19}", seed) or int(seed) > LARGEST_SEED:
        raise GridError(f"{path}, line {number}: a seed is a whole number of 0 or more, not {quote(seed)}")
    return GridCell(given["model"], given["suite"], int(seed))


def read_cell(
    folder: Path, cell: GridCell, chosen: Extent, entered: Entered, options: GridOptions
) -> tuple[Row, ...] | None:
    """Read the result of a cell; None where there is none. One of something else is refused."""
    path = folder / f"{cell.stem(chosen.size)}.csv"
    if not path.exists() and not path.is_symlink():
        return None
    try:
        rows = read(path).rows
    except SubmissionError as error:
        raise GridError(f"{path} is damaged, or no result ({error}): {REMEDY}") from None
    if wrong := _find_difference(rows, cell, chosen, entered, options):
        raise GridError(f"{path} {wrong}: {REMEDY}")
    if options.per_sequence:
        sums = path.with_suffix(".npz")
        if not sums.exists():
            return None
        _require_sums(sums, rows[0])
    return rows


REMEDY = "remove it, take another folder, or use --overwrite to make it again"


def _find_difference(
    rows: Sequence[Row], cell: GridCell, chosen: Extent, entered: Entered, options: GridOptions
) -> str | None:
    """Say what a result is of, if not of this cell."""
    suite = chosen.suite
    expected = {
        "suite": suite.name,
        "suite_version": suite.version,
        "size": chosen.size,
        "seed": cell.seed,
        "model": entered.label,
        "batch": options.batch,
        "weights_sha256": entered.weights_sha256,
        "metric_version": METRIC_VERSION,
    }
    for column, value in expected.items():
        for row in rows:
            if (there := getattr(row, column)) != value:
                return f"has {column} {_short(there)}, and this grid {_short(value)}"
    if any(("own-code" in row.notes) != entered.is_own_code for row in rows):
        return "was made by other code"
    tasks = {row.task.partition("/")[0].partition(":")[0] for row in rows}
    if missing := [task.name for task in suite.tasks if task.name not in tasks]:
        return f"lacks the rows of {', '.join(missing)}"
    return None


def _require_sums(path: Path, row: Row) -> None:
    try:
        provenance = load_run(path).provenance
    except StorageError as error:
        raise GridError(f"{path} is damaged, or holds no sums of sequences ({error}): {REMEDY}") from None
    for column in ("model", "suite", "size", "seed", "batch", "weights_sha256"):
        if (there := provenance.get(column)) != (value := getattr(row, column)):
            raise GridError(f"{path} has {column} {_short(there)}, and the table beside it {_short(value)}: {REMEDY}")


def _short(value: object) -> str:
    return "none" if value is None else quote(str(value)) if isinstance(value, str) else str(value)


def _plain(text: str, pattern: re.Pattern[str]) -> str:
    """A text as it may stand in the name of a file; if it had to be changed, with a digest of what it was."""
    if pattern.fullmatch(text) and not text.endswith("."):
        return text
    kept = re.sub(r"[^a-z0-9.+-]+", "-", text.lower()).strip(".+-")[-40:].lstrip(".+-") or "model"
    return f"{kept}-{hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
