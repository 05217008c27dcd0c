"""Fresh batches without a file and without end, made in the background while the last one is used.

Batch b holds the sequences b * size .. (b + 1) * size - 1 of a split, independent of what makes it: a stream is a
counter, not a state.
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
    """Iterate over it for batches: dictionaries of arrays (B, T, ...), as a file's `batches` gives them.

    A stream never ends, and iterating over it again begins again with the same sequences: a second epoch, or a job that
    goes on, needs another `start` or another `seed`.

    >>> stream = physbench.stream("balls", n=3, batch=16, only=("features",))
    >>> for batch in stream:
    ...     print(batch["features"].shape)
    ...     break
    (16, 51, 64, 64, 1)
    >>> steps = 1000  # that another job has made
    >>> later = physbench.stream("balls", n=3, batch=16, only=("features",), start=16 * steps)
    """

    recipe: Recipe
    split: str
    batch: int
    start: int
    fields: tuple[str, ...]
    workers: int
    share: tuple[int, int] = (0, 1)
    """(k, n): every n-th batch, from the k-th on."""
    _buffers: Buffers = field(default_factory=Buffers, repr=False, compare=False)

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        first, step = self.share
        return ahead(
            self._make, count(first, step), engine=parts_of(self.recipe.generator).engine, workers=self.workers
        )

    def take_share(self, part: int, parts: int) -> Stream:
        """Take every `parts`-th of this stream's batches: what one of several workers or machines makes.

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
        """Make a torch IterableDataset of whole batches, shared out over DataLoader's workers and over ranks.

        window: so many frames of each sequence, from a place drawn by the seed. dtype: features as such floats, scaled
        to 0..1, instead of uint8. time_first: (T, B, ...) instead of (B, T, ...).

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
        """Say which sequence of the split the batch of this number begins with, counted over all shares.

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
        """The stretches of the split that a stretch of the stream is made of: more than one where it begins again."""
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

    Sequence i is what a file made with this seed holds at i, also beyond its last one.
    A world of whole episodes has no sequences beyond its last one: its stream begins again with the first.

    only: the arrays that are wanted; the others are not made. start: the first sequence; each iteration begins there
    again. workers: background threads, or processes where the world wants them; 0 makes each batch when it is asked
    for. frames, parameters: of a world of your own, as `physbench generate balls --help` lists them.

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
