"""Commands that compare, explain, and look at what is kept."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from physbench.cli.root import main
from physbench.plainjson import dumped
from physbench.printable import align, printable

if TYPE_CHECKING:
    from physbench.compare import Line

JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")


@main.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@JSON
def compare(a: Path, b: Path, as_json: bool) -> None:
    """Compare two runs sequence by sequence.

    Says for every figure which run is better, or that they cannot be told apart.

    Each figure is tested by itself at 5 %, so of many some differ by chance. Differences marked * survive Holm's correction for all of them.

    A and B are files of `physbench eval ... --per-sequence FILE` on the same suite.

    \b
    physbench eval copy --suite balls --per-sequence copy.npz
    physbench eval blank --suite balls --per-sequence blank.npz
    physbench compare copy.npz blank.npz
    """
    from physbench.compare import compare, count_tested
    from physbench.result import ENOUGH, NARROW, load_run

    runs = load_run(a), load_run(b)
    lines = compare(*runs)
    names = [str(run.provenance["model"]) for run in runs]
    if as_json:
        family = {"tested": count_tested(lines), "surviving": sum(line.survives for line in lines)}
        return click.echo(dumped({"a": names[0], "b": names[1], **family, "lines": [asdict(line) for line in lines]}))
    click.echo(f"a = {names[0]!r}, b = {names[1]!r}; the figure of a less that of b, with its 95 % interval")
    for task in dict.fromkeys(line.task for line in lines):
        click.echo(click.style(printable(task), bold=True))
        rows = [_cells(line, NARROW if line.comparison.contributing < ENOUGH else "") for line in lines if line.task == task]
        for row in align(rows, left=(0, 2, 3)):
            click.echo(f"  {row}")
    tested, surviving = count_tested(lines), sum(line.survives for line in lines)
    click.echo(f"{tested} figures are tested, each at 5 %: about {0.05 * tested:.1g} of them would differ by chance if nothing did.")
    click.echo(f"* {surviving} of the differences survive{'s' * (surviving == 1)} Holm's correction: in 5 % of comparisons at most, a false one does.")
    if any(line.comparison.contributing < ENOUGH and not math.isnan(line.comparison.difference.low) for line in lines):
        click.echo(f"{NARROW} This interval is of fewer than {ENOUGH} sequences, and too narrow: docs/statistics.md says by how much.")


def _cells(line: Line, mark: str) -> tuple[str, ...]:
    found = line.comparison.difference
    if math.isnan(found.value):
        return line.metric, "-", "", "not measured"
    interval = "" if math.isnan(found.low) else f"{found.low:.5g} .. {found.high:.5g} {mark}".rstrip()
    return line.metric, f"{found.value:.5g}", interval, f"{line.comparison.verdict}{' *' * line.survives}"


@main.command()
@click.argument("metric", required=False)
def explain(metric: str | None) -> None:
    """Explain what a metric says.

    Its definition, its paper, how it can be gamed, and a worked example. Without METRIC, the names of all.

    \b
    physbench explain relative_bce
    """
    from physbench.metrics.catalogue import find, names

    if metric is None:
        return click.echo("\n".join(names()))
    card = find(metric)
    click.echo(click.style(card.name, bold=True) + f"   ({card.better} is better; {card.paper})\n\n{card.definition}\n\n  {card.formula}")
    click.echo(f"\nCaution: {card.caution}\n\n{card.example}")


@main.command()
@click.option("--clear", is_flag=True, help="Remove it all: everything in it can be made again.")
@JSON
def cache(clear: bool, as_json: bool) -> None:
    """Show what physbench keeps for itself, where, and how much.

    \b
    physbench cache
    physbench cache --clear
    """
    from physbench import cache

    rooms = cache.rooms()
    freed = cache.clear() if clear else 0
    if as_json:
        return click.echo(
            json.dumps({"directory": str(cache.directory()), "freed": freed, "rooms": [{**asdict(room), "path": str(room.path)} for room in rooms]})
        )
    if clear:
        return click.echo(f"{cache.directory()}: {freed / 1e6:,.1f} MB removed")
    click.echo(click.style(str(cache.directory()), bold=True))
    for room in rooms:
        click.echo(f"  {room.about:<24} {room.entries:>5}   {room.bytes / 1e6:>8,.1f} MB")
    limits = f"unfinished evaluations up to {cache.LIMIT / 1e6:,.0f} MB, test data up to {cache.DATA_LIMIT / 1e6:,.0f} MB"
    click.echo(f"  ({limits}; PHYSBENCH_CACHE names another directory)")
