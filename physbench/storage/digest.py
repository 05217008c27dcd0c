"""The content digest of sequences in memory: the one that a file of them would have."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.scene import Scenes
from physbench.storage.codec import adler32
from physbench.storage.layout import array_digest, layout_of, pixels_digest, split_text, text_digest, time_first


@dataclass(frozen=True)
class SplitSummary:
    """What some sequences add to the digest of their split: little beside them, and fit to be sent."""

    count: int
    checksums: dict[str, list[int]]  # of pixel arrays, by name
    columns: dict[str, NDArray[Any]]  # of states and events, by path; sequences of events are counted from 0
    sizes: dict[str, int]


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

    def summarize(self, scenes: Scenes) -> SplitSummary:
        """Work out what scenes add, without adding it: that can be done anywhere, and in any order."""
        arrays, count = scenes.arrays(), len(scenes)
        checksums = {name: [adler32(sequence) for sequence in arrays[name]] for name in self._checksums}
        columns: dict[str, NDArray[Any]] = {}
        sizes: dict[str, int] = {}
        for field in self._layout.states:
            columns[field.name] = time_first(field, arrays[field.name])
        for field in (*self._layout.pixels, *self._layout.states):
            sizes |= dict(zip(field.axes, time_first(field, arrays[field.name]).shape, strict=True))
        if self._layout.events:
            rows = np.diff(scenes.events["offset"])
            happened = {**scenes.events, "offset": rows, "sequence": np.repeat(np.arange(count), rows)}
            columns |= {f"events/{field.name}": happened[field.name] for field in self._layout.events}
        return SplitSummary(count, checksums, columns, sizes)

    def append(self, summary: SplitSummary) -> None:
        """Add the next sequences."""
        for name, checksums in summary.checksums.items():
            self._checksums[name] += checksums
        for path, column in summary.columns.items():
            self._parts[path].append(column + self._count if path == "events/sequence" else column)
        self._sizes |= summary.sizes
        self._count += summary.count

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
