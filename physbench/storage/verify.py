"""Verification of dataset files. Every sequence is made again from the recipe and compared, value by value, with the
stored one.

The recipe must also agree with the name of the dataset, and h5py must read the same as this package. A stream whose
bytes are the same does not need to be decoded, so verifying a file takes hardly longer than making it. In addition, a
world can check its laws, with code that shares nothing with its simulation.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Literal, NamedTuple, cast

import numpy as np

from physbench import registry
from physbench.ahead import ahead
from physbench.errors import DamagedFile, RecipeError, StorageError, UnknownName
from physbench.machine import count_cores
from physbench.progress import Progress
from physbench.recipe import Excerpt, Recipe
from physbench.scene import Span, describe_values, find_most
from physbench.storage.block import layout_for, make_block, sizes_of, spans
from physbench.storage.h5py_check import require_agreement
from physbench.storage.layout import array_digest, pixels_digest, split_text, text_digest
from physbench.storage.reader import File, Split, open_dataset
from physbench.storage.remake import compare_block, require_end, scenes_of
from physbench.storage.sharded import ShardedFile
from physbench.world import parts_of

Depth = Literal["quick", "plain"]
AT_ONCE = 64
"""How many sequences are made again at a time. The number is small, so that a false recipe with very many collisions
cannot take much memory."""


@dataclass(frozen=True)
class Report:
    """What was checked and found to be right."""

    path: str
    dataset: str
    depth: Depth
    content_sha256: str
    sequences: int
    sequences_remade: int
    """How many sequences were made again from the recipe and are the same in every value."""
    sequences_replayed: int
    """How many sequences have states and events that follow the laws of their world."""
    streams_inflated: int
    """How many streams of pixels were decoded, because their bytes are not those that the generator writes."""
    caveats: tuple[str, ...] = ()
    """What could not be checked, or must be known about the dataset."""


@dataclass(frozen=True)
class Count:
    """How many sequences of a span were made again and replayed, and how many streams were decoded."""

    remade: int = 0
    replayed: int = 0
    inflated: int = 0


def verify(
    path: str | os.PathLike[str], *, depth: Depth = "plain", progress: Callable[[Progress], None] | None = None
) -> Report:
    """Check a file, and raise an error of one sentence for the first thing that is wrong.

    depth: plain makes every sequence again from the recipe and compares it, and replays its motion by the laws of its
    world. quick only checks structures and digests; it finds accidental damage, but no deliberate changes.

    >>> physbench.verify("balls.h5").sequences
    54
    """
    if depth not in ("quick", "plain"):
        raise StorageError(f"depth is quick or plain, not {depth!r}")
    file = open_dataset(path)
    for part in _list_files(file):
        _check_digests(part)
        require_agreement(part, lambda done, total, doing: progress(Progress(done, total, doing)) if progress else None)
    if isinstance(file, ShardedFile):
        _check_digests(file)
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


def _list_files(file: File) -> Iterator[File]:
    """The HDF5 files of a dataset: itself, or its shards, one after the other."""
    if not isinstance(file, ShardedFile):
        yield file
        return
    for shard in file.index.shards:
        yield file.open_shard(shard).file


def _check_digests(file: File) -> None:
    attributes = file.attributes
    _same(
        hashlib.sha256(attributes["recipe"].encode()).hexdigest(),
        attributes["recipe_sha256"],
        f"{file.path}: the recipe",
    )
    digests, content = digest_file(file)
    for name, digest in digests.items():
        _same(digest, file.admitted.digests[name], f"{file.path}: the split {name}")
    _same(content, attributes["content_sha256"], f"{file.path}: the content")


def digest_file(file: File) -> tuple[dict[str, str], str]:
    """Digest what a file holds, without decoding any pixels: each split, and the whole."""
    split_digests: dict[str, str] = {}
    texts = ""
    for name, split in file.items():
        digests = {field.name: pixels_digest(split.trailers(field.name)) for field in file.layout.pixels}
        digests |= {field.name: array_digest(split.in_order(field.name)) for field in file.layout.states}
        digests |= {
            f"events/{field.name}": array_digest(split.column_parts(field.name)) for field in file.layout.events
        }
        text = split_text(name, split.sizes, digests)
        split_digests[name] = text_digest(text)
        texts += text
    return split_digests, text_digest(texts)


def _check_offsets(split: Split) -> None:
    """Check that every event belongs to the sequence that it names."""
    offset, where = split.column("offset"), f"{split.file.path}: {split.name}/events"
    end = split.sizes["M"]
    if (
        offset[0] != 0
        or offset[-1] != end
        or not ((offset >= 0) & (offset <= end)).all()
        or (np.diff(offset) < 0).any()
    ):
        raise DamagedFile(f"{where}/offset does not run from 0 to {end}")
    if not np.array_equal(split.column("sequence"), np.repeat(np.arange(len(split)), np.diff(offset))):
        raise DamagedFile(f"{where}/sequence does not agree with its offsets")


def _same(found: str, stated: str, what: str) -> None:
    if found != stated:
        raise DamagedFile(f"{what} is not what its digest says: {found[:16]}... is not {stated[:16]}...")


def _check_truth(file: File, progress: Callable[[Progress], None] | None) -> tuple[list[Count], tuple[str, ...]]:
    """Make every sequence again and check it, on all cores; return counts and caveats."""
    recipe = read_recipe(file)
    if isinstance(recipe, Unmakeable):
        counts, known, laws = _run(_inflate, file, "inflating", progress), recipe.recipe, False
        if known is not None and (laws := parts_of(known.generator).check is not None):
            counts += _run(
                lambda split, span: Count(replayed=_hold_to_laws(split, known, span)), file, "checking", progress
            )
        return counts, (
            f"nothing was made again: {recipe.reason}",
            *["what it holds keeps the laws of its world"] * laws,
        )
    if parts_of(recipe.generator).engine == "processes":
        counts = _run(
            lambda split, span: Count(replayed=_hold_to_laws(split, recipe, span)), file, "checking", progress
        )
        return counts + _compare_in_processes(file, recipe, progress), tuple(_caveats(recipe))
    return _run(lambda split, span: _check_span(split, recipe, span), file, "regenerating", progress), tuple(
        _caveats(recipe)
    )


def _compare_in_processes(file: File, recipe: Recipe, progress: Callable[[Progress], None] | None) -> list[Count]:
    """Make every block again in processes, for a world that holds Python's global lock while it makes scenes."""
    counts: list[Count] = []
    todo, done = spans(recipe), 0
    workers = min(count_cores(), len(todo))
    with closing(
        ahead(partial(make_block, recipe), todo, engine="processes", workers=workers if workers > 1 else 0)
    ) as blocks:
        try:
            for span, block in zip(todo, blocks, strict=True):
                counts.append(Count(len(span), 0, compare_block(file[span.split], block)))
                done += len(span)
                if progress:
                    progress(Progress(done, recipe.sequences, f"regenerating {span.split}"))
        except RecipeError as error:
            raise DamagedFile(f"{file.path}: the recipe cannot be followed: {error}") from None
    return counts


def _caveats(recipe: Recipe) -> list[str]:
    caveats: list[str] = []
    if parts_of(recipe.generator).check is None:
        caveats.append(f"{recipe.generator.name} has no check of its laws")
    if recipe.seed and recipe.dataset != recipe.generator.name:
        caveats.append(f"seed {recipe.seed}: not the sequences that are published as {recipe.name}")
    return caveats


def _check_span(split: Split, recipe: Recipe, span: Span) -> Count:
    replayed = _hold_to_laws(split, recipe, span)
    try:
        block = make_block(recipe, span)
    except RecipeError as error:
        raise DamagedFile(f"{split.file.path}: the recipe cannot be followed: {error}") from None
    return Count(len(span), replayed, compare_block(split, block))


def _hold_to_laws(split: Split, recipe: Recipe, span: Span) -> int:
    """Let the world check the laws in a span of sequences; return how many were checked."""
    parts = parts_of(recipe.generator)
    if parts.check is None:
        return 0
    names = [name for name in split.fields if parts.checked is None or name in parts.checked]
    for fault in parts.check(scenes_of(split, span, names)):
        raise DamagedFile(f"{split.file.path}: {split.name} sequence {span.start + fault.sequence} {fault.sentence}")
    return len(span)


def _inflate(split: Split, span: Span) -> Count:
    """Decode every stream, and check that its last bytes, which the digest is computed from, are its checksum."""
    for field in split.file.layout.pixels:
        out = np.empty(field.chunk(split.sizes, 1), np.uint8)
        for number in range(span.start, span.stop):
            split.inflate_into(field.name, number, out)
            require_end(split, field.name, number, out)
            if field.name == "features" and (most := find_most(out)):
                raise DamagedFile(f"{split.file.path}: {describe_values(f'{split.name} sequence {number}', most)}")
    return Count(inflated=len(span) * len(split.file.layout.pixels))


def _run(
    work: Callable[[Split, Span], Count], file: File, doing: str, progress: Callable[[Progress], None] | None
) -> list[Count]:
    """Apply a function to all sequences, AT_ONCE at a time, on all cores."""
    splits = dict(file)
    pieces = [
        Span(name, start, min(start + AT_ONCE, len(split)))
        for name, split in splits.items()
        for start in range(0, len(split), AT_ONCE)
    ]

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


FORM = {
    "dataset": str,
    "frames": int,
    "generator": str,
    "parameters": dict,
    "seed": int,
    "splits": dict,
    "version": int,
}
"""The keys of a recipe, and the types of their values."""


class Unmakeable(NamedTuple):
    """The reason why a dataset cannot be made again here."""

    reason: str
    recipe: Recipe | None = None  # if its world is installed, whose laws may still be checked


def read_recipe(file: File) -> Recipe | Unmakeable:
    """Read the recipe of a file; raise an error if it contradicts itself, the name of the dataset, or the arrays."""
    text, name = file.attributes["recipe"], file.attributes["dataset"]
    where = f"{file.path}: the recipe"
    form = _require_form(json.loads(text), where)
    if name != f"{form['dataset']}-v{form['version']}":
        raise DamagedFile(
            f"{file.path} is called {name!r}, and its recipe is one of {form['dataset']}-v{form['version']}"
        )
    try:
        usual: Recipe = registry.datasets.get(form["dataset"])
    except UnknownName:
        return Unmakeable(f"no dataset {form['dataset']!r} is installed here")
    if form["generator"] != usual.generator.name:
        raise DamagedFile(
            f"{where} names the generator {form['generator']!r}; {usual.dataset} is made by {usual.generator.name!r}"
        )
    if form["version"] != usual.generator.version:
        return Unmakeable(
            f"it was made by version {form['version']} of {usual.generator.name}, and version {usual.generator.version}"
            " is installed here"
        )
    recipe = _rebuild(usual, form, where)
    if recipe.to_json() != text:
        raise DamagedFile(f"{where} is not written as it was for these parameters")
    if usual.dataset != usual.generator.name:
        _require_registered(recipe, usual, where)
    _require_sizes(file, recipe)
    obstacle = parts_of(recipe.generator).obstacle
    reason = obstacle(recipe.whole) if obstacle else ""
    return Unmakeable(reason, recipe) if reason else recipe


def _require_form(told: dict[str, Any], where: str) -> dict[str, Any]:
    for key, kind in FORM.items():
        if type(told.get(key)) is not kind:
            raise DamagedFile(
                f"{where} " + (f"has no {key!r}" if key not in told else f"says {str(told[key])[:40]!r} for {key!r}")
            )
    if not all(type(count) is int for count in told["splits"].values()):
        raise DamagedFile(f"{where} has a split whose size is not a whole number")
    return told


def _rebuild(usual: Recipe, form: dict[str, Any], where: str) -> Recipe:
    expected = asdict(cast("Any", usual.generator))
    if missing := sorted(set(expected) - set(form["parameters"])):
        raise DamagedFile(f"{where} has no parameter {missing[0]!r}")
    try:
        generator = cast("Any", type(usual.generator))(**form["parameters"])
        excerpt = Excerpt(**form["excerpt"]) if "excerpt" in form else None
        settings = {name: form[name] for name in ("frames", "splits", "seed")}
        return replace(usual, generator=generator, excerpt=excerpt, **settings)
    except Exception as error:  # a generator can raise anything for parameters that it does not accept
        raise DamagedFile(f"{where} cannot be followed: {str(error)[:200]}") from None


def _require_registered(recipe: Recipe, usual: Recipe, where: str) -> None:
    """Check that the recipe is that of a named dataset; only the sizes of its splits and its seed may differ."""
    given, expected = ({"frames": each.frames, **asdict(cast("Any", each.generator))} for each in (recipe, usual))
    for key, value in expected.items():
        if given[key] != value:
            raise DamagedFile(f"{where} is not that of {usual.dataset}: its {key} is {given[key]!r}, not {value!r}")


def _require_sizes(file: File, recipe: Recipe) -> None:
    if list(file) != list(recipe.splits):
        raise DamagedFile(f"{file.path} holds {', '.join(file)}; its recipe makes {', '.join(recipe.splits)}")
    if file.layout != (made := layout_for(recipe)):
        raise DamagedFile(f"{file.path} holds {', '.join(file.layout.paths)}; its recipe makes {', '.join(made.paths)}")
    for name, split in file.items():
        for axis, length in sizes_of(recipe, name).items():
            if split.sizes.get(axis, length) != length:
                raise DamagedFile(
                    f"{file.path}: axis {axis} of {name} has length {split.sizes[axis]}; the recipe makes {length}"
                )
