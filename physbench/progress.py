"""Progress of long work, on stderr: a bar on a terminal, and a line every minute where stderr is a file."""

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from physbench.amounts import describe_time


@dataclass(frozen=True)
class Progress:
    """How much of some work is done."""

    done: float  # sequences; one that is partly done counts in part
    total: int
    doing: str  # what is being done


Update = Callable[[float, float, str], None]  # done, total, what is being done

FIRST_LINE, LATER_LINES = 10.0, 60.0
"""Seconds until the first line where there is no terminal, and between later lines."""


@contextmanager
def progress_bar(doing: str, *, unit: str = "sequences") -> Generator[Update]:
    """Report progress while the work inside goes on. unit: what is counted, for the rate; if empty, none is shown."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(unit).update
        return
    from rich.progress import BarColumn, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Any) -> Text:
            return Text(format_rate(task.speed, unit) if task.speed and unit else "")

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        Rate(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as progress:
        task = progress.add_task(doing, total=None)

        def update(done: float, total: float, doing: str) -> None:
            progress.update(task, completed=done, total=total, description=doing)

        yield update


class _Lines:
    """Progress as a line from time to time, for the log of a job."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._began: float | None = None
        self._first = 0.0
        self._next = 0.0

    def update(self, done: float, total: float, doing: str) -> None:
        now = time.monotonic()
        if self._began is None:  # the first update may be of work that was done in an earlier run: no measure of speed
            self._began, self._first = now, done
            self._next = now + FIRST_LINE  # two updates in quick succession are no measure of speed either
        if now < self._next or done <= self._first:
            return
        self._next = now + LATER_LINES
        rate = (done - self._first) / max(now - self._began, 1e-9)
        speed = f", {format_rate(rate, self._unit)}" if self._unit else ""
        print(
            f"{doing}: {done / total:.0%}{speed}, about {describe_time((total - done) / rate)} left",
            file=sys.stderr,
            flush=True,
        )


def format_rate(rate: float, unit: str) -> str:
    """Write a rate for people.

    >>> format_rate(2340.4, "sequences"), format_rate(7.26, "sequences"), format_rate(0.7, "sequences")
    ('2,340 sequences/s', '7.3 sequences/s', '1.4 s a sequence')
    """
    if rate >= 1:
        return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"
    return f"{1 / rate:,.1f} s a {unit.removesuffix('s')}" if rate > 0 else ""
