"""A result as text: a table for people, as wide as their terminal, and JSON for machines."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap

from physbench.evaluation.evaluate import Extent
from physbench.evaluation.known import KNOWN_SIZE, Known, list_published
from physbench.metrics.catalogue import find, headlines, stands_in_tables
from physbench.plainjson import dump
from physbench.printable import GAP, align, printable
from physbench.result import ENOUGH, NARROW, Result, Score, describe_note
from physbench.suites import SIZES, UNRANKED, Suite

WIDTH = 80

RANKED = "*"
"""Stands before the figure that a suite is ranked by."""

ARROWS = {"lower": "\u2193", "higher": "\u2191", "neither": " "}

BESIDE = ("copy", "tracker", "tracker-80", "blur", "constant-velocity", "oracle", "blobs", "mean", "blank")
"""Reference rows in the order in which they get a column, as far as the terminal is wide. A suite with others has an
order of its own."""


def to_json(found: Result) -> str:
    curves = [{"task": task, "metric": metric, "values": values} for (task, metric), values in found.curves.items()]
    scores = [{**asdict(score), "is_narrow": score.is_narrow} for score in found.scores]
    return dump({"provenance": asdict(found.provenance), "scores": scores, "curves": curves})


def as_text(
    found: Result, chosen: Extent, references: Iterable[Known] = (), *, width: int = WIDTH, everything: bool = False
) -> str:
    """Write the model with its intervals, reference rows beside it, and what its paper reported.

    width: of the terminal. everything: also the figures that say what another one says. Steps of curves are for CSV,
    JSON and the report.
    """
    origin = found.provenance
    beside = {(row.task, row.metric, row.model): row.value for row in references}
    scores = [score for score in found.scores if stands_in_tables(score.metric)]
    shown = scores if everything else [score for score in scores if _is_main(score, found, chosen.suite)]
    lines = [
        f"{origin.model} on {origin.suite} v{origin.suite_version}, {origin.size}: {found.scores[0].sequences:,}"
        f" sequences, {origin.seconds:.1f} s"
    ]
    for task in dict.fromkeys(score.task for score in shown):
        ranked = chosen.suite.ranked_by
        rows = sorted(
            (score for score in shown if score.task == task), key=lambda score: (score.task, score.metric) != ranked
        )
        lines += ["", *_table(task, rows, chosen.suite, beside, origin.model, width)]
        lines += _quote_paper(task, rows, chosen, origin.model)
    lines.append("")
    if chosen.size.startswith(UNRANKED):
        lines.append(
            f"Unranked: {chosen.suite.name} pins no digests for these sequences, so no leaderboard lists these scores."
        )
    elif chosen.suite.ranked_by:
        lines.append(f"{RANKED} ranks the suite; \u2193 lower or \u2191 higher is better; in brackets: 95 % intervals")
    if beside and chosen.size == "full":
        lines.append(f"Reference rows are of the first {SIZES[KNOWN_SIZE]:,} of these sequences ({KNOWN_SIZE}).")
    if any(score.is_narrow for score in shown):
        lines.append(f"{NARROW} too narrow, being of fewer than {ENOUGH} sequences: see docs/statistics.md")
    lines += [f"Note: {describe_note(note)}." for note in origin.notes]
    if chosen.data is None and _lacks_owners(found, chosen):
        lines.append("Grouping is not scored: the model says of no pixel which object owns it.")
    if len(shown) < len(scores):
        lines.append(f"{len(scores) - len(shown)} more figures: --all. What a figure means: physbench explain NAME")
    return "\n".join(map(printable, lines))


def _table(
    task: str, rows: Sequence[Score], suite: Suite, beside: dict[tuple[str, str, str], float], model: str, width: int
) -> Iterator[str]:
    """The figures of a task, with as many reference rows beside them as the width has room for."""
    first = [
        f"{RANKED if (task, row.metric) == suite.ranked_by else ' '} {row.metric} {ARROWS[find(row.metric).better]}"
        for row in rows
    ]
    columns = [
        [task, *first],
        [model[:24], *(_short(row.value) for row in rows)],
        ["", *(_interval(row) for row in rows)],
    ]
    room = width - sum(_width(column) + len(GAP) for column in columns)
    order = BESIDE if set(suite.references) <= set(BESIDE) else suite.references
    left_out: list[str] = []
    for name in (name for name in order if name in suite.references and name != model):
        cells = [_short(beside.get((task, row.metric, name))) for row in rows]
        column = [name, *cells]
        if any(cells) and _width(column) <= room:
            columns.append(column)
            room -= _width(column) + len(GAP)
        elif any(cells):
            left_out.append(name)
    yield from align(list(zip(*columns, strict=True)), left=(0, 2))
    if left_out:
        yield from wrap(f"no room for {', '.join(left_out)}", width, initial_indent="  ", subsequent_indent="  ")


def _width(column: Sequence[str]) -> int:
    return max(map(len, column))


def _quote_paper(task: str, rows: Sequence[Score], chosen: Extent, model: str) -> Iterator[str]:
    """What the paper of this very model says; another model's paper says nothing about it."""
    for score in rows:
        for paper in list_published(chosen.suite.name):
            if (paper.task, paper.metric) == (task, score.metric) and model in (paper.model, f"{paper.model}.{task}"):
                yield f"    {score.metric} in its paper, on the paper's own data: {paper.value:g} ({paper.remark})"


def _is_main(score: Score, found: Result, suite: Suite) -> bool:
    """Whether a figure is shown without being asked for: a likelihood only where it is not minus the cross-entropy
    beside it."""
    if (score.task, score.metric) == suite.ranked_by:
        return True
    repeated = (score.task, find(score.metric).minus_of) in found.sums
    return score.metric in headlines() and not repeated


def _lacks_owners(found: Result, chosen: Extent) -> bool:
    """Whether grouping was asked for, and the model gave no owners of pixels."""
    asked = any(asking.kind in find("ari").asked_of for task in chosen.suite.tasks for asking in task.askings)
    return asked and not any(metric.startswith("ari") for _, metric in found.sums)


def _interval(score: Score) -> str:
    if math.isnan(score.low):
        return ""
    return f"[{_short(score.low)}, {_short(score.high)}]" + f" {NARROW}" * score.is_narrow


def _short(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4g}"
