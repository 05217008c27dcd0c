"""The content digest of sequences in memory: the one that a file of them would have."""

from collections.abc import Collection
from typing import Any

import numpy as np

from physbench.scene import Scenes
from physbench.storage.codec import adler32
from physbench.storage.layout import array_digest, layout_of, pixels_digest, split_text, text_digest, time_first


class SplitDigest:
    """The digest of a split whose sequences are added batch by batch, in order."""

    def __init__(self, split: str, arrays: Collection[str]) -> None:
        """Begin a digest. arrays: the names of the arrays that the world declares."""
        self._split = split
        self._layout = layout_of(arrays)
        self._checksums: dict[str, list[int]] = {field.name: [] for field in self._layout.pixels}
        self._parts: dict[str, list[Any]] = {path: [] for path in self._layout.paths if path not in self._checksums}
        self._sizes: dict[str, int] = {}
        self._count = 0

    def add(self, scenes: Scenes) -> None:
        """Add the next sequences."""
        arrays, count = scenes.arrays(), len(scenes)
        for name, checksums in self._checksums.items():
            checksums += [adler32(sequence) for sequence in arrays[name]]
        for field in self._layout.states:
            self._parts[field.name].append(time_first(field, arrays[field.name]))
        for field in (*self._layout.pixels, *self._layout.states):
            self._sizes |= dict(zip(field.axes, time_first(field, arrays[field.name]).shape, strict=True))
        if self._layout.events:
            rows = np.diff(scenes.events["offset"])
            columns = {
                **scenes.events,
                "offset": rows,
                "sequence": np.repeat(np.arange(self._count, self._count + count), rows),
            }
            for field in self._layout.events:
                self._parts[f"events/{field.name}"].append(columns[field.name])
        self._count += count

    def hexdigest(self) -> str:
        """Return the content digest of a file that holds only this split."""
        digests = {name: pixels_digest(np.array(checksums, np.uint32)) for name, checksums in self._checksums.items()}
        sizes = {**self._sizes, "N": self._count, "O": self._count + 1}
        for path, parts in self._parts.items():
            field = self._layout.paths[path]
            column = np.concatenate(parts, axis=int(field.timed))
            if path == "events/offset":
                column = np.concatenate([[0], np.cumsum(column)])
                sizes["M"] = int(column[-1])
            digests[path] = array_digest([column.astype(field.dtype)])
        return text_digest(split_text(self._split, sizes, digests))
