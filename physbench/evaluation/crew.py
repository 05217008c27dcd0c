"""The work of an evaluation, block by block: what is asked of a block of sequences, and what it is scored with.

Blocks are the unit that workers share out. What one contributes depends on nothing but its sequences, so it does not
matter where it is scored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from physbench.ahead import ahead
from physbench.evaluation.evaluation_journal import Figures, Part
from physbench.evaluation.lessons import Lesson, read_lesson
from physbench.evaluation.scoring import score_answer
from physbench.suites import Asking, Suite, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from physbench.evaluation.examples import Examples, Source
    from physbench.evaluation.meter import Meter
    from physbench.evaluation.window import Answers
    from physbench.metrics.memory_probe import MemoryProbe
    from physbench.metrics.probe import Probe
    from physbench.model import Likelihood


@dataclass(frozen=True)
class BlockOrder:
    """A block of sequences of a task, and what is wanted of it."""

    task: str
    start: int
    stop: int
    asking: int | None = None  # which asking of the task probes are fitted to, of training sequences
    scored: bool = False  # whether its figures are known, and its data alone are to be looked at


@dataclass(frozen=True)
class Measures:
    """What every block of a task is scored with: found over all its sequences, before the first of them is scored."""

    rates: Mapping[Asking, list[float] | None] = field(default_factory=dict[Any, Any])  # of `memoryless_rates`
    slots: NDArray[np.bool_] | None = None  # of `find_scored_slots`
    probes: Mapping[Any, Probe | MemoryProbe] = field(default_factory=dict[Any, Any])  # of `fit_probes`


class Crew(Protocol):
    """Who does the work: this process, or several workers. Results come in the order of the orders."""

    def read_lessons(self, orders: Iterable[BlockOrder]) -> Generator[Lesson | None]:
        """Read codes off training sequences."""
        ...

    def score(
        self, orders: Iterable[BlockOrder], measures: Mapping[str, Measures]
    ) -> Generator[tuple[BlockOrder, Part | None]]:
        """Score blocks; None for one whose figures are known. measures: by the name of a task."""
        ...


@dataclass(frozen=True)
class OwnProcess:
    """One model, here, asked about one block after the other."""

    answers: Answers
    likelihood: Likelihood
    suite: Suite
    sources: Mapping[str, Source]  # of what is scored, by the name of a task
    training_of: Callable[[Task], Source]
    meter: Meter

    def read_lessons(self, orders: Iterable[BlockOrder]) -> Generator[Lesson | None]:
        training: dict[str, Source] = {}
        for order in orders:
            task = task_of(self.suite, order)
            source = training.setdefault(task.name, self.training_of(task))
            self.meter.begin_block(task, order.stop - order.start)
            yield read_block_lesson(self.answers, task, order, source)

    def score(
        self, orders: Iterable[BlockOrder], measures: Mapping[str, Measures]
    ) -> Generator[tuple[BlockOrder, Part | None]]:
        """The next block is made while this one is scored."""

        def make_block(order: BlockOrder) -> tuple[BlockOrder, Examples]:
            return order, self.sources[order.task].examples(order.start, order.stop)

        with closing(ahead(make_block, orders, depth=1)) as blocks:
            for order, examples in blocks:
                task, source = task_of(self.suite, order), self.sources[order.task]
                self.meter.begin_block(task, order.stop - order.start)
                part = None
                if not order.scored:
                    part = score_block(
                        self.answers, task, examples, source, order.start, self.likelihood, measures[order.task]
                    )
                yield order, part


def task_of(suite: Suite, order: BlockOrder) -> Task:
    return next(task for task in suite.tasks if task.name == order.task)


def read_block_lesson(answers: Answers, task: Task, order: BlockOrder, source: Source) -> Lesson | None:
    assert order.asking is not None
    return read_lesson(answers, task, task.askings[order.asking], source, order.start, order.stop)


def score_block(
    answers: Answers,
    task: Task,
    examples: Examples,
    source: Source,
    start: int,
    likelihood: Likelihood,
    measures: Measures,
) -> Part:
    """Ask everything that a task asks about a block of its sequences, and score the answers."""
    figures: Figures = {}
    notes: tuple[str, ...] = ()
    for asking in task.askings:
        answer = answers(task, asking, examples, source, start)
        if answer.log_likelihoods is not None:
            notes = ("self-computed-likelihood",)
        named = score_answer(
            asking,
            answer,
            examples,
            likelihood,
            rates=measures.rates.get(asking),
            probe=measures.probes.get(asking),
            scored_slots=measures.slots,
        )
        figures |= {(task.names(asking), metric): sums for metric, sums in named.items()}
    return Part(figures, notes)
