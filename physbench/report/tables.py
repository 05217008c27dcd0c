"""The tables of the page: scores beside what is known, and where they come from."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, cast

from physbench.errors import UnknownName
from physbench.metrics.catalogue import find, stands_in_tables
from physbench.report.text import NOTHING, breakable, figures, link, plain
from physbench.result import ENOUGH, NARROW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from physbench.evaluation.known import Known, Published
    from physbench.metrics.card import Metric
    from physbench.result import Provenance, Result, Score

ARROWS = {"lower": "↓", "higher": "↑", "neither": ""}


def scores(result: Result, references: Sequence[Known], published: Sequence[Published], task: str) -> str:
    """Of a task: what has a card of its own in a table, steps and parts of figures folded away."""
    found = [score for score in result.scores if score.task == task]
    whole, parts = ([score for score in found if stands_in_tables(score.metric) is tabled] for tabled in (True, False))
    known = [row for row in references if row.task == task and row.model != result.provenance.model]
    papers = [row for row in published if row.task == task]
    table = _table(result, whole, known, papers, f"scores of {task}") if whole else ""
    folded = f"<details><summary>{len(parts)} figures of single steps and parts</summary>{_table(result, parts, known, papers, f'steps of {task}')}</details>"
    return table + _papers(papers) + (folded if parts else "")


def provenance(origin: Provenance) -> str:
    rows = "".join(
        f"<tr><th scope=row>{plain(field.name.replace('_', ' '))}</th><td>{_told(getattr(origin, field.name))}</td></tr>" for field in fields(origin)
    )
    return f"<table class=facts><tbody>{rows}</tbody></table>"


def _table(result: Result, found: Sequence[Score], known: Sequence[Known], papers: Sequence[Published], name: str) -> str:
    rows = list(dict.fromkeys(row.model for row in known))
    others = list(dict.fromkeys(row.model for row in papers))
    beside = {(row.model, row.metric): row for row in known}
    reported = {(row.model, row.metric): row.value for row in papers}
    heads = f'<th scope="col">{plain(result.provenance.model)}</th>' + "".join(f'<th scope="col">{breakable(model)}</th>' for model in rows)
    heads += "".join(f'<th scope="col" class="paper">{breakable(model)}<small>from the paper, its own data</small></th>' for model in others)
    lines: list[str] = []
    for score in found:
        cells = [f'<td class="own">{_cell(score)}</td>']
        cells += [f"<td>{_cell(row) if (row := beside.get((model, score.metric))) else ''}</td>" for model in rows]
        cells += [f'<td class="paper">{figures(reported[model, score.metric])[0] if (model, score.metric) in reported else ""}</td>' for model in others]
        lines.append(f'<tr><th scope="row">{_named(score.metric)}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{plain(name)}"><table class="scores"><thead><tr>'
        f"<th scope=col>metric</th>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _cell(row: Score | Known) -> str:
    value, interval = figures(row.value, row.low, row.high)
    mark = f' <abbr title="of fewer than {ENOUGH} sequences: too narrow">{NARROW}</abbr>' if getattr(row, "is_narrow", False) else ""
    return f"{value}<small>{interval}{mark}</small>" if interval else value


def _named(metric: str) -> str:
    """With its definition, for whoever points at it, taps on it, or opens it with a key."""
    card = _card(metric)
    if card is None:
        return breakable(metric)
    told = f"<p>{plain(_what(metric, card))}</p><p><i>{plain(card.formula)}</i></p><p>{plain(card.caution)}</p><p>{plain(card.paper)}</p>"
    return (
        f'<details><summary title="{plain(_what(metric, card))}">{breakable(metric)} <span class="arrow">{ARROWS[card.better]}</span></summary>{told}</details>'
    )


def _card(metric: str) -> Metric | None:
    try:
        return find(metric.removesuffix("_ratio"))
    except UnknownName:
        return None


def _what(metric: str, card: Metric) -> str:
    stem = metric.partition("[")[0]
    suffixes = {
        "_ratio": "How many times as large with the first data as with the second",
        "_std": "The standard deviation over samples",
        "_last": "Of the last transition alone",
    }
    special = next((words for suffix, words in suffixes.items() if stem.endswith(suffix) and stem != card.name), "")
    return f"{special}: {card.definition}" if special else card.definition


def _papers(papers: Sequence[Published]) -> str:
    """Where the numbers of papers come from."""
    told: dict[tuple[str, str, str], list[str]] = {}
    for row in papers:
        told.setdefault((row.paper, row.link, row.remark), []).append(row.model)
    items = "".join(
        f"<li>{plain(', '.join(dict.fromkeys(models)))}: {plain(paper)}, {link(address)}; {plain(remark)}</li>"
        for (paper, address, remark), models in told.items()
    )
    return f'<ul class="papers">{items}</ul>' if items else ""


def _told(value: Any) -> str:
    if value is None or value in ((), {}):
        return NOTHING
    if isinstance(value, dict):
        told = cast("dict[str, str]", value)
        return "<br>".join(f"{breakable(name)} <code>{plain(each)}</code>" for name, each in told.items())
    if isinstance(value, tuple):
        return "<br>".join(plain(each) for each in cast("tuple[str, ...]", value))
    if isinstance(value, float):
        return f"{value:,.1f}"
    return link(value) if isinstance(value, str) else plain(value)
