"""Memory for batches, used again as soon as nobody holds the batch: fresh pages cost more than the pixels that are written into them."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST = 8
_OURS = 3
"""References to memory that nobody else holds, as counted below: the list, the name, the argument."""


class Buffers:
    """Hands out memory and notices by its reference count when it is free again. Arrays and tensors made from it keep it from being used."""

    def __init__(self) -> None:
        self._memory: list[NDArray[np.uint8]] = []
        self._lock = threading.Lock()

    def take(self, nbytes: int) -> NDArray[np.uint8]:
        with self._lock:
            for i in range(len(self._memory)):
                memory = self._memory[i]
                if memory.nbytes == nbytes and sys.getrefcount(memory) == _OURS:
                    return memory[:]
            memory = np.empty(nbytes, np.uint8)
            if len(self._memory) < MOST:
                self._memory.append(memory)
            return memory[:]
