"""Tables and the page of the benchmarks, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Table:
    """A table of results."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    about: str = ""
    """An explanation of the rows and columns, as Markdown."""

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"{self.title}: a row has {len(row)} cells, not {len(self.columns)}: {row}")


def markdown(table: Table) -> str:
    """Return a table as Markdown; the first column is text, and columns of numbers are aligned to the right."""
    lines = [f"## {table.title}", ""]
    if table.about:
        lines += [dedent(table.about).strip(), ""]
    lines += [
        _line(table.columns),
        _line(("---", *["---:" if _figures(table, i) else "---" for i in range(1, len(table.columns))])),
    ]
    return "\n".join([*lines, *map(_line, table.rows)]) + "\n"


def page(tables: Sequence[Table], *, minutes: float, load: str, quick: bool) -> str:
    """Return the whole page as Markdown."""
    warning = "\n**A smoke run (`--quick`): the figures below are noise.**\n" if quick else ""
    head = f"""\
# Benchmarks

Written by `make bench` (`python -m benchmarks`), one run of {minutes:.0f} minutes. Nothing here is typed by hand, and
no test asserts any of it.
{warning}
How to read it: compare the **CPU** time, which is user and system time of the process and all its threads. The wall
time stands beside it. Other work on a shared machine can change the wall time threefold, but the CPU time only by a
tenth. Every figure is the median of several repetitions, and the rows of a table take turns (A B C A B C), so that a
slow minute affects all of them. *Spread* is the difference between the largest and the smallest CPU time of a row,
divided by the median. Ratios compare rows of the same run: trust them before the figures themselves. All files are
written to a temporary folder (`TMPDIR` chooses the disk) and read from the page cache.

The load when the run ended: {load} (1, 5, 15 minutes; the run itself keeps one or two cores busy).
"""
    return "\n".join([head, *map(markdown, tables)])


def us(seconds: float) -> str:
    """Write seconds as microseconds, with three digits."""
    return f"{float(f'{seconds * 1e6:.3g}'):,g}"


def times(ratio: float) -> str:
    """Write a ratio, such as 2.5x."""
    return f"{ratio:.3g}x" if ratio < 100 else f"{ratio:,.0f}x"


def percent(part: float) -> str:
    """Write a share in per cent."""
    return f"{part:.0%}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _figures(table: Table, column: int) -> bool:
    return all(any(sign.isdigit() for sign in row[column][:3]) or row[column] in ("", "-") for row in table.rows)
