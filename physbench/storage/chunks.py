"""Where the chunks of an array lie in the file: HDF5 is asked once, and read around from then on."""
# h5py has no types
# pyright: basic

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physbench.errors import DamagedFile, HostileFile
from physbench.storage.admit import opened
from physbench.storage.layout import PIXELS, Field

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Places = tuple[NDArray[np.int64], NDArray[np.int64]]


def places_of(path: Path, name: str, field: Field, sequences: int) -> Places:
    """The address and the length of each chunk, in order. None lies outside the file."""
    with opened(path) as file:
        dataset: Any = file[name]
        places = _one_piece(dataset) if dataset.chunks is None else _pieces(dataset, field, f"{path}: {name}", sequences)
    addresses, lengths = places
    if (addresses < 0).any() or (addresses + lengths > path.stat().st_size).any():
        raise HostileFile(f"{path}: {name} points outside the file")
    return places


def _one_piece(dataset: Any) -> Places:
    nbytes = dataset.id.get_storage_size()
    return np.array([_address(dataset.id.get_offset()) if nbytes else 0], np.int64), np.array([nbytes], np.int64)


def _pieces(dataset: Any, field: Field, where: str, sequences: int) -> Places:
    """Each chunk must be there, once, whole and with its filter on."""
    axis = field.axes.index("N")
    step = dataset.chunks[axis]
    addresses = np.full(-(-sequences // step), -1, np.int64)
    lengths = np.zeros(len(addresses), np.int64)
    masks = strays = 0

    def visit(chunk: Any) -> None:
        nonlocal masks, strays
        place = chunk.chunk_offset[axis] // step
        masks |= chunk.filter_mask
        if place < len(addresses) and sum(chunk.chunk_offset) == place * step and addresses[place] < 0:
            addresses[place], lengths[place] = _address(chunk.byte_offset), chunk.size
        else:
            strays += 1

    dataset.id.chunk_iter(visit)
    if strays:
        raise HostileFile(f"{where} has chunks outside its shape, or one of them twice")
    if (addresses < 0).any():
        raise DamagedFile(f"{where} lacks sequence {int(np.argmax(addresses < 0)) * step}")
    expected = int(np.prod(dataset.chunks, dtype=np.int64)) * field.dtype.itemsize
    if masks or (field not in PIXELS and (lengths != expected).any()):
        raise HostileFile(f"{where} has chunks of the wrong size or without their filter")
    return addresses, lengths


def _address(told: int | None) -> int:
    """An address as the file tells it; -1 where no file could be so long."""
    return told if told is not None and told < 1 << 62 else -1
