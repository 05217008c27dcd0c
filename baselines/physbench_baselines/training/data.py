"""Where a run's sequences come from. Step s gets the same ones whoever asks, and whenever: resuming is starting at another number."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from physbench import registry
from physbench.ahead import ahead
from physbench.errors import TrainingError
from physbench.recipe import mixed
from physbench.storage.reader import FIELDS, open_dataset
from physbench.stream import stream
from physbench.stream.stream import FIELDS as STREAMED

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.storage.reader import File, Split
    from physbench_baselines.training.recipe import TrainingRecipe

    Batch = dict[str, NDArray[Any]]  # (B, T, ...) or (B, ...) each, by name

TIMED = frozenset(name for name, each in FIELDS.items() if each.timed)
"""The arrays that have something to say of every frame."""


class Source(Protocol):
    """Training batches by the number of the step, and the validation sequences."""

    @property
    def dataset(self) -> str: ...

    @property
    def arrays(self) -> tuple[str, ...]: ...  # what it has

    @property
    def epoch(self) -> int: ...  # sequences

    def batches(self, first: int, *, wants: Sequence[str], workers: int) -> Generator[Batch]: ...

    def validation(self, wants: Sequence[str]) -> Generator[Batch]: ...


def source_of(recipe: TrainingRecipe) -> Source:
    if is_file(recipe):
        return Stored(recipe, open_dataset(recipe.data))
    if recipe.data not in registry.datasets.names() and (Path(recipe.data).suffix or Path(recipe.data).name != recipe.data):
        raise TrainingError(f"there is no dataset file {recipe.data}: make it with physbench generate, or name a dataset")
    return Streamed(recipe, registry.datasets.get(recipe.data))


def is_file(recipe: TrainingRecipe) -> bool:
    """A dataset's name is never taken for a file's."""
    return recipe.data not in registry.datasets.names() and Path(recipe.data).exists()


@dataclass(frozen=True)
class Streamed:
    """Fresh sequences of a dataset without end; another seed gives others."""

    recipe: TrainingRecipe
    made: Recipe

    def __post_init__(self) -> None:
        if not self.made.splits.get("training"):
            raise TrainingError(f"{self.made.dataset} is for tests alone: whoever learns it can no longer be tested by it; name another dataset")
        _require_frames(self.recipe, self.made.frames, self.made.dataset)

    @property
    def dataset(self) -> str:
        return self.made.dataset

    @property
    def arrays(self) -> tuple[str, ...]:
        return STREAMED

    @property
    def epoch(self) -> int:
        return self.recipe.epoch

    def batches(self, first: int, *, wants: Sequence[str], workers: int) -> Generator[Batch]:
        seed = (self.made.seed + self.recipe.seed) % (1 << 64)
        batches = stream(self.made, seed=seed, batch=self.recipe.batch, start=first * self.recipe.batch, only=tuple(wants), workers=workers)
        for step, arrays in enumerate(batches, start=first):
            yield _part(arrays, self.recipe, step)

    def validation(self, wants: Sequence[str]) -> Generator[Batch]:
        batches = stream(self.made, split="validation", batch=self.recipe.batch, only=tuple(wants))
        rounds = -(-self.recipe.validation // self.recipe.batch)
        for number, arrays in enumerate(islice(batches, rounds)):
            wanted = self.recipe.validation - number * self.recipe.batch
            yield cut({name: array[:wanted] for name, array in arrays.items()}, self.recipe.longest)


class Stored:
    """The training split of a file, again and again, each time in another order."""

    def __init__(self, recipe: TrainingRecipe, file: File) -> None:
        for split in ("training", "validation"):
            if split not in file:
                raise TrainingError(f"{file.path} has no {split} split: it has {', '.join(file)}")
        self.recipe = recipe
        self.training, self.held_out = file["training"], file["validation"]
        self.dataset = file.attributes["dataset"]
        self.epoch = len(self.training)
        _require_frames(recipe, min(self.training.sizes["T"], self.held_out.sizes["T"]), str(file.path))
        if recipe.batch > self.epoch:
            raise TrainingError(f"{file.path} has {self.epoch} training sequences: fewer than a batch of {recipe.batch}")

    @property
    def arrays(self) -> tuple[str, ...]:
        return self.training.fields

    def batches(self, first: int, *, wants: Sequence[str], workers: int) -> Generator[Batch]:
        training = self.training.only(*wants)
        return ahead(lambda step: self._batch(training, step), count(first), workers=workers)

    def validation(self, wants: Sequence[str]) -> Generator[Batch]:
        held_out, total = self.held_out.only(*wants), min(self.recipe.validation, len(self.held_out))
        for start in range(0, total, self.recipe.batch):
            yield cut(held_out[start : min(start + self.recipe.batch, total)], self.recipe.longest)

    def _batch(self, training: Split, step: int) -> Batch:
        """A part of an epoch's permutation; what is left over at its end is not used."""
        epoch, place = divmod(step, self.epoch // self.recipe.batch)
        order = np.random.Generator(np.random.Philox(key=[mixed(self.recipe.seed + 1), epoch])).permutation(self.epoch)
        return _part(training[order[place * self.recipe.batch : (place + 1) * self.recipe.batch]], self.recipe, step)


def cut(batch: Mapping[str, Any], stop: int, start: int = 0) -> dict[str, Any]:
    """Take frames start..stop-1 of every array that has frames."""
    return {name: array[:, start:stop] if name in TIMED else array for name, array in batch.items()}


def _part(batch: Batch, recipe: TrainingRecipe, step: int) -> Batch:
    """As many frames as the longest part of the run takes."""
    frames = next((array.shape[1] for name, array in batch.items() if name in TIMED), recipe.longest)
    start = mixed(mixed(recipe.seed + 1) ^ step) % (frames - recipe.longest + 1) if recipe.anywhere else 0
    return cut(batch, start + recipe.longest, start)


def _require_frames(recipe: TrainingRecipe, there: int, where: Any) -> None:
    if recipe.longest > there:
        raise TrainingError(f"{where} has {there} frames in a sequence, and this recipe learns from {recipe.longest}: give fewer frames")
