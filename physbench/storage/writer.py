"""From blocks to a dataset file: write the HDF5 structures around a complete journal. The file is whole or absent."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import StorageError
from physbench.files import publish
from physbench.storage.block import sizes_of, spans
from physbench.storage.codec import LEVEL
from physbench.storage.hdf5 import Chunked, Contiguous, Dataset, Group, skeleton
from physbench.storage.journal import DatasetJournal, JournalRecord, chunk_length
from physbench.storage.layout import FORMAT, Field, array_digest, pixels_digest, split_text, text_digest

FRAMES_AT_ONCE = 4
"""Of a small array, while its digest is taken: what bounds the memory."""


def workings_of(path: Path) -> Path:
    """The folder in which a file is made before it gets its name."""
    return path.with_name(path.name + ".partial")


def seal(
    journal: DatasetJournal, path: Path, *, overwrite: bool = False, check: Callable[[str], None] | None = None
) -> None:
    """Make the dataset file of a complete journal, check it and give it its name. The journal is gone afterwards.

    check: is told the digest of the content, and may refuse it before there is a file.
    """
    recipe = journal.recipe
    if [record.span for record in journal.records] != spans(recipe):
        raise StorageError(f"{journal.directory} is not complete: run its command again")
    end = _align(journal.end)
    members: dict[str, Group | Dataset] = {}
    texts = ""
    for split in recipe.splits:
        records = [record for record in journal.records if record.span.split == split]
        members[split], text, end = _split(journal, split, records, end)
        texts += text
    digest = text_digest(texts)
    if check:
        check(digest)
    attributes: dict[str, str | int] = {
        "format": FORMAT,
        "format_version": journal.layout.version,
        "dataset": recipe.name,
        "recipe": recipe.to_json(),
        "recipe_sha256": recipe.sha256,
        "content_sha256": digest,
        "created_with": json.dumps(_versions()),
    }
    superblock, body = skeleton(Group(members, attributes), end)
    journal.write_at(body, end)
    journal.write_at(superblock, 0)
    journal.data.flush()
    os.fsync(journal.data.fileno())
    if path.exists() and not overwrite:
        raise StorageError(f"{path} has appeared meanwhile: use --overwrite, or move it and run the same command again")
    publish(journal.directory / "data", path)
    journal.discard()


def _split(journal: DatasetJournal, split: str, records: list[JournalRecord], end: int) -> tuple[Group, str, int]:
    """A split as an HDF5 group, its canonical text, and where the file ends now."""
    rows = np.concatenate([record.rows for record in records])
    sizes = {**sizes_of(journal.recipe, split), "M": int(rows.sum())}
    members: dict[str, Group | Dataset] = {}
    digests: dict[str, str] = {}
    starts = np.concatenate([_starts(record) for record in records], axis=1)
    lengths = np.concatenate([record.sizes for record in records], axis=1)
    checksums = np.concatenate([record.checksums for record in records], axis=1)
    for row, field in enumerate(journal.layout.pixels):
        storage = Chunked(field.chunk(sizes, 1), starts[row], lengths[row], LEVEL)
        members[field.name] = Dataset(field.dtype, field.shape(sizes), storage, field.describe())
        digests[field.name] = pixels_digest(checksums[row])
    addresses = [journal.state_addresses(record) for record in records]
    for field in journal.layout.states:
        chunk = field.chunk(sizes, chunk_length(sizes))
        at = np.array([address[field.name] for address in addresses], np.uint64)
        nbytes = int(np.prod(chunk, dtype=np.int64)) * field.dtype.itemsize
        members[field.name] = Dataset(
            field.dtype, field.shape(sizes), Chunked(chunk, at, np.full(len(at), nbytes, np.uint32)), field.describe()
        )
        digests[field.name] = array_digest(_in_order(journal, field, at, chunk, sizes["N"]))
    events: dict[str, Group | Dataset] = {}
    places: dict[str, int] = {}
    for field in journal.layout.events:
        events[field.name] = Dataset(field.dtype, field.shape(sizes), Contiguous(end), field.describe())
        places[field.name] = end
        end = _align(end + int(np.prod(field.shape(sizes), dtype=np.int64)) * field.dtype.itemsize)
    if events:
        members["events"] = Group(events)
        digests |= _lay_out_events(journal, records, rows, places)
    text = split_text(split, sizes, digests)
    return Group(members, {"content_sha256": text_digest(text)}), text, end


def _starts(record: JournalRecord) -> NDArray[np.uint64]:
    """(pixel arrays, n): where each stream begins."""
    lengths = record.sizes.ravel()
    return (np.uint64(record.address) + np.cumsum(lengths, dtype=np.uint64) - lengths).reshape(record.sizes.shape)


def _in_order(
    journal: DatasetJournal, field: Field, addresses: NDArray[np.uint64], chunk: tuple[int, ...], count: int
) -> Iterator[NDArray[Any]]:
    """An array in C order out of its chunks, a few frames of all of them at a time; the last chunk may be filled up."""
    frames, rest = (chunk[0], chunk[1:]) if field.timed else (1, chunk)
    nbytes = int(np.prod(rest, dtype=np.int64)) * field.dtype.itemsize
    for frame in range(0, frames, FRAMES_AT_ONCE):
        some = min(FRAMES_AT_ONCE, frames - frame)
        read = [journal.read_at(some * nbytes, int(address) + frame * nbytes) for address in addresses]
        blocks = [np.frombuffer(stored, field.dtype).reshape(some, *rest) for stored in read]
        for row in range(some):
            for block, start in zip(blocks, range(0, count, rest[0]), strict=True):
                yield block[row, : count - start]


def _lay_out_events(
    journal: DatasetJournal, records: list[JournalRecord], rows: NDArray[np.int64], places: dict[str, int]
) -> dict[str, str]:
    """Write the event columns, each at its place, block by block; return their digests."""
    offset = np.concatenate([np.zeros(1, "<i8"), np.cumsum(rows, dtype="<i8")])
    hashes = {field.name: hashlib.sha256() for field in journal.layout.events}
    places = dict(places)

    def add(name: str, column: NDArray[np.generic]) -> None:
        stored = column.tobytes()
        hashes[name].update(stored)
        journal.write_at(stored, places[name])
        places[name] += len(stored)

    add("offset", offset)
    for record in records:
        for name, column in journal.events(record).items():
            add(name, column)
    return {f"events/{name}": digest.hexdigest() for name, digest in hashes.items()}


def _align(address: int) -> int:
    return (address + 7) // 8 * 8


def _versions() -> dict[str, str | None]:
    """Name what had a hand in the bytes, and the library that reads them."""
    import h5py  # pyright: ignore[reportMissingTypeStubs]

    packages = {name: _version(name) for name in ("physbench", "numpy", "numba", "deflate", "isal", "h5py")}
    library: Any = h5py.version
    return {**packages, "HDF5": str(library.hdf5_version)}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
