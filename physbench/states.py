"""States in place of frames: the places of objects, or the memory of a console, as a model is shown them and as it says
the next ones.

A state is a frame of one channel, with a row for each thing and a column for each of its numbers: (K, 2, 1) of K
objects, in sides of their box, x before y; (128, 8, 1) of a memory, a row of bits for each byte, the highest first. So
whatever takes frames takes states, and a copy of a state is a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shows: TypeAlias = Literal["features", "position", "ram"]
"""The array of a dataset that a model is shown."""

SHOWN: tuple[Shows, ...] = ("features", "position", "ram")
"""Frames where a dataset has them, and else states."""

BYTES = 128
"""Of the console's memory."""

INVADERS = (("player_x", 28), ("formation_x", 26), ("formation_y", 16), ("aliens_left", 17))
"""Of the memory of Space Invaders, what a frame shows: names, and where they lie. Score and lives are left out of the
frames."""


def show_positions(position: NDArray[Any], box: float) -> NDArray[np.float32]:
    """Show places in pixels (..., K, 2), of a box of so many pixels -> (..., K, 2, 1), where the box is 1."""
    import numpy as np

    return (position[..., None] / np.float32(box)).astype(np.float32)


def show_memory(ram: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Show bytes (..., 128) -> bits (..., 128, 8, 1), the highest first."""
    import numpy as np

    return np.unpackbits(ram[..., None], axis=-1)[..., None]


def read_memory(bits: NDArray[Any]) -> NDArray[np.uint8]:
    """Read bits, or their probabilities (..., 128, 8, 1) -> bytes (..., 128). A bit is set where it is above 1/2."""
    import numpy as np

    return np.packbits(bits[..., 0] > 0.5, axis=-1)[..., 0]
