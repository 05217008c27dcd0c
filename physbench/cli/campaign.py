"""Commands that train all baselines, in pieces."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench.cli.root import STOPPED, main
from physbench.plainjson import dump
from physbench.printable import align
from physbench.progress import progress_bar

if TYPE_CHECKING:
    from physbench_baselines.campaign.planned_runs import PlannedRun
    from physbench_baselines.campaign.standing import RunStanding
    from physbench_baselines.campaign.work import Piece
    from physbench_baselines.training.loop import TrainingProgress

FOLDER = click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("runs/campaign"),
    show_default=True,
    help="Where everything is kept.",
)
ONLY = click.option(
    "--only", metavar="PATTERN", multiple=True, help="These runs alone, such as '*.seed0'; may be given several times."
)
COLUMNS = (
    "run",
    "state",
    "share",
    "sequence-steps",
    "stages",
    "time",
    "validation loss",
    "relative_bce",
    "ari",
    "flattened",
)
NUMBERS = {"share", "sequence-steps", "stages", "validation loss", "relative_bce", "ari"}
LOWEST_PRIORITY = 19


class Adoption(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """rnn.seed0=runs/rnn"""

    name = "NAME=FOLDER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Path]:
        name, _, folder = str(value).partition("=")
        if not name or not folder:
            self.fail(f"{value!r} is not written NAME=FOLDER, such as rnn.seed0=runs/rnn", param, ctx)
        return name, Path(folder)


@main.group()
def campaign() -> None:
    """Train all baselines from a table of runs, in resumable pieces.

    Interrupted pieces resume.

    The table is in physbench_baselines/campaign/planned_runs.py: model, dataset, recipe, seeds, and a budget in
    sequence-steps (one sequence, predicted one frame further). The run with the smallest share of its budget is trained
    next, the first in the table among equals.

    \b
    physbench campaign status
    physbench campaign run --dry-run
    physbench campaign run --minutes 170
    physbench campaign run --minutes 60 --device cuda --only '*.seed0'
    """


@campaign.command()
@click.option("--minutes", type=float, help="Stop after so long; by default when every budget is used up.")
@click.option(
    "--piece",
    type=float,
    default=15.0,
    show_default=True,
    help="Minutes until it is asked anew which run is furthest behind.",
)
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:1.")
@click.option("--threads", type=int, help="Of PyTorch; on a CPU 1 unless told otherwise.")
@FOLDER
@ONLY
@click.option(
    "--adopt",
    type=Adoption(),
    multiple=True,
    help="First copy the folder of a training run into the campaign, as the run NAME.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be trained, in which order, and change nothing.")
def run(
    minutes: float | None,
    piece: float,
    device: str,
    threads: int | None,
    folder: Path,
    only: tuple[str, ...],
    adopt: tuple[tuple[str, Path], ...],
    dry_run: bool,
) -> None:
    """Train the runs that are furthest behind, piece by piece.

    It runs at the lowest priority and, on a CPU, with one thread. Ctrl-C saves; kill loses a minute at most; the same
    command goes on. The length of a piece does not change what is learnt: how long a run is to be is known when it
    begins.

    FOLDER/NAME is the folder of a run, as `physbench train` makes it. FOLDER/weights holds small weights with their
    cards: copy them into the same place on another machine, and its campaign goes on from them.

    \b
    physbench campaign run --dry-run
    physbench campaign run --minutes 170
    physbench campaign run --minutes 50 --device cuda --piece 5
    physbench campaign run --minutes 60 --adopt rnn.seed0=runs/rnn
    """
    from physbench_baselines.campaign.planned_runs import TABLE, expand, find, select

    runs = expand(TABLE)
    chosen = select(runs, only)
    if dry_run:
        if adopt:
            raise click.UsageError("--dry-run changes nothing: leave --adopt out")
        return _tell_order(folder, chosen, minutes, piece)
    if adopt:
        names = [name for name, _ in adopt]
        if len(set(names)) < len(names):
            raise click.UsageError("--adopt names a run twice")
        from physbench_baselines.campaign.work import adopt as copy_runs

        for stage in copy_runs(folder, {find(runs, name): source for name, source in adopt}):
            click.echo(f"{stage.path}: adopted at step {stage.step:,}", err=True)
    if hasattr(os, "nice"):
        os.nice(LOWEST_PRIORITY)
    pieces = _work(folder, chosen, minutes, {"piece": piece, "device": device, "threads": threads})
    for each in pieces:
        ending = "to be continued" if each.ended == "pause" else f"its {each.ended} used up"
        click.echo(f"{each.name}: {each.minutes:.1f} minutes, at step {each.step:,}, {ending}")
    waiting = _waiting(folder, chosen)
    click.echo(f"next: {waiting[0].run.name}" if waiting else "every budget is used up")


@campaign.command()
@FOLDER
@ONLY
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(folder: Path, only: tuple[str, ...], as_json: bool) -> None:
    """Show what was trained, where and for how long, what it reached, and what is next.

    The figures are those of the best weights, on validation sequences. A curve has flattened when its best validation
    loss improved by less than 1 % over the last quarter of the sequence-steps; that is told of a run whose budget is
    used up.

    \b
    physbench campaign status
    physbench campaign status --only 'r-nem.*' --json
    """
    from physbench_baselines.campaign import planned_runs, standing

    standings = _standings(folder, planned_runs.select(planned_runs.expand(planned_runs.TABLE), only))
    waiting = standing.order(standings)
    total = sum(each.history.minutes for each in standings)
    if as_json:
        entries = [each.to_dict() for each in standings]
        return click.echo(
            dump(
                {
                    "folder": str(folder),
                    "runs": entries,
                    "minutes": total,
                    "next": waiting[0].run.name if waiting else None,
                }
            )
        )
    words = [place for place, title in enumerate(COLUMNS) if title not in NUMBERS]
    for line in align([COLUMNS, *(_cells(each.to_dict()) for each in standings)], left=words):
        click.echo(line)
    for each in standings:
        if each.differences:
            click.echo(f"{each.run.name} is not as the table says: {'; '.join(each.differences)}")
    click.echo(
        f"{_hours(total)} in all. " + (f"Next: {waiting[0].run.name}" if waiting else "Every budget is used up.")
    )


def _work(folder: Path, runs: Sequence[PlannedRun], minutes: float | None, settings: dict[str, Any]) -> list[Piece]:
    from physbench_baselines.campaign.work import work

    began = time.monotonic()
    if not sys.stderr.isatty():
        click.echo(f"training into {folder}: physbench campaign status --folder {folder} tells how it goes", err=True)
    with progress_bar("preparing", unit="") as update:

        def show(name: str, now: TrainingProgress) -> None:
            done = (time.monotonic() - began) / 60
            left = (now.seconds_left or 0.0) / 60
            update(
                done,
                max(minutes or done + left, done),
                f"{name}, {now.share:.0%}: step {now.step:,}, loss {now.loss:,.0f}",
            )

        def say(text: str) -> None:
            click.echo(text, err=True)

        try:
            return work(folder, runs, minutes=minutes, progress=show, say=say, **settings)
        except KeyboardInterrupt:
            click.echo("\nStopped. What was trained is saved; the same command goes on.", err=True)
            sys.exit(STOPPED)


def _standings(folder: Path, runs: Sequence[PlannedRun]) -> list[RunStanding]:
    from physbench_baselines.campaign.history import Ledger
    from physbench_baselines.campaign.standing import read_standings

    return read_standings(folder, runs, Ledger(folder))


def _waiting(folder: Path, runs: Sequence[PlannedRun]) -> list[RunStanding]:
    from physbench_baselines.campaign.standing import order

    return order(_standings(folder, runs))


def _tell_order(folder: Path, runs: Sequence[PlannedRun], minutes: float | None, piece: float) -> None:
    from physbench_baselines.campaign.work import check_minutes

    check_minutes(minutes, piece)
    waiting = _waiting(folder, runs)
    if not waiting:
        return click.echo("every budget is used up: nothing would be trained")
    length = "until every budget is used up" if minutes is None else f"for {minutes:g} minutes"
    click.echo(
        f"would train {length}, at most {piece:g} minutes at a time, in this order until one is no longer the furthest"
        " behind:"
    )
    for each in waiting:
        click.echo(f"  {each.run.name}: {each.share:.1%} of {each.run.budget:,} sequence-steps, {each.next_action}")


def _cells(entry: dict[str, Any]) -> tuple[str, ...]:
    best: dict[str, float | None] = entry["best"] or {}
    figures = [best.get(name) for name in ("validation_loss", "relative_bce", "ari")]
    loss, bce, ari = ("-" if value is None else f"{value:,.1f}" if value >= 10 else f"{value:.3f}" for value in figures)
    spent = ", ".join(f"{_hours(each['minutes'])} on {each['hardware']}" for each in entry["spent"]) or "-"
    flat = {None: "-", True: "yes", False: "no"}[entry["flattened"]]
    return (
        entry["name"],
        entry["state"],
        f"{entry['share']:.1%}",
        f"{entry['sequence_steps']:,}",
        str(entry["stages"]),
        spent,
        loss,
        bce,
        ari,
        flat,
    )


def _hours(minutes: float) -> str:
    return f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.0f} min"
