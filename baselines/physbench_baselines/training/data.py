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
from physbench.storage.reader import open_dataset
from physbench.stream import stream

if TYPE_CHECKING:
    from collections.abc import Generator

    from numpy.typing import NDArray

    from physbench.recipe import Recipe
    from physbench.storage.reader import File
    from physbench_baselines.training.recipe import TrainingRecipe

    Frames = NDArray[np.uint8]  # (B, T, H, W, C)


class Source(Protocol):
    """Training batches by the number of the step, and the validation sequences."""

    @property
    def dataset(self) -> str: ...

    @property
    def shape(self) -> tuple[int, int, int]: ...  # H, W, C

    @property
    def epoch(self) -> int: ...  # sequences

    def batches(self, first: int, *, workers: int) -> Generator[Frames]: ...

    def validation(self) -> Generator[Frames]: ...


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
    def shape(self) -> tuple[int, int, int]:
        return self.made.generator.shape

    @property
    def epoch(self) -> int:
        return self.recipe.epoch

    def batches(self, first: int, *, workers: int) -> Generator[Frames]:
        seed = (self.made.seed + self.recipe.seed) % (1 << 64)
        batches = stream(self.made, seed=seed, batch=self.recipe.batch, start=first * self.recipe.batch, only=("features",), workers=workers)
        for step, arrays in enumerate(batches, start=first):
            yield _cut(arrays["features"], self.recipe, step)

    def validation(self) -> Generator[Frames]:
        batches = stream(self.made, split="validation", batch=self.recipe.batch, only=("features",))
        rounds = -(-self.recipe.validation // self.recipe.batch)
        for number, arrays in enumerate(islice(batches, rounds)):
            wanted = self.recipe.validation - number * self.recipe.batch
            yield arrays["features"][:wanted, : self.recipe.longest]


class Stored:
    """The training split of a file, again and again, each time in another order."""

    def __init__(self, recipe: TrainingRecipe, file: File) -> None:
        for split in ("training", "validation"):
            if split not in file:
                raise TrainingError(f"{file.path} has no {split} split: it has {', '.join(file)}")
        self.recipe = recipe
        self.training = file["training"].only("features")
        self.held_out = file["validation"].only("features")
        self.dataset = file.attributes["dataset"]
        self.epoch = len(self.training)
        _require_frames(recipe, min(self.training.sizes["T"], self.held_out.sizes["T"]), str(file.path))
        if recipe.batch > self.epoch:
            raise TrainingError(f"{file.path} has {self.epoch} training sequences: fewer than a batch of {recipe.batch}")

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.training.sizes["H"], self.training.sizes["W"], self.training.sizes["C"]

    def batches(self, first: int, *, workers: int) -> Generator[Frames]:
        return ahead(self._batch, count(first), workers=workers)

    def validation(self) -> Generator[Frames]:
        total = min(self.recipe.validation, len(self.held_out))
        for start in range(0, total, self.recipe.batch):
            yield self.held_out[start : min(start + self.recipe.batch, total)]["features"][:, : self.recipe.longest]

    def _batch(self, step: int) -> Frames:
        """A part of an epoch's permutation; what is left over at its end is not used."""
        epoch, place = divmod(step, self.epoch // self.recipe.batch)
        order = np.random.Generator(np.random.Philox(key=[mixed(self.recipe.seed + 1), epoch])).permutation(self.epoch)
        chosen = order[place * self.recipe.batch : (place + 1) * self.recipe.batch]
        return _cut(self.training[chosen]["features"], self.recipe, step)


def _cut(frames: Frames, recipe: TrainingRecipe, step: int) -> Frames:
    """As many frames as the longest part of the run takes."""
    spare = frames.shape[1] - recipe.longest
    first = mixed(mixed(recipe.seed + 1) ^ step) % (spare + 1) if recipe.anywhere else 0
    return frames[:, first : first + recipe.longest]


def _require_frames(recipe: TrainingRecipe, there: int, where: Any) -> None:
    if recipe.longest > there:
        raise TrainingError(f"{where} has {there} frames in a sequence, and this recipe learns from {recipe.longest}: give fewer frames")
