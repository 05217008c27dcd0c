"""The options of a model behind a pipe, and the life of its process."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from physbench.errors import ModelError

if TYPE_CHECKING:
    from physbench.evaluation.contestant import Contestant

COMMAND = click.option(
    "--command",
    metavar="TEXT",
    help="A model behind a pipe: a process of its own, in any language, that is sent one frame at a time. "
    "It is run without a shell. The protocol is in docs/pipe.md.",
)
TIMEOUT = click.option(
    "--timeout",
    type=float,
    metavar="SECONDS",
    help="How long such a process may take for an answer; the first includes loading.  [default: 120]",
)


@contextmanager
def run_command(command: str | None, timeout: float | None) -> Generator[Contestant | None]:
    """Start a model's process, if there is a command, and end it whatever happens.

    What it wrote to its standard error is shown when something goes wrong with it, and not otherwise.
    """
    if command is None:
        if timeout is not None:
            raise click.UsageError("--timeout is for a model behind --command")
        yield None
        return
    from physbench.evaluation.child import TIMEOUT, Child
    from physbench.evaluation.pipe import enter

    with _signals_raise(), Child(command, timeout=TIMEOUT if timeout is None else timeout) as child:
        try:
            yield enter(child)
        except ModelError:
            lines = child.last_words()
            if lines:
                click.echo(f"the end of what {child} wrote to its standard error:", err=True)
            for line in lines:
                click.echo(f"| {line}", err=True)
            raise


@contextmanager
def _signals_raise() -> Generator[None]:
    """Let SIGTERM and SIGHUP end the command as Ctrl-C does, so that no process is left behind.

    A signal that is ignored (as under nohup) stays so.
    """
    deadly: list[int] = []
    if threading.current_thread() is threading.main_thread():
        deadly = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL]
    for number in deadly:
        signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number in deadly:
            signal.signal(number, signal.SIG_DFL)
