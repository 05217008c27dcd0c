"""The fields of a world as options of `physbench generate`."""

from __future__ import annotations

from dataclasses import Field, fields
from typing import Any

import click

from physbench.cli.options import Numbers, Range, kind_of
from physbench.errors import RecipeError

RESERVED = {
    "frames",
    "train",
    "valid",
    "test",
    "training",
    "validation",
    "seed",
    "out",
    "workers",
    "part",
    "engine",
    "scheduler",
    "shard-size",
    "overwrite",
    "dry-run",
    "json",
    "as-json",
    "help",
}


def list_options(world: Any) -> list[click.Option]:
    """The fields of a world as options. What the command line cannot write stays as it is."""
    kinds = {field.name: kind_of(world, field) for field in fields(world)}
    return [
        _option(field, getattr(world, field.name), kind)
        for field in fields(world)
        if (kind := kinds[field.name]) is not None
    ]


def _option(field: Field[Any], default: Any, kind: click.ParamType[Any]) -> click.Option:
    name, text = field.name.replace("_", "-"), str(field.metadata.get("help") or "")
    text = f"{text[:1].upper()}{text[1:]}." if text else ""
    if name in RESERVED:
        raise RecipeError(
            f"the world has a parameter {name!r}, and physbench generate has an option of this name: call the parameter"
            " otherwise"
        )
    if isinstance(default, bool):
        return click.Option(
            [f"--{name}/--no-{name}" if default else f"--{name}", field.name], is_flag=True, default=default, help=text
        )
    flag = field.metadata.get("flag")
    optional = {"is_flag": False, "flag_value": flag} if flag is not None else {}
    shown = kind.write(default) if isinstance(kind, (Range, Numbers)) and default is not None else default
    return click.Option(
        [f"--{name}", field.name],
        type=kind,
        default=shown,
        show_default=default not in (None, ""),
        help=text,
        **optional,
    )
