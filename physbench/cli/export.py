"""The command that writes what a model is shown."""

from __future__ import annotations

import json
from pathlib import Path

import click

from physbench.amounts import describe_size
from physbench.cli.root import main
from physbench.cli.scores import JSON, LIMIT, SIZE, options
from physbench.cli.suites import SUITE, resolve_suite
from physbench.progress import progress_bar


@main.command()
@options(SUITE, SIZE, LIMIT)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file to write.")
@click.option("--overwrite", is_flag=True, help="Replace an existing file.")
@JSON
def export(suite: str, size: str, limit: int | None, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write the inputs of a suite into an HDF5 file.

    These are frames and actions, and nothing of the truth.

    For models in another language: let it write its predictions into a file, and score that. docs/predictions.md has
    the layout of both.

    \b
    physbench export --suite balls --out inputs.h5
    physbench score predictions.h5 --suite balls
    """
    from physbench.evaluation.export import export_inputs

    with progress_bar(f"writing {out.name}") as update:
        verdicts = export_inputs(
            out,
            resolve_suite(suite),
            size=size,
            limit=limit,
            overwrite=overwrite,
            progress=lambda now: update(now.done, now.total, f"writing {now.doing}"),
        )
    bytes_in_all = out.stat().st_size
    if as_json:
        return click.echo(json.dumps({"file": str(out), "bytes": bytes_in_all, "checked": verdicts}))
    note = "checked against their digests" if all(verdicts.values()) else "no digest is known for so many sequences"
    click.echo(f"{out}: the inputs of {suite}, {describe_size(bytes_in_all)}; {note}")
