"""The places of the chunks of an array in a file. HDF5 is asked for them once, and the chunks are then read without
HDF5."""
# h5py has no types
# pyright: basic

from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile, HostileFile
from physbench.storage.admit import open_hdf5
from physbench.storage.layout import PIXELS, Field

Places = tuple[NDArray[np.int64], NDArray[np.int64]]


def places_of(path: Path, name: str, field: Field, sequences: int) -> Places:
    """Return the address and the length of each chunk, in order; refuse chunks outside the file."""
    with open_hdf5(path) as file:
        dataset: Any = file[name]
        places = (
            _one_piece(dataset) if dataset.chunks is None else _pieces(dataset, field, f"{path}: {name}", sequences)
        )
    addresses, lengths = places
    if (addresses < 0).any() or (addresses + lengths > path.stat().st_size).any():
        raise HostileFile(f"{path}: {name} points outside the file")
    return places


def _one_piece(dataset: Any) -> Places:
    nbytes = dataset.id.get_storage_size()
    return np.array([address_of(dataset.id.get_offset()) if nbytes else 0], np.int64), np.array([nbytes], np.int64)


def _pieces(dataset: Any, field: Field, where: str, sequences: int) -> Places:
    """Return the places of the chunks; each must be there once, with its full size and its filter."""
    step = dataset.chunks[field.axes.index("N")]
    grid = tuple(-(-sequences // step) if axis == "N" else 1 for axis in field.axes)
    addresses, lengths, masks = chunk_table(dataset.id, dataset.chunks, grid, where)
    if (addresses < 0).any():
        raise DamagedFile(f"{where} lacks sequence {int(np.argmax(addresses < 0)) * step}")
    expected = int(np.prod(dataset.chunks, dtype=np.int64)) * field.dtype.itemsize
    if masks.any() or (field not in PIXELS and (lengths != expected).any()):
        raise HostileFile(f"{where} has chunks of the wrong size or without their filter")
    return addresses, lengths


def chunk_table(
    dataset: Any, chunk: Sequence[int], grid: Sequence[int], where: str
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]:
    """Ask HDF5 for the address, the length and the filter mask of every chunk, in C order.

    The address of a missing chunk is -1.
    """
    count = prod(grid)
    addresses, lengths, masks = np.full(count, -1, np.int64), np.zeros(count, np.int64), np.zeros(count, np.uint32)
    strays = 0

    def visit(found: Any) -> None:
        nonlocal strays
        number = 0
        for offset, step, steps in zip(found.chunk_offset, chunk, grid, strict=True):
            if offset // step >= steps or offset % step:
                strays += 1
                return
            number = number * steps + offset // step
        strays += bool(lengths[number])
        addresses[number], lengths[number], masks[number] = address_of(found.byte_offset), found.size, found.filter_mask

    dataset.chunk_iter(visit)
    if strays:
        raise HostileFile(f"{where} has chunks outside its shape, or one of them twice")
    return addresses, lengths, masks


def address_of(told: int | None) -> int:
    """Return an address, or -1 if it is missing or larger than any file."""
    return told if told is not None and told < 1 << 62 else -1
