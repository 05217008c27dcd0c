"""How the values of a dataclass's fields are written on the command line."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import Field
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, cast, get_args, get_origin, get_type_hints

import click

PLAIN = (int, float, str, bool)


class Range(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """4, or 6-8."""

    name = "N or N-M"

    def write(self, value: tuple[int, int]) -> str:
        low, high = value
        return f"{low}" if low == high else f"{low}-{high}"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[int, int]:
        low, _, high = str(value).partition("-")
        try:
            return int(low), int(high or low)
        except ValueError:
            self.fail(f"{value!r} is neither a number nor a range such as 6-8", param, ctx)


class Numbers(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """31, or 8,12,20,31."""

    name = "N,N,..."

    def __init__(self, kind: Any) -> None:
        self.kind = kind

    def write(self, value: tuple[Any, ...]) -> str:
        return ",".join(map(str, value))

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Any, ...]:
        try:
            return tuple(self.kind(part) for part in str(value).split(","))
        except ValueError:
            example = "whole numbers such as 8,12,20,31" if self.kind is int else "numbers such as 0.9,0.999"
            self.fail(f"{value!r} is no list of {example}", param, ctx)


class OneOf(click.Choice):  # pyright: ignore[reportMissingTypeArgument]
    """One of the values of a field, as the value that it has there."""

    def __init__(self, values: Iterable[Any]) -> None:
        self.values = {str(value): value for value in values}
        super().__init__(list(self.values))  # pyright: ignore[reportUnknownMemberType]

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return self.values[cast("str", super().convert(str(value), param, ctx))]


def kind_of(record: Any, field: Field[Any]) -> click.ParamType[Any] | None:
    """Say how the values of a field of a dataclass are written; None where the command line cannot."""
    hint = cast("Any", type(getattr(record, field.name)))
    with suppress(NameError, TypeError, KeyError):  # a type that is imported for type checkers alone
        hint = get_type_hints(cast("Any", type(record)))[field.name]
    return _kind_of(hint, field.metadata)


def _kind_of(hint: Any, metadata: Mapping[str, Any]) -> click.ParamType[Any] | None:
    inner = [each for each in get_args(hint) if each not in (NoneType, Ellipsis)]
    if get_origin(hint) in (Union, UnionType):
        return _kind_of(inner[0], metadata) if len(inner) == 1 else None
    if choices := metadata.get("choices") or (inner if get_origin(hint) is Literal else ()):
        return OneOf(choices)
    if hint is tuple or inner == [int, int]:
        return Range()
    if get_origin(hint) is tuple:
        return Numbers(inner[0]) if len(set(inner)) == 1 and inner[0] in PLAIN else None
    if hint is Path or (hint is str and metadata.get("path")):
        return click.Path(path_type=hint)
    return click.types.convert_type(hint) if hint in PLAIN else None
