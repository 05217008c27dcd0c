"""A Dask cluster as a pool of workers: one that runs somewhere, or one of processes on this machine.

physbench schedules nothing itself. Dask does it: it moves the work of a lost worker to another one, and says so when
its scheduler is gone.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
import time
from collections.abc import Generator
from concurrent.futures import CancelledError, Executor
from contextlib import ExitStack, contextmanager
from typing import Any, cast

from physbench.errors import ClusterError, ClusterLost, MissingPackage, WorkerError

PATIENCE = 8.0
"""Seconds in which a scheduler must answer."""

WORKERS_PATIENCE = 30.0
"""Seconds in which it must have a worker."""


@contextmanager
def open_cluster(workers: int, scheduler: str | None = None) -> Generator[tuple[Executor, int]]:
    """Connect to the scheduler at an address, or start so many worker processes here without one.

    Give the pool and how many items it works on at a time.
    """
    try:
        from distributed import Client, KilledWorker, LocalCluster  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        raise MissingPackage("this needs Dask: pip install 'physbench[cluster]'") from None
    with ExitStack() as stack:
        stack.enter_context(_keep_quiet())
        address: Any = scheduler
        if scheduler is None:
            quiet: Any = {"dashboard_address": "127.0.0.1:0", "silence_logs": logging.CRITICAL}
            with _ignore_interrupts():
                here: Any = cast("Any", LocalCluster)(
                    n_workers=workers, threads_per_worker=1, host="127.0.0.1", **quiet
                )
            address = stack.enter_context(here)
        else:
            _require_answer(scheduler)
        try:
            client: Any = stack.enter_context(Client(address, timeout=PATIENCE, set_as_default=False))
        except OSError as error:
            raise _unreachable(scheduler, error) from None
        try:
            client.wait_for_workers(1, timeout=WORKERS_PATIENCE)
        except TimeoutError:
            raise ClusterError(
                f"the Dask scheduler at {scheduler} has no workers: start some with `dask worker {scheduler}"
                " --nthreads 1`"
            ) from None
        try:
            yield client.get_executor(pure=False), max(sum(client.ncores().values()), 1)
        except CancelledError:
            where = f"at {scheduler} " if scheduler else ""
            raise ClusterLost(f"the Dask scheduler {where}is gone: start it again, and run the same command") from None
        except KilledWorker:
            raise WorkerError(
                "several workers died over the same piece of work: they may have run out of memory"
            ) from None


def _require_answer(scheduler: str) -> None:
    """Refuse an address where nothing listens, for as long as a scheduler may take to start."""
    from distributed.comm.addressing import get_address_host_port  # pyright: ignore[reportMissingTypeStubs]

    until = time.monotonic() + PATIENCE
    try:
        host, port = get_address_host_port(scheduler, strict=True)
    except (ValueError, TypeError) as error:
        raise _unreachable(scheduler, error) from None
    while True:
        try:
            return socket.create_connection((host, port), timeout=PATIENCE).close()
        except OSError as error:
            if time.monotonic() >= until or isinstance(error, socket.gaierror):
                raise _unreachable(scheduler, error) from None
        time.sleep(0.2)


def _unreachable(scheduler: str | None, error: Exception) -> ClusterError:
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ClusterError(
        f"no Dask scheduler answers at {scheduler}: start one with `dask scheduler`, or correct the address, such as"
        f" tcp://host:8786 ({reason})"
    )


@contextmanager
def _ignore_interrupts() -> Generator[None]:
    """Start processes that leave Ctrl-C to this one, which ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _keep_quiet() -> Generator[None]:
    """Say nothing of what Dask mends by itself."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(before)
