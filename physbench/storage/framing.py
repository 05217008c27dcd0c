"""Preparation of sequences for training: a window of frames, floats from 0 to 1, time as the first axis."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import StorageError
from physbench.recipe import mix
from physbench.storage.layout import PIXELS, STATES

DTYPES = ("float16", "float32", "float64")
TIMED = frozenset(field.name for field in (*PIXELS, *STATES) if field.timed)
"""Arrays that have time as an axis."""


@dataclass(frozen=True)
class Framing:
    """What is done to sequences before a model gets them; by default, nothing."""

    window: int | None = None  # frames; None = all
    dtype: str | None = None  # of features, scaled to 0..1; None = uint8 as stored
    time_first: bool = False
    seed: int = 0  # for the place of the window

    def __post_init__(self) -> None:
        whole = self.window is None or type(self.window) is int
        if not whole or (self.window is not None and self.window < 1):
            raise StorageError(f"a window is a whole number of frames, 1 or more, not {self.window!r}")
        if self.dtype is not None and self.dtype not in DTYPES:
            raise StorageError(f"dtype is {', '.join(DTYPES)} or None, which leaves uint8, not {self.dtype!r}")

    def require_within(self, frames: int) -> None:
        """Refuse a window that is longer than the sequences."""
        if self.window is not None and self.window > frames:
            raise StorageError(f"a window of {self.window} frames does not fit into sequences of {frames}")

    def draw_starts(self, numbers: NDArray[np.integer[Any]], frames: int) -> NDArray[np.int64]:
        """Draw the first frame of the window of each sequence, (B,), from the seed and the number of the sequence."""
        room = frames - (self.window or frames) + 1
        first = mix(self.seed) + 1
        return np.array([mix((first + number) % (1 << 64)) % room for number in numbers.tolist()], np.int64)

    def apply(self, arrays: Mapping[str, NDArray[Any]], numbers: NDArray[np.integer[Any]]) -> dict[str, NDArray[Any]]:
        """Frame a batch (B, T, ...) of the sequences with these numbers; the result is still (B, T, ...)."""
        batch = dict(arrays)
        timed = [name for name in batch if name in TIMED]
        if self.window is not None and timed:
            starts = self.draw_starts(numbers, batch[timed[0]].shape[1])
            for name in timed:
                array = np.asarray(batch[name])
                out = np.empty((len(array), self.window, *array.shape[2:]), array.dtype)
                for row, start in enumerate(starts.tolist()):
                    out[row] = array[row, start : start + self.window]
                batch[name] = out
        if self.dtype is not None and "features" in batch:
            batch["features"] = scale_features(batch["features"], self.dtype)
        return batch


def scale_features(features: NDArray[Any], dtype: str = "float32") -> NDArray[Any]:
    """Turn frames into floats from 0 to 1: colours are divided by 255, values of 0 or 1 stay as they are."""
    colours = features.dtype == np.uint8 and features.shape[-1] > 1
    return features.astype(dtype) / np.dtype(dtype).type(255) if colours else np.asarray(features).astype(dtype)


def put_time_first(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Put time first, (T, B, ...), in a batch (B, T, ...). Arrays without time stay as they are."""
    return {
        name: np.ascontiguousarray(array.swapaxes(0, 1)) if name in TIMED else array for name, array in arrays.items()
    }
