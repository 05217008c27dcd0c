"""Two runs on the same sequences: which is better, or that they cannot be told apart. Paired, so far sharper than two intervals side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from physbench.errors import PhysbenchError
from physbench.metrics.bootstrap import Comparison
from physbench.metrics.bootstrap import compare as paired
from physbench.metrics.catalogue import find
from physbench.metrics.sums import Sums

if TYPE_CHECKING:
    from physbench.result import Run

SAME = ("suite", "suite_version", "size", "data_sha256", "metric_version")
"""What two runs must have in common to be compared."""


@dataclass(frozen=True)
class Line:
    task: str
    metric: str
    comparison: Comparison


def compare(a: Run, b: Run) -> list[Line]:
    """Every figure that both have and that has a better direction."""
    for name in SAME:
        if a.provenance[name] != b.provenance[name]:
            raise PhysbenchError(f"these runs cannot be compared: their {name} is {a.provenance[name]!r} and {b.provenance[name]!r}")
    lines: list[Line] = []
    for task, metric in a.sums:
        better = find(metric).better
        if (task, metric) in b.sums and better != "neither":
            lines.append(Line(task, metric, paired(Sums(*a.sums[task, metric]), Sums(*b.sums[task, metric]), better=better)))
    return lines
