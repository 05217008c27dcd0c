"""The processor cores that this process may use, and how the threads of numerical libraries wait for each other."""

import os
from contextlib import suppress


def count_cores() -> int:
    """Count the processor cores that this process may run on."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def wait_without_spinning() -> None:
    """Let OpenMP threads sleep while they wait, unless the user has chosen otherwise.

    It must be called before a library that uses OpenMP is loaded. On a busy machine, spinning threads take processor
    time from the thread that they wait for.

    >>> wait_without_spinning()
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
