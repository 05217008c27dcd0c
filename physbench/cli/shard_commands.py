"""Datasets in shards: to generate one, and to join it into one file."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench.amounts import describe_size
from physbench.cli.root import STOPPED, main
from physbench.printable import printable
from physbench.progress import progress_bar

if TYPE_CHECKING:
    from physbench.recipe import Recipe


def generate_into_shards(
    recipe: Recipe,
    out: Path,
    *,
    workers: int | None,
    part: str | None,
    overwrite: bool,
    as_json: bool,
    engine: str,
    scheduler: str | None,
    shard_size: int | None,
) -> None:
    from physbench.shards import SHARD_SIZE, generate_shards

    if part is not None:
        raise click.UsageError("--part shares out one file; shards are shared out by --engine dask: leave one out")
    if engine != "dask" and scheduler is not None:
        raise click.UsageError("--scheduler goes with --engine dask")
    if scheduler is not None and workers is not None:
        raise click.UsageError("--workers is for this machine; the cluster at --scheduler has workers of its own")
    if out.suffix == ".h5" and not out.is_dir():
        raise click.UsageError(
            f"shards are written into a folder: --out {out.with_suffix('')}; then `physbench join {out.with_suffix('')}"
            f" --out {out}` makes one file of them"
        )
    done = 0.0
    with progress_bar(printable(f"preparing {out.name}")) as update:

        def show(progress: Any) -> None:
            nonlocal done
            done = progress.done / progress.total
            update(progress.done, progress.total, printable(progress.waiting or f"making {out.name}"))

        try:
            path = generate_shards(
                recipe,
                out,
                shard_size=SHARD_SIZE if shard_size is None else shard_size,
                engine="dask" if engine == "dask" else None,
                scheduler=scheduler,
                workers=workers,
                overwrite=overwrite,
                progress=show,
            )
        except KeyboardInterrupt:
            click.echo(f"\nStopped at {done:.0%}. The same command goes on from there.", err=True)
            sys.exit(STOPPED)
    say_finished(recipe, path, "", as_json)


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def join(folder: Path, out: Path, overwrite: bool, as_json: bool) -> None:
    """Join a dataset in shards into one file.

    FOLDER is what `physbench generate --engine dask` wrote. The file has the same content digest as if it had been
    generated in one piece. After Ctrl-C, the same command goes on.

    \b
    physbench generate balls --train 1000 --valid 0 --test 0 --shard-size 512 --out balls
    physbench join balls --out balls.h5
    """
    from physbench.shards import join_shards
    from physbench.storage.reader import open_dataset

    with progress_bar(printable(f"joining {out.name}")) as update:

        def show(progress: Any) -> None:
            update(progress.done, progress.total, printable(f"joining {out.name}"))

        try:
            path = join_shards(folder, out, overwrite=overwrite, progress=show)
        except KeyboardInterrupt:
            click.echo("\nStopped. The same command goes on from there.", err=True)
            sys.exit(STOPPED)
    file = open_dataset(path)
    digest = file.attributes["content_sha256"]
    if as_json:
        return click.echo(json.dumps({"file": str(path), "bytes": file.nbytes, "content_sha256": digest}))
    click.echo(f"{path}: {sum(file.splits.values()):,} sequences, {describe_size(file.nbytes)}, content {digest[:16]}")


def say_finished(recipe: Recipe, path: Path, state: str, as_json: bool) -> None:
    from physbench.storage.reader import open_dataset

    file = open_dataset(path)
    size, digest = file.nbytes, file.attributes["content_sha256"]
    if as_json:
        return click.echo(
            json.dumps({"file": str(path), "bytes": size, "sequences": recipe.sequences, "content_sha256": digest})
        )
    subject = f"{path} {state}" if state else str(path)
    click.echo(
        f"{subject}: {count_sequences(recipe.sequences, recipe.frames)}, {describe_size(size)}, content {digest[:16]}"
    )


def count_sequences(number: int, frames: int, *, width: int = 0) -> str:
    return f"{number:{width},} {'image' if frames == 1 else 'sequence'}s"
