"""What an evaluation has found so far, block by block, so that a killed one goes on and ends with identical numbers."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench import cache
from physbench.files import write_whole
from physbench.metrics.sums import Sums, ratio
from physbench.npz import read_npz

Figures = dict[tuple[str, str], Sums]

MOST_ARRAYS, MOST_BYTES = 1 << 14, 1 << 30
"""Of a block."""


@dataclass(frozen=True)
class Part:
    """What a block of sequences contributes to each figure, and what a reader of the result must know."""

    figures: Figures
    notes: tuple[str, ...] = ()


class EvaluationJournal:
    """A folder of finished blocks. Its name is made of everything that decides the numbers: who asks for something else
    finds another folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def of(cls, identity: Mapping[str, Any]) -> EvaluationJournal:
        """In the cache directory."""
        evaluations = cache.directory() / "evaluations"
        cache.make_room(evaluations, cache.LIMIT)
        return cls(evaluations / hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32])

    def count_finished(self) -> int:
        """How many blocks."""
        return len(list(self._folder.glob("*.npz"))) if self._folder.is_dir() else 0

    def read(self, task: str, start: int) -> Part | None:
        """A block, if it is there and whole. It can be made again, so whatever is wrong with it is no error."""
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
        """Whole or not at all."""
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
        if path.is_dir():  # only a stranger puts one there, and no file can take its place
            shutil.rmtree(path)
        write_whole(path, content.getvalue())

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _path(self, task: str, start: int) -> Path:
        return self._folder / f"{task}-{start}.npz"
