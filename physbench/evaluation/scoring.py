"""Computation of every figure that an answer and the ground truth allow. The contribution of a sequence depends only on
that sequence."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import PhysbenchError
from physbench.evaluation.examples import Examples
from physbench.evaluation.window import Answer
from physbench.metrics.catalogue import METRICS, all_metrics
from physbench.metrics.evidence import Evidence
from physbench.metrics.memory_probe import MemoryProbe
from physbench.metrics.metric import Metric
from physbench.metrics.probe import Probe, Reading
from physbench.metrics.sums import Sums, last
from physbench.model import Likelihood
from physbench.suites import Asking

Named = dict[str, Sums]  # metric -> (B, steps)


def score_answer(
    asking: Asking,
    answer: Answer,
    examples: Examples,
    likelihood: Likelihood,
    *,
    rates: Sequence[float] | None = None,
    probe: Probe | MemoryProbe | None = None,
    scored_slots: NDArray[np.bool_] | None = None,
) -> Named:
    """Compute the metrics whose needs are met, and leave out the others.

    rates: the result of `memoryless_rates` over all sequences of the evaluation; without it there is no permanence_bce.
    probe: a probe fitted to the codes of other images or sequences; without it, codes are not probed.
    scored_slots: the result of `find_scored_slots` over all sequences of the evaluation, where memories are shown.
    """
    labels = {"groups": examples.groups, "collisions": examples.collisions}
    evidence = Evidence(
        asking,
        examples.frames,
        likelihood,
        means=answer.means,
        owners=answer.owners,
        log_likelihoods=answer.log_likelihoods,
        boxes=answer.boxes,
        truth={**examples.truth, **{name: array for name, array in labels.items() if array is not None}},
        events=examples.events,
        rates=rates,
        box_side=examples.box_side,
        scored_slots=scored_slots,
        reading=Reading(probe, answer.codes) if isinstance(probe, Probe) and answer.codes is not None else None,
        memory=probe.read(answer.codes) if isinstance(probe, MemoryProbe) and answer.codes is not None else None,
    )
    figures: Named = {}
    lasts: Named = {}
    for metric in all_metrics().values():
        if asking.kind in metric.asked_of and evidence.has.issuperset(metric.needs):
            for name, sums in _name_figures(metric, evidence):
                figures[name] = sums
                if metric.last and asking.kind == "window":
                    lasts[f"{name}_last"] = last(sums)
    return figures | lasts


def _name_figures(metric: Metric, evidence: Evidence) -> Iterator[tuple[str, Sums]]:
    """Yield the figures of one metric with their names in results."""
    assert metric.function is not None
    found: Any = metric.function(evidence)
    if metric.name not in METRICS:
        _require_sums(metric, found, evidence)
    if metric.indices is not None and not isinstance(found, Sums):
        yield from ((f"{metric.name}[{index}]", sums) for index, sums in found.items())
    else:
        sample = getattr(evidence.asking, "sample", 0)
        yield f"{metric.name}[{sample + 1}]" if evidence.asking.kind == "samples" else metric.name, found


def _require_sums(metric: Metric, found: Any, evidence: Evidence) -> None:
    """Refuse what the metric of another package returns if it cannot be added up."""
    indexed = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    figures: list[Any] = [*indexed.values()] if metric.indices is not None else [found]
    rows = [f"{metric.name}[{index}]" for index in indexed]
    if metric.indices is not None and tuple(rows) != metric.rows(evidence.asking):
        raise PhysbenchError(
            f"the metric {metric.name} returned {', '.join(rows) or 'no dict'}, not a dict of Sums by each of its"
            " indices in order"
        )
    for each in figures:
        parts = (each.numerator, each.denominator) if isinstance(each, Sums) else ()
        count = len(evidence.frames)
        if not parts or any(
            part.dtype != np.float64 or part.shape[:1] != (count,) or part.shape != parts[0].shape for part in parts
        ):
            raise PhysbenchError(
                f"the metric {metric.name} returned no Sums of float64 numbers for each of {count} sequences: see"
                " physbench.metrics.sums"
            )
