"""The digest of sequences that are in memory: what a file of them would carry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.storage.codec import adler32
from physbench.storage.layout import EVENTS, PIXELS, STATES, array_digest, pixels_digest, split_text, text_digest, time_first

if TYPE_CHECKING:
    from physbench.scene import Scenes


class SplitDigest:
    """Of a split whose sequences are added batch after batch, in order."""

    def __init__(self, split: str) -> None:
        self._split = split
        self._checksums: dict[str, list[int]] = {field.name: [] for field in PIXELS}
        self._parts: dict[str, list[Any]] = {field.name: [] for field in STATES}
        self._events: dict[str, list[Any]] = {field.name: [] for field in EVENTS}
        self._sizes: dict[str, int] = {}
        self._count = 0

    def add(self, scenes: Scenes) -> None:
        arrays = scenes.arrays()
        for name, checksums in self._checksums.items():
            checksums += [adler32(sequence) for sequence in arrays[name]]
        for field in STATES:
            self._parts[field.name].append(time_first(field, arrays[field.name]))
        rows = np.diff(scenes.events["offset"])
        self._events["offset"].append(rows)
        self._events["sequence"].append(np.repeat(np.arange(self._count, self._count + len(rows)), rows))
        for field in EVENTS:
            if field.name not in ("offset", "sequence"):
                self._events[field.name].append(scenes.events[field.name])
        _, frames, height, width, channels = arrays["features"].shape
        self._sizes = {"T": frames, "H": height, "W": width, "C": channels, "K": arrays["contact"].shape[2]}
        self._count += len(rows)

    def hexdigest(self) -> str:
        """The content digest of a file that holds this split alone."""
        digests = {name: pixels_digest(np.array(checksums, np.uint32)) for name, checksums in self._checksums.items()}
        for field in STATES:
            axis = field.axes.index("N")
            digests[field.name] = array_digest([np.concatenate(self._parts[field.name], axis=axis).astype(field.dtype)])
        for field in EVENTS:
            column = np.concatenate(self._events[field.name])
            if field.name == "offset":
                column = np.concatenate([[0], np.cumsum(column)])
            digests[f"events/{field.name}"] = array_digest([column.astype(field.dtype)])
        collisions = sum(len(part) for part in self._events["time"])
        sizes = {**self._sizes, "N": self._count, "O": self._count + 1, "M": collisions}
        return text_digest(split_text(self._split, sizes, digests))
