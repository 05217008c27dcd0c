"""Fields of parameters: their help, bounds and choices as metadata, and the function that checks them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import Field, field, fields
from typing import Any, TypeVar, cast

from physbench.errors import PhysbenchError
from physbench.printable import shorten
from physbench.renamed import find_renamed

T = TypeVar("T")

NOUNS = {"int": "a whole number", "float": "a number", "bool": "True or False", "str": "a text"}


def parameter(
    default: T,
    *,
    help: str = "",
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: Collection[Any] = (),
    path: bool = False,
    flag: Any = None,
) -> T:
    """Make a field of a frozen dataclass of parameters.

    help: the text on the command line, a sentence without its full stop. low, high: the bounds of a number, both
    included; above, below: bounds that are not included. For a tuple, the bounds hold for each of its numbers.
    choices: the allowed values. path: whether it names a file. flag: the value when the option is given without one.
    """
    bounds = {"low": low, "high": high, "above": above, "below": below}
    metadata = {"help": help, "choices": tuple(choices), "path": path, "flag": flag, **bounds}
    return field(default=default, metadata=metadata)


def check_fields(record: Any, error: Callable[[str], PhysbenchError]) -> None:
    """Check every field of a frozen dataclass against its type, bounds and choices.

    Where a float is wanted, a whole number is converted, and where a tuple is wanted, a list. The types that are
    checked are int, float, bool, str, tuples of them (`tuple[int, int]`, `tuple[int, ...]`) and `... | None`; fields of
    other types are left alone.
    """
    for item in fields(record):
        value = getattr(record, item.name)
        fit, words = _fit(item, value)
        if words:
            raise error(f"{item.name.replace('_', ' ')} is {words}, not {shorten(repr(value), 60)}")
        object.__setattr__(record, item.name, fit)


def _fit(item: Field[Any], value: Any) -> tuple[Any, str]:
    """Return the value converted to the type of its field, and an empty text; or a text that says what it should be."""
    kinds = [
        kind.strip()
        for kind in str(item.type if isinstance(item.type, str) else getattr(item.type, "__name__", item.type)).split(
            "|"
        )
    ]
    if value is None and "None" in kinds:
        return value, ""
    kind = kinds[0]
    inner = kind.removeprefix("tuple[").removesuffix("]").split(", ") if kind.startswith("tuple[") else [kind]
    if inner[0] not in NOUNS:
        return value, ""
    choices = item.metadata.get("choices")
    words = f"one of {', '.join(map(str, choices))}" if choices else " ".join([NOUNS[inner[0]], *_range(item.metadata)])
    words += " or None" * ("None" in kinds)
    if kind == inner[0]:
        number = _convert(kind, value)
        return number, "" if _lies_within(number, item.metadata) else words
    values = (
        [_convert(inner[0], each) for each in cast("list[Any]", value)] if isinstance(value, (tuple, list)) else [None]
    )
    length = None if inner[-1] == "..." else len(inner)
    good = (length is None or len(values) == length) and all(_lies_within(each, item.metadata) for each in values)
    return tuple(values), "" if good else f"{length or 'any number of'} values in brackets, each {words}"


def _convert(kind: str, value: Any) -> Any:
    """Return the value if it is of the wanted type, converted where necessary; otherwise None."""
    if kind == "float":
        with suppress(OverflowError):
            return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None
    return value if type(value).__name__ == kind else None


def _lies_within(value: Any, metadata: Mapping[str, Any]) -> bool:
    choices = metadata.get("choices")
    if value is None or (choices and value not in choices):
        return False
    if isinstance(value, (bool, str)):
        return True
    if not math.isfinite(value):
        return False
    low, high, above, below = (metadata.get(name) for name in ("low", "high", "above", "below"))
    return (
        (low is None or value >= low)
        and (high is None or value <= high)
        and (above is None or value > above)
        and (below is None or value < below)
    )


def _range(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the bounds in words."""
    low, high, above, below = (metadata.get(name) for name in ("low", "high", "above", "below"))
    if low is not None:
        yield f"from {low:g}" + (" on" if high is None and below is None else "")
    if above is not None:
        yield f"above {above:g}"
    if (low is not None or above is not None) and below is not None:
        yield "and"
    if high is not None:
        yield f"to {high:g}" if low is not None else f"up to {high:g}"
    if below is not None:
        yield f"below {below:g}"


def __getattr__(name: str) -> Any:
    return find_renamed(__name__, {"bounded": parameter}, name)
