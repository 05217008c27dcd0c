"""What a model is shown of a sequence: its frames, or states in their place."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import StorageError
from physbench.model import Gaussian, Likelihood
from physbench.states import BYTES, Shows, show_memory, show_positions
from physbench.storage.framing import scale_features

OF_STATES = Gaussian(1.0)
"""What is said of states may be any finite number: places lie anywhere, and a bit is set above 1/2. What a model
declares is of pixels."""


@dataclass(frozen=True)
class Display:
    """One array of a dataset, as it is shown."""

    array: Shows = "features"
    box_side: float = 0.0  # of the box that objects move in, in pixels

    def require(self, name: str, arrays: Collection[str]) -> None:
        """Refuse data that have nothing to show, or no box by whose side places could be measured."""
        if self.array not in arrays:
            what = {"features": "frames", "position": "places of objects", "ram": "memory of a console"}[self.array]
            raise StorageError(f"{name} has no {what} to show a model: it has {', '.join(arrays)}")
        if self.array == "position" and not self.box_side:
            raise StorageError(
                f"{name} does not say in how large a box its objects move, from the corner of the frame on: their"
                " places cannot be scaled"
            )

    def shape(self, frame: tuple[int, int, int], objects: int) -> tuple[int, int, int]:
        """Give the shape of what is shown, of a dataset with frames of a shape and so many objects."""
        return {"features": frame, "position": (objects, 2, 1), "ram": (BYTES, 8, 1)}[self.array]

    def show(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Show sequences (B, T, ...): 0 or 1 as they are stored; colours and places as floats in 0..1."""
        array = arrays[self.array]
        if self.array == "position":
            return show_positions(array, self.box_side)
        if self.array == "ram":
            return show_memory(array)
        return scale_features(array) if array.dtype == np.uint8 and array.shape[-1] > 1 else array


def likelihood_of(shows: Shows, likelihood: Likelihood) -> Likelihood:
    """Give what bounds the predictions: of frames, what the model declares."""
    return likelihood if shows == "features" else OF_STATES
