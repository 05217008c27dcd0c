"""The way every kernel uses Numba: no GIL, no fast-math, no fused operations, machine code kept in the user's cache
folder.

A cache beside the sources would remain after an uninstall and fail on read-only installations. Three measures make
compiling fast:

- If a kernel is called by another one with a constant, it is not compiled again for that constant.
- No entry point for C is made, because kernels are not called from C.
- The garbage collector is off while Numba compiles: Numba makes millions of objects, and nearly all of them stay.

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
"""The options of every kernel. Division follows IEEE 754 (no exception for x / 0), as the closed forms expect."""

_announced: list[str] = []


class Compiler:
    """A decorator that turns the functions of one package into kernels.

    Write `kernel = Compiler(sources, seconds=6)`, then `@kernel` on each function. sources: every file that may hold a
    kernel. seconds: roughly how much CPU time it takes to compile everything that a first command needs.
    """

    def __init__(self, sources: Iterable[Path], *, seconds: int) -> None:
        self._sources = sorted(sources)
        self._notice = f"compiling kernels that this command needs: once for this installation, about {seconds} s"

    @cached_property
    def _folder(self) -> str:
        """Name a folder after the content of the sources.

        Numba notices a change in the file of a kernel, but not in the files of the kernels that it calls.
        """
        digest = hashlib.sha256()
        for source in (Path(__file__), *self._sources):
            digest.update(source.read_bytes())
        return digest.hexdigest()[:16]

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the kernel of a function, which is compiled at its first call.

        Its arguments have types of Numba, not of Python, and are not checked here.
        """
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
            numba.config.CACHE_DIR = others  # the user's kernels keep their cache


class Kernel(CPUDispatcher):
    """The machine code of a function by the types of its arguments; Numba calls this a dispatcher."""

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """Treat a constant as any value of its type: Numba would compile once for `f(0)` and once for `f(i)`."""
        return super().get_call_template(
            tuple(map(types.unliteral, args)), {name: types.unliteral(kind) for name, kind in kws.items()}
        )

    def compile(self, sig: Any) -> Any:
        """Compile for one signature, with the garbage collector off."""
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
    """The stored form of a kernel, with a digest: damaged machine code could crash the process or compute wrong
    results."""

    def reduce(self, cres: Any) -> tuple[bytes, bytes]:
        """Return the digest and the bytes to store."""
        content = dumps(super().reduce(cres))
        return hashlib.sha256(content).digest(), content

    def rebuild(self, target_context: Any, payload: tuple[bytes, bytes]) -> Any:
        """Restore a kernel, if its bytes match their digest."""
        digest, content = payload
        if hashlib.sha256(content).digest() != digest:
            raise ValueError("this machine code is damaged")
        return super().rebuild(target_context, pickle.loads(content))


class Cache(FunctionCache):
    """The cache of Numba, with a check of its files: a damaged one is dropped, and the kernel is compiled again."""

    _impl_class = Sealed

    def __init__(self, function: Callable[..., Any], notice: str) -> None:
        super().__init__(function)
        self._notice = notice

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load machine code. If there is none, return None and announce once that kernels will be compiled."""
        loaded = None
        try:
            loaded = super().load_overload(sig, target_context)
        except Exception:  # a damaged pickle can raise anything
            with suppress(OSError):
                self.flush()
        if loaded is None and not _announced:  # one notice is enough, whichever packages have kernels
            _announced.append(self._notice)
            announce(self._notice)
        return loaded

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store machine code, if that is possible."""
        with suppress(
            Exception
        ):  # on a full disk, or in a read-only folder, nothing is stored and the kernel is compiled again next time
            super().save_overload(sig, data)
