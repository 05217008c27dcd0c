"""Which sequences to look at: those with the worst figures, and those in the middle. They are asked about again, one by
one, to be drawn."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from physbench.evaluation.evaluate import Extent
from physbench.evaluation.examples import source_of
from physbench.evaluation.memoryless import memoryless_rates
from physbench.evaluation.scoring import score_answer
from physbench.evaluation.window import Answers
from physbench.metrics.catalogue import find
from physbench.metrics.sums import per_sequence, pool, value
from physbench.model import Bernoulli, Likelihood
from physbench.result import Result
from physbench.suites import Asking, Codes, Rollout, Still, Suite, Task, Window

Kind = Literal["worst", "median"]

MOST = 10
"""Strips of a kind. Of few sequences a third, so that none is in both."""


@dataclass(frozen=True)
class Strip:
    """A sequence and what was said of it. T frames of H x W pixels in C channels, S of them predicted."""

    kind: Kind
    task: str
    metric: str
    number: int  # of the sequence
    figure: float  # as it stands in the result
    again: float  # when it was asked again; NaN if that cannot be said of one sequence
    frames: NDArray[Any]  # (T, H, W, C) 0..1
    means: NDArray[np.float32]  # (S, H, W, C) of the frames from `first` on
    first: int
    owners: NDArray[np.uint8] | None  # (T, H, W)
    groups: NDArray[np.uint8] | None  # (T, H, W)
    curtain: NDArray[np.int16] | None = None  # (4,) y0, x0, y1, x1; zeros = none

    @property
    def steps(self) -> int:
        return len(self.means)


def gallery(
    answers: Answers, chosen: Extent, result: Result, *, likelihood: Likelihood | None = None, most: int = MOST
) -> tuple[Strip, ...]:
    """The worst sequences of the ranked figure, and those around the median. answers: of a model, `answers_of(model,
    seed)`, or of a file of predictions."""
    row, metric = sort_key(chosen.suite, result)
    asked = [(task, asking) for task, asking in _rows(chosen.suite) if task.names(asking) == row]
    if not asked:
        return ()
    (task, first), askings = asked[0], [asking for _, asking in asked]
    source = source_of(task, split=chosen.split, fresh=chosen.fresh, data=chosen.data)
    figures = _figures(*result.sums[row, metric])
    rates = memoryless_rates(chosen, task, first) if metric == "permanence_bce" and isinstance(first, Window) else None

    def strip(kind: Kind, number: int) -> Strip:
        examples = source.examples(number, number + 1)
        said = [(asking, answers(task, asking, examples, source, number)) for asking in askings]
        answer = said[0][1]
        assert answer.means is not None
        sampled = isinstance(first, Rollout) and first.samples > 1
        named = [score_answer(each, its, examples, likelihood or Bernoulli(), rates=rates) for each, its in said]
        worths = [each.get(f"{metric}[{sample + 1}]" if sampled else metric) for sample, each in enumerate(named)]
        found = [per_sequence(sums) for sums in worths if sums is not None]
        return Strip(
            kind,
            row,
            metric,
            number,
            figures[number],
            value(pool(found)) if found else math.nan,
            examples.frames[0, : first.frames],
            answer.means[0],
            first.context if isinstance(first, Rollout) else 1,
            None if answer.owners is None else answer.owners[0],
            None if examples.groups is None else examples.groups[0, : first.frames, :, :, 0],
            None if (curtain := examples.truth.get("curtain")) is None else np.asarray(curtain[0], np.int16),
        )

    return tuple(strip(kind, number) for kind, numbers in _pick(figures, metric, most).items() for number in numbers)


def sort_key(suite: Suite, result: Result) -> tuple[str, str]:
    """The figure that sequences are sorted by: what the suite is ranked by, else the first relative one."""
    if suite.ranked_by in result.sums:
        return suite.ranked_by
    rows = {task.names(asking) for task, asking in _rows(suite)}
    there = [(row, metric) for row, metric in result.sums if row in rows]
    return next(iter([key for key in there if "relative" in key[1]] or there), ("", ""))


def _rows(suite: Suite) -> Iterator[tuple[Task, Asking]]:
    """Where frames are predicted."""
    yield from (
        (task, asking)
        for task in suite.tasks
        for asking in task.askings
        if asking.shows == "features" and not isinstance(asking, (Still, Codes))
    )


def _figures(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> list[float]:
    """Of each sequence; NaN where it has none."""
    counts = denominator != 0
    return np.divide(numerator, denominator, out=np.full(len(numerator), np.nan), where=counts).tolist()


def _pick(figures: list[float], metric: str, most: int) -> dict[Kind, list[int]]:
    """Numbers of sequences, the worst first."""
    sign = 1 if find(metric).better == "higher" else -1
    numbers = sorted(
        (number for number, figure in enumerate(figures) if figure == figure),
        key=lambda number: (sign * figures[number], number),
    )
    count = min(most, -(-len(numbers) // 3))
    middle = max(count, (len(numbers) - count) // 2)
    return {"worst": numbers[:count], "median": numbers[middle : middle + count]}
