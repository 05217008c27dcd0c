"""Handling of Ctrl-C and SIGTERM: a signal is noticed at once, and takes effect where it is safe to stop."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """Raised where it is safe to stop, after a signal."""


class Interrupts:
    """A context in which the first signal only makes `stop_here` raise Stopped.

    At the end of the context, Stopped becomes the usual effect of the signal. A second signal has that effect at once.
    If a signal comes when the work is done anyway, it still takes effect at the end of the context, so what was to
    follow does not run.
    """

    def __init__(self) -> None:
        self.caught: int | None = None
        self._usual: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._usual = {number: signal.signal(number, self._notice) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._as_usual()
        if kind is Stopped or (kind is None and self.caught is not None):
            if self.caught == signal.SIGINT:
                raise KeyboardInterrupt from None
            raise SystemExit(128 + signal.SIGTERM) from None

    def stop_here(self) -> None:
        """Raise Stopped if a signal has come."""
        if self.caught is not None:
            raise Stopped

    def _notice(self, number: int, frame: object) -> None:
        self.caught = number
        self._as_usual()

    def _as_usual(self) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
        self._usual = {}
