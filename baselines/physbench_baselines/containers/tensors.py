"""The container for giving away, `.safetensors`: a header, and the bytes of one array after another, without anything that could be run."""

from __future__ import annotations

import json
import math
import struct
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from physbench.errors import DamagedFile, HostileFile, StorageError
from physbench_baselines.containers.arrays import TYPES
from physbench_baselines.containers.header import MOST_HEADER, Header, header_of, parsed

if TYPE_CHECKING:
    from pathlib import Path

    from physbench_baselines.containers.arrays import Arrays

    Entries = dict[str, tuple[str, tuple[int, ...], int, int]]  # the type, the shape, the first byte and the one after the last of each array

MOST_BYTES, MOST_AXES = 1 << 31, 8


def packed(header: str, arrays: Arrays) -> bytes:
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))  # so that each begins at a multiple of its size
    data = b"".join(array.tobytes() for _, array in ordered)
    entries: dict[str, Any] = {"__metadata__": {"physbench": header, "sha256": sha256(header.encode() + data).hexdigest()}}
    at = 0
    for name, array in ordered:
        kind = next(kind for kind, dtype in TYPES.items() if dtype == array.dtype)
        entries[name] = {"dtype": kind, "shape": array.shape, "data_offsets": (at, at := at + array.nbytes)}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def unpacked(content: bytes, path: Path) -> tuple[Header, Arrays]:
    """As views of the content."""
    header, entries = described(content, path, whole=True)
    return header, {name: np.frombuffer(content, TYPES[kind], math.prod(shape), at).reshape(shape) for name, (kind, shape, at, _) in entries.items()}


def described(content: bytes, path: Path, *, whole: bool = False) -> tuple[Header, Entries]:
    """Every byte of the data belongs to exactly one array; whole: and is what it was when it was written."""
    (length,) = struct.unpack("<Q", content[:8])
    first = 8 + length
    if length > MOST_HEADER:
        raise HostileFile(f"{path} claims a header of {length:,} bytes; at most {MOST_HEADER:,} are read")
    if first > len(content):
        raise DamagedFile(f"{path} is cut off within its header; download it again")
    entries = parsed(content[8:first], path)
    metadata: Any = entries.pop("__metadata__", None)
    ours: Any = cast("dict[str, Any]", metadata).get("physbench") if isinstance(metadata, dict) else None
    if not isinstance(ours, str):
        raise StorageError(f"{path} is a safetensors file of another project: its metadata have no 'physbench' header")
    header = header_of(ours, path)
    found: Entries = {}
    for name, entry in entries.items():
        try:
            kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            found[name] = kind, tuple(shape), first + begin, first + end
            whole_numbers = all(type(n) is int and 0 <= n <= MOST_BYTES for n in (*shape, begin, end))
            if not whole_numbers or len(entry) != 3 or len(shape) > MOST_AXES or math.prod(shape) * TYPES[kind].itemsize != end - begin:
                raise ValueError
        except (TypeError, ValueError, KeyError):
            raise HostileFile(f"{path}: the type, the shape and the bytes of {name[:60]!r} do not fit together") from None
    at = first
    for begin, end in sorted(entry[2:] for entry in found.values()):
        if begin != at:
            raise HostileFile(f"{path}: its arrays {'overlap' if begin < at else 'leave a gap'} at byte {min(at, begin):,}")
        at = end
    if at != len(content):
        raise DamagedFile(f"{path} has {len(content):,} bytes and describes {at:,}: it was cut off or added to; download it again")
    if whole and cast("dict[str, Any]", metadata).get("sha256") != sha256(ours.encode() + content[first:]).hexdigest():
        raise DamagedFile(f"{path} is damaged: its weights are not those that were written; download it again")
    return header, found
