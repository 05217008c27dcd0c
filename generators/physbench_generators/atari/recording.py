"""The recorder of tapes. It plays every sitting of a recipe and keeps only the actions.

Finished sittings are kept in a folder beside the tape until the tape is complete.
"""

from __future__ import annotations

import shutil
import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench import registry
from physbench.ahead import ahead
from physbench.errors import PhysbenchError, RecipeError, StorageError
from physbench.files import require_writable, write_whole
from physbench.machine import count_cores
from physbench.progress import progress_bar
from physbench_generators.atari.play import Blind, seeds_of, sittings_of
from physbench_generators.atari.sitting import play_sitting
from physbench_generators.atari.tape import pack_sitting, pack_tape

if TYPE_CHECKING:
    from collections.abc import Callable

    from physbench.recipe import Recipe
    from physbench.scene import Span


def record_tape(
    recipe: Recipe,
    path: Path,
    *,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write the tape of a recipe, or continue a run that was stopped.

    progress: called with the number of finished sequences and with the total.
    """
    if not hasattr(recipe.generator, "tape"):
        raise RecipeError(f"the world {recipe.generator.name} has no tapes")
    untaped = replace(recipe.generator, tape="", tape_sha256="")  # type: ignore[type-var, call-arg]
    recipe = replace(recipe, generator=untaped)
    parts = path.with_name(f"{path.name}.parts-{recipe.sha256[:16]}")
    require_writable(path)
    if path.exists() and not overwrite:
        raise StorageError(f"{path} exists already: use --overwrite to replace it, or another name")
    parts.mkdir(exist_ok=True)
    spans = [span for split in recipe.splits for span in sittings_of(recipe, split)]
    files = {span: parts / f"{span.split}-{span.start}-{span.stop}" for span in spans}
    missing = [span for span in spans if not files[span].exists()]
    done = sum(map(len, spans)) - sum(map(len, missing))
    workers = min(workers or count_cores(), max(len(missing), 1))
    with closing(
        ahead(partial(record_sitting, recipe), missing, engine="processes", workers=workers if workers > 1 else 0)
    ) as results:
        for span, data in zip(missing, results, strict=True):
            write_whole(files[span], data)
            done += len(span)
            if progress:
                progress(done, recipe.sequences)
    sittings = {
        split: [(len(span), files[span].read_bytes()) for span in sittings_of(recipe, split)] for split in recipe.splits
    }
    write_whole(path, pack_tape(recipe, sittings))
    shutil.rmtree(parts)
    return path


def record_sitting(recipe: Recipe, span: Span) -> bytes:
    """Play a sitting, and return its actions in coded form."""
    world: Any = recipe.generator
    lanes = play_sitting(recipe, span, Blind)
    return pack_sitting(
        [bytes(lane.taken) for lane in lanes],
        seeds_of(recipe, span),
        epsilon=world.epsilon,
        sticky=world.sticky,
        actions=world.actions,
    )


@click.command()
@click.argument("dataset")
@click.argument("out", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--train", type=int, help="Sequences for training; by default as many as the dataset has.")
@click.option("--valid", type=int, help="Sequences for validation.")
@click.option("--test", type=int, help="Sequences for test.")
@click.option("--policy", help="Who plays, instead of the policy of the dataset.")
@click.option("--agent", help="File of the agent that the policy plays.")
@click.option("--workers", type=int, help="Processes; by default one per core.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
def main(
    dataset: str,
    out: Path,
    train: int | None,
    valid: int | None,
    test: int | None,
    policy: str | None,
    agent: str | None,
    workers: int | None,
    overwrite: bool,
) -> None:
    """Record the actions of a dataset, so that it can be made again without the agent's network.

    Run the same command again to continue a recording that was stopped.
    """
    from physbench.resolve import resolve_recipe

    try:
        asked = {name: value for name, value in (("policy", policy), ("agent", agent)) if value is not None}
        recipe = resolve_recipe(
            registry.datasets.get(dataset), asked, sizes={"training": train, "validation": valid, "test": test}
        )
        with progress_bar(f"recording {out.name}") as update:
            record_tape(
                recipe,
                out,
                overwrite=overwrite,
                workers=workers,
                progress=lambda done, total: update(done, total, f"recording {out.name}"),
            )
    except PhysbenchError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(error.exit_code)
    size = out.stat().st_size
    click.echo(f"{out}: {recipe.sequences:,} sequences, {size:,} bytes, {size / recipe.sequences:.2f} for each")
