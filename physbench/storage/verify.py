"""Is a dataset file what it says it is? Every sequence is made again from the recipe and compared, value by value, with what is stored.

The recipe is held to the name of the file, and what plain h5py reads to what is read here. Where the streams are the same to the byte nothing needs to be
decoded, so checking a file costs hardly more than making it. The world's own check of its laws shares no code with its simulation.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from physbench.ahead import ahead
from physbench.errors import DamagedFile, RecipeError, StorageError
from physbench.machine import count_cores
from physbench.recipe import Recipe
from physbench.scene import Span
from physbench.storage.agreement import require_agreement
from physbench.storage.block import make_block
from physbench.storage.compare import compare_block, require_end, scenes_of
from physbench.storage.layout import array_digest, pixels_digest, split_text, text_digest
from physbench.storage.origin import Unmakeable, read_recipe
from physbench.storage.reader import File, Split, open_dataset
from physbench.world import parts_of

Depth = Literal["quick", "plain"]
AT_ONCE = 64
"""Sequences made again at a time, in one block of the small arrays: a recipe that lies about its collisions shall not take much memory."""


@dataclass(frozen=True)
class Report:
    """What was checked and held."""

    path: str
    dataset: str
    depth: Depth
    content_sha256: str
    sequences: int
    sequences_remade: int
    """Made again from the recipe, and the same in every value."""
    sequences_replayed: int
    """Whose states and events keep the laws of their world."""
    streams_inflated: int
    """Streams of pixels that were decoded, since their bytes are not those that the generator writes."""
    caveats: tuple[str, ...] = ()
    """What could not be checked, or must be known of the dataset."""


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    doing: str


@dataclass(frozen=True)
class Count:
    """Of a stretch of sequences."""

    remade: int = 0
    replayed: int = 0
    inflated: int = 0


def verify(path: str | os.PathLike[str], *, depth: Depth = "plain", progress: Callable[[Progress], None] | None = None) -> Report:
    """Check a file; the first thing that is wrong is an error in one sentence.

    plain: every sequence is made again from the recipe and compared; the motion of every sequence is replayed by the laws of its world.
    quick: structures and digests alone. It finds accidents, and no lie.

    >>> physbench.verify("balls.h5").sequences
    54
    """
    if depth not in ("quick", "plain"):
        raise StorageError(f"depth is quick or plain, not {depth!r}")
    file = open_dataset(path)
    _check_digests(file)
    require_agreement(file, lambda done, total, doing: progress(Progress(done, total, doing)) if progress else None)
    counts: list[Count] = []
    caveats: tuple[str, ...] = ()
    if depth == "plain":
        for split in file.values() if file.layout.events else ():
            _check_offsets(split)
        counts, caveats = _check_truth(file, progress)
    return Report(
        path=str(path),
        dataset=file.attributes["dataset"],
        depth=depth,
        content_sha256=file.attributes["content_sha256"],
        sequences=sum(len(split) for split in file.values()),
        sequences_remade=sum(count.remade for count in counts),
        sequences_replayed=sum(count.replayed for count in counts),
        streams_inflated=sum(count.inflated for count in counts),
        caveats=caveats,
    )


def _check_digests(file: File) -> None:
    attributes = file.attributes
    _same(hashlib.sha256(attributes["recipe"].encode()).hexdigest(), attributes["recipe_sha256"], f"{file.path}: the recipe")
    texts = ""
    for name, split in file.items():
        digests = {field.name: pixels_digest(_trailers(split, field.name)) for field in file.layout.pixels}
        digests |= {field.name: array_digest(split.in_order(field.name)) for field in file.layout.states}
        digests |= {f"events/{field.name}": array_digest([split.column(field.name)]) for field in file.layout.events}
        text = split_text(name, split.sizes, digests)
        _same(text_digest(text), file.admitted.digests[name], f"{file.path}: the split {name}")
        texts += text
    _same(text_digest(texts), attributes["content_sha256"], f"{file.path}: the content")


def _check_offsets(split: Split) -> None:
    """Every event belongs to the sequence it names."""
    offset, where = split.column("offset"), f"{split.file.path}: {split.name}/events"
    end = split.sizes["M"]
    if offset[0] != 0 or offset[-1] != end or not ((offset >= 0) & (offset <= end)).all() or (np.diff(offset) < 0).any():
        raise DamagedFile(f"{where}/offset does not run from 0 to {end}")
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


def _check_truth(file: File, progress: Callable[[Progress], None] | None) -> tuple[list[Count], tuple[str, ...]]:
    """Every sequence, on all cores."""
    recipe = read_recipe(file)
    if isinstance(recipe, Unmakeable):
        return _run(_inflate, file, "inflating", progress), (f"nothing was made again: {recipe.reason}",)
    return _run(lambda split, span: _check_span(split, recipe, span), file, "making again", progress), tuple(_caveats(recipe))


def _caveats(recipe: Recipe) -> list[str]:
    caveats: list[str] = []
    if parts_of(recipe.generator).check is None:
        caveats.append(f"{recipe.generator.name} has no check of its laws")
    if recipe.seed and recipe.dataset != recipe.generator.name:
        caveats.append(f"seed {recipe.seed}: not the sequences that are published as {recipe.name}")
    return caveats


def _check_span(split: Split, recipe: Recipe, span: Span) -> Count:
    replayed = 0
    parts = parts_of(recipe.generator)
    if parts.check is not None:
        names = [name for name in split.fields if parts.checked is None or name in parts.checked]
        for fault in parts.check(scenes_of(split, span, names)):
            raise DamagedFile(f"{split.file.path}: {split.name} sequence {span.start + fault.sequence} {fault.sentence}")
        replayed = len(span)
    try:
        block = make_block(recipe, span)
    except RecipeError as error:
        raise DamagedFile(f"{split.file.path}: the recipe cannot be followed: {error}") from None
    return Count(len(span), replayed, compare_block(split, block))


def _inflate(split: Split, span: Span) -> Count:
    """Decode every stream; its checksum must be the one that the digest was taken of, its last bytes."""
    for field in split.file.layout.pixels:
        out = np.empty(field.chunk(split.sizes, 1), np.uint8)
        for number in range(span.start, span.stop):
            split.inflate_into(field.name, number, out)
            require_end(split, field.name, number, out)
    return Count(inflated=len(span) * len(split.file.layout.pixels))


def _run(work: Callable[[Split, Span], Count], file: File, doing: str, progress: Callable[[Progress], None] | None) -> list[Count]:
    """Do something with all sequences, AT_ONCE at a time, on all cores."""
    splits = dict(file)
    pieces = [Span(name, start, min(start + AT_ONCE, len(split))) for name, split in splits.items() for start in range(0, len(split), AT_ONCE)]

    def work_on(span: Span) -> Count:
        return work(splits[span.split], span)

    counts: list[Count] = []
    done, total = 0, sum(map(len, pieces))
    with closing(ahead(work_on, pieces, workers=count_cores())) as results:
        for span, count in zip(pieces, results, strict=True):
            counts.append(count)
            done += len(span)
            if progress:
                progress(Progress(done, total, f"{doing} {span.split}"))
    return counts
