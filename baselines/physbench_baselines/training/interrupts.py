"""Handling of Ctrl-C and SIGTERM: a signal is noticed at once, and takes effect where it is safe to stop."""

from __future__ import annotations

import signal
import threading
import time
from types import TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """Raised where it is safe to stop, after a signal."""


class Interrupts:
    """A context in which the first signal only makes `stop_here` raise Stopped.

    At the end of the context, Stopped becomes the usual effect of the signal. A second signal has that effect at once.
    If a signal comes when the work is done anyway, it still takes effect at the end of the context, so what was to
    follow does not run. grace: the seconds after the first signal in which others count as the same one, for the case
    that several programs pass it on.
    """

    def __init__(self, *, grace: float = 0.0) -> None:
        self.caught: int | None = None
        self._grace = grace
        self._patient_until: float | None = None
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

    def stop_on(self, signal: int) -> None:
        """Stop for a signal, 0 for none, that this process or one that works with it was sent."""
        if signal:
            self.caught = signal
            raise Stopped

    def _notice(self, number: int, frame: object) -> None:
        now = time.monotonic()
        if self._patient_until is None:
            self.caught, self._patient_until = self.caught or number, now + self._grace
            if not self._grace:
                self._as_usual()
        elif now >= self._patient_until:
            self._as_usual()
            signal.raise_signal(number)

    def _as_usual(self) -> None:
        for number, handler in self._usual.items():
            signal.signal(number, handler)
        self._usual = {}
