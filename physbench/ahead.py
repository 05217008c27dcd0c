"""Work ahead: results in order, a few of them in the making while the last one is used."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import islice
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from physbench.cluster import open_cluster
from physbench.errors import WorkerError

if TYPE_CHECKING:
    Item = TypeVar("Item")
    Result = TypeVar("Result")

Engine = Literal["threads", "processes", "dask"]


def ahead(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    engine: Engine = "threads",
    workers: int = 1,
    depth: int | None = None,
    scheduler: str | None = None,
) -> Generator[Result]:
    """Call a function on each item, on so many workers, and give the results in the order of the items.

    At most `depth` results are in the making or wait to be used, one more than there are workers unless another number
    is given; with no workers, each is made when it is asked for. The first exception ends the work where it stands in
    the order. Close the generator, as `contextlib.closing` does, to end the work early. For processes, the function and
    the items must be picklable, and a script needs `if __name__ == "__main__":` around what it does.

    With Dask, the work goes to the cluster whose scheduler is named by its address, such as tcp://host:8786, and to so
    many processes on this machine without one. Twice as many results are then under way as the cluster has threads.

    >>> from physbench.ahead import ahead
    >>> list(ahead(abs, [-3, 2, -1], workers=2))
    [3, 2, 1]
    """
    if not workers:
        yield from map(function, items)
        return
    waiting = iter(items)
    work = partial(_unless_leaving, function) if engine == "processes" else function
    with _open_pool(engine, workers, scheduler) as (pool, slots):
        pending: deque[Future[Any]] = deque()
        try:
            pending.extend(pool.submit(work, item) for item in islice(waiting, slots if depth is None else depth))
            while pending:
                result: Result = pending.popleft().result()
                pending.extend(pool.submit(work, item) for item in islice(waiting, 1))
                yield result
                del result  # its memory is free for the next one, unless the caller keeps it
        except BrokenExecutor:
            raise WorkerError(
                "a worker process died: it may have run out of memory, or the script that starts it lacks `if __name__"
                ' == "__main__":` around its work'
            ) from None
        finally:
            for future in pending:
                future.cancel()


@contextmanager
def _open_pool(engine: Engine, workers: int, scheduler: str | None) -> Generator[tuple[Executor, int]]:
    """Start workers, and end them when they have finished what they are at. Give how many items are taken ahead, too.
    Processes do not outlive this one, however it ends.

    A daemonic process, such as a worker of a torch DataLoader, may have no processes of its own, and works on threads.
    """
    if engine == "dask":
        with open_cluster(workers, scheduler) as (pool, slots):
            yield pool, 2 * slots
        return
    if engine == "threads" or multiprocessing.current_process().daemon:
        with ThreadPoolExecutor(workers) as pool:
            yield pool, workers + 1
        return
    context = multiprocessing.get_context("spawn")
    theirs, ours = context.Pipe(duplex=False)
    with theirs, ProcessPoolExecutor(workers, context, _watch, (theirs,)) as pool, ours:
        yield pool, workers + 1


_leaving = threading.Event()
"""Set in a worker process when no result is waited for any more."""


def _watch(line: Connection[Any, Any]) -> None:
    """Let a worker process end with the one that started it, which alone is stopped by Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        line.poll(None)  # until the other end is closed
        _leaving.set()
        if parent:
            parent.join()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def is_abandoned() -> bool:
    """Say, in a worker process, whether no result is waited for any more: long work may then end early."""
    return _leaving.is_set()


def _unless_leaving(function: Callable[[Item], Result], item: Item) -> Result | None:
    return None if _leaving.is_set() else function(item)
