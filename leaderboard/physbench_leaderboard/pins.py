"""The scores of the reference rows on the pinned data, with which other figures are checked.

They come with the package.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from physbench.model import CLIP
from physbench_leaderboard.entries import entries
from physbench_leaderboard.submission import Row, SubmissionError, read

REFERENCES = "references.csv"
"""The file of the reference rows, written by `python -m physbench_leaderboard.reference_rows`."""

PACKAGE = Path(__file__).parent

CHEAPEST = -math.log1p(-CLIP)
"""The cross-entropy of a pixel that is predicted with certainty and correctly."""


@dataclass(frozen=True)
class ReferencePins:
    """The scores of the reference rows.

    values: by suite, suite version, size, metric version and model, then by task and metric.
    """

    values: Mapping[tuple[str, int, str, int, str], Mapping[tuple[str, str], float]]

    def of(self, row: Row, model: str) -> Mapping[tuple[str, str], float]:
        """Return the scores of a reference row on the same data as `row`; empty if they are not known."""
        return self.values.get((row.suite, row.suite_version, row.size, row.metric_version, model), {})

    def pixels(self, row: Row, task: str) -> float:
        """Return how many pixels a frame of a task has, from the cost of the oracle; infinity if it is not known."""
        oracle = self.of(row, "oracle")
        cost = next(
            (abs(oracle[task, name]) for name in ("bce", "rollout_bce[1]", "log_likelihood") if (task, name) in oracle),
            math.inf,
        )
        return cost / CHEAPEST


def pins_of(rows: Iterable[Row]) -> ReferencePins:
    """Collect the scores of reference rows."""
    return ReferencePins(
        {
            (at.suite, at.suite_version, at.size, at.metric_version, at.model): {
                key: row.value for key, row in entry.rows.items()
            }
            for entry in entries(rows)
            for at in [entry.who]
        }
    )


def bundled_folder() -> Path:
    """Return the folder of submissions that comes with the package, whether it is installed or a checkout."""
    installed = PACKAGE / "submissions"
    return installed if installed.is_dir() else PACKAGE.parent / "submissions"


def require_not_installed(folder: Path) -> None:
    """Raise an error if a folder belongs to the installed package, where a new version would remove changes."""
    if folder.resolve().is_relative_to(PACKAGE.resolve()):
        raise SubmissionError(
            f"{folder} belongs to the installed package, which must not be changed: name your own folder with --folder"
        )


@cache
def load_pins() -> ReferencePins:
    """Load the scores of the reference rows that come with the package."""
    path = bundled_folder() / REFERENCES
    return pins_of(read(path).rows) if path.is_file() else ReferencePins({})
