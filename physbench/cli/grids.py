"""The command that scores many models on many suites."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench.cli.root import JSON, STOPPED, main
from physbench.cli.scores import BATCH, DEVICE, LIMIT, SIZE, gather_options, options
from physbench.cli.suite_option import resolve_suite
from physbench.cli.worker_options import ENGINE, SCHEDULER, WORKERS, WorkerOptions, keep_finished
from physbench.plainjson import dump
from physbench.printable import align, printable
from physbench.progress import progress_bar

if TYPE_CHECKING:
    from physbench_leaderboard.grid import CellOutcome, EvaluationGrid
    from physbench_leaderboard.grid_cells import GridCell

FAILED = 2


@dataclass(frozen=True)
class GridSettings:
    """What all evaluations of a grid have in common."""

    size: str
    limit: int | None
    batch: int
    device: str
    per_sequence: bool


@main.command()
@click.option(
    "--model",
    "models",
    multiple=True,
    help="A name, a checkpoint, the folder of a run, or PACKAGE.MODULE:FACTORY (this runs its code). Repeatable.",
)
@click.option("--suite", "suites", multiple=True, help="A suite, as for physbench eval. Repeatable.")
@click.option(
    "--seed",
    "seeds",
    multiple=True,
    type=click.IntRange(0, (1 << 63) - 1),
    help="As for eval; repeatable.  [default: 0]",
)
@click.option(
    "--plan",
    type=click.Path(path_type=Path),
    help="A CSV file of further evaluations, with the columns model,suite or model,suite,seed.",
)
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, help="The folder of the results.")
@options(SIZE, LIMIT, BATCH, DEVICE)
@click.option("--per-sequence", is_flag=True, help="Also write the figures of each sequence, as .npz, for compare.")
@options(WORKERS, ENGINE, SCHEDULER)
@click.option("--overwrite", is_flag=True, help="Replace files in the folder that are damaged or of something else.")
@click.option("--dry-run", is_flag=True, help="List what is missing, and score nothing.")
@JSON
@gather_options(settings=GridSettings, team=WorkerOptions)
def grid(
    settings: GridSettings,
    team: WorkerOptions,
    models: tuple[str, ...],
    suites: tuple[str, ...],
    seeds: tuple[int, ...],
    plan: Path | None,
    folder: Path,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Score many models on many suites, each on each.

    Every evaluation becomes a file in the folder, as `physbench eval ... --csv` writes it. What is there already is not
    scored again, so the same command goes on where it was stopped, and several machines may work on one folder.

    A model that fails is told in a line, and the others go on; the exit code is then 2. A suite that a model cannot
    play is skipped. With --workers, evaluations come one after the other, each shared out over all workers.

    \b
    physbench grid --model copy --model blur --suite smoke --out results --dry-run
    physbench grid --model r-nem --model copy --suite balls --suite crop50 --out results --workers 4
    physbench grid --model r-nem --suite balls --seed 0 --seed 1 --per-sequence --out results
    physbench grid --plan plan.csv --out results --engine dask --scheduler tcp://head:8786
    """
    from physbench_leaderboard.grid_cells import expand_cells, read_plan

    if bool(models) != bool(suites):
        raise click.UsageError("--model and --suite go together: every model is scored on every suite")
    cells = expand_cells(models, suites, seeds, read_plan(plan) if plan else ())
    work = _open_grid(folder, cells, settings, overwrite=overwrite)
    outcomes = work.examine()
    missing = sum(each.state == "missing" for each in outcomes)
    if not dry_run and missing:
        folder.mkdir(parents=True, exist_ok=True)
        outcomes = _score(work, outcomes, team)
    if as_json:
        click.echo(dump({"folder": str(folder), "cells": [_to_dict(each, work) for each in outcomes]}))
    elif dry_run:
        _print_missing(work, outcomes)
    else:
        for line in _table(work, outcomes):
            click.echo(printable(line))
    failed = [each for each in outcomes if each.state == "failed"]
    for each in failed:
        click.echo(printable(f"failed: {each.cell}: {each.detail}"), err=True)
    sys.exit(FAILED if failed else 0)


def _open_grid(folder: Path, cells: Sequence[GridCell], settings: GridSettings, *, overwrite: bool) -> EvaluationGrid:
    from physbench.evaluation.evaluate import extent
    from physbench_leaderboard.grid import EvaluationGrid, is_own_code
    from physbench_leaderboard.grid_cells import GridOptions

    for model in dict.fromkeys(cell.model for cell in cells if is_own_code(cell.model)):
        click.echo(printable(f"running the code of {model}"), err=True)
    extents = {
        suite: extent(resolve_suite(suite), size=settings.size, limit=settings.limit)
        for suite in dict.fromkeys(cell.suite for cell in cells)
    }
    chosen = GridOptions(settings.size, settings.limit, settings.batch, settings.device, settings.per_sequence)
    return EvaluationGrid(folder, cells, extents, chosen, overwrite=overwrite)


def _score(work: EvaluationGrid, outcomes: Sequence[CellOutcome], team: WorkerOptions) -> list[CellOutcome]:
    with progress_bar("evaluating") as update, keep_finished(True):
        try:
            return work.score_missing(
                outcomes,
                team=team.to_settings(),
                say=lambda text: click.echo(printable(text), err=True),
                progress=lambda now: update(now.done, now.total, printable(now.doing)),
            )
        except KeyboardInterrupt:
            click.echo("\nStopped. The same command goes on from there.", err=True)
            sys.exit(STOPPED)


def _print_missing(work: EvaluationGrid, outcomes: Sequence[CellOutcome]) -> None:
    missing = [each for each in outcomes if each.state == "missing"]
    for each in missing:
        click.echo(printable(f"{each.cell}: {each.path.name}"))
    there = sum(each.state == "there" for each in outcomes)
    click.echo(f"{len(missing):,} of {len(outcomes):,} evaluations are missing, {there:,} are there")


def _table(work: EvaluationGrid, outcomes: Sequence[CellOutcome]) -> list[str]:
    """Models by suites, with the figure that ranks each suite."""
    from physbench.metrics.catalogue import find

    arrows = {"lower": " \u2193", "higher": " \u2191"}
    suites = list(dict.fromkeys(each.cell.suite for each in outcomes))
    rows = list(dict.fromkeys((each.cell.model, each.cell.seed) for each in outcomes))
    has_seeds = len({seed for _, seed in rows}) > 1
    titles: list[str] = []
    for suite in suites:
        shown = {each.figure.metric for each in outcomes if each.cell.suite == suite and each.figure is not None}
        ranked = work.extents[suite].suite.ranked_by
        metric = ranked[1] if ranked else next(iter(shown)) if len(shown) == 1 else ""
        titles.append(f"{suite} {metric}{arrows.get(find(metric).better, '')}" if metric else suite)
    found = {(each.cell.model, each.cell.seed, each.cell.suite): each for each in outcomes}
    table = [["model", *["seed"] * has_seeds, *titles]]
    for model, seed in rows:
        cells = [_figure(found.get((model, seed, suite))) for suite in suites]
        table.append([model, *[str(seed)] * has_seeds, *cells])
    return list(align(table, left=(0,)))


def _figure(outcome: CellOutcome | None) -> str:
    if outcome is None:
        return ""
    if outcome.figure is not None:
        return f"{outcome.figure.value:.4g}"
    return {"there": "done", "scored": "done", "skipped": "-"}.get(outcome.state, outcome.state)


def _to_dict(outcome: CellOutcome, work: EvaluationGrid) -> dict[str, Any]:
    figure = outcome.figure
    return {
        "model": outcome.cell.model,
        "suite": outcome.cell.suite,
        "seed": outcome.cell.seed,
        "state": outcome.state,
        "file": str(outcome.path),
        "detail": outcome.detail or None,
        "sequences": work.extents[outcome.cell.suite].count,
        "task": figure.task if figure else None,
        "metric": figure.metric if figure else None,
        "value": figure.value if figure else None,
        "low": figure.low if figure else None,
        "high": figure.high if figure else None,
    }
