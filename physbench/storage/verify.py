"""Is a dataset file what it says it is? Three depths: what digests can tell, what a sample can tell, everything.

The checks recompute pixels and motion from the stored states with NumPy; they share no code with the generators.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from physbench.errors import DamagedFile, StorageError
from physbench.storage.codec import adler32
from physbench.storage.layout import EVENTS, PIXELS, STATES, array_digest, pixels_digest, split_text, text_digest
from physbench.storage.motion import Motion, check_motion, law_of
from physbench.storage.pixels import check_pixels
from physbench.storage.reader import File, Split, open_dataset

if TYPE_CHECKING:
    import os

    from numpy.typing import NDArray

Depth = Literal["quick", "plain", "deep"]
SAMPLE = 256
AT_ONCE = 64


@dataclass(frozen=True)
class Report:
    """What was checked and held."""

    path: str
    dataset: str
    depth: Depth
    content_sha256: str
    sequences: int
    chunks_inflated: int
    sequences_recomputed: int


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    doing: str


def verify(path: str | os.PathLike[str], *, depth: Depth = "plain", seed: int = 0, progress: Callable[[Progress], None] | None = None) -> Report:
    """Check a file; the first thing that is wrong is an error in one sentence.

    quick: structure and digests, nothing inflated (finds accidents). plain: every chunk is inflated, so any flipped bit is found, and motion and
    pixels of 256 sequences, drawn by the seed, are recomputed. deep: of all sequences.

    >>> physbench.verify("balls.h5").sequences
    54
    """
    if depth not in ("quick", "plain", "deep"):
        raise StorageError(f"depth is quick, plain or deep, not {depth!r}")
    file = open_dataset(path)
    _check_digests(file)
    inflated = recomputed = 0
    if depth != "quick":
        chosen = {split: np.arange(len(file[split])) for split in file} if depth == "deep" else _sample(file, seed)
        for split in file:
            _check_offsets(file[split])
            inflated += _inflate_all(file[split], progress)
            recomputed += _recompute(file, split, chosen[split], progress)
    sequences = sum(len(split) for split in file.values())
    attributes = file.attributes
    return Report(str(path), attributes["dataset"], depth, attributes["content_sha256"], sequences, inflated, recomputed)


def _check_digests(file: File) -> None:
    attributes = file.attributes
    _same(hashlib.sha256(attributes["recipe"].encode()).hexdigest(), attributes["recipe_sha256"], f"{file.path}: the recipe")
    texts = ""
    for name, split in file.items():
        digests = {field.name: pixels_digest(_trailers(split, field.name)) for field in PIXELS}
        digests |= {field.name: array_digest(split.in_order(field.name)) for field in STATES}
        digests |= {f"events/{field.name}": array_digest([split.column(field.name)]) for field in EVENTS}
        text = split_text(name, split.sizes, digests)
        _same(text_digest(text), file.admitted.digests[name], f"{file.path}: the split {name}")
        texts += text
    _same(text_digest(texts), attributes["content_sha256"], f"{file.path}: the content")


def _check_offsets(split: Split) -> None:
    """Every event belongs to the sequence it names."""
    offset, where = split.column("offset"), f"{split.file.path}: {split.name}/events"
    if offset[0] != 0 or offset[-1] != split.sizes["M"] or (np.diff(offset) < 0).any():
        raise DamagedFile(f"{where}/offset does not run from 0 to {split.sizes['M']}")
    if not np.array_equal(split.column("sequence"), np.repeat(np.arange(len(split)), np.diff(offset))):
        raise DamagedFile(f"{where}/sequence does not agree with its offsets")


def _same(found: str, stated: str, what: str) -> None:
    if found != stated:
        raise DamagedFile(f"{what} is not what its digest says: {found[:16]}... is not {stated[:16]}...")


def _trailers(split: Split, name: str) -> NDArray[np.uint32]:
    """The Adler-32 that each stream ends with."""
    last = b"".join(bytes(split.stream(name, number)[-4:]) for number in range(len(split)))
    if len(last) != 4 * len(split):
        raise DamagedFile(f"{split.file.path}: {split.name}/{name} has a chunk too short for a zlib stream")
    return np.frombuffer(last, ">u4").astype(np.uint32)


def _inflate_all(split: Split, progress: Callable[[Progress], None] | None) -> int:
    """Decode every chunk; its checksum must be the one that the digest was taken of, its last bytes."""

    def inflate(numbers: range) -> int:
        for field in PIXELS:
            out = np.empty(field.chunk(split.sizes, 1), np.uint8)
            for number in numbers:
                split.inflate_into(field.name, number, out)
                if adler32(out) != int.from_bytes(split.stream(field.name, number)[-4:], "big"):
                    raise DamagedFile(f"{split.file.path}: {split.name}/{field.name} sequence {number} has bytes after its end")
        return len(numbers)

    for field in PIXELS:
        split.stream(field.name, 0)  # looks the chunks up once, before the threads need them
    pieces = [range(start, min(start + AT_ONCE, len(split))) for start in range(0, len(split), AT_ONCE)]
    _run(inflate, pieces, len(split), f"inflating {split.name}", progress)
    return len(split) * len(PIXELS)


def _recompute(file: File, name: str, numbers: NDArray[np.int64], progress: Callable[[Progress], None] | None) -> int:
    split = file[name]
    law = law_of(file.attributes["recipe"])

    def recompute(some: NDArray[np.int64]) -> int:
        sequences = split[some]
        where = [f"{file.path}: {name} sequence {number}" for number in some.tolist()]
        check_motion(Motion.of(sequences, [split.events(number) for number in some.tolist()]), law, where)
        for row, place in enumerate(where):
            check_pixels({field: array[row] for field, array in sequences.items()}, place)
        return len(some)

    pieces = [numbers[start : start + AT_ONCE] for start in range(0, len(numbers), AT_ONCE)]
    _run(recompute, pieces, len(numbers), f"recomputing {name}", progress)
    return len(numbers)


def _run(work: Callable[[Any], int], pieces: list[Any], total: int, doing: str, progress: Callable[[Progress], None] | None) -> None:
    done = 0
    with ThreadPoolExecutor() as pool:
        try:
            for count in pool.map(work, pieces):
                done += count
                if progress:
                    progress(Progress(done, total, doing))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _sample(file: File, seed: int) -> dict[str, NDArray[np.int64]]:
    """SAMPLE sequences, shared out over the splits by their size."""
    lengths = {name: len(split) for name, split in file.items()}
    total = sum(lengths.values())
    drawn = np.sort(np.random.Generator(np.random.Philox(seed)).permutation(total)[:SAMPLE])
    chosen: dict[str, NDArray[np.int64]] = {}
    first = 0
    for name, length in lengths.items():
        chosen[name] = drawn[(drawn >= first) & (drawn < first + length)] - first
        first += length
    return chosen
