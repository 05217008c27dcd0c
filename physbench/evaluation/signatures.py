"""Checks of methods that a user writes: whether they take what they are going to be given."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from physbench.errors import ModelError


def require_signature(method: Callable[..., Any], owner: str, *, positional: str, keywords: str = "") -> None:
    """Refuse a method that cannot be called as it is going to be.

    owner: whose method it is, in messages. positional, keywords: the names of what it is given, separated by spaces.
    """
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):  # code that is not written in Python says nothing of its parameters
        return
    places, names = positional.split(), keywords.split()
    try:
        signature.bind(*places, **dict.fromkeys(names))
    except TypeError as error:
        name = getattr(method, "__name__", "it")
        wanted = ", ".join([*places, *["*"] * bool(names), *names])
        raise ModelError(
            f"{owner}.{name}{_write(signature)} cannot be called: {error}; it is given {name}({wanted})"
        ) from None


def _write(signature: inspect.Signature) -> str:
    """Write the names of the parameters, without types and defaults."""
    plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))
