"""How the threads of numerical libraries wait for one another."""

from __future__ import annotations

import os


def wait_without_spinning() -> None:
    """Let OpenMP threads sleep while they wait, unless the user has chosen otherwise.

    It must be called before a library that uses OpenMP is loaded. On a busy machine, threads that spin take the processor
    from the one that they wait for.

    >>> wait_without_spinning()
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
