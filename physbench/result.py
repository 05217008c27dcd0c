"""The result of an evaluation: scores with intervals, where they come from, and a table of them as CSV."""

import csv
import io
import json
import math
import unicodedata
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import HostileFile, StorageError
from physbench.files import require_regular_file, write_whole
from physbench.npz import read_npz

METRIC_VERSION = 2

ENOUGH = 64
"""How many sequences a reliable interval needs. With fewer, it is too narrow; docs/statistics.md says by how much."""

NARROW = "~"
"""The mark after an interval of fewer sequences than ENOUGH."""

SUMS = "per-sequence sums (physbench eval ... --per-sequence)"

MOST_ARRAYS, MOST_BYTES = 4_096, 1 << 28
"""The limits of a file with per-sequence sums."""

LARGEST = 1e100
"""The largest number in such a file; sums of these cannot overflow."""

NOTES = {
    "own-code": "made by running the user's own code",
    "isolated": "run in a process of its own, which was sent one frame at a time, each after it had predicted it",
    "privileged": "it was told the truth: it measures the benchmark, not a model",
    "predictions-file": (
        "scored from a file: it was not observed that each prediction was made before its frame was shown"
    ),
    "self-computed-likelihood": "the log-likelihoods are the model's own",
    "trained-less-than-the-paper": "trained for less than its paper did",
}


def describe_note(note: str) -> str:
    """Return a note in words."""
    stem, _, number = note.partition("-")
    if stem == "set":
        name, _, value = number.partition("-")
        return f"it was given {name} {value}, where it usually has another number"
    if stem == "likelihood":
        return f"its likelihoods are densities of its own kind, {number}"
    kind, _, count = note.rpartition("-")
    costs = {
        "cpu-hours": f"it was trained for {count} core-hours of a CPU",
        "gpu-hours": f"it was trained for {count} hours of a GPU",
        "sequences": f"it was trained on {int(count):,} sequences" if count.isdecimal() else note,
    }
    if kind in costs:
        return costs[kind]
    spoken = {
        "samples": f"its mean is the average of {number} samples",
        "gaussian": f"its likelihoods are densities, of normal pixels with sigma {number}",
    }
    return NOTES.get(note) or spoken.get(stem, note)


COLUMNS = (
    "suite",
    "suite_version",
    "size",
    "task",
    "metric",
    "value",
    "low",
    "high",
    "sequences",
    "model",
    "model_link",
    "paper_link",
    "parameters",
    "train_seed",
    "seed",
    "trust",
    "data_sha256",
    "weights_sha256",
    "metric_version",
    "physbench_version",
    "torch_version",
    "device",
    "batch",
    "seconds",
    "date",
    "notes",
)
"""The columns of the CSV, in order; see the contract of the leaderboard."""


@dataclass(frozen=True)
class Score:
    """One figure of a task, with its 95 % interval."""

    task: str
    metric: str
    value: float  # NaN where there is none
    low: float
    high: float
    sequences: int
    contributing: int | None = None  # sequences whose denominator is not 0; None where that is not known

    @property
    def is_narrow(self) -> bool:
        """Return whether there is an interval that is too narrow, because it is of too few sequences."""
        return self.contributing is not None and self.contributing < ENOUGH and math.isfinite(self.low)


@dataclass(frozen=True)
class Provenance:
    """Everything that must be known about a number before it is compared with another."""

    model: str
    suite: str
    suite_version: int
    size: str
    seed: int
    batch: int
    device: str
    seconds: float
    date: str
    physbench_version: str
    data_sha256: dict[str, str]  # per task
    metric_version: int = METRIC_VERSION
    parameters: int | None = None
    weights_sha256: str | None = None
    train_seed: int | None = None
    model_link: str | None = None
    paper_link: str | None = None
    torch_version: str | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know: keys of NOTES, samples-N, gaussian-SIGMA and the like; see `describe_note`."""
    data_file: str | None = None
    """Name of the user's own file, which was scored on instead of the data of the suite."""

    @property
    def title(self) -> str:
        """Name what was scored, and on what."""
        return f"{self.model} on {self.data_file or self.suite}"

    @property
    def extent(self) -> str:
        """Name the questions, with their version, and which sequences they were asked about."""
        asked = f"{self.suite} v{self.suite_version}, {self.size}"
        return f"asked as in {asked}" if self.data_file else asked


@dataclass(frozen=True)
class Result:
    """All scores of an evaluation, with the sums that they were computed from."""

    scores: tuple[Score, ...]
    provenance: Provenance
    sums: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(repr=False)
    """Per task and metric: the numerators and denominators of the sequences, (N,) each."""
    curves: dict[tuple[str, str], list[float]] = field(default_factory=dict[Any, Any], repr=False)
    """Per task and metric: the figure of each step."""
    left_out: tuple[str, ...] = ()
    """Figures that stay out of the CSV: those of metrics of other packages, on a suite that comes with physbench."""

    def score(self, task: str, metric: str) -> Score:
        """Return the score of a metric on a task."""
        return next(score for score in self.scores if (score.task, score.metric) == (task, metric))

    def to_csv(self) -> str:
        """Return a CSV with one row per task and metric; a cell is empty where there is no value.

        Figures that are `left_out` have no row: a table holds nothing that others cannot compute.
        """
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        origin = self.provenance
        for score in (score for score in self.scores if score.metric not in self.left_out):
            table.writerow(
                {
                    **{name: _cell(getattr(origin, name)) for name in COLUMNS if hasattr(origin, name)},
                    "task": score.task,
                    "metric": score.metric,
                    **{name: _number(getattr(score, name)) for name in ("value", "low", "high")},
                    "sequences": score.sequences,
                    "trust": "self-reported",
                    "data_sha256": origin.data_sha256[score.task.split("/")[0].split(":")[0]],
                    "notes": " ".join(origin.notes),
                }
            )
        return text.getvalue()

    def save_sums(self, path: Path) -> None:
        """Save the numerators and denominators of every sequence, for paired comparisons."""
        arrays: dict[str, NDArray[np.float64]] = {}
        for (task, metric), (numerator, denominator) in self.sums.items():
            arrays |= {f"{task}|{metric}|numerator": numerator, f"{task}|{metric}|denominator": denominator}
        content = io.BytesIO()
        np.savez_compressed(
            content, allow_pickle=False, provenance=np.array(json.dumps(asdict(self.provenance))), **arrays
        )
        write_whole(path, content.getvalue())


@dataclass(frozen=True)
class ScoredRun:
    """An evaluation, as far as `save_sums` has saved it."""

    provenance: dict[str, Any]
    sums: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(repr=False)


def load_run(path: Path) -> ScoredRun:
    """Read per-sequence sums. The file may come from anyone, so every size is checked and nothing is unpickled."""
    require_regular_file(path, MOST_BYTES)
    if not zipfile.is_zipfile(path):
        raise StorageError(
            f"{path} is no file of per-sequence sums, which `physbench eval --per-sequence FILE.npz` writes"
        )
    arrays = read_npz(path, SUMS, most_arrays=MOST_ARRAYS, most_bytes=MOST_BYTES)
    try:
        provenance: Any = json.loads(str(arrays["provenance"][()]))
        sums = {(task, metric): pair for task, metric, pair in _pairs(arrays)}
    except (KeyError, ValueError, RecursionError) as error:
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StorageError(f"{path} does not hold {SUMS}: {said[:120]}") from None
    if not isinstance(provenance, dict) or not {
        "model",
        "suite",
        "suite_version",
        "size",
        "data_sha256",
        "metric_version",
    } <= set(cast("dict[str, Any]", provenance)):
        raise HostileFile(f"{path} does not say what its sums are of")
    return ScoredRun(cast("dict[str, Any]", provenance), sums)


def is_formula(text: str) -> bool:
    """Return whether a spreadsheet would take a text for a formula.

    Some spreadsheets ignore invisible characters at the beginning, and accept wide and small forms of a sign.
    """
    plain = unicodedata.normalize("NFKC", text)
    begun = next((sign for sign in plain if not sign.isspace() and unicodedata.category(sign)[0] != "C"), "")
    return begun in tuple("=+-@") or text.startswith(("\t", "\r"))


def plain_cell(value: Any) -> Any:
    """Return a value that is safe in a cell, because the name of a model can be any text.

    A quote in front of a formula makes it text. Characters that cannot be printed are replaced: a carriage return, for
    example, would end the row.
    """
    if not isinstance(value, str):
        return value
    text = "".join(sign if sign.isprintable() else "?" for sign in value)
    return f"'{text}" if is_formula(text) else text


def _pairs(
    arrays: Mapping[str, NDArray[Any]],
) -> Iterator[tuple[str, str, tuple[NDArray[np.float64], NDArray[np.float64]]]]:
    for name in (name for name in arrays if name.endswith("|numerator")):
        task, metric, _ = name.split("|")
        pair = arrays[name], arrays[f"{task}|{metric}|denominator"]
        if any(part.ndim != 1 or part.dtype != np.float64 or not 0 < len(part) == len(pair[0]) for part in pair):
            raise ValueError(f"{task} {metric} is not a number per sequence")
        if any((np.abs(part[np.isfinite(part)]) > LARGEST).any() for part in pair):
            raise ValueError(f"{task} {metric} holds a number beyond {LARGEST:g}")
        yield task, metric, pair


def _cell(value: Any) -> Any:
    return "" if value is None else plain_cell(value)


def _number(value: float) -> str:
    return repr(float(value)) if math.isfinite(value) else ""
