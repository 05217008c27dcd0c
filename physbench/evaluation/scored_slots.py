"""Find which bytes of a memory are scored: those that are not nearly always the same, over the sequences of an evaluation.

The counts are of whole sets, so they do not depend on blocks, on their order, or on where an evaluation was resumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from physbench.evaluation.examples import source_of
from physbench.metrics.memory import LEAST_ENTROPY, count_bytes, entropies

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.evaluate import Extent
    from physbench.suites import Task

AT_ONCE = 64
"""Sequences counted at a time."""


def find_scored_slots(chosen: Extent, task: Task) -> NDArray[np.bool_] | None:
    """(128,) Tell the bytes with an entropy above the least, as far as a task looks; None where no memory is shown."""
    if task.shows != "ram":
        return None
    source = source_of(task, split=chosen.split, fresh=chosen.fresh, data=chosen.data)
    frames = max(asking.frames for asking in task.askings)
    parts = [source.examples(start, min(start + AT_ONCE, chosen.count)).truth["ram"][:, :frames] for start in range(0, chosen.count, AT_ONCE)]
    return entropies(np.sum([count_bytes(ram) for ram in parts], axis=0)) > LEAST_ENTROPY
