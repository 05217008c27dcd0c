"""Models that worker processes can load, and that leave traces of what happens to them there."""

from __future__ import annotations

import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from physbench.model import Batch, Bernoulli, Prediction
from tests.evaluation.toys import Array, Slots

TRACES = "PHYSBENCH_TEST_TRACES"
"""Names the folder of traces, for models that are entered by the name of a factory."""


@dataclass(frozen=True)
class Scribe:
    """Writes down in a folder which process loads it, which threads PyTorch has there, and what it is shown."""

    folder: str
    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        import torch  # noqa: F401  (so that it is there when the worker takes its share of the cores)

        self._note("loaded", os.getpid())

    def begin(self, batch: Batch) -> None:
        import torch

        self._note("shown", len(batch.seeds))
        self._note("threads", torch.get_num_threads())

    def observe(self, state: None, frame: Array, action: object) -> tuple[None, Prediction]:
        return None, Prediction((0.8 * frame + 0.1).astype(np.float32), np.zeros(frame.shape[:3], np.uint8))

    def latents(self, state: None) -> Array:
        return np.ones((2, 1, 3), np.float32)

    def _note(self, what: str, value: int) -> None:
        with (Path(self.folder) / what).open("a") as file:
            file.write(f"{value}\n")


def read_notes(folder: Path, what: str) -> list[int]:
    path = folder / what
    return [int(line) for line in path.read_text().split()] if path.exists() else []


@dataclass(frozen=True)
class Coder(Slots):
    """Notes of each slot how much of it is on, and where."""

    def observe(self, state: Any, frame: Array, action: object) -> tuple[Any, Prediction]:
        return frame, super().observe(None, frame, action)[1]

    def latents(self, state: Array) -> Array:
        half = state.shape[1] // 2
        quarters = [state[:, i : i + half, j : j + half].mean(axis=3) for i in (0, half) for j in (0, half)]
        rows = np.arange(half, dtype=np.float32)[:, None]
        return np.stack(
            [np.stack([q.mean((1, 2)), (q * rows).mean((1, 2)), (q * rows.T).mean((1, 2))], 1) for q in quarters], 1
        )


class Mortal(Slots):
    """Dies with its worker at its fifth block, once."""

    def __init__(self, folder: Path) -> None:
        object.__setattr__(self, "folder", folder)

    def begin(self, batch: Batch) -> None:
        folder: Path = self.folder  # type: ignore[attr-defined]
        (folder / f"{os.getpid()}-{len(list(folder.iterdir()))}").touch()
        if len(list(folder.iterdir())) >= 5 and not (folder / "died").exists():
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)


def build_mortal() -> Mortal:
    return Mortal(Path(os.environ[TRACES]))


class Stubborn(Exception):
    """An exception that cannot be loaded where it arrives."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} and {two}")


@dataclass(frozen=True)
class Raiser(Slots):
    """Raises something of its own."""

    portable: bool = True

    def begin(self, batch: Batch) -> None:
        raise ValueError("no such thing") if self.portable else Stubborn("this", "that")


class Unsendable(Slots):
    """Holds what belongs to one process."""

    def __init__(self) -> None:
        object.__setattr__(self, "lock", threading.Lock())
