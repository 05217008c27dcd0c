"""The page itself and its tables, in one file: nothing is fetched, no script runs, and every text is data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from physbench.errors import StorageError
from physbench.evaluation.known import KNOWN_SIZE, Known, Published
from physbench.files import write_whole
from physbench.metrics.catalogue import find, stands_in_tables
from physbench.report.curves import curves
from physbench.report.definitions import ARROWS, define
from physbench.report.gallery import Strip, sort_key
from physbench.report.numbers import NOTHING
from physbench.report.pages import render
from physbench.report.strips import Drawing, box, draw, tells_apart
from physbench.result import ENOUGH, NARROW, Provenance, Result, Score, describe_note
from physbench.suites import SIZES, installed_suites

if TYPE_CHECKING:
    from physbench.report.charts import Chart

NAME = "index.html"

KINDS = {
    "worst": ("The worst", "The sequences with the worst {metric}, the worst first."),
    "median": ("The middle", "The sequences around the median of {metric}: what it looks like as a rule."),
}


@dataclass(frozen=True)
class Headline:
    """The figure that a suite is ranked by."""

    score: Score
    arrow: str
    reading: str  # which way is better, and what a score of 1 is
    beside: tuple[Known, ...]


@dataclass(frozen=True)
class PageTask:
    name: str
    scores: PageScores
    charts: tuple[Chart, ...]


@dataclass(frozen=True)
class Gallery:
    title: str
    task: str
    about: str
    strips: tuple[Drawing, ...]


def write_report(
    directory: Path,
    result: Result,
    references: Sequence[Known] = (),
    published: Sequence[Published] = (),
    strips: Sequence[Strip] = (),
) -> Path:
    """Write the page into a folder, which is made; what was there before is replaced at once or not at all."""
    out, content = directory / NAME, page(result, references, published, strips)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}") from None
    write_whole(out, content)
    return out


def page(result: Result, references: Sequence[Known], published: Sequence[Published], strips: Sequence[Strip]) -> str:
    origin = result.provenance
    sequences = max((score.sequences for score in result.scores), default=0)
    values = {
        "title": origin.title,
        "about": f"{origin.extent}: {sequences:,} sequences · {origin.date}",
        "origin": origin,
        "suite": installed_suites().get(origin.suite),
        "headline": _headline(result, references),
        "notes": _notes(result),
        "tasks": [
            PageTask(name, scores(result, references, published, name), curves(result, references, name))
            for name in dict.fromkeys(score.task for score in result.scores)
        ],
        "galleries": [
            _gallery(kind, chosen) for kind in KINDS if (chosen := [strip for strip in strips if strip.kind == kind])
        ],
        "facts": facts(origin),
        "define": define,
        "narrow": NARROW,
        "enough": ENOUGH,
    }
    return render("report.html.j2", values)


def _headline(result: Result, references: Sequence[Known]) -> Headline | None:
    suite = installed_suites().get(result.provenance.suite)
    if suite is None:
        return None
    task, metric = sort_key(suite, result)
    score = next((score for score in result.scores if (score.task, score.metric) == (task, metric)), None)
    if score is None:
        return None
    card = find(metric)
    beside = tuple(
        row for row in references if (row.task, row.metric) == (task, metric) and row.model != result.provenance.model
    )
    return Headline(score, ARROWS[card.better], card.reading, beside)


def _notes(result: Result) -> list[str]:
    """What a reader must know."""
    told = [describe_note(note) for note in result.provenance.notes]
    if file := result.provenance.data_file:
        told.append(
            f"the sequences are those of your own file {file}, so these scores are not ranked, and compare only with"
            " others of the same ones"
        )
    elif result.provenance.size not in SIZES:
        told.append(
            f"{result.provenance.size}: not the pinned sequences, so these scores are not ranked, and compare only with"
            " others of the same ones"
        )
    if result.provenance.size == "full":
        told.append(f"reference rows are of the first {SIZES[KNOWN_SIZE]:,} of these sequences ({KNOWN_SIZE})")
    if any(score.is_narrow for score in result.scores):
        told.append(f"a figure with {NARROW} is made of fewer than {ENOUGH} sequences, and its interval is too narrow")
    return [words[:1].upper() + words[1:] for words in told]


def _gallery(kind: str, strips: Sequence[Strip]) -> Gallery:
    title, about = KINDS[kind]
    about = about.format(metric=strips[0].metric) + " White is 1 and black is 0."
    grouped = any(tells_apart(strip) for strip in strips)
    if grouped:
        about += " Owners: a colour for each slot of the model; objects: the truth, whose colours need not be the same."
    if any(box(strip) for strip in strips):
        about += (
            " Hatched: the curtain, which a model is not shown; objects are seen through it, and predictions have its"
            " outline."
        )
    return Gallery(title, strips[0].task, about, tuple(draw(strip, grouped=grouped) for strip in strips))


Facts = list[tuple[str, list[tuple[str, object]]]]


@dataclass(frozen=True)
class PageScores:
    """The figures of a task; those with a card of their own in a table, steps and parts folded away."""

    model: str
    whole: Sequence[Score]
    parts: Sequence[Score]
    known: Mapping[tuple[str, str], Known]  # by model and metric
    reported: Mapping[tuple[str, str], Published]
    papers: Mapping[tuple[str, str, str], Sequence[str]]  # paper, link, remark: its models

    @property
    def references(self) -> list[str]:
        return list(dict.fromkeys(model for model, _ in self.known))

    @property
    def others(self) -> list[str]:
        return list(dict.fromkeys(model for model, _ in self.reported))


def scores(result: Result, references: Sequence[Known], published: Sequence[Published], task: str) -> PageScores:
    model = result.provenance.model
    here = [score for score in result.scores if score.task == task]
    whole, parts = ([score for score in here if stands_in_tables(score.metric) is tabled] for tabled in (True, False))
    reported = [row for row in published if row.task == task]
    papers: dict[tuple[str, str, str], dict[str, None]] = {}
    for row in reported:
        papers.setdefault((row.paper, row.link, row.remark), {})[row.model] = None
    return PageScores(
        model,
        whole,
        parts,
        {(row.model, row.metric): row for row in references if row.task == task and row.model != model},
        {(row.model, row.metric): row for row in reported},
        {source: list(models) for source, models in papers.items()},
    )


def facts(origin: Provenance) -> Facts:
    """Where scores come from: names with their values, which may have names of their own."""
    return [(field.name.replace("_", " "), _values(getattr(origin, field.name))) for field in fields(origin)]


def _values(value: Any) -> list[tuple[str, object]]:
    if value is None or value in ((), {}):
        return [("", NOTHING)]
    if isinstance(value, dict):
        return list(cast("dict[str, object]", value).items())
    if isinstance(value, tuple):
        return [("", each) for each in cast("tuple[str, ...]", value)]
    return [("", f"{value:,.1f}" if isinstance(value, float) else str(value))]
