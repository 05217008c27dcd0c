"""Fitting of the probes of a model.

For images, the model is shown training images, and a probe learns to read the factors of their objects from the codes
of its slots. For memories, it is shown training sequences, and a probe learns to read the memory of the console from
its codes of the frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import ModelError
from physbench.evaluation.examples import source_of
from physbench.evaluation.scored_slots import require_ram
from physbench.metrics.grouping import contingency
from physbench.metrics.memory_probe import MemoryProbe
from physbench.metrics.metric import FACTORS
from physbench.metrics.probe import Probe, factor_of, objects_of
from physbench.suites import Codes, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.evaluate import Extent
    from physbench.evaluation.meter import Meter
    from physbench.evaluation.window import Answers
    from physbench.suites import Task

MOST = 1_000
"""The most training images, or training sequences, that a probe is fitted to."""


def count_examples(chosen: Extent) -> dict[str, int]:
    """Return how many images or sequences the probes are fitted to, by the name of a task.

    If the data come from a file, only memories are probed.
    """
    asked = (Image, Codes) if chosen.data is None else Codes
    return {
        task.name: min(MOST, chosen.count)
        for task in chosen.suite.tasks
        if any(isinstance(asking, asked) for asking in task.askings)
    }


def fit_probes(
    answers: Answers, task: Task, chosen: Extent, batch: int, meter: Meter, slots: NDArray[np.bool_] | None = None
) -> dict[Any, Probe | MemoryProbe]:
    """Fit one probe for each Image and each Codes of a task.

    There is no probe if the model gives no codes or owners, or if the data lack factors. slots: the result of
    `find_scored_slots`, where memories are asked about.
    """
    fitted: dict[Any, Probe | MemoryProbe | None] = {}
    for asking in task.askings if task.name in count_examples(chosen) else ():
        if isinstance(asking, Image):
            fitted[asking] = _fit(answers, task, asking, chosen, batch, meter)
        elif isinstance(asking, Codes) and slots is not None:
            fitted[asking] = _fit_memory(answers, task, asking, chosen, batch, meter, slots)
    return {asking: probe for asking, probe in fitted.items() if probe}


def _fit_memory(
    answers: Answers, task: Task, asking: Codes, chosen: Extent, batch: int, meter: Meter, slots: NDArray[np.bool_]
) -> MemoryProbe:
    source = source_of(task, split="training", fresh=chosen.fresh, data=chosen.data)
    count = min(count_examples(chosen)[task.name], len(source))
    codes: NDArray[np.float32] | None = None
    ram = np.zeros((count, len(asking.moments), len(slots)), np.uint8)
    for start in range(0, count, batch):
        stop = min(start + batch, count)
        examples = source.examples(start, stop)
        meter.begin_block(task, stop - start)
        found = answers(task, asking, examples, source, start).codes
        assert found is not None
        codes = np.empty((count, *found.shape[1:]), np.float32) if codes is None else codes
        if found.shape[1:] != codes.shape[1:]:
            raise ModelError(
                f"a code is as long for every sequence: not {codes.shape[2]} numbers, and then {found.shape[2]}"
            )
        codes[start:stop], ram[start:stop] = found, require_ram(examples.truth, task)[:, list(asking.moments)]
        meter.end_block()
    assert codes is not None
    return MemoryProbe.fit(codes, ram, slots, [address for _, address in asking.variables])


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
