"""Fit the probes of a model: show it training images, and learn to read the factors of their objects off the codes of its slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.evaluation.examples import source_of
from physbench.metrics.grouping import contingency
from physbench.metrics.probe import FACTORS, Probe, factor_of, objects_of
from physbench.suites import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.evaluate import Extent
    from physbench.evaluation.window import Answers
    from physbench.suites import Task

MOST = 1_000
"""Training images."""


def fit_probes(answers: Answers, task: Task, chosen: Extent, batch: int) -> dict[Any, Probe]:
    """Fit one probe for each Image that a task asks about; none where the model gives no codes or owners, or the data lack factors."""
    probes: dict[Any, Probe] = {}
    for asking in task.askings:
        if isinstance(asking, Image) and chosen.data is None and (probe := _fit(answers, task, asking, chosen, batch)):
            probes[asking] = probe
    return probes


def _fit(answers: Answers, task: Task, asking: Image, chosen: Extent, batch: int) -> Probe | None:
    source = source_of(task, split="training", fresh=chosen.fresh)
    codes: list[NDArray[np.float64]] = []
    factors: dict[str, list[NDArray[np.float64]]] = {}
    count = min(MOST, chosen.count)
    for start in range(0, count, batch):
        examples = source.examples(start, min(start + batch, count))
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
    if not sum(map(len, codes)):
        return None
    return Probe.fit(np.concatenate(codes), {name: np.concatenate(parts) for name, parts in factors.items()})
