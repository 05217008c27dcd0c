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


Update = Callable[[float, float, str], None]  # done, total (0: unknown), what is being done

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
            progress.update(task, completed=done, total=total or None, description=doing)

        yield update


class _Lines:
    """Progress as a line from time to time, for the log of a job.

    The speed is measured from the first advance on, as what comes before it may be compiling.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._first: float | None = None  # what was done at the first update, perhaps by an earlier run
        self._last = 0.0
        self._base: tuple[float, float] | None = None  # the time of the first advance, and what was done then
        self._next = 0.0

    def update(self, done: float, total: float, doing: str) -> None:
        now = time.monotonic()
        if self._first is None:
            self._next = now + FIRST_LINE
        if self._first is None or done < self._last:  # it begins, or another part of the work does
            self._first, self._base = done, None
        self._last = done
        if self._base is None and done > self._first:
            self._base = now, done
        if now < self._next or self._base is None:
            return
        self._next = now + LATER_LINES
        share = f": {done / total:.0%}{self._estimate(now, done, total)}" if total else ""
        print(f"{doing}{share}", file=sys.stderr, flush=True)

    def _estimate(self, now: float, done: float, total: float) -> str:
        """Say how fast it goes and how long it will take, if there is a second measurement to say so."""
        assert self._base is not None
        began, before = self._base
        if done <= before or now <= began:
            return ""
        rate = (done - before) / (now - began)
        speed = f", {format_rate(rate, self._unit)}" if self._unit else ""
        return f"{speed}, about {describe_time((total - done) / rate)} left"


def format_rate(rate: float, unit: str) -> str:
    """Write a rate for people.

    >>> format_rate(2340.4, "sequences"), format_rate(7.26, "sequences"), format_rate(0.7, "sequences")
    ('2,340 sequences/s', '7.3 sequences/s', '1.4 s a sequence')
    """
    if rate >= 1:
        return f"{rate:,.0f} {unit}/s" if rate >= 10 else f"{rate:.1f} {unit}/s"
    return f"{1 / rate:,.1f} s a {unit.removesuffix('s')}" if rate > 0 else ""
