"""A check before the first sequence is made: does a network take frames of this shape and so many actions at all?"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from physbench.errors import ModelError, PhysbenchError
from physbench.model import Batch, Model
from physbench.storage.block import lengths_of
from physbench.storage.display import Display
from physbench.suites import Suite, Task, installed_suites


def require_fit(model: Model, suite: Suite) -> None:
    """Refuse a network that does not take what a suite shows, and say which suites it fits.

    Only networks are asked: they know before they see anything. Other models may need what a batch knows.
    """
    if not hasattr(model, "network"):
        return
    for task in suite.tasks:
        try:
            model.begin(_describe(task))
        except ModelError as error:
            fitting = ", ".join(_list_fitting(model)) or "none of the installed ones"
            raise type(error)(f"{error}. Suites that show what it takes: {fitting}") from None


def _list_fitting(model: Model) -> Iterator[str]:
    """Yield the suites all of whose tasks a network takes."""
    for name, suite in installed_suites().items():
        try:
            for task in suite.tasks:
                model.begin(_describe(task))
        except PhysbenchError:
            continue
        yield name


def _describe(task: Task) -> Batch:
    """Describe a batch of one sequence of a task, without making the sequence."""
    generator, lengths = task.recipe.generator, lengths_of(task.recipe)
    return Batch(
        np.zeros(1, np.uint64),
        Display(task.shows).shape(generator.shape, generator.objects),
        slots=task.slots,
        actions=lengths.get("A", 0),
        shows=task.shows,
    )
