"""From a recipe to a file. Blocks of sequences are made ahead and stored in order; what is stored stays.

The bytes depend on the recipe alone: not on the number of workers, nor on how often the work was killed, nor on how it
was shared out.
"""

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from physbench.ahead import ahead
from physbench.amounts import describe_size
from physbench.errors import RecipeError, StorageError
from physbench.files import require_replaceable
from physbench.machine import count_cores
from physbench.printable import printable, shorten
from physbench.recipe import Recipe
from physbench.resolve import resolve_recipe
from physbench.scene import Scenes, Span
from physbench.storage.block import AT_ONCE, Block, make_block, spans
from physbench.storage.journal import HEADER, DatasetJournal
from physbench.storage.layout import BLOCK
from physbench.storage.reader import open_dataset
from physbench.storage.writer import seal, workings_of
from physbench.world import parts_of


@dataclass(frozen=True)
class GenerationProgress:
    done: int  # sequences
    total: int
    resumed: int  # of them, found done
    waiting: str = ""  # for what, where nothing can go on


@dataclass(frozen=True)
class CostEstimate:
    bytes: int
    seconds: float
    sample: Scenes


def generate(
    dataset: str | Recipe,
    path: str | os.PathLike[str] | None = None,
    *,
    train: int | None = None,
    valid: int | None = None,
    test: int | None = None,
    frames: int | None = None,
    seed: int | None = None,
    workers: int | None = None,
    overwrite: bool = False,
    part: tuple[int, int] | None = None,
    progress: Callable[[GenerationProgress], None] | None = None,
    **parameters: Any,
) -> Path:
    """Make a dataset file, or resume where a run with the same recipe and path was stopped.

    Finished parts beside the file are taken over.
    A file of the same recipe that is there already is left as it is. path: by default a name that says what is inside.
    train, valid, test: sequences of each split, where another number than usual is wanted. frames, parameters: of a
    world of your own, as `physbench generate balls --help` lists them. `part=(3, 8)` makes only the third eighth, into
    a folder beside the path, for work shared out over several machines.

    >>> path = physbench.generate("balls", "mine.h5", n=(6, 8), gravity=0.1, train=20, valid=4, test=4)
    >>> physbench.open(path).splits
    {'training': 20, 'validation': 4, 'test': 4}
    >>> path = physbench.generate("balls4mass64", train=4, valid=0, test=2)
    >>> path.name
    'balls4mass64-4+2.h5'
    """
    recipe = resolve_recipe(
        dataset, parameters, sizes={"training": train, "validation": valid, "test": test}, frames=frames, seed=seed
    )
    path = Path(path) if path is not None else Path(recipe.file_name(resolve_recipe(dataset, {})))
    require_hdf5_name(path)
    workers = _workers(workers)
    if not path.parent.is_dir():
        raise StorageError(f"there is no folder {path.parent}")
    if path.is_dir():
        raise StorageError(f"{path} is a folder")
    if not overwrite and is_finished(recipe, path):
        return path
    require_replaceable(path)
    todo = spans(recipe) if part is None else _share(spans(recipe), part)
    directory = workings_of(path) if part is None else path.with_name(f"{path.name}.part-{part[0]}-of-{part[1]}")
    if overwrite and part is None and not (directory / "journal").exists():
        shutil.rmtree(directory, ignore_errors=True)
    with ExitStack() as stack:
        sources = _parts(recipe, path, stack, overwrite=overwrite) if part is None else {}
        blocks = partial(_make_or_read, recipe, sources=sources, workers=workers)
        first, rest, journal = None, None, None
        if not directory.exists():
            rest = stack.enter_context(closing(blocks(todo)))
            first = next(rest)
            _require_space(path, first, todo)
        try:
            journal = stack.enter_context(closing(DatasetJournal(recipe, directory, afresh=overwrite)))
            missing = _require_beginning(journal, todo)
            made = (
                chain([first], rest)
                if first is not None and rest is not None
                else stack.enter_context(closing(blocks(missing)))
            )
            _fill(journal, made, todo, progress)
            if part is None:
                seal(journal, path, overwrite=overwrite)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                raise
            if first is None or (journal and journal.records):
                raise StorageError(
                    f"no space is left for {path}: free some and run the same command again; what is done waits in"
                    f" {directory}"
                ) from None
            shutil.rmtree(directory, ignore_errors=True)
            raise StorageError(
                f"no space is left for {path}: nothing was kept; free some, or write elsewhere with --out"
            ) from None
    if part is None:
        for finished in _part_directories(path):
            shutil.rmtree(finished, ignore_errors=True)
        return path
    return directory


def is_finished(recipe: Recipe, path: Path) -> bool:
    """Say whether the dataset file of a recipe is there already. Anything else that is there is an error in words."""
    if not path.exists():
        return False
    ask = "use --overwrite to replace it, or another --out"
    try:
        with open_dataset(path) as file:
            there = file.recipe
    except StorageError:
        raise StorageError(f"{path} exists already: {ask}") from None
    differences = recipe.difference(there)
    if differences:
        rest = len(differences) - 3
        words = "; ".join(
            [*(shorten(printable(each), 120) for each in differences[:3]), *[f"and {rest} more"] * (rest > 0)]
        )
        raise StorageError(f"{path} exists already, made from another recipe: {words}: {ask}")
    return True


HDF5_SUFFIXES = (".h5", ".hdf5", ".hdf", ".he5")


def require_hdf5_name(path: Path) -> None:
    """Refuse a name that says that the file is something else."""
    suffix = path.suffix.lower()
    if suffix[1:].isdigit() or not suffix or any(each.lower() in HDF5_SUFFIXES for each in path.suffixes):
        return
    raise StorageError(f"{path} would be an HDF5 file: call it {path.with_suffix('.h5').name}, not {path.name}")


def estimate(recipe: Recipe, *, workers: int | None = None) -> CostEstimate:
    """Size and time of a dataset, from a block that is made and thrown away."""
    split, count = next(iter(recipe.splits.items()))
    span = Span(split, 0, min(count, BLOCK))  # the first; there may be millions
    sample = recipe.scenes(span.split, 0, min(len(span), AT_ONCE))
    make_block(recipe, Span(span.split, 0, 1))  # what is compiled at the first call does not count
    began = time.process_time()
    block = make_block(recipe, span)
    seconds = (time.process_time() - began) / len(span)
    return CostEstimate(
        _count_bytes(block) * recipe.sequences // len(span), seconds * recipe.sequences / _workers(workers), sample
    )


def _require_beginning(journal: DatasetJournal, todo: list[Span]) -> list[Span]:
    """Return what a journal still lacks; refuse one that holds anything but the beginning of the work."""
    if [record.span for record in journal.records] != todo[: len(journal.records)]:
        raise StorageError(f"{journal.directory} holds other work: delete it and run the command again")
    return todo[len(journal.records) :]


def _fill(
    journal: DatasetJournal,
    blocks: Iterable[Block],
    todo: list[Span],
    progress: Callable[[GenerationProgress], None] | None,
) -> None:
    """Append the blocks that are missing."""
    total = sum(map(len, todo))
    resumed = done = sum(len(record.span) for record in journal.records)
    if progress:
        progress(GenerationProgress(done, total, resumed))
    for block in blocks:
        journal.append(block)
        done += len(block.span)
        if progress:
            progress(GenerationProgress(done, total, resumed))


def _make_or_read(
    recipe: Recipe, todo: list[Span], *, sources: dict[Span, Callable[[], Block]], workers: int
) -> Generator[Block]:
    """Give blocks in order, a few of them ahead in the making; those that lie in parts are read."""
    reading = ahead(lambda span: sources[span](), (span for span in todo if span in sources), workers=workers)
    missing = (span for span in todo if span not in sources)
    making = ahead(partial(make_block, recipe), missing, engine=parts_of(recipe.generator).engine, workers=workers)
    with closing(reading), closing(making):
        for span in todo:
            yield next(reading if span in sources else making)


def _share(todo: list[Span], part: tuple[int, int]) -> list[Span]:
    number, parts = part
    if not 1 <= number <= parts:
        raise RecipeError(f"part {number} of {parts} does not exist: the parts are 1 to {parts}")
    if parts > len(todo):
        raise RecipeError(f"{len(todo)} blocks of sequences cannot be shared out over {parts} parts")
    return todo[(number - 1) * len(todo) // parts : number * len(todo) // parts]


def _part_directories(path: Path) -> list[Path]:
    pattern = re.compile(re.escape(path.name) + r"\.part-\d+-of-\d+")
    return sorted(entry for entry in path.parent.iterdir() if pattern.fullmatch(entry.name))


def _parts(recipe: Recipe, path: Path, stack: ExitStack, *, overwrite: bool) -> dict[Span, Callable[[], Block]]:
    """The blocks that lie in parts beside the file. Those of another recipe are refused, or dropped with overwrite."""
    sources: dict[Span, Callable[[], Block]] = {}
    for directory in _part_directories(path):
        journal = DatasetJournal(recipe, directory, afresh=overwrite)
        stack.callback(journal.close)
        for record in journal.records:
            sources[record.span] = lambda journal=journal, record=record: journal.read(record)
    return sources


def _require_space(path: Path, first: Block, todo: list[Span]) -> None:
    """Say so now if the file cannot fit, rather than when the disk is full."""
    needed = HEADER + _count_bytes(first) * sum(map(len, todo)) // len(first.span)
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise StorageError(
            f"{path} needs about {describe_size(needed)} and {path.parent} has {describe_size(free)} free: free some,"
            " or write elsewhere"
        )


def _count_bytes(block: Block) -> int:
    """Bytes of a block in the file and, while it is made, in the journal."""
    return sum(
        array.nbytes
        for array in (
            *(streams.data for streams in block.streams.values()),
            *block.states.values(),
            *block.events.values(),
        )
    )


def _workers(asked: int | None) -> int:
    if asked is not None and not 1 <= asked <= 1024:
        raise RecipeError(f"workers is 1 to 1024, not {asked}")
    return count_cores() if asked is None else asked
