"""Numba, as every kernel here uses it: no GIL, no fast-math, no fused operations, machine code kept in the user's cache directory.

Caches beside the sources would outlive an uninstall and fail on read-only installations.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba

from physbench.cache import directory as cache_home

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def cache_directory() -> Path:
    return cache_home() / "numba" / _edition()


@cache
def _edition() -> str:
    """Numba looks at the file of a kernel alone to see whether its machine code is out of date, not at those of the kernels it calls: so a folder per state."""
    digest = hashlib.sha256()
    for source in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]


def kernel(function: F) -> F:
    """Compile at the first call. The division follows IEEE 754 (no exception for x / 0), as the closed forms expect."""
    others = numba.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = str(cache_directory())
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=False)(function)
    finally:
        numba.config.CACHE_DIR = others  # a user's own kernels keep their own cache
