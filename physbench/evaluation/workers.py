"""Share the blocks of an evaluation out over worker processes, here or in a Dask cluster.

Each worker enters the model once, by its name or its file, and keeps it. Blocks are those of one process, and their
results are joined in order, so the figures are the same.
"""

from __future__ import annotations

import os
import pickle
import secrets
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.util import Finalize
from typing import TYPE_CHECKING, Any

from physbench import __version__
from physbench.ahead import Engine, ahead, is_abandoned
from physbench.errors import ModelError, PhysbenchError, RecipeError, WorkerError
from physbench.evaluation.contestant import Contestant, ModelSource, contestant, own_code
from physbench.evaluation.crew import BlockOrder, Measures, read_block_lesson, score_block, task_of
from physbench.evaluation.examples import Source, source_of
from physbench.evaluation.meter import Meter
from physbench.evaluation.window import Answers, answers_of
from physbench.machine import count_cores
from physbench.result import METRIC_VERSION
from physbench.suites import Pins

if TYPE_CHECKING:
    from physbench.evaluation.evaluate import Extent
    from physbench.evaluation.evaluation_journal import Part
    from physbench.evaluation.lessons import Lesson
    from physbench.model import Model
    from physbench.storage.digest import SplitSummary

MOST_WORKERS = 1_024


@dataclass(frozen=True)
class Team:
    """How many workers, and where."""

    workers: int = 1
    engine: Engine = "processes"
    scheduler: str | None = None  # the address of a Dask cluster; None starts one here

    def __post_init__(self) -> None:
        if not 1 <= self.workers <= MOST_WORKERS:
            raise RecipeError(f"workers are 1 to {MOST_WORKERS:,} processes, not {self.workers}")
        if self.engine not in ("processes", "dask"):
            raise RecipeError(f"the engine of an evaluation is processes or dask, not {self.engine!r}")
        if self.scheduler is not None and self.engine != "dask":
            raise RecipeError(f"a scheduler ({self.scheduler}) is for the engine dask: ask for that, too")

    @property
    def is_elsewhere(self) -> bool:
        """Whether other processes than this one do the work."""
        return self.workers > 1 or self.engine == "dask"

    def count_threads(self) -> int | None:
        """The share of a worker in the cores of this process; None where a cluster of its own decides."""
        if self.scheduler is not None:
            return None
        allowed = os.environ.get("OMP_NUM_THREADS", "")
        cores = min(count_cores(), int(allowed)) if allowed.isdecimal() and int(allowed) else count_cores()
        return max(cores // self.workers, 1)


ALONE = Team()


@dataclass(frozen=True)
class Entrant:
    """A model as workers are told of it."""

    name: str
    identity: str | None
    source: ModelSource
    weights_sha256: str | None = None

    @classmethod
    def of(cls, entered: Contestant) -> Entrant:
        """Find out how workers come by a model, or refuse it."""
        source = entered.source or _pickle_model(entered.model)
        return cls(entered.name, entered.identity, source, _find_weights(entered))


@dataclass(frozen=True)
class Brief:
    """What workers are told once: the model, and what its answers are scored with."""

    entrant: Entrant
    extent: Extent
    seed: int
    threads: int | None
    measures: Mapping[str, Measures] = field(default_factory=dict[str, Measures])
    versions: tuple[str, int] = (__version__, METRIC_VERSION)
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of this evaluation: a worker of a cluster outlives it, and a file of weights may be another one by the next."""


@dataclass(frozen=True)
class Workers:
    """A crew of other processes."""

    team: Team
    entrant: Entrant
    extent: Extent
    seed: int
    sources: Mapping[str, Source]  # here, which take down what the data add to their digests
    meter: Meter

    def __post_init__(self) -> None:
        if self.team.engine == "dask" and self.entrant.source.command is not None:
            raise ModelError(
                "a model behind a command runs on this machine: give it several workers with --engine processes"
            )

    def read_lessons(self, orders: Iterable[BlockOrder]) -> Generator[Lesson | None]:
        with closing(self._deal(read_lesson_elsewhere, orders, {})) as lessons:
            for order, lesson in lessons:
                self._tell(order)
                yield lesson

    def score(
        self, orders: Iterable[BlockOrder], measures: Mapping[str, Measures]
    ) -> Generator[tuple[BlockOrder, Part | None]]:
        with closing(self._deal(score_elsewhere, orders, measures)) as results:
            for order, (part, summary) in results:
                self.sources[order.task].append(summary)
                self._tell(order)
                yield order, part

    def _tell(self, order: BlockOrder) -> None:
        self.meter.begin_block(task_of(self.extent.suite, order), order.stop - order.start)

    def _deal(
        self,
        function: Callable[[bytes, BlockOrder], Any],
        orders: Iterable[BlockOrder],
        measures: Mapping[str, Measures],
    ) -> Generator[tuple[BlockOrder, Any]]:
        waiting: deque[BlockOrder] = deque()

        def remember() -> Iterator[BlockOrder]:
            for order in orders:
                waiting.append(order)
                yield order

        brief = _pickle_brief(
            Brief(self.entrant, _without_pins(self.extent), self.seed, self.team.count_threads(), measures)
        )
        team = self.team
        with closing(
            ahead(
                partial(function, brief),
                remember(),
                engine=team.engine,
                workers=team.workers,
                scheduler=team.scheduler,
            )
        ) as results:
            for result in results:
                yield waiting.popleft(), result


def read_lesson_elsewhere(brief: bytes, order: BlockOrder) -> Lesson | None:
    """Read codes off training sequences, in a worker."""
    return _work(brief, lambda station: station.read_lesson(order))


def score_elsewhere(brief: bytes, order: BlockOrder) -> tuple[Part | None, SplitSummary | None]:
    """Score a block, in a worker: its figures, and what its data add to their digest."""
    return _work(brief, lambda station: station.score(order))


class Station:
    """A worker with its model, and the data that it has opened."""

    def __init__(self, brief: Brief) -> None:
        self._brief = brief
        entered = _enter(brief.entrant)
        _take_share(brief.threads)
        self._model: Model = entered.model
        meter = Meter(lambda _: _leave_if_abandoned())
        self._answers: Answers = answers_of(meter.attach(self._model), brief.seed)
        self._sources: dict[tuple[str, str], Source] = {}

    def read_lesson(self, order: BlockOrder) -> Lesson | None:
        task = task_of(self._brief.extent.suite, order)
        return read_block_lesson(self._answers, task, order, self._source(order, "training"))

    def score(self, order: BlockOrder) -> tuple[Part | None, SplitSummary | None]:
        source = self._source(order, self._brief.extent.split)
        examples, summary = source.summarize(order.start, order.stop)
        if order.scored:
            return None, summary
        task, measures = task_of(self._brief.extent.suite, order), self._brief.measures[order.task]
        part = score_block(self._answers, task, examples, source, order.start, self._model.likelihood, measures)
        return part, summary

    def _source(self, order: BlockOrder, split: str) -> Source:
        key = order.task, split
        if key not in self._sources:
            extent = self._brief.extent
            task = task_of(extent.suite, order)
            self._sources[key] = source_of(task, split=split, fresh=extent.fresh, data=extent.data)
        return self._sources[key]


_at_work = threading.local()
"""The brief and the station of each thread: a worker of a cluster may have several, and no model is asked two things at
once."""


def _work(brief: bytes, task: Callable[[Station], Any]) -> Any:
    try:
        if getattr(_at_work, "brief", None) != brief:
            _at_work.brief = _at_work.station = None
            _at_work.station = Station(_unpickle_brief(brief))
            _at_work.brief = brief
        return task(_at_work.station)
    except PhysbenchError:
        _print_last_words()
        raise
    except Exception as error:
        raise _make_portable(error) from None


def _leave_if_abandoned() -> None:
    if is_abandoned():
        raise WorkerError("no result is waited for any more")


def _enter(entrant: Entrant) -> Contestant:
    """Come by the model."""
    source = entrant.source
    if source.pickled is not None:
        entered = Contestant(_unpickle(source.pickled, f"the model {entrant.name}"), entrant.name, None)
    elif source.command is not None:
        entered = _enter_command(source.command, source.timeout)
    elif source.factory is not None:
        entered = own_code(source.factory, device=source.device)
    else:
        entered = contestant(
            source.checkpoint or source.name or "",
            device=source.device,
            settings=dict(source.settings),
            architecture=source.architecture,
        )
    if entered.identity != entrant.identity:
        raise ModelError(
            f"a worker found another model under the name {entrant.name}: {entered.identity}, not {entrant.identity};"
            " give all workers the same weights"
        )
    if (weights := _find_weights(entered)) != entrant.weights_sha256:
        raise ModelError(
            f"a worker found other weights of {entrant.name}: {weights}, not {entrant.weights_sha256}; give all workers"
            " the same"
        )
    return entered


def _find_weights(entered: Contestant) -> str | None:
    return getattr(getattr(entered.model, "origin", None), "weights_sha256", None)


def _enter_command(command: str, timeout: float | None) -> Contestant:
    """Start a process of the model's own beside this worker, and end it with it."""
    from physbench.evaluation.child import TIMEOUT, Child
    from physbench.evaluation.pipe import enter

    child = Child(command, timeout=TIMEOUT if timeout is None else timeout)
    _at_work.child = child
    Finalize(None, child.close, exitpriority=10)
    return enter(child)


def _print_last_words() -> None:
    """Show the end of what the process of a model wrote to its standard error, if this worker has one."""
    child = getattr(_at_work, "child", None)
    lines: list[str] = child.last_words() if child else []
    for line in (
        [f"the end of what {child} wrote to its standard error:", *[f"| {line}" for line in lines]] if lines else ()
    ):
        print(line, file=sys.stderr, flush=True)


def _take_share(threads: int | None) -> None:
    """Let PyTorch use so many cores, where a model has loaded it."""
    torch: Any = sys.modules.get("torch")
    if threads is not None and torch is not None:
        torch.set_num_threads(threads)


def _without_pins(extent: Extent) -> Extent:
    """Without what only the one who compares digests needs: it is long."""
    return replace(extent, suite=replace(extent.suite, pins=Pins()))


def _pickle_model(model: Model) -> ModelSource:
    try:
        return ModelSource(pickled=pickle.dumps(model))
    except Exception as error:
        raise ModelError(
            f"an object that cannot be pickled cannot be sent to workers, and this {type(model).__name__} cannot"
            f" ({_first_line(error)}): use one worker, or give the model by its name or file"
        ) from None


def _pickle_brief(brief: Brief) -> bytes:
    try:
        return pickle.dumps(brief)
    except Exception as error:
        raise RecipeError(
            f"the suite {brief.extent.suite.name} cannot be sent to workers ({_first_line(error)}): use one worker"
        ) from None


def _unpickle_brief(content: bytes) -> Brief:
    brief: Brief = _unpickle(content, "what it is to score")
    if brief.versions != (__version__, METRIC_VERSION):
        raise WorkerError(
            f"a worker has physbench {__version__} (metrics {METRIC_VERSION}), and this is"
            f" {' (metrics '.join(map(str, brief.versions))}): install the same on all machines"
        )
    return brief


def _unpickle(content: bytes, what: str) -> Any:
    try:
        return pickle.loads(content)
    except Exception as error:
        raise ModelError(
            f"a worker cannot load {what} ({_first_line(error)}): define it in a module that workers can import, not in"
            " a script or a notebook"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def _make_portable(error: Exception) -> Exception:
    """An exception that can be sent; in words, where it cannot."""
    try:
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    except Exception:  # whatever its own code does
        return RuntimeError("".join(traceback.format_exception(error)))
    return RuntimeError("".join(traceback.format_exception(error)))
