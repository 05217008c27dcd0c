"""Fitting of the probes of a model.

For images, the model is shown training images, and a probe learns to read the factors of their objects from the codes
of its slots. For memories, it is shown training sequences, and a probe learns to read the memory of the console from
its codes of the frames.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import ModelError
from physbench.evaluation.crew import BlockOrder
from physbench.evaluation.examples import source_of
from physbench.evaluation.lessons import Lesson
from physbench.metrics.memory_probe import MemoryProbe
from physbench.metrics.probe import Probe
from physbench.suites import Codes, Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from physbench.evaluation.evaluate import Extent
    from physbench.suites import Task

MOST = 1_000
"""The most training images, or training sequences, that a probe is fitted to."""

ReadLessons = Callable[[Iterable[BlockOrder]], Generator[Lesson | None]]


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
    chosen: Extent,
    batch: int,
    slots: Mapping[str, NDArray[np.bool_] | None],
    *,
    read_lessons: ReadLessons,
    end_block: Callable[[], None],
) -> dict[str, dict[Any, Probe | MemoryProbe]]:
    """Fit one probe for each Image and each Codes that a task asks about, by the name of the task; none where the model
    gives no codes or owners, or the data lack factors.

    slots: of `find_scored_slots`, where memories are asked about. read_lessons: shows training sequences to the model.
    end_block: called after each block of them.
    """
    wanted = [
        (task, number)
        for task in chosen.suite.tasks
        for number, asking in enumerate(task.askings)
        if task.name in count_examples(chosen) and _is_probed(asking, slots[task.name])
    ]
    hopeless: set[tuple[str, int]] = set()
    issued: list[BlockOrder] = []

    def orders() -> Iterator[BlockOrder]:
        for task, number in wanted:
            count = _count_training(task, chosen)
            for start in range(0, count, batch):
                if (task.name, number) not in hopeless:
                    issued.append(BlockOrder(task.name, start, min(start + batch, count), number))
                    yield issued[-1]

    lessons: dict[tuple[str, int], list[Lesson]] = {}
    if wanted:
        with closing(read_lessons(orders())) as read:
            for place, lesson in enumerate(read):
                key = issued[place].task, issued[place].asking or 0
                if lesson is None:
                    hopeless.add(key)
                else:
                    lessons.setdefault(key, []).append(lesson)
                    end_block()
    fitted: dict[str, dict[Any, Probe | MemoryProbe]] = {task.name: {} for task in chosen.suite.tasks}
    for task, number in wanted:
        asking, learnt = task.askings[number], lessons.pop((task.name, number), [])
        if (task.name, number) not in hopeless and (probe := _fit(asking, learnt, slots[task.name])):
            fitted[task.name][asking] = probe
    return fitted


def _is_probed(asking: Any, slots: NDArray[np.bool_] | None) -> bool:
    return isinstance(asking, Image) or (isinstance(asking, Codes) and slots is not None)


def _count_training(task: Task, chosen: Extent) -> int:
    count = count_examples(chosen)[task.name]
    if any(isinstance(asking, Codes) for asking in task.askings):  # worlds of whole episodes, and files, have an end
        count = min(count, len(source_of(task, split="training", fresh=chosen.fresh, data=chosen.data)))
    return count


def _fit(asking: Any, lessons: list[Lesson], slots: NDArray[np.bool_] | None) -> Probe | MemoryProbe | None:
    """What is learnt of the lessons in their order."""
    if isinstance(asking, Codes):
        assert slots is not None
        return _fit_memory(asking, lessons, slots)
    if not sum(len(lesson.codes) for lesson in lessons):
        return None
    names = lessons[0].truth
    return Probe.fit(
        np.concatenate([lesson.codes for lesson in lessons]),
        {name: np.concatenate([lesson.truth[name] for lesson in lessons]) for name in names},
    )


def _fit_memory(asking: Codes, lessons: list[Lesson], slots: NDArray[np.bool_]) -> MemoryProbe:
    first = lessons[0].codes
    for lesson in lessons:
        if lesson.codes.shape[1:] != first.shape[1:]:
            raise ModelError(
                f"a code is as long for every sequence: not {first.shape[2]} numbers, and then {lesson.codes.shape[2]}"
            )
    count, filled = sum(len(lesson.codes) for lesson in lessons), 0
    codes = np.empty((count, *first.shape[1:]), np.float32)
    ram = np.zeros((count, len(asking.moments), len(slots)), np.uint8)
    while lessons:  # each is let go of as soon as it is copied: thousands of codes are large
        lesson = lessons.pop(0)
        codes[filled : filled + len(lesson.codes)] = lesson.codes
        ram[filled : filled + len(lesson.codes)] = lesson.truth["ram"]
        filled += len(lesson.codes)
    return MemoryProbe.fit(codes, ram, slots, [address for _, address in asking.variables])
