"""States instead of frames: the positions of objects, or the memory of a console. A model is shown states, and predicts
the next ones.

A state has the form of a frame of one channel. For K objects it is (K, 2, 1): a row for each object, with x and y,
where the side of the box is 1. For a memory it is (128, 8, 1): a row for each byte, with its bits, the highest first.
So all code that takes frames also takes states.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Shows: TypeAlias = Literal["features", "position", "ram"]
"""The array of a dataset that a model is shown."""

SHOWN: tuple[Shows, ...] = ("features", "position", "ram")
"""What can be shown, in order of preference: frames where a dataset has them, otherwise states."""

BYTES = 128
"""The size of the console's memory."""

INVADERS = (("player_x", 28), ("formation_x", 26), ("formation_y", 16), ("aliens_left", 17))
"""The bytes in the memory of Space Invaders that can be seen in a frame: names and addresses. The frames do not show
the score and the lives."""


def show_positions(position: NDArray[Any], box: float) -> NDArray[np.float32]:
    """Turn positions in pixels (..., K, 2) into states (..., K, 2, 1). box: its side in pixels, which becomes 1."""
    import numpy as np

    return (position[..., None] / np.float32(box)).astype(np.float32)


def show_memory(ram: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Turn bytes (..., 128) into states of bits (..., 128, 8, 1), the highest bit first."""
    import numpy as np

    return np.unpackbits(ram[..., None], axis=-1)[..., None]


def read_memory(bits: NDArray[Any]) -> NDArray[np.uint8]:
    """Turn bits, or their probabilities, (..., 128, 8, 1) into bytes (..., 128). A bit is set where it is above 1/2."""
    import numpy as np

    return np.packbits(bits[..., 0] > 0.5, axis=-1)[..., 0]
