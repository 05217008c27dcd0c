"""Notices: messages of the library while it works. The library never prints them; the command line listens for them."""

from collections.abc import Callable, Generator
from contextlib import contextmanager

Listener = Callable[[str], object]

_listeners: list[Listener] = []


def announce(text: str) -> None:
    """Pass a notice to the current listener. Without a listener it is dropped.

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
    """Pass every notice to this listener, instead of the previous one, while the work inside goes on."""
    _listeners.append(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)
