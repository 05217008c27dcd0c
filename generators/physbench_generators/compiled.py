"""Numba, as every kernel here uses it: no GIL, no fast-math, no fused operations, machine code kept in the user's cache directory.

Caches beside the sources would outlive an uninstall and fail on read-only installations.
"""

from __future__ import annotations

import hashlib
import os
import pickle
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.serialize import dumps

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


class Sealed(CompileResultCacheImpl):
    """What is kept of a kernel, with a digest: damaged machine code would crash the process, or calculate something else."""

    def reduce(self, cres: Any) -> tuple[bytes, bytes]:
        content = dumps(super().reduce(cres))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context: Any, payload: tuple[bytes, bytes]) -> Any:
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("this machine code is damaged")
        return super().rebuild(target_context, pickle.loads(content))


class Cache(FunctionCache):
    """Numba's, which takes its files on trust. One that is damaged is dropped and made again."""

    _impl_class = Sealed

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # of a damaged pickle anything can come
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(Exception):  # what is not kept, on a full disk or in a folder to be read alone, is compiled again the next time
            super().save_overload(sig, data)


def kernel(function: F) -> F:
    """Compile at the first call. The division follows IEEE 754 (no exception for x / 0), as the closed forms expect."""
    others = numba.config.CACHE_DIR
    if not os.environ.get("NUMBA_CACHE_DIR"):
        numba.config.CACHE_DIR = str(cache_directory())
    try:
        compiled: Any = numba.njit(nogil=True, error_model="numpy", fastmath=False)(function)
        if not numba.config.DISABLE_JIT:
            compiled._cache = Cache(function)
        return compiled
    finally:
        numba.config.CACHE_DIR = others  # a user's own kernels keep their own cache
