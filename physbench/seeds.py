"""Seeds: for the randomness of a model, and for fresh data."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FRESH_BITS = 63
"""Bits of a seed for fresh data: too many to try all seeds."""


def seed_sequences(places: NDArray[np.int64], *, seed: int, sample: int = 0) -> NDArray[np.uint64]:
    """Return a seed for the randomness of a model in each sequence, from its place in the split, (B,) -> (B,).

    A seed is eight bytes of a SHA-256 of the evaluation seed, the sample and the place. It does not depend on the seed
    of the data, or of fresh data, so a model cannot use it to compute the future of a sequence.

    >>> import numpy as np
    >>> seed_sequences(np.arange(2), seed=0).tolist() == seed_sequences(np.arange(3), seed=0).tolist()[:2]
    True
    """
    import numpy as np

    return np.array([_word(f"physbench model {seed} {sample} {place}") for place in places.tolist()], np.uint64)


def draw_fresh_seed() -> int:
    """Draw a seed for fresh sequences from the random numbers of the operating system.

    >>> 0 <= draw_fresh_seed() < 2**63
    True
    """
    return secrets.randbits(FRESH_BITS)


def _word(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little")
