"""Test of whether weights may be released in a smaller form: big matrices as int8, if no score changes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from physbench.metrics.catalogue import find, stands_in_tables
from physbench.metrics.significance import p_value
from physbench.metrics.sums import Sums
from physbench.result import Result, Score
from physbench_baselines.adapter import TorchModel
from physbench_baselines.checkpoint import model, save
from physbench_baselines.containers import arrays

if TYPE_CHECKING:
    import torch

    from physbench_baselines.releasing.scoring_options import Scoring

TOLERANCE = 0.005
"""The largest difference of a score that does not count.

It is relative to the score in float32; for scores that are at most 1, such as a share or a Rand index, it is absolute.
"""

CHANCE = 0.05
"""A difference does not count either if its p-value, on enough of the same sequences, is above this.

In a model that draws random numbers, the last bit of a weight changes what is drawn.
"""


@dataclass(frozen=True)
class PrecisionComparison:
    """Two results of the same network, in float32 and in the smaller form."""

    exact: Result  # float32
    small: Result  # int8 and float16

    @property
    def agreed(self) -> bool:
        """Whether no score differs too much."""
        return all(difference <= TOLERANCE for difference in self._differences().values())

    def to_card(self) -> dict[str, Any]:
        """Return the comparison as a card stores it."""
        differences = self._differences()
        task, metric = max(differences, key=lambda key: differences[key])
        return {
            "suite": self.exact.provenance.suite,
            "suite_version": self.exact.provenance.suite_version,
            "size": self.exact.provenance.size,
            "tolerance": TOLERANCE,
            "agreed": self.agreed,
            "largest": {"task": task, "metric": metric, "difference": _plain(differences[task, metric])},
            "figures": [
                {
                    "task": each.task,
                    "metric": each.metric,
                    "float32": _plain(each.value),
                    "int8": _plain(self.small.score(each.task, each.metric).value),
                }
                for each in self.exact.scores
            ],
        }

    def _differences(self) -> dict[tuple[str, str], float]:
        """Return the differences of the scores that stand in tables."""
        told = [
            each for each in self.exact.scores if stands_in_tables(each.metric) and not each.metric.endswith("_std")
        ]
        return {(each.task, each.metric): self._difference(each) for each in told}

    def _difference(self, exact: Score) -> float:
        apart = difference(exact.metric, exact.value, self.small.score(exact.task, exact.metric).value)
        place = exact.task, exact.metric
        if apart <= TOLERANCE or exact.is_narrow or place not in self.exact.sums or place not in self.small.sums:
            return apart
        return 0.0 if p_value(*(Sums(*run.sums[place]) for run in (self.exact, self.small))) > CHANCE else apart


def difference(metric: str, exact: float, small: float) -> float:
    """Return how far two scores differ; infinite if only one of them is a number."""
    if exact == small or (math.isnan(exact) and math.isnan(small)):
        return 0.0
    apart = abs(small - exact)
    if math.isnan(apart):
        return math.inf
    return apart if find(metric).bounds[1] == 1 else apart / abs(exact) if exact else math.inf


def has_big_matrices(network: torch.nn.Module) -> bool:
    """Return whether a network has matrices that are stored as int8."""
    return any(tensor.ndim == 2 and tensor.numel() > arrays.MANY for tensor in network.state_dict().values())


def compare_precisions(
    network: torch.nn.Module,
    suite: str,
    *,
    name: str,
    card: Mapping[str, Any],
    how: Scoring,
) -> PrecisionComparison:
    """Score the same network twice, the second time in the form in which it would be released."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.safetensors"
        save(path, network, card=card, half=True, quantise=True)
        small = how.result_of(model(path, device=how.device), suite, name=name)
    exact = how.result_of(TorchModel(cast("Any", network), device=how.device), suite, name=name)
    return PrecisionComparison(exact, small)


def _plain(value: float) -> float | None:
    return value if math.isfinite(value) else None
