"""A check of the heaps in which HDF5 keeps texts of variable length. It is made before HDF5 reads them, because HDF5
never returns from a heap whose sizes do not add up."""

import mmap
import re
from itertools import chain
from pathlib import Path

from physbench.errors import HostileFile

_START = re.compile(rb"GCOL\x01")
_HEAD = 16  # bytes, of a heap and of each object in it

MOST = 1 << 24
"""The most bytes of all heaps together. Attributes need little, and the check takes a step for every object."""


ENDS = 32 << 20
"""The bytes at each end of a file that are searched. Only arrays are long, and the structures of HDF5 lie before or
after them."""


def require_sound_heaps(path: Path, *, ends: int | None = None) -> None:
    """Refuse a file with a heap that is not completely filled by objects, one after the other.

    Every place in the file that looks like a heap is checked. ends: only search so many bytes at each end of the file.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as whole:
        if len(whole) < 16:
            return  # HDF5 itself refuses such a file
        widths = (
            whole[13:15] if whole[8] < 2 else whole[9:11]
        )  # of addresses and lengths, by the version of the superblock
        if widths != b"\x08\x08":
            raise HostileFile(f"{path} has addresses or lengths of another size than 8 bytes, which are not read")
        walked = 0
        near = (
            [(0, len(whole))]
            if ends is None or len(whole) <= 2 * ends
            else [(0, ends), (len(whole) - ends, len(whole))]
        )
        for found in chain.from_iterable(_START.finditer(whole, *part) for part in near):
            at = found.start()
            end = at + _number(whole, at)
            if at + _HEAD <= end <= len(whole):  # HDF5 itself refuses any other heap
                walked += end - at
                if walked > MOST or not _adds_up(whole, at + _HEAD, end):
                    raise HostileFile(
                        f"{path} has a heap of texts that is " + ("too large" if walked > MOST else "damaged")
                    )


def _adds_up(whole: mmap.mmap, at: int, end: int) -> bool:
    while at + _HEAD <= end:
        length = _number(whole, at)
        used = int.from_bytes(whole[at : at + 2], "little") > 0
        step = _HEAD + (length + 7) // 8 * 8 if used else length  # the length of the free rest includes its head
        if not 0 < step <= end - at:
            return False
        at += step
    return True


def _number(whole: mmap.mmap, at: int) -> int:
    """Return the length in the head of a heap or of an object."""
    return int.from_bytes(whole[at + 8 : at + _HEAD], "little")
