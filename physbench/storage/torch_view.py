"""A split as a torch Dataset."""

# pyright: reportUnknownMemberType=false

from typing import Any

import numpy as np

from physbench.errors import MissingPackage
from physbench.storage.framing import TIMED, Framing
from physbench.storage.reader import Split

try:
    import torch
    from torch.utils.data import Dataset
    from torch.utils.data._utils.collate import default_collate_fn_map  # pyright: ignore[reportUnknownVariableType]
except ImportError:
    raise MissingPackage("this needs PyTorch: pip install 'physbench[train]'") from None


class TorchSplit(Dataset[dict[str, Any]]):
    """A torch Dataset of a split; each item is one sequence."""

    def __init__(self, split: Split, framing: Framing | None = None) -> None:
        self.split = split
        self.framing = framing or Framing()

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return self.__getitems__([number])[0]

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """Return a whole batch at once; torch calls this method if a Dataset has it."""
        places = np.asarray(numbers)
        batch = self.framing.apply(self.split[numbers], np.where(places < 0, places + len(self), places))
        arrays = {name: known_to_torch(array) for name, array in batch.items()}
        kind = TimeFirst if self.framing.time_first else dict[str, Any]
        return [kind({name: array[row] for name, array in arrays.items()}) for row in range(len(numbers))]


class TimeFirst(dict[str, Any]):
    """A sequence with time as the first axis; when a DataLoader joins several, sequences are the second axis."""


def _join(sequences: list[TimeFirst], *, collate_fn_map: Any = None) -> dict[str, torch.Tensor]:
    """Join sequences to a batch (T, B, ...)."""
    return {
        name: torch.from_numpy(np.stack([one[name] for one in sequences], axis=1 if name in TIMED else 0))
        for name in sequences[0]
    }


default_collate_fn_map[TimeFirst] = _join


def known_to_torch(array: Any) -> Any:
    """Convert an array to a type that all torch operations know: uint16 to int32, uint32 to int64."""
    known = {np.dtype(np.uint16): np.int32, np.dtype(np.uint32): np.int64}.get(np.asarray(array).dtype)
    return array if known is None else np.asarray(array).astype(known)
