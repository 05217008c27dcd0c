"""Plain R-NEM files: `features`, `groups` and perhaps `collisions` of a split, with time as the first axis, as the
published code writes and reads them.

Some programs store bytes and others floats. Here both are read as the same: frames of 0 and 1 as uint8, everything else
as float32 in 0..1. Which of the two a split holds is decided once, by its first sequences, and the later ones must
agree.
"""

from __future__ import annotations

import hashlib
import os
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile, StorageError
from physbench.recipe import MAX_CHUNK, SPLITS
from physbench.storage.foreign import Array, Foreign

LOOKED_AT = 64
"""The most sequences that are read to decide what the frames of a split are."""

LAST_GROUP = 254
"""The largest number of a group."""

AT_ONCE = 1 << 26
"""The bytes of a split that are read at a time to compute its digest."""


def open_plain(path: str | os.PathLike[str], split: str = "test") -> PlainSplit:
    """Open a split of a plain R-NEM file."""
    file = Foreign(path)
    features = file.array(f"{split}/features") if split in SPLITS else None
    if features is None:
        there = [name for name in SPLITS if f"{name}/features" in file]
        has = (
            f"has {', '.join(there)}"
            if there
            else f"is no R-NEM file: none of {', '.join(SPLITS)} is there with its features"
        )
        raise StorageError(f"{file.path} has no features of a split {split!r}: it {has}")
    return PlainSplit(split, features, file.array(f"{split}/groups"), file.array(f"{split}/collisions"))


class PlainSplit:
    """The sequences of a split. T frames, N sequences, H x W pixels, C channels; B sequences at a time."""

    def __init__(self, name: str, features: Array, groups: Array | None, collisions: Array | None) -> None:
        self.name = name
        self._features = features
        self._marks = {"groups": (groups, LAST_GROUP), "collisions": (collisions, 1)}
        if len(features.shape) not in (4, 5):
            raise StorageError(
                f"{features.where} has {len(features.shape)} axes: frames have T, N, H, W and C, or no C"
            )
        if not prod(features.shape):
            raise StorageError(f"{features.where} is empty: its shape is {features.shape}")
        self.frames, self._count, height, width = features.shape[:4]
        self.shape = (height, width, prod(features.shape[4:]))  # H, W, C
        if 4 * self.frames * prod(self.shape) > MAX_CHUNK:
            raise StorageError(
                f"{features.where} has sequences of {self.frames} frames of {self.shape}: as floats they must fit into"
                f" {MAX_CHUNK:,} bytes"
            )
        expected = features.shape[:4]
        for array, _ in self._marks.values():
            if array is not None and array.shape not in (expected, (*expected, 1)):
                raise StorageError(
                    f"{array.where} has shape {array.shape}; with these features it would be {(*expected, 1)}"
                )

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<{self.name}: {len(self):,} sequences of {self.frames} frames of {self.shape}>"

    def read(self, start: int, stop: int) -> dict[str, NDArray[Any] | None]:
        """Read sequences start..stop-1.

        features (B, T, H, W, C) are uint8 or float32; groups and collisions (B, T, H, W, 1) are uint8, or None if there
        are none.
        """
        read: dict[str, NDArray[Any] | None] = {"features": self._frames(start, stop)}
        for name, (array, most) in self._marks.items():
            read[name] = (
                None
                if array is None
                else self._whole(array, start, stop, most).reshape(-1, self.frames, *self.shape[:2], 1)
            )
        return read

    def digest(self, count: int) -> str:
        """Return the digest of the values of the first `count` sequences; it does not depend on how they are stored."""
        if not 1 <= count <= len(self):
            raise StorageError(f"{self._features.where} has {len(self)} sequences: a digest of {count} cannot be taken")
        step = max(1, AT_ONCE // (4 * self.frames * prod(self.shape)))
        hashes: dict[str, Any] = {}
        lines: dict[str, str] = {}
        for start in range(0, count, step):
            for name, array in self.read(start, min(start + step, count)).items():
                if array is not None:
                    hashes.setdefault(name, hashlib.sha256()).update(
                        np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).data
                    )
                    lines[name] = (
                        f"{name} {array.dtype.name} {'x'.join(str(length) for length in (count, *array.shape[1:]))}"
                    )
        text = "".join(f"{line} {hashes[name].hexdigest()}\n" for name, line in lines.items())
        return hashlib.sha256(f"plain content 1\n{text}".encode()).hexdigest()

    @cached_property
    def _most(self) -> int | None:
        """Return 1 if frames are 0 or 1, 255 if they are colours in bytes, and None if they are other floats."""
        step = max(1, min(LOOKED_AT, AT_ONCE // (8 * self.frames * prod(self.shape))))
        some = self._features.read(0, min(step, len(self)), axis=1)
        if ((some == 0) | (some == 1)).all():
            return 1
        return None if some.dtype.kind == "f" else 255

    def _frames(self, start: int, stop: int) -> NDArray[Any]:
        if self._most is not None:
            frames = self._whole(self._features, start, stop, self._most)
            frames = frames if self._most == 1 else frames / np.float32(self._most)
        else:
            stored = self._read_stretch(self._features, start, stop)
            self._require((stored >= 0) & (stored <= 1), stored, self._features, start, "floats from 0 to 1")
            frames = stored.astype(np.float32) + np.float32(0)  # turns -0.0 into 0.0
        return frames.reshape(-1, self.frames, *self.shape)

    def _whole(self, array: Array, start: int, stop: int, most: int) -> NDArray[np.uint8]:
        """Read whole numbers from 0 to `most`, stored as any type."""
        stored = self._read_stretch(array, start, stop)
        sound = (stored >= 0) & (stored <= most)
        if stored.dtype.kind == "f":
            sound &= np.floor(stored) == stored
        self._require(
            sound,
            stored,
            array,
            start,
            f"whole numbers from 0 to {most}" + (", as its first sequences tell" if array is self._features else ""),
        )
        return stored.astype(np.uint8)

    def _read_stretch(self, array: Array, start: int, stop: int) -> NDArray[Any]:
        """Read sequences as (B, T, ...) from a file in which time is the first axis."""
        return np.ascontiguousarray(array.read(start, stop, axis=1).swapaxes(0, 1))

    def _require(self, sound: NDArray[np.bool_], stored: NDArray[Any], array: Array, start: int, expected: str) -> None:
        if not sound.all():
            place = np.unravel_index(int(np.argmin(sound)), sound.shape)
            value = stored[place].item()
            raise DamagedFile(
                f"{array.where} holds {value} in frame {place[1]} of sequence {start + int(place[0])}: its values are"
                f" {expected}"
            )
