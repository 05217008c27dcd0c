"""Notices: what the library has to say while it works. The library never prints; a command line may listen."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

Listener = Callable[[str], object]

_listeners: list[Listener] = []


def announce(text: str) -> None:
    """Tell the current listener; without one, it is dropped.

    >>> heard = []
    >>> with listen(heard.append):
    ...     announce("compiling")
    >>> announce("not heard")
    >>> heard
    ['compiling']
    """
    if _listeners:
        _listeners[-1](text)


@contextmanager
def listen(listener: Listener) -> Generator[None]:
    """Pass every notice to the listener while the work inside goes on, instead of to the one before."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
