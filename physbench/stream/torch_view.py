"""A stream as a torch IterableDataset."""

import os
from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np

from physbench.errors import MissingPackage
from physbench.storage.framing import Framing, put_time_first
from physbench.storage.torch_view import known_to_torch
from physbench.stream.stream import Stream

try:
    import torch
    from torch import distributed
    from torch.utils.data import IterableDataset, get_worker_info
except ImportError:
    raise MissingPackage("this needs PyTorch: pip install 'physbench[train]'") from None


class TorchStream(IterableDataset[dict[str, Any]]):
    """A torch IterableDataset of whole batches.

    A batch is a dictionary of tensors in the memory of its arrays, with a DataLoader or without one. Every rank and
    every loader worker makes a share of the batches; together these are the stream.
    """

    def __init__(self, stream: Stream, framing: Framing | None = None) -> None:
        self.stream = stream
        self.framing = framing or Framing()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        rank, ranks = _rank()
        worker = get_worker_info()
        part, parts = (worker.id, worker.num_workers) if worker else (0, 1)
        mine = self.stream.take_share(rank, ranks).take_share(part, parts)
        for number, batch in zip(count(*mine.share), mine, strict=False):
            first = mine.first_sequence(number)
            arrays = self.framing.apply(batch, np.arange(first, first + mine.batch))
            if self.framing.time_first:
                arrays = put_time_first(arrays)
            yield {name: torch.as_tensor(known_to_torch(array)) for name, array in arrays.items()}


def _rank() -> tuple[int, int]:
    """Return the rank of this process and the number of processes that train together.

    They come from torch.distributed, or from the environment variables that its launcher sets.
    """
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
