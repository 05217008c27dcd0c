"""The command that says what there is: datasets, suites, models."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from typing import Any

import click

from physbench import registry
from physbench.cli.root import main
from physbench.plainjson import dumped
from physbench.suites import installed_suites

Entry = dict[str, Any]


@main.command("list")
@click.argument("what", type=click.Choice(["datasets", "suites", "models"]), default="datasets")
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
def list_what(what: str, as_json: bool) -> None:
    """What there is: datasets that can be made, suites, or models.

    Trained models are listed with what they score by the figure that a suite is ranked by.

    \b
    physbench list
    physbench list suites
    physbench list models --json
    """
    entries, lines_of = LISTS[what]
    if as_json:
        return click.echo(dumped(list(entries())))
    for entry in entries():
        name, *lines = lines_of(entry)
        click.echo("\n    ".join([click.style(name, bold=True), *lines]))


def _datasets() -> Iterable[Entry]:
    for _, recipe in registry.datasets.load_all():
        yield {**json.loads(recipe.to_json()), "about": recipe.about, "shape": recipe.generator.shape}


def _dataset(entry: Entry) -> list[str]:
    height, width, channels = entry["shape"]
    counts = ", ".join(f"{count:,} {split}" for split, count in entry["splits"].items())
    return [entry["dataset"], entry["about"], f"{counts}; {entry['frames']} frames of {height}x{width}x{channels}"]


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
        entry: Entry = {"model": name, "about": None, "data": None, "parameters": None, "training": None, "paper_link": None, "scores": []}
        if name in trained:
            card = bundled.card(name)
            entry |= {field: getattr(card, field) for field in ("data", "parameters", "training", "paper_link")} | {"scores": _ranking(card.scores)}
        elif name in registry.models.built_in:
            entry["about"] = (inspect.getdoc(registry.models.get(name)) or "").partition("\n")[0]
            entry["scores"] = _ranking(scores_of(name))
        yield entry


def _ranking(rows: Iterable[Entry]) -> list[Entry]:
    """Of all scores those that a suite is ranked by, in the order of the suites."""
    suites = installed_suites()
    found = (row for row in rows if row["suite"] in suites and (row["task"], row["metric"]) == suites[row["suite"]].ranked_by)
    return sorted(found, key=lambda row: list(suites).index(row["suite"]))


def _model(entry: Entry) -> list[str]:
    lines = [entry["about"]] if entry["about"] else []
    if entry["parameters"]:
        training = entry["training"] or ("as long as its paper's" if entry["paper_link"] else None)
        lines.append("; ".join(filter(None, [f"{entry['parameters']:,} parameters, learnt {entry['data']}", training])))
    lines += [", ".join(f"{row['suite']}: {row['metric']} {row['value']:.3f}" for row in entry["scores"])] if entry["scores"] else []
    return [entry["model"], *(lines or ["of an installed package"])]


LISTS: dict[str, tuple[Callable[[], Iterable[Entry]], Callable[[Entry], list[str]]]] = {
    "datasets": (_datasets, _dataset),
    "suites": (_suites, _suite),
    "models": (_models, _model),
}
