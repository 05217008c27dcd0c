"""What an evaluation found: scores with intervals, where they come from, and the table of them as CSV."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

METRIC_VERSION = 1

COLUMNS = (
    "suite", "suite_version", "size", "task", "metric", "value", "low", "high", "sequences", "model", "model_link", "paper_link", "parameters",
    "train_seed", "seed", "trust", "data_sha256", "weights_sha256", "metric_version", "physbench_version", "torch_version", "device", "batch",
    "seconds", "date",
)  # fmt: skip
"""Of the CSV, in order; see the contract of the leaderboard."""


@dataclass(frozen=True)
class Score:
    task: str
    metric: str
    value: float  # NaN where there is none
    low: float
    high: float
    sequences: int


@dataclass(frozen=True)
class Provenance:
    """Everything that a number needs to be compared with another."""

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
    data_sha256: dict[str, str]  # per dataset
    metric_version: int = METRIC_VERSION


@dataclass(frozen=True)
class Result:
    scores: tuple[Score, ...]
    provenance: Provenance
    sums: dict[tuple[str, str], tuple[NDArray[np.float64], NDArray[np.float64]]] = field(repr=False)
    """Per task and metric: the numerators and denominators of the sequences, (N,) each."""

    def score(self, task: str, metric: str) -> Score:
        return next(score for score in self.scores if (score.task, score.metric) == (task, metric))

    def to_csv(self) -> str:
        """One tidy row per task and metric; empty where there is nothing to say."""
        text = io.StringIO()
        table = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
        table.writeheader()
        origin = self.provenance
        for score in self.scores:
            table.writerow(
                {
                    **{name: getattr(origin, name) for name in COLUMNS if hasattr(origin, name)},
                    "task": score.task,
                    "metric": score.metric,
                    **{name: _number(getattr(score, name)) for name in ("value", "low", "high")},
                    "sequences": score.sequences,
                    "trust": "self-reported",
                    "data_sha256": origin.data_sha256[score.task.split("/")[0].split(":")[0]],
                }
            )
        return text.getvalue()

    def save_sums(self, path: Path) -> None:
        """Numerators and denominators of every sequence, for paired comparisons."""
        arrays: dict[str, NDArray[np.float64]] = {}
        for (task, metric), (numerator, denominator) in self.sums.items():
            arrays |= {f"{task}|{metric}|numerator": numerator, f"{task}|{metric}|denominator": denominator}
        np.savez_compressed(path, allow_pickle=False, **arrays)


def _number(value: float) -> str:
    return "" if math.isnan(value) else repr(float(value))
