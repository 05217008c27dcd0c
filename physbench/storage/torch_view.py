"""A split as torch's DataLoader likes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import MissingPackage

try:
    from torch.utils.data import Dataset
except ImportError:
    raise MissingPackage("this needs PyTorch: pip install 'physbench[train]'") from None

if TYPE_CHECKING:
    from physbench.storage.reader import Split


class TorchSplit(Dataset[dict[str, Any]]):
    """One sequence per item."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {name: known_to_torch(array) for name, array in self.split[number].items()}

    def __getitems__(self, numbers: list[int]) -> list[dict[str, Any]]:
        """A whole batch at once: torch's fetcher asks for it when it is there."""
        arrays = {name: known_to_torch(array) for name, array in self.split[numbers].items()}
        return [{name: array[row] for name, array in arrays.items()} for row in range(len(numbers))]


def known_to_torch(array: Any) -> Any:
    """uint8 stays uint8; `visible`, uint16, becomes int32, which every torch operation knows."""
    return np.asarray(array).astype(np.int32) if np.asarray(array).dtype == np.uint16 else array
