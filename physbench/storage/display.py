"""What a model is shown of a sequence: frames, or states instead."""

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
"""The likelihood for predicted states, which may be any finite numbers: positions can lie anywhere, and a bit is set
above 1/2. The likelihood that a model declares is only for pixels."""


@dataclass(frozen=True)
class Display:
    """The array of a dataset that is shown, and how it is shown."""

    array: Shows = "features"
    box_side: float = 0.0  # the side of the box that objects move in, in pixels

    def require(self, name: str, arrays: Collection[str]) -> None:
        """Refuse data that have nothing to show, or positions without a box to measure them by."""
        if self.array not in arrays:
            what = {"features": "frames", "position": "places of objects", "ram": "memory of a console"}[self.array]
            raise StorageError(f"{name} has no {what} to show a model: it has {', '.join(arrays)}")
        if self.array == "position" and not self.box_side:
            raise StorageError(
                f"{name} does not say in how large a box its objects move, from the corner of the frame on: their"
                " places cannot be scaled"
            )

    def shape(self, frame: tuple[int, int, int], objects: int) -> tuple[int, int, int]:
        """Return the shape of what is shown. frame: the shape of a frame of the dataset. objects: how many it has."""
        return {"features": frame, "position": (objects, 2, 1), "ram": (BYTES, 8, 1)}[self.array]

    def show(self, arrays: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return what is shown of sequences (B, T, ...): values of 0 or 1 as stored, colours and positions as floats
        in 0..1."""
        array = arrays[self.array]
        if self.array == "position":
            return show_positions(array, self.box_side)
        if self.array == "ram":
            return show_memory(array)
        return scale_features(array) if array.dtype == np.uint8 and array.shape[-1] > 1 else array


def likelihood_of(shows: Shows, likelihood: Likelihood) -> Likelihood:
    """Return the likelihood of the predictions: for frames, the one that the model declares."""
    return likelihood if shows == "features" else OF_STATES
