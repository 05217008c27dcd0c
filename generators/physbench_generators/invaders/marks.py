"""What a picture of Space Invaders shows beside pixels and labels: names, and what hits what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.scene import HIT_OBJECT, Marks
from physbench_generators.invaders.addresses import OBJECTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

NAMES = (
    *(f"alien {row}{column}" for row in "ABCDEF" for column in range(1, 7)),
    *("left shield", "middle shield", "right shield", "ship", "shot", "bomb", "other bomb", "saucer"),
)

KINDS = {
    1: "a shot hits an alien",
    2: "a shot hits a shield",
    3: "a bomb hits a shield",
    4: "a bomb hits the ship",
    5: "a shot hits the saucer",
    6: "the ship fires a shot",
    7: "an alien drops a bomb",
    8: "the aliens turn at the edge",
}

WORDS = {"outlined": "white outline: hits, or is hit, within a frame", "moments": "something is hit"}


def mark_invaders(arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
    """Return the marks of one sequence."""
    del events  # the contact flags are enough
    return Marks(
        names=NAMES, outlined=np.asarray(arrays["contact"][:, :OBJECTS] & HIT_OBJECT, bool), kinds=KINDS, words=WORDS
    )
