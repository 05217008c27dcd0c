"""What of the machine this process may use."""

from __future__ import annotations

import os
from contextlib import suppress


def count_cores() -> int:
    """Count the processor cores that this process may run on."""
    with suppress(AttributeError):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
