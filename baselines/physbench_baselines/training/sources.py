"""Sources of training sequences. Step s always gets the same ones, so a run can be resumed at any step."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from physbench import registry
from physbench.ahead import ahead
from physbench.errors import TrainingError
from physbench.recipe import Recipe, mix
from physbench.storage.buffers import Buffers
from physbench.storage.framing import TIMED
from physbench.storage.reader import File, Split, open_dataset
from physbench.world import parts_of
from physbench_baselines.training.ranks import ALONE, Ranks
from physbench_baselines.training.training_recipe import TrainingRecipe

if TYPE_CHECKING:
    Source: TypeAlias = "Streamed | StoredBatches"
    """Training batches by the number of the step, and the validation sequences."""

Batch = dict[str, NDArray[Any]]  # (B, T, ...) or (B, ...) each, by name


def source_of(recipe: TrainingRecipe, ranks: Ranks = ALONE) -> Source:
    """Return the source that a recipe names: a file, or a dataset that is made while it is used.

    ranks: training batches hold the sequences of this process alone; validation batches hold all.
    """
    if is_file(recipe):
        return StoredBatches(recipe, open_dataset(recipe.data), ranks)
    if recipe.data not in registry.datasets.names() and (
        Path(recipe.data).suffix or Path(recipe.data).name != recipe.data
    ):
        raise TrainingError(
            f"there is no dataset file {recipe.data}: make it with physbench generate, or name a dataset"
        )
    return Streamed(recipe, registry.datasets.get(recipe.data), ranks)


def is_file(recipe: TrainingRecipe) -> bool:
    """Return whether the recipe's data are a file. A dataset's name is never read as a file."""
    return recipe.data not in registry.datasets.names() and Path(recipe.data).exists()


@dataclass(frozen=True)
class Streamed:
    """An endless supply of fresh sequences of a dataset; another seed gives others."""

    recipe: TrainingRecipe
    made: Recipe
    ranks: Ranks = ALONE
    _buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.made.splits.get("training"):
            raise TrainingError(
                f"{self.made.dataset} is for tests only: a model trained on it could not be tested with it; name"
                " another dataset"
            )
        _require_frames(self.recipe, self.made.frames, self.made.dataset)
        if self._ends:
            _require_batch(self.recipe, self.made.splits["training"], self.made.dataset)

    @property
    def dataset(self) -> str:
        """The name of the dataset."""
        return self.made.dataset

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the arrays that it has."""
        return tuple(name for name in self.made.generator.arrays if not name.startswith("events/"))

    @property
    def frames(self) -> int:
        """Frames in a sequence."""
        return self.made.frames

    @property
    def epoch(self) -> int:
        """Sequences in an epoch."""
        return self.recipe.epoch

    @property
    def _ends(self) -> bool:
        """Whether the number of sequences is limited to that in the dataset's recipe."""
        return parts_of(self.made.generator).spans is not None

    def batches(self, first: int, *, wants: Sequence[str], workers: int) -> Generator[Batch]:
        """Yield the batches from step `first` on."""
        return ahead(partial(self._batch, wants), count(first), workers=workers)

    def validation(self, wants: Sequence[str]) -> Generator[Batch]:
        """Yield the validation sequences in batches."""
        total = (
            min(self.recipe.validation, self.made.splits.get("validation", 0)) if self._ends else self.recipe.validation
        )
        make = partial(self._scenes, self.made, "validation", wants)
        for arrays in ahead(
            make, [(start, min(start + self.recipe.batch, total)) for start in range(0, total, self.recipe.batch)]
        ):
            yield _part(arrays, self.recipe)

    def _batch(self, wants: Sequence[str], step: int) -> Batch:
        """Make the batch of a step. Where the sequences end, another seed gives the next ones."""
        turn, place = divmod(step, self.made.splits["training"] // self.recipe.batch) if self._ends else (0, step)
        made = replace(self.made, seed=(self.made.seed + self.recipe.seed + (turn << 32)) % (1 << 64))
        first = place * self.recipe.batch
        batches = [
            self._scenes(made, "training", wants, (first + start, first + stop))
            for start, stop in self.ranks.stretches(self.recipe.batch, self.recipe.accumulate)
        ]
        return _part(_join(batches), self.recipe, step)

    def _scenes(self, made: Recipe, split: str, wants: Sequence[str], stretch: tuple[int, int]) -> Batch:
        return made.scenes(split, *stretch, wants, memory=self._buffers.take).arrays()


class StoredBatches:
    """The training split of a file, repeated, each time in another order."""

    def __init__(self, recipe: TrainingRecipe, file: File, ranks: Ranks = ALONE) -> None:
        for split in ("training", "validation"):
            if split not in file:
                raise TrainingError(f"{file.path} has no {split} split: it has {', '.join(file)}")
        self.recipe = recipe
        self.ranks = ranks
        self.training, self.held_out = file["training"], file["validation"]
        self.dataset = file.attributes["dataset"]
        self.epoch = len(self.training)
        for split in (self.training, self.held_out):
            _require_frames(recipe, split.sizes["T"], file.path)
        _require_batch(recipe, self.epoch, file.path)

    @property
    def arrays(self) -> tuple[str, ...]:
        """The names of the arrays that it has."""
        return self.training.fields

    @property
    def frames(self) -> int:
        """Frames in a sequence."""
        return self.held_out.sizes["T"]

    def batches(self, first: int, *, wants: Sequence[str], workers: int) -> Generator[Batch]:
        """Yield the batches from step `first` on."""
        training = self.training.only(*wants)
        return ahead(lambda step: self._batch(training, step), count(first), workers=workers)

    def validation(self, wants: Sequence[str]) -> Generator[Batch]:
        """Yield the validation sequences in batches."""
        held_out, total = self.held_out.only(*wants), min(self.recipe.validation, len(self.held_out))
        for start in range(0, total, self.recipe.batch):
            yield _part(held_out[start : min(start + self.recipe.batch, total)], self.recipe)

    def _batch(self, training: Split, step: int) -> Batch:
        """Read the batch of a step: a part of an epoch's permutation. What is left over at its end is not used."""
        epoch, place = divmod(step, self.epoch // self.recipe.batch)
        order = np.random.Generator(np.random.Philox(key=[mix(self.recipe.seed + 1), epoch])).permutation(self.epoch)
        batch = order[place * self.recipe.batch : (place + 1) * self.recipe.batch]
        stretches = self.ranks.stretches(self.recipe.batch, self.recipe.accumulate)
        return _part(training[np.concatenate([batch[start:stop] for start, stop in stretches])], self.recipe, step)


def _join(batches: Sequence[Batch]) -> Batch:
    first, *others = batches
    return {name: np.concatenate([batch[name] for batch in batches]) for name in first} if others else first


def cut(batch: Mapping[str, Any], stop: int, start: int = 0) -> dict[str, Any]:
    """Take frames start..stop-1 of every array that has frames."""
    return {name: array[:, start:stop] if name in TIMED else array for name, array in batch.items()}


def _part(batch: Batch, recipe: TrainingRecipe, step: int | None = None) -> Batch:
    """Take as many frames as the longest part of the run needs.

    A single frame is repeated. Without a step, or if the recipe does not say `anywhere`, these are the first frames;
    otherwise the step decides where they start.
    """
    batch = {
        name: np.repeat(array, recipe.longest, axis=1) if name in TIMED and array.shape[1] < recipe.longest else array
        for name, array in batch.items()
    }
    frames = next((array.shape[1] for name, array in batch.items() if name in TIMED), recipe.longest)
    start = (
        mix(mix(recipe.seed + 1) ^ step) % (frames - recipe.longest + 1) if recipe.anywhere and step is not None else 0
    )
    return cut(batch, start + recipe.longest, start)


def _require_frames(recipe: TrainingRecipe, there: int, where: Any) -> None:
    if recipe.longest > there > 1:  # a single frame is an image, which can be repeated
        raise TrainingError(
            f"{where} has {there} frames in a sequence, and this recipe learns from {recipe.longest}: give fewer frames"
        )


def _require_batch(recipe: TrainingRecipe, there: int, where: Any) -> None:
    if recipe.batch > there:
        raise TrainingError(f"{where} has {there} training sequences: fewer than a batch of {recipe.batch}")
