"""Seeds: what a model's own randomness comes from, and what fresh data are drawn by."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRESH_BITS = 63
"""Bits of a seed that the system draws: too many to be searched."""


def seed_sequences(places: NDArray[np.int64], *, seed: int, sample: int = 0) -> NDArray[np.uint64]:
    """Give each sequence a seed for the model's own randomness, (B,) -> (B,), by its place in the split.

    A seed is eight bytes of a SHA-256 of the evaluation seed, the sample and the place. Neither the seed of the data
    nor that of fresh data enters, so no seed can be turned into a future.

    >>> import numpy as np
    >>> seed_sequences(np.arange(2), seed=0).tolist() == seed_sequences(np.arange(3), seed=0).tolist()[:2]
    True
    """
    import numpy as np

    return np.array([_word(f"physbench model {seed} {sample} {place}") for place in places.tolist()], np.uint64)


def draw_fresh_seed() -> int:
    """Draw a seed for fresh sequences from the system.

    >>> 0 <= draw_fresh_seed() < 2**63
    True
    """
    return secrets.randbits(FRESH_BITS)


def _word(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
