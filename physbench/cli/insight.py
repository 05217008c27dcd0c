"""Commands that list, compare, explain, and look at what is kept."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from physbench import registry
from physbench.cli.root import JSON, main
from physbench.plainjson import dump
from physbench.printable import align, printable
from physbench.suites import installed_suites

if TYPE_CHECKING:
    from physbench.compare import ComparedFigure


@main.command()
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Print every figure instead of the main ones.")
@JSON
def compare(a: Path, b: Path, everything: bool, as_json: bool) -> None:
    """Compare two runs sequence by sequence.

    A and B are files that `physbench eval ... --per-sequence FILE` wrote on the same suite.

    Prints for the main figures which run is better, or that they cannot be told apart; the one that ranks the suite
    comes first. With --all, it prints every figure. Each figure is tested by itself at
    5 %, so of many some differ by chance. Differences marked * survive Holm's correction for all of them.

    \b
    physbench eval copy --suite smoke --per-sequence copy.npz
    physbench eval blank --suite smoke --per-sequence blank.npz
    physbench compare copy.npz blank.npz
    """
    from physbench.compare import compare, count_tested
    from physbench.metrics.catalogue import headlines
    from physbench.result import ENOUGH, NARROW, load_run

    runs = load_run(a), load_run(b)
    lines = compare(*runs)
    names = [str(run.provenance["model"]) for run in runs]
    if as_json:
        family = {"tested": count_tested(lines), "surviving": sum(line.survives for line in lines)}
        return click.echo(dump({"a": names[0], "b": names[1], **family, "lines": [asdict(line) for line in lines]}))
    click.echo(f"a = {names[0]!r}, b = {names[1]!r}; the figure of a less that of b, with its 95 % interval")
    ranked = _find_ranking(str(runs[0].provenance["suite"]))
    shown = sorted(
        (line for line in lines if everything or (line.task, line.metric) == ranked or line.metric in headlines()),
        key=lambda line: (line.task, line.metric) != ranked,
    )
    for task in dict.fromkeys(line.task for line in shown):
        click.echo(click.style(printable(task), bold=True))
        rows = [_cells(line, is_ranking=(task, line.metric) == ranked) for line in shown if line.task == task]
        for row in align(rows, left=(0, 2, 3)):
            click.echo(f"  {row}")
    if len(shown) < len(lines):
        click.echo(f"{len(lines) - len(shown)} more figures: --all")
    tested, surviving = count_tested(lines), sum(line.survives for line in lines)
    click.echo(
        f"{tested} figures are tested, each at 5 %: about {0.05 * tested:.1g} of them would differ by chance if nothing"
        " did."
    )
    click.echo(
        f"* {surviving} of the differences survive{'s' * (surviving == 1)} Holm's correction: in 5 % of comparisons at"
        " most, a false one does."
    )
    if any(line.comparison.contributing < ENOUGH and not math.isnan(line.comparison.difference.low) for line in shown):
        click.echo(
            f"{NARROW} This interval is of fewer than {ENOUGH} sequences, and too narrow: docs/statistics.md says by"
            " how much."
        )


def _find_ranking(suite: str) -> tuple[str, str] | None:
    """Return the task and the metric that rank a suite, if that is installed here."""
    known = installed_suites().get(suite)
    return known.ranked_by if known else None


def _cells(line: ComparedFigure, *, is_ranking: bool) -> tuple[str, ...]:
    from physbench.result import ENOUGH, NARROW

    mark = NARROW if line.comparison.contributing < ENOUGH else ""
    found, name = line.comparison.difference, f"{line.metric}{' (ranks the suite)' * is_ranking}"
    if math.isnan(found.value):
        return name, "-", "", "not measured"
    if math.isnan(found.low):
        why = f"too few of the sequences have a value ({line.comparison.contributing})"
        return name, f"{found.value:.5g}", "", f"cannot be told apart: {why}, so there is no interval"
    interval = f"{found.low:.5g} .. {found.high:.5g} {mark}".rstrip()
    return name, f"{found.value:.5g}", interval, f"{line.comparison.verdict}{' *' * line.survives}"


@main.command()
@click.argument("metric", required=False)
def explain(metric: str | None) -> None:
    """Explain a metric.

    Prints which way is better, the definition, the formula, how it can be gamed, and a worked example. Without METRIC,
    lists all names.

    \b
    physbench explain
    physbench explain relative_bce
    """
    from physbench.metrics.catalogue import find, names

    if metric is None:
        return click.echo("\n".join(names()))
    card = find(metric)
    click.echo(
        click.style(card.name, bold=True)
        + f"   ({card.reading}; {card.paper})\n\n{card.definition}\n\n  {card.formula}"
    )
    click.echo(f"\nCaution: {card.caution}\n\n{card.example}")


@main.command()
@click.option("--clear", is_flag=True, help="Remove it all: everything in it can be made again.")
@JSON
def cache(clear: bool, as_json: bool) -> None:
    """Show where physbench caches data, and how much.

    \b
    physbench cache
    physbench cache --clear
    """
    from physbench import cache

    rooms = cache.rooms()
    freed = cache.clear() if clear else 0
    if as_json:
        return click.echo(
            json.dumps(
                {
                    "directory": str(cache.directory()),
                    "freed": freed,
                    "rooms": [{**asdict(room), "path": str(room.path)} for room in rooms],
                }
            )
        )
    if clear:
        return click.echo(f"{cache.directory()}: {freed / 1e6:,.1f} MB removed")
    click.echo(click.style(str(cache.directory()), bold=True))
    for room in rooms:
        click.echo(f"  {room.about:<24} {room.entries:>5}   {room.bytes / 1e6:>8,.1f} MB")
    limits = (
        f"unfinished evaluations up to {cache.LIMIT / 1e6:,.0f} MB, test data up to {cache.DATA_LIMIT / 1e6:,.0f} MB"
    )
    click.echo(f"  ({limits}; PHYSBENCH_CACHE names another folder)")


Entry = dict[str, Any]


@main.command("list")
@click.argument("what", type=click.Choice(["datasets", "suites", "models"]), default="datasets")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_what(what: str, as_json: bool) -> None:
    """List the datasets, suites or models that are available.

    Beside each model stands what it scores, by the figure that a suite is ranked by.

    \b
    physbench list
    physbench list suites
    physbench list models --json
    """
    entries, lines_of = LISTS[what]
    if as_json:
        return click.echo(dump(list(entries())))
    for entry in entries():
        name, *lines = lines_of(entry)
        click.echo("\n    ".join([click.style(name, bold=True), *lines]))


def _datasets() -> Iterable[Entry]:
    for _, recipe in registry.datasets.load_all():
        yield {**json.loads(recipe.to_json()), "about": recipe.about, "shape": recipe.generator.shape}


def _dataset(entry: Entry) -> list[str]:
    height, width, channels = entry["shape"]
    counts = ", ".join(f"{count:,} {split}" for split, count in entry["splits"].items())
    frames = f"{entry['frames']} frames" if entry["frames"] > 1 else "one image"
    size = f" of {height}x{width}x{channels}" if height else ", as states without pixels"
    return [entry["dataset"], entry["about"], f"{counts}; {frames}{size}"]


def _suites() -> Iterable[Entry]:
    for suite in installed_suites().values():
        ranked = dict(zip(("task", "metric"), suite.ranked_by, strict=True)) if suite.ranked_by else None
        tasks = list(dict.fromkeys(task.names(asking) for task in suite.tasks for asking in task.askings))
        yield {"suite": suite.name, "version": suite.version, "about": suite.about, "tasks": tasks, "ranked_by": ranked}


def _suite(entry: Entry) -> list[str]:
    ranked = entry["ranked_by"]
    order = f"ranked by {ranked['metric']} on {ranked['task']}" if ranked else "not ranked"
    return [entry["suite"], entry["about"], f"{', '.join(entry['tasks'])}; {order}"]


def _models() -> Iterable[Entry]:
    from physbench.evaluation.known import scores_of
    from physbench_baselines import bundled

    trained = bundled.names()
    for name in registry.models.names():
        entry: Entry = {
            "model": name,
            "about": None,
            "data": None,
            "parameters": None,
            "training": None,
            "paper_link": None,
            "scores": [],
        }
        if name in trained:
            card = bundled.card(name)
            entry |= {field: getattr(card, field) for field in ("data", "parameters", "training", "paper_link")} | {
                "scores": _ranking(card.scores)
            }
        elif name in registry.models.built_in:
            entry["about"] = " ".join((inspect.getdoc(registry.models.get(name)) or "").partition("\n\n")[0].split())
            entry["scores"] = _ranking(scores_of(name))
        yield entry


def _ranking(rows: Iterable[Entry]) -> list[Entry]:
    """Of all scores those that a suite is ranked by, in the order of the suites."""
    suites = installed_suites()
    found = (
        row for row in rows if row["suite"] in suites and (row["task"], row["metric"]) == suites[row["suite"]].ranked_by
    )
    return sorted(found, key=lambda row: list(suites).index(row["suite"]))


def _model(entry: Entry) -> list[str]:
    lines = [entry["about"]] if entry["about"] else []
    if entry["parameters"]:
        training = entry["training"] or ("as long as its paper's" if entry["paper_link"] else None)
        lines.append("; ".join(filter(None, [f"{entry['parameters']:,} parameters, learnt {entry['data']}", training])))
    lines += (
        [", ".join(f"{row['suite']}: {row['metric']} {row['value']:.3f}" for row in entry["scores"])]
        if entry["scores"]
        else []
    )
    return [entry["model"], *(lines or ["of an installed package"])]


LISTS: dict[str, tuple[Callable[[], Iterable[Entry]], Callable[[Entry], list[str]]]] = {
    "datasets": (_datasets, _dataset),
    "suites": (_suites, _suite),
    "models": (_models, _model),
}
