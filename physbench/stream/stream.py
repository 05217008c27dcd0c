"""Fresh batches without a file and without end, made on background threads while the last one is used.

Batch b holds the sequences b * size .. (b + 1) * size - 1 of a split, whoever makes it: a stream is a counter, not a state.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from physbench import registry
from physbench.errors import RecipeError
from physbench.recipe import SPLITS
from physbench.scene import Scenes
from physbench.storage.buffers import Buffers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch.utils.data
    from numpy.typing import NDArray

    from physbench.recipe import Recipe

FIELDS = tuple(item.name for item in fields(Scenes) if item.name != "events")


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Iterate over it for batches: dictionaries of arrays (B, T, ...), as a file's `batches` gives them."""

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
        numbers = count(first, step)
        if self.workers == 0:
            yield from map(self._made, numbers)
        with ThreadPoolExecutor(self.workers) as pool:
            ahead = deque(pool.submit(self._made, number) for number in islice(numbers, self.workers + 1))
            try:
                while True:
                    batch = ahead.popleft().result()
                    ahead.append(pool.submit(self._made, next(numbers)))
                    yield batch
                    del batch  # its memory is free for the next one, unless somebody keeps it
            finally:
                for future in ahead:
                    future.cancel()

    def shared(self, part: int, parts: int) -> Stream:
        """Of this stream's batches every `parts`-th: what one of several workers or machines makes."""
        first, step = self.share
        return replace(self, share=(first + part * step, step * parts))

    def torch(self) -> torch.utils.data.IterableDataset[dict[str, Any]]:
        """A torch IterableDataset of whole batches (give DataLoader batch_size=None), shared out over its workers and over ranks."""
        from physbench.stream.torch_view import TorchStream

        return TorchStream(self)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffers": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "_buffers": Buffers()})

    def _made(self, number: int) -> dict[str, NDArray[Any]]:
        start = self.start + number * self.batch
        seeds = self.recipe.seeds(self.split, start, start + self.batch)
        draw = getattr(self.recipe.generator, "arrays", None)
        if draw:
            return draw(seeds, self.recipe.frames, self.fields, self._buffers.take)
        arrays = self.recipe.generator.batch(seeds, self.recipe.frames).arrays()
        return {name: arrays[name] for name in self.fields}


def stream(
    dataset: str | Recipe,
    *,
    split: str = "training",
    seed: int | None = None,
    batch: int = 64,
    start: int = 0,
    only: tuple[str, ...] | list[str] = FIELDS,
    workers: int = 1,
) -> Stream:
    """Batches of a dataset that is never stored: sequence i is what a file made with this seed holds at i, also beyond its last one.

    only: the arrays that are wanted; the others are not made. workers: background threads; 0 makes each batch when it is asked for.
    """
    recipe: Recipe = registry.datasets.get(dataset) if isinstance(dataset, str) else dataset
    if seed is not None:
        recipe = replace(recipe, seed=seed)
    if split not in SPLITS:
        raise RecipeError(f"there is no split {split!r}: there is {', '.join(SPLITS)}")
    if batch < 1:
        raise RecipeError(f"a batch has at least 1 sequence, not {batch}")
    if start < 0:
        raise RecipeError(f"a stream starts at sequence 0 or later, not at {start}")
    if not 0 <= workers <= 1024:
        raise RecipeError(f"workers is 0 to 1024, not {workers}")
    for name in only:
        if name not in FIELDS:
            raise RecipeError(f"there is no array {name!r}: there is {', '.join(FIELDS)}")
    return Stream(recipe=recipe, split=split, batch=batch, start=start, fields=tuple(only), workers=workers)
