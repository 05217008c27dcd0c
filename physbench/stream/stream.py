"""Endless streams of new batches without a file, made in the background while the previous batch is used.

Batch b holds the sequences b * size .. (b + 1) * size - 1 of a split, whichever process makes it, because a batch
depends only on its number.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING, Any

from physbench.ahead import ahead
from physbench.errors import RecipeError
from physbench.recipe import Recipe, resolve_split
from physbench.resolve import resolve_recipe
from physbench.scene import join_scenes
from physbench.storage.buffers import Buffers
from physbench.world import parts_of

if TYPE_CHECKING:
    import torch.utils.data
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Stream:
    """An endless iterable of batches: dictionaries of arrays (B, T, ...), like those of `batches` of a file.

    Every iteration begins with the same sequences again. For a second epoch, or to continue a job, use another `start`
    or another `seed`.

    >>> stream = physbench.stream("balls", n=3, batch=16, only=("features",))
    >>> for batch in stream:
    ...     print(batch["features"].shape)
    ...     break
    (16, 51, 64, 64, 1)
    >>> steps = 1000  # how many batches an earlier job has used
    >>> later = physbench.stream("balls", n=3, batch=16, only=("features",), start=16 * steps)
    """

    recipe: Recipe
    split: str
    batch: int
    start: int
    fields: tuple[str, ...]
    workers: int
    share: tuple[int, int] = (0, 1)
    """(k, n): only every n-th batch, beginning with batch k."""
    _buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        first, step = self.share
        return ahead(
            self._make, count(first, step), engine=parts_of(self.recipe.generator).engine, workers=self.workers
        )

    def take_share(self, part: int, parts: int) -> Stream:
        """Return a stream of every `parts`-th batch of this one: the share of one of several workers or machines.

        >>> mine = physbench.stream("balls4mass64").take_share(3, 8)  # batches 3, 11, 19, ...
        >>> mine.share
        (3, 8)
        """
        first, step = self.share
        return replace(self, share=(first + part * step, step * parts))

    def __getattr__(self, name: str) -> Any:
        if name == "shared":  # what take_share was called before
            warnings.warn("Stream.shared is called take_share now", DeprecationWarning, stacklevel=2)
            return self.take_share
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def torch(
        self, *, window: int | None = None, dtype: str | None = None, time_first: bool = False, seed: int = 0
    ) -> torch.utils.data.IterableDataset[dict[str, Any]]:
        """Make a torch IterableDataset of whole batches, which are divided among DataLoader workers and ranks.

        window: take only so many frames of each sequence, from a random place that depends on the seed. dtype: convert
        features from uint8 to these floats, scaled to 0..1. time_first: (T, B, ...) instead of (B, T, ...).

        >>> from torch.utils.data import DataLoader
        >>> data = physbench.stream("balls", n=3, batch=16).torch(window=8, dtype="float32", time_first=True)
        >>> batch = next(iter(DataLoader(data, batch_size=None)))
        >>> batch["features"].shape, batch["features"].dtype
        (torch.Size([8, 16, 64, 64, 1]), torch.float32)
        """
        from physbench.storage.framing import Framing
        from physbench.stream.torch_view import TorchStream

        framing = Framing(window, dtype, time_first, seed)
        framing.require_within(self.recipe.frames)
        return TorchStream(self, framing)

    def first_sequence(self, number: int) -> int:
        """Return the first sequence of a batch. number: that of the batch, counted over all shares.

        >>> physbench.stream("balls4mass64", batch=64, start=128).first_sequence(2)
        256
        """
        return self.start + number * self.batch

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffers": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "_buffers": Buffers()})

    def _make(self, number: int) -> dict[str, NDArray[Any]]:
        start, end = self.first_sequence(number), self.first_sequence(number + 1)
        pieces = [
            self.recipe.scenes(self.split, *piece, self.fields, memory=self._buffers.take)
            for piece in self._cut(start, end)
        ]
        arrays = join_scenes(pieces).arrays()
        return {name: arrays[name] for name in self.fields}

    def _cut(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Yield the stretches of the split for a stretch of the stream: several, if the stream begins again in it."""
        if parts_of(self.recipe.generator).spans is None:
            yield start, end
            return
        count = self.recipe.splits[self.split]
        while start < end:
            first = start % count
            last = min(count, first + end - start)
            yield first, last
            start += last - first


def stream(
    dataset: str | Recipe,
    *,
    split: str = "training",
    seed: int | None = None,
    batch: int = 64,
    start: int = 0,
    only: tuple[str, ...] | list[str] | None = None,
    workers: int = 1,
    frames: int | None = None,
    **parameters: Any,
) -> Stream:
    """Stream batches of a dataset that is never stored.

    Sequence i is the same as sequence i of a file made with this seed; the stream goes on where the file would end. A
    world of whole episodes cannot make more sequences: its stream begins again with the first one.

    only: the arrays that are wanted; the others are not made. start: the first sequence of every iteration. workers:
    how many threads make batches in the background, or processes if the world needs them; with 0, each batch is made
    when it is asked for. frames, parameters: changes to a world, as `physbench generate balls --help` lists them.

    >>> batch = next(iter(physbench.stream("balls", n=(6, 8), gravity=0.1, batch=8)))
    >>> batch["features"].shape, batch["position"].shape
    ((8, 51, 64, 64, 1), (8, 51, 8, 2))
    """
    recipe = resolve_recipe(dataset, parameters, frames=frames, seed=seed)
    split = resolve_split(split)
    if batch < 1:
        raise RecipeError(f"a batch has at least 1 sequence, not {batch}")
    if start < 0:
        raise RecipeError(f"a stream starts at sequence 0 or later, not at {start}")
    if not 0 <= workers <= 1024:
        raise RecipeError(f"workers is 0 to 1024, not {workers}")
    if parts_of(recipe.generator).spans is not None and split not in recipe.splits:
        raise RecipeError(f"{recipe.name} has no {split} sequences: it has {', '.join(recipe.splits)}")
    names = [name for name in recipe.generator.arrays if not name.startswith("events/")]
    for name in only or ():
        if name not in names:
            raise RecipeError(f"{recipe.dataset} has no array {name!r}: it has {', '.join(names)}")
    return Stream(
        recipe=recipe,
        split=split,
        batch=batch,
        start=start,
        fields=tuple(names if only is None else only),
        workers=workers,
    )
