"""What the reference rows score on the pinned data: against this, every other figure can be checked. Comes with the
package."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from physbench.model import CLIP
from physbench_leaderboard.entries import entries
from physbench_leaderboard.submission import Row, SubmissionError, read

REFERENCES = "references.csv"
"""Written by `python -m physbench_leaderboard.reference_rows`."""

PACKAGE = Path(__file__).parent

CHEAPEST = -math.log1p(-CLIP)
"""What a pixel costs that is certain and right."""


@dataclass(frozen=True)
class ReferencePins:
    """By suite, version, size, metric version and model: values by task and metric."""

    values: Mapping[tuple[str, int, str, int, str], Mapping[tuple[str, str], float]]

    def of(self, row: Row, model: str) -> Mapping[tuple[str, str], float]:
        """Of a reference row, on the data that a row is of; empty where they are not known."""
        return self.values.get((row.suite, row.suite_version, row.size, row.metric_version, model), {})

    def pixels(self, row: Row, task: str) -> float:
        """In a frame of a task: the oracle pays the least for each. Infinity where it is not known."""
        oracle = self.of(row, "oracle")
        cost = next(
            (abs(oracle[task, name]) for name in ("bce", "rollout_bce[1]", "log_likelihood") if (task, name) in oracle),
            math.inf,
        )
        return cost / CHEAPEST


def pins_of(rows: Iterable[Row]) -> ReferencePins:
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
    """The submissions that come with the package, in an installed one and in a checkout."""
    installed = PACKAGE / "submissions"
    return installed if installed.is_dir() else PACKAGE.parent / "submissions"


def require_not_installed(folder: Path) -> None:
    """What a package manager put there is not ours to change, and is gone with the next version."""
    if folder.resolve().is_relative_to(PACKAGE.resolve()):
        raise SubmissionError(
            f"{folder} belongs to the installed package, which is not written into: name a folder of your own with"
            " --folder"
        )


@cache
def load_pins() -> ReferencePins:
    path = bundled_folder() / REFERENCES
    return pins_of(read(path).rows) if path.is_file() else ReferencePins({})
