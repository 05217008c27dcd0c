"""Numba, as every kernel uses it: no GIL, no fast-math, no fused operations, machine code kept in the user's cache
directory.

Caches beside the sources would outlive an uninstall and fail on read-only installations. What makes compiling fast:

- A kernel that is called by another one with a constant is not compiled anew for that constant.
- No entry for C is made: kernels are not called from C.
- The garbage collector rests meanwhile: Numba makes millions of objects, and nearly all of them stay.

Only packages with kernels import this module: it loads Numba.
"""

import gc
import hashlib
import os
import pickle
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
from numba.core import types
from numba.core.caching import CompileResultCacheImpl, FunctionCache
from numba.core.registry import CPUDispatcher
from numba.core.serialize import dumps

from physbench.cache import directory
from physbench.notices import announce

SETTINGS = {
    "nopython": True,
    "nogil": True,
    "error_model": "numpy",
    "fastmath": False,
    "boundscheck": None,
    "no_cfunc_wrapper": True,
}
"""The division follows IEEE 754 (no exception for x / 0), as closed forms expect."""

_announced: set[str] = set()


class Compiler:
    """Make kernels of the functions of one package: `kernel = Compiler(sources, seconds=6)`, then `@kernel` on each
    function.

    sources: every file that may hold a kernel. seconds: of CPU, about, until all that a first command needs is
    compiled.
    """

    def __init__(self, sources: Iterable[Path], *, seconds: int) -> None:
        self._sources = sorted(sources)
        self._notice = f"compiling once for this installation, about {seconds} s"

    @cached_property
    def _folder(self) -> str:
        """Name a folder by the sources. Numba notices a change in a kernel's own file, not in those of the kernels that
        it calls."""
        digest = hashlib.sha256()
        for source in (Path(__file__), *self._sources):
            digest.update(source.read_bytes())
        return digest.hexdigest()[:16]

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Compile at the first call. Types of arguments are Numba's, not Python's, and are not checked here."""
        if numba.config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
            return function
        others = numba.config.CACHE_DIR
        if not os.environ.get("NUMBA_CACHE_DIR"):
            numba.config.CACHE_DIR = str(directory() / "numba" / self._folder)
        try:
            compiled: Any = Kernel(function, targetoptions=dict(SETTINGS))
            compiled._cache = Cache(function, self._notice)
            return compiled
        finally:
            numba.config.CACHE_DIR = others  # a user's own kernels keep their own cache


class Kernel(CPUDispatcher):
    """What Numba calls a dispatcher: the machine code of a function, by the types of its arguments."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Take a constant for what it is an example of: Numba would compile once for `f(0)` and once for `f(i)`."""
        return super().get_call_template(
            tuple(map(types.unliteral, args)), {name: types.unliteral(kind) for name, kind in kws.items()}
        )

    def compile(self, sig: Any) -> Any:
        with _no_garbage_collection():
            return super().compile(sig)


@contextmanager
def _no_garbage_collection() -> Generator[None]:
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class Sealed(CompileResultCacheImpl):
    """What is kept of a kernel, with a digest: damaged machine code would crash the process, or calculate something
    else."""

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

    def __init__(self, function: Callable[..., Any], notice: str) -> None:
        super().__init__(function)
        self._notice = notice

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load machine code, or return None, and say once that some will be compiled."""
        loaded = None
        try:
            loaded = super().load_overload(sig, target_context)
        except Exception:  # of a damaged pickle anything can come
            with suppress(OSError):
                self.flush()
        if loaded is None and self._notice not in _announced:
            _announced.add(self._notice)
            announce(self._notice)
        return loaded

    def save_overload(self, sig: Any, data: Any) -> None:
        with suppress(
            Exception
        ):  # what is not kept, on a full disk or in a folder to be read alone, is compiled again the next time
            super().save_overload(sig, data)
