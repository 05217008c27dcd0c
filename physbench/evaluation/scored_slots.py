"""The bytes of a memory that are scored: those that are not nearly always the same, over the sequences of an
evaluation.

The counts are taken over all sequences of an evaluation, so they do not depend on blocks, on their order, or on where
an evaluation was resumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import StorageError
from physbench.evaluation.examples import source_of
from physbench.metrics.memory import LEAST_ENTROPY, count_bytes, entropies

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from physbench.evaluation.evaluate import Extent
    from physbench.suites import Task

LOOKING = ("memory", "codes")
"""The kinds of askings about a memory."""

AT_ONCE = 64
"""Sequences counted at a time."""


def find_scored_slots(chosen: Extent, task: Task) -> NDArray[np.bool_] | None:
    """Find the bytes whose entropy is above LEAST_ENTROPY, over the frames that a task uses -> (128,).

    Return None if no memory is asked about.
    """
    if not any(asking.kind in LOOKING for asking in task.askings):
        return None
    source = source_of(task, split=chosen.split, fresh=chosen.fresh, data=chosen.data)
    frames = max(asking.frames for asking in task.askings)
    parts = (
        source.examples(start, min(start + AT_ONCE, chosen.count)).truth for start in range(0, chosen.count, AT_ONCE)
    )
    return (
        entropies(np.sum([count_bytes(require_ram(truth, task)[:, :frames]) for truth in parts], axis=0))
        > LEAST_ENTROPY
    )


def require_ram(truth: Mapping[str, NDArray[Any]], task: Task) -> NDArray[np.uint8]:
    """Return the memory (B, T, 128), or raise an error if the data have none."""
    if "ram" not in truth:
        raise StorageError(f"{task.name} has no memory of a console to read: it has {', '.join(truth)}")
    return truth["ram"]
