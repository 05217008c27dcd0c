"""The progress of an evaluation, counted in steps of the model: a slow model may take minutes for one block."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from physbench.model import Batch, Model
from physbench.progress import Progress
from physbench.suites import Rollout, Still, Task, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Meter:
    """A counter of the steps of a model that reports which share of the evaluation is done."""

    def __init__(self, report: Callable[[Progress], None] | None = None) -> None:
        self._report = report
        self._total, self._sequences = 1, 1
        self._before = self._steps = self._block = self._size = 0
        self._doing = ""

    def attach(self, model: Model) -> Model:
        """Return the model in a wrapper that counts its steps, or the model itself if nothing is reported."""
        return _Metered(model, self._count) if self._report else model

    def begin(self, tasks: Sequence[Task], sequences: int, learnt: Mapping[str, int] | None = None) -> None:
        """Begin an evaluation.

        sequences: how many of each task are scored. learnt: how many training sequences are shown before them, by the
        name of a task.
        """
        self._sequences = sequences * len(tasks)
        self._total = max(sum((sequences + (learnt or {}).get(task.name, 0)) * count_steps(task) for task in tasks), 1)

    def begin_block(self, task: Task, sequences: int) -> None:
        """Begin a block of sequences of a task."""
        self._doing, self._steps, self._block = task.name, 0, sequences * count_steps(task)
        self._size = sequences

    def end_block(self) -> None:
        """Count a block as done, even if the model took fewer steps than expected."""
        self._before += self._block
        self._steps = self._block = 0
        self._tell()

    def _count(self) -> None:
        self._steps = min(self._steps + self._size, self._block)
        self._tell()

    def _tell(self) -> None:
        if self._report:
            share = (self._before + self._steps) / self._total
            self._report(Progress(share * self._sequences, self._sequences, self._doing))


def count_steps(task: Task) -> int:
    """Count the frames that a model observes or imagines for a sequence of a task.

    >>> from physbench.suites import suite_of
    >>> [count_steps(task) for task in suite_of("simulation").tasks]  # 5 + 30 - 1 and 20 + 30 - 1
    [83]
    """
    steps = 0
    for asking in task.askings:
        match asking:
            case Window(frames):
                steps += frames
            case Still():
                steps += asking.shown
            case Rollout() if asking == task.farthest(asking):  # a shorter rollout is the beginning of a longer one
                steps += asking.context + asking.horizon - 1
            case Rollout():
                pass
    return steps


class _Metered:
    """A model that counts."""

    def __init__(self, model: Model, count: Callable[[], None]) -> None:
        self._model, self._count = model, count
        self.likelihood = model.likelihood
        self.privileged = getattr(model, "privileged", False)

    def begin(self, batch: Batch) -> Any:
        return self._model.begin(batch)

    def observe(self, state: Any, frame: NDArray[Any], action: NDArray[Any] | None) -> Any:
        returned = self._model.observe(state, frame, action)
        self._count()
        return returned

    @property
    def latents(self) -> Any:
        """Return the method of the model, or None if it has none."""
        return getattr(self._model, "latents", None)

    @property
    def imagine(self) -> Any:
        """Return the method of the model, with its steps counted, or None if it has none."""
        step = getattr(self._model, "imagine", None)

        def imagine(state: Any, action: NDArray[Any] | None) -> Any:
            returned = step(state, action)  # pyright: ignore[reportOptionalCall]
            self._count()
            return returned

        return imagine if step else None
