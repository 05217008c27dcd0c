"""The journal of an evaluation: the results so far, block by block.

With it, an evaluation that was killed can be resumed, and ends with identical numbers.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench import cache
from physbench.errors import StorageError
from physbench.files import write_whole
from physbench.metrics.sums import Sums, ratio
from physbench.notices import announce
from physbench.npz import read_npz

Figures = dict[tuple[str, str], Sums]  # task, metric -> (N, steps)

MOST_ARRAYS, MOST_BYTES = 1 << 14, 1 << 30
"""The limits of the file of a block."""


@dataclass(frozen=True)
class Part:
    """The contribution of a block of sequences to each figure, and the notes for readers of the result."""

    figures: Figures
    notes: tuple[str, ...] = ()


class EvaluationJournal:
    """A folder of finished blocks.

    Its name is a digest of everything that decides the numbers, so an evaluation of something else uses another folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._keeps = True

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> EvaluationJournal:
        """Return the journal of an evaluation, in the cache folder."""
        evaluations = cache.directory() / "evaluations"
        with suppress(OSError):
            cache.make_room(evaluations, cache.LIMIT)
        return cls(evaluations / hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32])

    def count_finished(self) -> int:
        """Count the finished blocks."""
        with suppress(OSError):
            return len(list(self._folder.glob("*.npz")))
        return 0

    def read(self, task: str, start: int) -> Part | None:
        """Read a block; return None if it is missing or damaged, because it can be made again."""
        try:
            arrays = read_npz(
                self._path(task, start), "a block of an evaluation", most_arrays=MOST_ARRAYS, most_bytes=MOST_BYTES
            )
            notes = tuple(arrays["notes"].tolist())
            names = arrays["figures"].tolist()
            figures = {
                (of, metric): ratio(arrays[f"{of}|{metric}|numerator"], arrays[f"{of}|{metric}|denominator"])
                for of, metric in names
            }
        except Exception:
            return None
        return Part(figures, notes)

    def write(self, task: str, start: int, part: Part) -> None:
        """Write a block, completely or not at all.

        If nothing can be written, that is announced once, and the evaluation goes on without a journal.
        """
        if not self._keeps:
            return
        try:
            self._write(task, start, part)
        except (OSError, StorageError) as error:
            self._keeps = False
            reason = (isinstance(error, OSError) and error.strerror) or error
            announce(f"{self._folder} cannot be written ({reason}): if this evaluation is stopped, it begins anew")

    def _write(self, task: str, start: int, part: Part) -> None:
        arrays: dict[str, NDArray[Any]] = {
            "notes": np.array(part.notes, np.str_),
            "figures": np.array(list(part.figures), np.str_),
        }
        for (of, metric), sums in part.figures.items():
            arrays |= {f"{of}|{metric}|numerator": sums.numerator, f"{of}|{metric}|denominator": sums.denominator}
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(task, start)
        content = io.BytesIO()
        np.savez(content, allow_pickle=False, **arrays)
        if path.is_dir():  # another program must have made this folder, and no file can replace it
            shutil.rmtree(path)
        write_whole(path, content.getvalue())

    def discard(self) -> None:
        """Remove all blocks."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, task: str, start: int) -> Path:
        return self._folder / f"{task}-{start}.npz"
