"""The page itself, in one file: nothing is fetched, no script runs, and every text is data."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING

from physbench.errors import StorageError
from physbench.evaluation.known import KNOWN_SIZE
from physbench.files import write_whole
from physbench.metrics.catalogue import find
from physbench.report.curves import curves
from physbench.report.gallery import ranked
from physbench.report.pictures import box, drawn, tells_apart
from physbench.report.tables import ARROWS, provenance, scores
from physbench.report.text import breakable, figures, number, plain
from physbench.result import ENOUGH, NARROW
from physbench.result import told as in_words
from physbench.suites import SIZES, SUITES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from physbench.evaluation.known import Known, Published
    from physbench.report.gallery import Strip
    from physbench.result import Result

NAME = "index.html"

KINDS = {
    "worst": ("The worst", "The sequences with the worst {metric}, the worst first."),
    "median": ("The middle", "The sequences around the median of {metric}: what it looks like as a rule."),
}


def write_report(directory: Path, result: Result, references: Sequence[Known] = (), published: Sequence[Published] = (), strips: Sequence[Strip] = ()) -> Path:
    """Write the page into a directory, which is made; what was there before is replaced at once or not at all."""
    out, content = directory / NAME, page(result, references, published, strips)
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"{out} cannot be written: {error.strerror}") from None
    write_whole(out, content)
    return out


def page(result: Result, references: Sequence[Known], published: Sequence[Published], strips: Sequence[Strip]) -> str:
    source = files("physbench.report").joinpath("page.html").read_text(encoding="utf-8")
    (style,) = re.findall("<style>(.*?)</style>", source, re.DOTALL)
    origin = result.provenance
    sequences = max((score.sequences for score in result.scores), default=0)
    filled = {
        "style_hash": b64encode(sha256(style.encode()).digest()).decode(),
        "title": plain(f"{origin.model} on {origin.suite}"),
        "about": plain(f"{origin.suite} v{origin.suite_version}, {origin.size}: {sequences:,} sequences · {origin.date}"),
        "what": _what(result),
        "headline": _headline(result, references),
        "notes": _notes(result),
        "tasks": "".join(_task(result, references, published, task) for task in dict.fromkeys(score.task for score in result.scores)),
        "strips": "".join(_strips(kind, [strip for strip in strips if strip.kind == kind]) for kind in KINDS),
        "provenance": provenance(origin),
    }
    return re.sub(r"\{\{(\w+)\}\}", lambda place: filled[place[1]], source)


def _what(result: Result) -> str:
    suite = SUITES.get(result.provenance.suite)
    shown = f" of the suite {suite.name} ({suite.about})" if suite else ""
    model = result.provenance.model
    told = f"{model} was shown test sequences{shown} and said what comes next before it saw it; every figure here was computed from these answers."
    return (
        f"{plain(told)} Beside a figure stands its 95&nbsp;% interval, from drawing sequences again and again. ↓&nbsp;lower is better, ↑&nbsp;higher is better."
    )


def _headline(result: Result, references: Sequence[Known]) -> str:
    suite = SUITES.get(result.provenance.suite)
    if suite is None:
        return ""
    task, metric = ranked(suite, result)
    score = next((score for score in result.scores if (score.task, score.metric) == (task, metric)), None)
    if score is None:
        return ""
    value, interval = figures(score.value, score.low, score.high)
    interval += f" {NARROW}" if score.is_narrow and interval else ""
    rows = [row for row in references if (row.task, row.metric) == (task, metric) and row.model != result.provenance.model]
    beside = " · ".join(f"{plain(row.model)} {number(row.value)}" for row in rows)
    others = f"<small>{beside}</small>" if beside else ""
    name = f"{breakable(metric)} {ARROWS[find(metric).better]} on {breakable(task)}"
    return f'<p class="headline"><b>{value}</b><span>{name}<small>{_way(metric)}</small><small>{interval}</small>{others}</span></p>'


def _way(metric: str) -> str:
    """Say which way is better, and what a score of 1 says."""
    card = find(metric)
    return "".join([*[f"{card.better} is better"] * (card.better != "neither"), *[f"; 1 is {card.one_is}"] * bool(card.one_is)])


def _notes(result: Result) -> str:
    """What a reader must know."""
    told = [in_words(note) for note in result.provenance.notes]
    if result.provenance.size not in SIZES:
        told.append(f"{result.provenance.size}: not the pinned sequences, so these scores are not ranked, and compare only with others of the same ones")
    if result.provenance.size == "full":
        told.append(f"reference rows are of the first {SIZES[KNOWN_SIZE]:,} of these sequences ({KNOWN_SIZE})")
    if any(score.is_narrow for score in result.scores):
        told.append(f"a figure with {NARROW} is made of fewer than {ENOUGH} sequences, and its interval is too narrow")
    items = "".join(f"<li>{plain(words[:1].upper() + words[1:])}.</li>" for words in told)
    return f'<ul class="notes" aria-label="what a reader must know">{items}</ul>' if items else ""


def _task(result: Result, references: Sequence[Known], published: Sequence[Published], task: str) -> str:
    drawn_curves = curves(result, references, task)
    charts = f'<div class="charts">{drawn_curves}</div>' if drawn_curves else ""
    return (
        f'<section><h2>{breakable(task)}</h2><div class="task"><div class="figures">{scores(result, references, published, task)}</div>{charts}</div></section>'
    )


def _strips(kind: str, strips: Sequence[Strip]) -> str:
    if not strips:
        return ""
    title, about = KINDS[kind]
    told = about.format(metric=strips[0].metric) + " White is 1 and black is 0."
    grouped = any(tells_apart(strip) for strip in strips)
    if grouped:
        told += " Owners: a colour for each slot of the model; objects: the truth, whose colours need not be the same."
    if any(box(strip) for strip in strips):
        told += " Hatched: the curtain, which a model is not shown; objects are seen through it, and predictions have its outline."
    pictures = "".join(drawn(strip, grouped=grouped) for strip in strips)
    return f"<section><h2>{title} of {breakable(strips[0].task)}</h2><p>{plain(told)}</p>{pictures}</section>"
