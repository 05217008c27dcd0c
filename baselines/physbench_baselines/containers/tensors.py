"""The container in which everything is written, `.safetensors`: a header in the metadata, and arrays.

It holds nothing that could be run.
"""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import numpy as np

from physbench.errors import DamagedFile, HostileFile, MissingPackage, StorageError
from physbench_baselines.containers.arrays import STATE, STATE_TYPES, TYPES, Arrays
from physbench_baselines.containers.header import MOST_HEADER, CheckpointHeader, header_of, parse

MOST_BYTES, MOST_AXES = 1 << 31, 8


def pack(header: str, arrays: Arrays) -> bytes:
    """Return a file's bytes, which are the same every time.

    The package alone does not guarantee that: the order of its metadata is random.
    """
    content = _package().numpy.save(arrays)
    first = 8 + int.from_bytes(content[:8], "little")
    metadata = {"physbench": header, "sha256": sha256(header.encode() + content[first:]).hexdigest()}
    text = json.dumps({"__metadata__": metadata, **json.loads(content[8:first])}).encode()
    text += b" " * (-len(text) % 8)
    return b"".join((len(text).to_bytes(8, "little"), text, memoryview(content)[first:]))


def describe(content: bytes, path: Path) -> CheckpointHeader:
    """Return the header of a file, or refuse a file that is damaged."""
    header, written, there = _split(content, path)
    _require_same(written, there, path)
    return header


def unpack(content: bytes, path: Path) -> tuple[CheckpointHeader, Arrays]:
    """Return the header and the arrays of a file, or refuse it."""
    header, checksum, data = _split(content, path)
    package = _package()
    try:
        entries = package.deserialize(content)  # every byte of the data belongs to exactly one array
    except package.SafetensorError as error:
        why = str(error).removeprefix("Error while deserializing: ")[:100]
        raise DamagedFile(
            f"{path} is damaged, cut off or added to: its arrays are not where its list says ({why}); download it again"
        ) from None
    arrays: Arrays = {}
    for name, entry in entries:
        kinds = STATE_TYPES if name.startswith(STATE) else TYPES
        if entry["dtype"] not in kinds or len(entry["shape"]) > MOST_AXES:
            raise HostileFile(
                f"{path}: {name[:60]!r} is {entry['dtype']} of {len(entry['shape'])} axes, which no array of weights is"
            )
        arrays[name] = np.frombuffer(entry["data"], kinds[entry["dtype"]]).reshape(entry["shape"])
    _require_same(checksum, data, path)
    return header, arrays


def _require_same(written: str, there: str, path: Path) -> None:
    if written != there:
        raise DamagedFile(f"{path} is damaged: its weights are not those that were written; download it again")


def _package() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingPackage(
            "weights are read and written with the package safetensors: pip install 'physbench[train]'"
        ) from None
    _ = safetensors.numpy  # the import loads it too
    return safetensors


def _split(content: bytes, path: Path) -> tuple[CheckpointHeader, Any, str]:
    """Return the header, the written checksum, and the checksum of what is there."""
    length = int.from_bytes(content[:8], "little")
    if length > MOST_HEADER:
        raise HostileFile(f"{path} claims a header of {length:,} bytes; at most {MOST_HEADER:,} are read")
    if 8 + length > len(content):
        raise DamagedFile(f"{path} is cut off within its header; download it again")
    metadata: Any = parse(content[8 : 8 + length], path).get("__metadata__")
    ours: Any = cast("dict[str, Any]", metadata).get("physbench") if isinstance(metadata, dict) else None
    if not isinstance(ours, str):
        raise StorageError(f"{path} is a safetensors file of another project: its metadata have no 'physbench' header")
    checksum = sha256(ours.encode("utf-8", "surrogatepass"))
    checksum.update(memoryview(content)[8 + length :])
    return header_of(ours, path), cast("dict[str, Any]", metadata).get("sha256"), checksum.hexdigest()
