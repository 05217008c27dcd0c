"""From a recipe to a dataset in shards, made by any number of workers; and from shards to one file.

A shard is an ordinary dataset file with consecutive sequences of one split. Workers make whole shards and share only
the folder that they write them into. A shard that is there is complete; any worker can make one that is missing. The
index is written when all are there.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from physbench import __version__
from physbench.ahead import Engine, ahead
from physbench.errors import ClusterError, ClusterLost, RecipeError, StorageError, WorkerError
from physbench.files import read_regular_file, write_whole
from physbench.generate import GenerationProgress, require_hdf5_name
from physbench.lock import hold_lock
from physbench.machine import count_cores
from physbench.recipe import SPLITS, Recipe
from physbench.resolve import resolve_recipe
from physbench.scene import Span, Streams
from physbench.storage.block import Block, layout_for, make_block, spans
from physbench.storage.journal import DatasetJournal
from physbench.storage.layout import BLOCK
from physbench.storage.reader import File, Split, open_dataset
from physbench.storage.shard_index import INDEX, Shard, ShardIndex
from physbench.storage.sharded import ShardedFile
from physbench.storage.verify import digest_file, read_recipe
from physbench.storage.writer import seal, workings_of
from physbench.world import parts_of

SHARD_SIZE = 8192
"""Sequences in a shard where no other number is given."""

PLAN = "recipe.json"
"""The file that says what a folder of shards is going to be, and how it is cut. Workers look for it to know that they
see the folder."""

MOST_PLAN = 1 << 20
"""Bytes of that file."""

SHARD = re.compile(rf"({'|'.join(SPLITS)})-\d{{10}}\.h5")
"""The name of a shard."""

PATIENCE = 600.0
"""Seconds in which a lost scheduler must come back."""

PAUSE = 1.0
"""Seconds between two attempts to reach it."""


@dataclass(frozen=True)
class ShardTask:
    """What a worker needs to make a shard."""

    recipe: Recipe
    """Of the whole dataset."""
    span: Span
    folder: str
    plan: str
    """What the worker must find in the folder."""
    name: str
    """The dataset with the version of its generator, as it is where the work is given out."""
    package: str
    """The version of physbench there."""

    @property
    def file(self) -> str:
        return f"{self.span.split}-{self.span.start:010d}.h5"


def generate_shards(
    dataset: str | Recipe,
    folder: str | os.PathLike[str],
    *,
    train: int | None = None,
    valid: int | None = None,
    test: int | None = None,
    frames: int | None = None,
    seed: int | None = None,
    shard_size: int = SHARD_SIZE,
    engine: Engine | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Callable[[GenerationProgress], None] | None = None,
    **parameters: Any,
) -> Path:
    """Make a dataset as a folder of shards with an index, or make the shards that are missing. Give the index.

    dataset, train, valid, test, frames, seed, parameters: as for `physbench.generate`. shard_size: sequences in a
    shard. engine: "dask" for a cluster, whose scheduler is at the address `scheduler`; one is started on this machine
    without an address. The digest is that of the same dataset in one file.

    >>> index = physbench.generate_shards("balls", "many", train=1000, valid=0, test=8, shard_size=512)
    >>> physbench.open("many").splits
    {'training': 1000, 'test': 8}
    >>> [shard.file for shard in physbench.open("many").index.shards]
    ['training-0000000000.h5', 'training-0000000512.h5', 'test-0000000000.h5']
    """
    sizes = {"training": train, "validation": valid, "test": test}
    recipe = resolve_recipe(dataset, parameters, sizes=sizes, frames=frames, seed=seed)
    folder = Path(folder)
    layout_for(recipe)
    if recipe.excerpt is not None:
        raise RecipeError("an excerpt of a dataset cannot be cut into shards: use the recipe of the whole dataset")
    if not 1 <= shard_size < 1 << 32 or shard_size % BLOCK:
        raise RecipeError(f"a shard has a multiple of {BLOCK} sequences, not {shard_size}")
    plan = f'{{"shard_size":{shard_size},"recipe":{recipe.to_json()}}}'
    _make_folder(folder)
    package, stretches = __version__, cut_into_shards(recipe, shard_size)
    tasks = [ShardTask(recipe, span, str(folder.absolute()), plan, recipe.name, package) for span in stretches]
    with hold_lock(folder, patience=0.0):
        _prepare(folder, plan, overwrite=overwrite)
        if (folder / INDEX).exists():
            return folder / INDEX
        with _clean(folder):
            workers = count_cores() if workers is None else workers
            shards = _work_off(tasks, engine or parts_of(recipe.generator).engine, workers, scheduler, progress)
            return _write_index(recipe, folder, shards)


def cut_into_shards(recipe: Recipe, shard_size: int) -> list[Span]:
    """Cut each split of a dataset into shards, in the order of the file that they would make.

    >>> from physbench.registry import datasets
    >>> len(cut_into_shards(datasets.get("balls4mass64"), 8192))
    11
    """
    return [
        Span(split, start, min(start + shard_size, count))
        for split, count in recipe.splits.items()
        for start in range(0, count, shard_size)
    ]


def make_shard(task: ShardTask) -> Shard:
    """Make a shard, unless it is there already."""
    folder = Path(task.folder)
    _require_place(task, folder)
    path, recipe = folder / task.file, task.recipe.cut_out(task.span)
    if not path.exists():
        directory = workings_of(folder / f".{task.file}.{secrets.token_hex(4)}")
        with closing(DatasetJournal(recipe, directory)) as journal:
            for span in spans(recipe):
                journal.append(make_block(recipe, span))
            seal(journal, path, overwrite=True)
    return _describe_shard(task, path, recipe)


def join_shards(
    source: str | os.PathLike[str],
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Callable[[GenerationProgress], None] | None = None,
) -> Path:
    """Make one file of a dataset in shards: the same as if it had been made in one.

    >>> index = physbench.generate_shards("balls", "parts", train=300, valid=0, test=0, shard_size=256)
    >>> path = physbench.join_shards("parts", "whole.h5")
    >>> physbench.open(path).attributes["content_sha256"] == physbench.open("parts").attributes["content_sha256"]
    True
    """
    path = Path(path)
    require_hdf5_name(path)
    file = open_dataset(source)
    if not isinstance(file, ShardedFile):
        raise StorageError(f"{source} is one file already: there is nothing to join")
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already: use --overwrite to replace it, or another --out")
    recipe = _require_recipe(file)
    todo = spans(recipe)
    with file, closing(DatasetJournal(recipe, workings_of(path), afresh=overwrite)) as journal:
        if [record.span for record in journal.records] != todo[: len(journal.records)]:
            raise StorageError(f"{journal.directory} holds other work: delete it and run the command again")
        done = resumed = sum(len(record.span) for record in journal.records)
        for span in todo[len(journal.records) :]:
            journal.append(_read_block(file[span.split], span))
            done += len(span)
            if progress:
                progress(GenerationProgress(done, recipe.sequences, resumed))

        def require_stated(digest: str) -> None:
            if digest != file.attributes["content_sha256"]:
                journal.discard()
                raise StorageError(
                    f"the shards of {file.path} are not what its digest says: `physbench verify` tells which"
                )

        seal(journal, path, overwrite=overwrite, check=require_stated)
    return path


def _make_folder(folder: Path) -> None:
    """Make the folder of the shards, unless it is there."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file: shards are written into a folder")
    if not folder.absolute().parent.is_dir():
        raise StorageError(f"there is no folder {folder.absolute().parent}")
    folder.mkdir(exist_ok=True)


def _prepare(folder: Path, plan: str, *, overwrite: bool) -> None:
    """See that a folder is empty or for the same shards; with overwrite, remove other shards, and never anything else.

    The caller holds the lock of the folder.
    """
    there = read_regular_file(folder / PLAN, MOST_PLAN).decode(errors="replace") if (folder / PLAN).exists() else None
    is_free = there is None and all(path.name.startswith(".") for path in folder.iterdir())
    if not is_free and not (there is not None and _is_plan(there)):
        raise StorageError(f"{folder} holds other files: give a folder that is empty or does not exist")
    if there is not None and not overwrite:
        if there != plan:
            raise StorageError(
                f"{folder} holds shards of another dataset, or of another size: use --overwrite to replace them, or"
                " another --out"
            )
        return
    (folder / INDEX).unlink(missing_ok=True)
    for path in folder.iterdir():
        if SHARD.fullmatch(path.name):
            path.unlink()
    write_whole(folder / PLAN, plan)


def _is_plan(text: str) -> bool:
    """Return whether a text is a plan of shards, and not the recipe of a training or of anything else."""
    try:
        told: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(told, dict) and cast("dict[str, Any]", told).keys() == {"shard_size", "recipe"}


def _work_off(
    tasks: Sequence[ShardTask],
    engine: Engine,
    workers: int,
    scheduler: str | None,
    progress: Callable[[GenerationProgress], None] | None,
) -> list[Shard]:
    """Have every shard made. A scheduler that is lost may come back: what was finished by then is there."""
    total = sum(len(task.span) for task in tasks)
    resumed = sum(len(task.span) for task in tasks if (Path(task.folder) / task.file).exists())
    shards: list[Shard] = []
    lost_at: float | None = None

    def tell(waiting: str = "") -> None:
        if progress:
            done = sum(len(shard.span) for shard in shards)
            progress(GenerationProgress(max(done, resumed), total, resumed, waiting))

    tell()
    while len(shards) < len(tasks):
        try:
            missing = tasks[len(shards) :]
            results = ahead(make_shard, missing, engine=engine, workers=workers, scheduler=scheduler)
            with closing(results):
                for shard in results:
                    shards.append(shard)
                    lost_at = None
                    tell()
        except ClusterError as error:
            if lost_at is None and isinstance(error, ClusterLost) and scheduler is not None:
                lost_at = time.monotonic()
            if lost_at is None or time.monotonic() > lost_at + PATIENCE:
                raise
            tell(f"waiting for the scheduler at {scheduler}")
            time.sleep(PAUSE)
    return shards


def _require_place(task: ShardTask, folder: Path) -> None:
    """Refuse to work on a machine that does not see the folder, or would make other bytes."""
    try:
        there = (folder / PLAN).read_text(encoding="utf-8")
    except OSError:
        there = ""
    here = socket.gethostname()
    if there != task.plan:
        raise WorkerError(
            f"the worker on {here} does not see {folder} as it is seen here: shards are written into a folder that all"
            " workers share"
        )
    if (__version__, task.recipe.name) != (task.package, task.name):
        raise WorkerError(
            f"the worker on {here} has physbench {__version__} with {task.recipe.name}, and {task.name} of physbench"
            f" {task.package} is wanted: install the same version everywhere"
        )


def _describe_shard(task: ShardTask, path: Path, recipe: Recipe) -> Shard:
    with File(path) as file:
        texts, sizes = file.attributes, file.admitted.sizes
        if texts["recipe"] != recipe.to_json() or list(sizes) != [task.span.split]:
            raise StorageError(f"{path} is not the shard that belongs here: delete it and run the same command again")
        span, events = task.span, sizes[task.span.split].get("M", 0)
        return Shard(task.file, span.split, span.start, span.stop, events, file.nbytes, texts["content_sha256"])


def _write_index(recipe: Recipe, folder: Path, shards: Sequence[Shard]) -> Path:
    """Join the shards by an index that carries the digest of them all."""
    with File(folder / shards[0].file) as first:
        created_with = first.attributes["created_with"]
    index = ShardIndex(recipe.name, recipe.to_json(), recipe.sha256, "", created_with, {}, shards)
    with ShardedFile(folder / INDEX, index) as file:
        digests, content = digest_file(file)
    return replace(index, digests=digests, content_sha256=content).write(folder)


@contextmanager
def _clean(folder: Path) -> Generator[None]:
    """Remove what workers left behind that were killed."""

    def clean() -> None:
        for path in folder.glob(".*.partial"):
            shutil.rmtree(path, ignore_errors=True)

    clean()
    yield
    clean()


def _require_recipe(file: ShardedFile) -> Recipe:
    recipe = read_recipe(file)
    if isinstance(recipe, Recipe):
        return recipe
    if recipe.recipe is None:
        raise StorageError(f"{file.path} cannot be joined: {recipe.reason}")
    return recipe.recipe


def _read_block(split: Split, span: Span) -> Block:
    """Take a block out of a shard as it is stored."""
    fields = split.file.layout
    streams = {
        field.name: Streams.of([bytes(split.stream(field.name, number)) for number in range(span.start, span.stop)])
        for field in fields.pixels
    }
    states = {name: np.ascontiguousarray(array) for name, array in split.states(span.start, span.stop).items()}
    events = split.rows(span.start, span.stop)
    rows = np.diff(events.pop("offset")) if events else np.zeros(len(span), np.int64)
    if fields.events:
        events["sequence"] = np.repeat(np.arange(span.start, span.stop, dtype=np.uint32), rows)
    return Block(span, streams, states, events, rows)
