"""The reader of submissions, which are untrusted CSV files. It accepts only known columns, and returns typed rows.

Every cell must match a narrow pattern, so that no text can act as a formula in a spreadsheet, as markup on a page, or
as commands in a terminal.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Annotated, Any, NamedTuple, cast, get_type_hints

from physbench.errors import PhysbenchError, StorageError
from physbench.files import open_regular_file, read_regular_file
from physbench.metrics.pixels import OWN_NOTE
from physbench.model import TrainingCost
from physbench.result import COLUMNS, NOTES, is_formula
from physbench.suites import SUITE_NAME

MOST_BYTES, MOST_ROWS = 10_000_000, 200_000

MOST_PROBLEMS = 6
"""How many problems are listed. The others are only counted."""

LARGEST = 1e30
"""The largest figure. No model is that bad, and sums of such numbers do not overflow."""

FAR_TOO_MANY = 1_000
"""The number of problems after which reading stops."""

KINDS_OF_FILES = {
    b"PK\x03\x04": "a zip archive",
    b"PK\x05\x06": "an empty zip archive",
    b"\x1f\x8b": "a gzip archive",
    b"\x89HDF": "an HDF5 file",
    b"%PDF": "a PDF",
    b"\x93NUMPY": "a NumPy array",
    b"\x80": "a pickle",
    b"\xff\xfe": "text in UTF-16",
    b"\xfe\xff": "text in UTF-16",
    b"<": "a page or XML",
    b"{": "JSON",
}
LONGEST_MAGIC = 16


class SubmissionError(PhysbenchError):
    """An error of a submission that cannot be listed."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a submission: the columns of a result, with their types and patterns. Empty cells are NaN or None."""

    suite: Annotated[str, CellRule("the name of a suite", SUITE_NAME, str)]
    suite_version: Annotated[int, _WHOLE]
    size: Annotated[str, CellRule("a size", re.compile(r"[a-z][A-Za-z0-9-]{0,39}"), str)]
    task: Annotated[str, CellRule("the name of a task", re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+:-]{0,99}"), str)]
    metric: Annotated[
        str, CellRule("the name of a metric", re.compile(r"[a-z][a-z0-9_]{0,39}(\[[0-9]{1,3}(,[0-9]\+?)?\])?"), str)
    ]
    value: Annotated[float, _FIGURE]
    low: Annotated[float, _FIGURE]
    high: Annotated[float, _FIGURE]
    sequences: Annotated[int, _WHOLE]
    model: Annotated[str, _NAME]
    model_link: Annotated[str | None, _LINK]
    paper_link: Annotated[str | None, _LINK]
    parameters: Annotated[int | None, _WHOLE._replace(empty=None)]
    train_seed: Annotated[int | None, _WHOLE._replace(empty=None)]
    seed: Annotated[int, _WHOLE]
    trust: Annotated[str, CellRule("a degree of trust", re.compile(r"[a-z][a-z-]{0,19}"), str)]
    data_sha256: Annotated[str, _DIGEST]
    weights_sha256: Annotated[str | None, _DIGEST._replace(empty=None)]
    metric_version: Annotated[int, _WHOLE]
    physbench_version: Annotated[str, _VERSION]
    torch_version: Annotated[str | None, _VERSION._replace(empty=None)]
    device: Annotated[
        str | None, CellRule("cpu, cuda, cuda:1 or the like", re.compile(r"[a-z]{1,12}(:[0-9]{1,3})?"), str, None)
    ]
    batch: Annotated[int, _WHOLE._replace(pattern=re.compile(r"[1-9][0-9]{0,9}"))]
    seconds: Annotated[float, _FIGURE._replace(empty=...)]
    date: Annotated[str, _DATE]
    notes: Annotated[tuple[str, ...], _NOTES]
    line: int = field(default=0, compare=False)  # its number in the file


@dataclass(frozen=True)
class Submission:
    """The rows of one file."""

    rows: tuple[Row, ...]

    def to_csv(self) -> str:
        """Write the table in the form that is stored and digested, however the original was quoted."""
        text = io.StringIO()
        table = csv.writer(text, lineterminator="\n")
        table.writerow(COLUMNS)
        table.writerows([_write(getattr(row, name)) for name in COLUMNS] for row in self.rows)
        return text.getvalue()

    @property
    def sha256(self) -> str:
        """The digest of the table in its stored form."""
        return hashlib.sha256(self.to_csv().encode()).hexdigest()


class CellRule(NamedTuple):
    """A rule for the cells of a column."""

    wanted: str  # what a cell must be, in words
    pattern: re.Pattern[str]
    typed: Callable[[str], Any]  # converts the text, or raises ValueError
    empty: Any = ...  # the value of an empty cell; ... if it must not be empty


def read(path: Path) -> Submission:
    """Read the rows of a file, or raise an error that says in one line what is wrong."""
    submission, problems = examine(path)
    if problems:
        raise SubmissionError(list_problems(path, problems))
    return submission


def examine(path: Path) -> tuple[Submission, list[str]]:
    """Read a file. Return the rows that can be read, and sentences about what is wrong with the others."""
    try:
        text = _text(path)
    except SubmissionError as error:
        return Submission(()), [str(error)]
    rows: list[Row] = []
    found: list[tuple[int, str]] = []  # lines, and what is wrong with them
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        if wrong := _wrong_header(next(lines, list[str]())):
            return Submission(()), [wrong]
        for cells in lines:
            if len(rows) == MOST_ROWS:
                return Submission(()), [f"more than {MOST_ROWS:,} rows"]
            if len(found) > FAR_TOO_MANY:
                break
            if cells:
                row = _row(cells, lines.line_num, found)
                rows += [row] if row else []
    except csv.Error as error:
        found.append((lines.line_num, f": this is not valid CSV ({error})"))
    problems = _say_once(found)
    if not rows and not problems:
        problems.append("there is a header and no rows")
    return Submission(tuple(rows)), problems


def cell_of(column: str, text: str) -> Any:
    """Convert the text of a cell to its type, or raise an error that says what is wrong with it."""
    cell = CELLS[column]
    try:
        if not cell.pattern.fullmatch(text):
            raise ValueError
        return cell.typed(text)
    except ValueError:
        why = ", and it would be a formula in a spreadsheet" if is_formula(text) else ""
        raise SubmissionError(f"{column}: {quote(text) if text else 'nothing'} is not {cell.wanted}{why}") from None


def list_problems(path: Path, problems: list[str]) -> str:
    """Return one line with some of the problems, and the number of the others."""
    more = f"; and {len(problems) - MOST_PROBLEMS:,} more" if len(problems) > MOST_PROBLEMS else ""
    return f"{path.name} cannot be listed: {'; '.join(problems[:MOST_PROBLEMS])}{more}"


def quote(text: str) -> str:
    """Make untrusted text safe for a message: short, and without control characters."""
    return ascii(text if len(text) <= 40 else text[:37] + "...")


def _text(path: Path) -> str:
    try:
        with open_regular_file(path) as file:  # what it is comes before its size
            beginning = file.read(LONGEST_MAGIC)
        for start, kind in KINDS_OF_FILES.items():
            if beginning.startswith(start):
                raise SubmissionError(
                    f"this is {kind}, not CSV: `physbench eval --csv FILE` writes what is listed here"
                )
        content = read_regular_file(path, MOST_BYTES)
    except StorageError as error:
        raise SubmissionError(str(error)) from None
    if content.startswith(b"\xef\xbb\xbf"):
        raise SubmissionError("it begins with a byte-order mark: save it as plain UTF-8")
    if b"\0" in content:
        raise SubmissionError("it holds NUL bytes: this is not text")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SubmissionError(f"byte {error.start:,} is not UTF-8") from None


def _wrong_header(header: list[str]) -> str | None:
    if tuple(header) == COLUMNS:
        return None
    if missing := [name for name in COLUMNS if name not in header]:
        return f"line 1: the header lacks {', '.join(missing[:4])}{' and others' if len(missing) > 4 else ''}"
    if twice := [name for name in COLUMNS if header.count(name) > 1]:
        return f"line 1: the header names {', '.join(twice[:4])} more than once"
    if unknown := [name for name in header if name not in COLUMNS]:
        return f"line 1: no column is called {quote(unknown[0])}"
    return f"line 1: the columns are in another order than {', '.join(COLUMNS[:3])}, ..."


def _say_once(found: list[tuple[int, str]]) -> list[str]:
    """What is wrong in many lines is said of the first one, with the number of the others."""
    lines: dict[str, list[int]] = {}
    for line, problem in found:
        lines.setdefault(problem, []).append(line)
    return [
        f"line {at[0]}{problem}" + (f" (and in {len(at) - 1:,} more lines)" if len(at) > 1 else "")
        for problem, at in lines.items()
    ]


def _row(cells: list[str], line: int, problems: list[tuple[int, str]]) -> Row | None:
    if len(cells) != len(COLUMNS):
        problems.append((line, f": {len(cells)} cells where the header has {len(COLUMNS)}"))
        return None
    values: list[Any] = []
    for name, text in zip(COLUMNS, cells, strict=True):
        cell = CELLS[name]
        if not text and cell.empty is not ...:
            values.append(cell.empty)
            continue
        try:
            values.append(cell_of(name, text))
        except SubmissionError as error:
            problems.append((line, f", {error}"))
    return Row(*values, line=line) if len(values) == len(COLUMNS) else None


def _number(text: str) -> float:
    number = float(text)
    if not abs(number) <= LARGEST:
        raise ValueError(text)
    return number


def _date(text: str) -> str:
    if not 2020 <= date.fromisoformat(text).year < 2100:
        raise ValueError(text)
    return text


def _notes(text: str) -> tuple[str, ...]:
    notes = tuple(text.split(" "))
    costs = [kind for kind in (note.rpartition("-")[0] for note in notes) if kind in TrainingCost.KINDS]  # each once
    if len(set(costs)) != len(costs):
        raise ValueError(text)
    if len(set(notes)) != len(notes) or not all(note in NOTES or NUMBERED_NOTE.fullmatch(note) for note in notes):
        raise ValueError(text)
    return notes


def _write(value: Any) -> str:
    if value is None or value != value:
        return ""
    return (
        repr(value)
        if isinstance(value, float)
        else " ".join(cast("tuple[str, ...]", value))
        if isinstance(value, tuple)
        else str(value)
    )


NUMBERED_NOTE = re.compile(
    rf"samples-[1-9][0-9]{{0,4}}|{OWN_NOTE.pattern}|sequences-[1-9][0-9]{{0,14}}|"
    r"[cg]pu-hours-(?!0\.00)(0|[1-9][0-9]{0,6})\.[0-9]{2}|"
    r"(gaussian|set-[A-Za-z_][A-Za-z0-9_]{0,39})--?[0-9]{1,12}(\.[0-9]{1,17})?"
)

_FIGURE = CellRule(
    f"a decimal number of at most {LARGEST:g}",
    re.compile(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,30})?(e[+-]?[0-9]{1,3})?"),
    _number,
    math.nan,
)
_WHOLE = CellRule("a whole number", re.compile(r"0|[1-9][0-9]{0,18}"), int)
_DIGEST = CellRule("a SHA-256 digest of 64 small hexadecimal digits", re.compile(r"[0-9a-f]{64}"), str)
_VERSION = CellRule("a version", re.compile(r"[0-9][0-9A-Za-z.+]{0,39}"), str)
_NAME = CellRule(
    "a name: at most 64 letters, digits and _ . + : -, the first a letter or digit",
    re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+:-]{0,63}"),
    str,
)
_LINK = CellRule(
    "an https link of at most 200 plain characters",
    re.compile(
        r"(?=.{1,200}\Z)https://([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}"
        r"(/[A-Za-z0-9._~/?#&=%+,:-]*)?"
    ),
    str,
    None,
)
_DATE = CellRule("a date of this century, as 2030-12-31", re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"), _date)
_NOTES = CellRule(
    f"made of {', '.join(NOTES)}, samples-N, gaussian-SIGMA, likelihood-NAME-NUMBER, set-NAME-NUMBER, cpu-hours-N.NN,"
    " gpu-hours-N.NN and sequences-N, with one space between",
    re.compile(r"[A-Za-z0-9_.-]+( [A-Za-z0-9_.-]+)*"),
    _notes,
    (),
)

CELLS: dict[str, CellRule] = {
    name: hint.__metadata__[0] for name, hint in get_type_hints(Row, include_extras=True).items() if name in COLUMNS
}
"""The rule of each column."""
