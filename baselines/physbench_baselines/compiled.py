"""Numba, as the rows without learning use it: IEEE arithmetic in the order it is written, no GIL, machine code in the
user's cache directory.
"""

from __future__ import annotations

import hashlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba

from physbench.cache import directory

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def kernel(function: F) -> F:
    """Compile a function of arrays and numbers when it is first called."""
    before = numba.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = str(directory() / "numba" / _state_of_sources())
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=False)(function)
    finally:
        numba.config.CACHE_DIR = before


@cache
def _state_of_sources() -> str:
    """Name a folder by every file that may hold a kernel: Numba notices a change in a kernel's own file, not in those
    of the kernels it calls.
    """
    folder = Path(__file__).parent
    sources = [Path(__file__), folder / "regions.py", *sorted((folder / "tracking").glob("*.py"))]
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]
