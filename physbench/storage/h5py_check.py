"""A check that h5py reads the same from a file as this package does.

HDF5 finds a chunk through a tree of keys without a checksum. If one bit of a key is wrong, HDF5 does not find the chunk
and reads zeros. But this package finds the chunks by going through the whole tree, and still sees all of them. So each
chunk is read once more through HDF5.
"""

# h5py has no types
# pyright: basic, reportAttributeAccessIssue=false, reportIndexIssue=false

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile, HostileFile
from physbench.storage.admit import open_hdf5
from physbench.storage.layout import BLOCK, FIELDS
from physbench.storage.reader import File, Split

ROWS = 1 << 16
"""How many rows of a table of events are compared at a time."""


def require_agreement(file: File, progress: Callable[[int, int, str], None] | None = None) -> None:
    """Read everything through h5py and compare it.

    Of the pixels, only one sequence is decoded; for the others, the stored streams are compared.
    """
    _require_own_places(file)
    with open_hdf5(file.path) as other:
        other.visititems(lambda name, item: None)  # what a program that looks around in the file does
        for split in file.values():
            members: Any = other[split.name]
            _compare_values(split, members)
            _compare_pixels(split, members)
            for start in range(0, len(split), BLOCK):
                _compare_streams(split, members, range(start, min(start + BLOCK, len(split))))
                if progress:
                    progress(start, len(split), f"reading {split.name} twice")


def _require_own_places(file: File) -> None:
    """Refuse a file in which chunks overlap."""
    places = [split.places(field) for split in file.values() for field in file.layout.paths.values()]
    addresses, lengths = (np.concatenate(part) for part in zip(*places, strict=True))
    addresses, lengths = addresses[lengths > 0], lengths[lengths > 0]
    order = np.argsort(addresses, kind="stable")
    if (addresses[order][1:] < (addresses + lengths)[order][:-1]).any():
        raise HostileFile(f"{file.path} has chunks that overlap")


def _compare_pixels(split: Split, members: Any) -> None:
    """Compare the first sequence as HDF5 decodes it; the settings of its filter are the same for all sequences.

    The sequence is decoded here first, with a limit on its size, because HDF5 has no such limit.
    """
    for field in split.file.layout.pixels:
        pixels = np.empty(field.chunk(split.sizes, 1), np.uint8)
        split.inflate_into(field.name, 0, pixels)
        if not same_bits(members[field.name][:, :1], pixels):
            raise _disagreement(split, field.name, "sequence 0")


def _compare_streams(split: Split, members: Any, numbers: range) -> None:
    for field in split.file.layout.pixels:
        dataset = members[field.name].id
        for number in numbers:
            mask, stream = dataset.read_direct_chunk((0, number, 0, 0, 0))
            if mask or stream != bytes(split.stream(field.name, number)):
                raise _disagreement(split, field.name, f"sequence {number}")


def _compare_values(split: Split, members: Any) -> None:
    """Compare everything that is stored without compression."""
    for start in range(0, len(split), BLOCK):
        stop = min(start + BLOCK, len(split))
        for name, array in split.states(start, stop).items():
            seen = members[name][:, start:stop] if FIELDS[name].timed else members[name][start:stop]
            if not same_bits(seen, array):
                raise _disagreement(split, name, f"sequences {start} to {stop - 1}")
    for field in split.file.layout.events:
        column = split.column(field.name)
        for start in range(0, len(column), ROWS):
            if not same_bits(members[f"events/{field.name}"][start : start + ROWS], column[start : start + ROWS]):
                raise _disagreement(split, f"events/{field.name}", f"rows from {start}")


def _disagreement(split: Split, name: str, what: str) -> DamagedFile:
    return DamagedFile(
        f"{split.file.path}: plain h5py reads other values of {split.name}/{name}, {what}: the structures of the file"
        " are damaged"
    )


def same_bits(one: NDArray[Any], other: NDArray[Any]) -> bool:
    """Return whether two arrays are the same to the last bit: a NaN equals itself, and 0.0 is not -0.0."""
    return one.shape == other.shape and np.array_equal(one.view(f"u{one.itemsize}"), other.view(f"u{other.itemsize}"))
