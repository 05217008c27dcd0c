"""Fit the probes of a model: show it training images, and learn to read the factors of their objects off the codes of its slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.evaluation.examples import source_of
from physbench.metrics.card import FACTORS
from physbench.metrics.grouping import contingency
from physbench.metrics.probe import Probe, factor_of, objects_of
from physbench.suites import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.evaluate import Extent
    from physbench.evaluation.meter import Meter
    from physbench.evaluation.window import Answers
    from physbench.suites import Task

MOST = 1_000
"""Training images."""


def count_examples(chosen: Extent) -> dict[str, int]:
    """Say how many images probes are fitted to, by the name of a task."""
    if chosen.data is not None:
        return {}
    return {task.name: min(MOST, chosen.count) for task in chosen.suite.tasks if any(isinstance(asking, Image) for asking in task.askings)}


def fit_probes(answers: Answers, task: Task, chosen: Extent, batch: int, meter: Meter) -> dict[Any, Probe]:
    """Fit one probe for each Image that a task asks about; none where the model gives no codes or owners, or the data lack factors."""
    images = [asking for asking in task.askings if isinstance(asking, Image)]
    fitted = {asking: _fit(answers, task, asking, chosen, batch, meter) for asking in images if task.name in count_examples(chosen)}
    return {asking: probe for asking, probe in fitted.items() if probe}


def _fit(answers: Answers, task: Task, asking: Image, chosen: Extent, batch: int, meter: Meter) -> Probe | None:
    source = source_of(task, split="training", fresh=chosen.fresh)
    codes: list[NDArray[np.float64]] = []
    factors: dict[str, list[NDArray[np.float64]]] = {}
    count = count_examples(chosen)[task.name]
    for start in range(0, count, batch):
        examples = source.examples(start, min(start + batch, count))
        meter.begin_block(task, len(examples.places))
        names = [name for name in FACTORS if name in examples.truth]
        if examples.groups is None or not names:
            return None
        answer = answers(task, asking, examples, source, start)
        if answer.codes is None or answer.owners is None:
            return None
        tables = contingency(answer.owners, examples.groups[:, asking.frame : asking.frame + 1])[:, 0]
        image, thing, slot = objects_of(tables, answer.codes.shape[1])
        codes.append(answer.codes[image, slot].astype(np.float64))
        for name in names:
            factors.setdefault(name, []).append(factor_of(examples.truth, name)[image, thing])
        meter.end_block()
    if not sum(map(len, codes)):
        return None
    return Probe.fit(np.concatenate(codes), {name: np.concatenate(parts) for name, parts in factors.items()})
