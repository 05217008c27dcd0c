"""Read codes off a block of training sequences: what probes are fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.evaluation.scored_slots import require_ram
from physbench.metrics.grouping import contingency
from physbench.metrics.metric import FACTORS
from physbench.metrics.probe import factor_of, objects_of
from physbench.suites import Asking, Codes, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.examples import Examples, Source
    from physbench.evaluation.window import Answers
    from physbench.suites import Task


@dataclass(frozen=True)
class Lesson:
    """Codes, and the truth that is to be read off them."""

    codes: NDArray[Any]  # of Image (M, D), a row for every object of the block; of Codes (B, S, N)
    truth: dict[str, NDArray[Any]]  # of Image each factor (M,); of Codes the memory, "ram" (B, S, 128)


def read_lesson(answers: Answers, task: Task, asking: Asking, source: Source, start: int, stop: int) -> Lesson | None:
    """Show a model training sequences; None where it gives no codes or owners, or the data lack factors."""
    if isinstance(asking, Codes):
        examples = source.examples(start, stop)
        codes = answers(task, asking, examples, source, start).codes
        assert codes is not None
        return Lesson(codes, {"ram": require_ram(examples.truth, task)[:, list(asking.moments)]})
    assert isinstance(asking, Image)
    return _read_image(answers, task, asking, source.examples(start, stop), source, start)


def _read_image(
    answers: Answers, task: Task, asking: Image, examples: Examples, source: Source, start: int
) -> Lesson | None:
    names = [name for name in FACTORS if name in examples.truth]
    if examples.groups is None or not names:
        return None
    answer = answers(task, asking, examples, source, start)
    if answer.codes is None or answer.owners is None:
        return None
    tables = contingency(answer.owners, examples.groups[:, asking.frame : asking.frame + 1])[:, 0]
    image, thing, slot = objects_of(tables, answer.codes.shape[1])
    return Lesson(
        answer.codes[image, slot].astype(np.float64),
        {name: factor_of(examples.truth, name)[image, thing] for name in names},
    )
