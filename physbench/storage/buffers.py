"""Memory for batches, which is reused when no caller holds the batch any more.

The operating system takes longer to provide new memory than it takes to write the pixels.
"""

from __future__ import annotations

import weakref
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 8
"""The most pieces of memory that are kept for reuse."""


class Buffers:
    """A lender of memory. A piece comes back when the last array, view or tensor made from it is gone."""

    def __init__(self) -> None:
        self._free: deque[_Memory] = deque(
            maxlen=MOST
        )  # without a lock, because memory may come back at any moment, in any thread

    def take(self, nbytes: int) -> NDArray[np.uint8]:
        """Lend a piece of memory of this size."""
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
    """A piece of memory. Because of this separate type, NumPy lets every view of a loan refer to the loan itself, and
    not to the memory behind it."""
