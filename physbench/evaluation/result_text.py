"""A result as text: a table as wide as the terminal, or JSON for programs."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from textwrap import wrap

from physbench.evaluation.beside import FEW
from physbench.evaluation.evaluate import Extent
from physbench.evaluation.known import KNOWN_SIZE, Known, list_published
from physbench.metrics.catalogue import find, headlines, stands_in_tables
from physbench.plainjson import dump
from physbench.printable import GAP, align, printable
from physbench.result import ENOUGH, NARROW, Result, Score, describe_note
from physbench.suites import PRIVILEGED, SIZES, UNRANKED, Suite

WIDTH = 80

RANKED = "*"
"""The mark before the figure that ranks a suite."""

ARROWS = {"lower": "\u2193", "higher": "\u2191", "neither": " "}

BESIDE = ("copy", "tracker", "tracker-80", "blur", "constant-velocity", "oracle", "blobs", "mean", "blank")
"""Reference rows in the order in which they get a column, until the terminal is full. A suite with other reference rows
uses its own order. Before all others comes the best row that learns nothing and sees frames alone."""


def to_json(found: Result) -> str:
    """Return a result as JSON."""
    curves = [{"task": task, "metric": metric, "values": values} for (task, metric), values in found.curves.items()]
    scores = [{**asdict(score), "is_narrow": score.is_narrow} for score in found.scores]
    return dump(
        {"title": found.provenance.title, "provenance": asdict(found.provenance), "scores": scores, "curves": curves}
    )


def as_text(
    found: Result,
    chosen: Extent,
    references: Iterable[Known] = (),
    *,
    width: int | None = WIDTH,
    everything: bool = False,
) -> str:
    """Return a table of a model: its figures with intervals, the reference rows, and what its paper reported.

    width: of the terminal; None: of a file, which takes every column. everything: whether to include the figures that
    repeat what another one says. The steps of curves are only in the CSV, the JSON and the report.
    """
    origin = found.provenance
    beside = {(row.task, row.metric, row.model): row.value for row in references}
    scores = [score for score in found.scores if stands_in_tables(score.metric)]
    shown = scores if everything else [score for score in scores if _is_main(score, found, chosen.suite)]
    lines = [
        f"{f'{origin.title},' if origin.data_file else f'{origin.model} on'} {origin.extent}:"
        f" {found.scores[0].sequences:,} sequences, {origin.seconds:.1f} s"
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
    if not beside and chosen.suite.references and chosen.count > FEW:
        lines.append(f"No reference rows: none are stored for these sequences; --limit {FEW} or fewer scores them.")
    if any(score.is_narrow for score in shown):
        lines.append(f"{NARROW} too narrow, being of fewer than {ENOUGH} sequences: see docs/statistics.md")
        if fewest := min((score.contributing or 0 for score in shown if _is_partial(score)), default=0):
            lines.append(f"  {NARROW}{fewest}: only {fewest} of the {shown[0].sequences:,} sequences have a value")
    lines += [f"Note: {describe_note(note)}." for note in origin.notes]
    if chosen.data is None and _lacks_owners(found, chosen):
        lines.append("Grouping is not scored: the model says of no pixel which object owns it.")
    if len(shown) < len(scores):
        lines.append(f"{len(scores) - len(shown)} more figures: --all. What a figure means: physbench explain NAME")
    return "\n".join(map(printable, lines))


def _table(
    task: str,
    rows: Sequence[Score],
    suite: Suite,
    beside: dict[tuple[str, str, str], float],
    model: str,
    width: int | None,
) -> Iterator[str]:
    """Yield the lines for a task: its figures, and as many reference rows beside them as the width allows."""
    first = [
        f"{RANKED if (task, row.metric) == suite.ranked_by else ' '} {row.metric} {ARROWS[find(row.metric).better]}"
        for row in rows
    ]
    columns = [
        [task, *first],
        [model[:24], *(_short(row.value) for row in rows)],
        ["", *(_interval(row) for row in rows)],
    ]
    room = math.inf if width is None else width - sum(_width(column) + len(GAP) for column in columns)
    left_out: list[str] = []
    for name in (name for name in _order_references(suite, beside) if name != model):
        cells = [_short(beside.get((task, row.metric, name))) for row in rows]
        column = [name, *cells]
        if any(cells) and _width(column) <= room:
            columns.append(column)
            room -= _width(column) + len(GAP)
        elif any(cells):
            left_out.append(name)
    yield from align(list(zip(*columns, strict=True)), left=(0, 2))
    if left_out and width is not None:
        yield from wrap(f"no room for {', '.join(left_out)}", width, initial_indent="  ", subsequent_indent="  ")


def _order_references(suite: Suite, beside: dict[tuple[str, str, str], float]) -> list[str]:
    """Return the reference rows of a suite: first the bar, the best one that learns nothing and sees frames alone."""
    order = [name for name in BESIDE if name in suite.references]
    if not set(suite.references) <= set(BESIDE):
        order = list(suite.references)
    if suite.ranked_by is None:
        return order
    lower = find(suite.ranked_by[1]).better == "lower"
    scored = {name: beside.get((*suite.ranked_by, name), math.nan) for name in order if name not in PRIVILEGED}
    values = {name: value if lower else -value for name, value in scored.items() if not math.isnan(value)}
    bar = min(values, key=lambda name: values[name], default=None)
    return sorted(order, key=lambda name: name != bar)


def _width(column: Sequence[str]) -> int:
    return max(map(len, column))


def _quote_paper(task: str, rows: Sequence[Score], chosen: Extent, model: str) -> Iterator[str]:
    """Yield what the paper of this model reported; papers about other models are not quoted."""
    for score in rows:
        for paper in list_published(chosen.suite.name):
            if (paper.task, paper.metric) == (task, score.metric) and model in (paper.model, f"{paper.model}.{task}"):
                yield f"    {score.metric} in its paper, on the paper's own data: {paper.value:g} ({paper.remark})"


def _is_main(score: Score, found: Result, suite: Suite) -> bool:
    """Return whether a figure is shown by default.

    A likelihood is shown only if it is not simply minus the cross-entropy in the same table.
    """
    if (score.task, score.metric) == suite.ranked_by:
        return True
    repeated = (score.task, find(score.metric).minus_of) in found.sums
    return score.metric in headlines() and not repeated


def _lacks_owners(found: Result, chosen: Extent) -> bool:
    """Return whether grouping was asked for and the model gave no owners of pixels."""
    asked = any(asking.kind in find("ari").asked_of for task in chosen.suite.tasks for asking in task.askings)
    return asked and not any(metric.startswith("ari") for _, metric in found.sums)


def _interval(score: Score) -> str:
    if math.isnan(score.low):
        return ""
    mark = f" {NARROW}{score.contributing if _is_partial(score) else ''}" if score.is_narrow else ""
    return f"[{_short(score.low)}, {_short(score.high)}]{mark}"


def _is_partial(score: Score) -> bool:
    """Return whether an interval is too narrow because only some of the sequences have a value."""
    return score.is_narrow and score.contributing is not None and score.contributing < score.sequences


def _short(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.4g}"
