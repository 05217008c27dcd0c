"""Memory for batches, reused once no caller holds the batch: fresh pages cost more than the pixels that are written
into them."""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 8
"""Pieces of memory that wait to be used again."""


class Buffers:
    """Lend out memory. It comes back when the last array, view or tensor made from it is gone."""

    def __init__(self) -> None:
        self._free: deque[_Memory] = deque(
            maxlen=MOST
        )  # without a lock: memory may come back at any moment, in any thread

    def take(self, nbytes: int) -> NDArray[np.uint8]:
        memory = self._find(nbytes)
        loan = memory.view(np.ndarray)
        weakref.finalize(loan, self._free.append, memory).atexit = False
        return loan

    def _find(self, nbytes: int) -> _Memory:
        for _ in range(len(self._free)):
            try:
                memory = self._free.pop()
            except IndexError:  # another thread was faster
                break
            if memory.nbytes == nbytes:
                return memory
            self._free.appendleft(memory)
        return _Memory(nbytes, np.uint8)


class _Memory(np.ndarray[Any, Any]):
    """Memory of a type of its own: for that, NumPy has every view of a loan keep the loan itself, and not the memory
    behind it."""
