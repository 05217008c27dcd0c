"""Pages from templates. A page fetches nothing and runs no script but its own; what a template prints is text, unless
it is Markup."""

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from typing import Any, cast

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from physbench.printable import printable, shorten
from physbench.report.numbers import figures, number

LINK = re.compile(r"https://[a-z0-9.-]+(:\d+)?(/[\w.~:/?#\[\]@!$&'()*+,;=%-]*)?", re.ASCII | re.IGNORECASE)

LONGEST = 500
"""Letters of one text: a stranger may send more."""


def render(template: str, values: Mapping[str, object], *, package: str = "physbench.report") -> str:
    """Fill a template of a package; templates of the report can be extended and imported there."""
    return _environment(package).get_template(template).render(values)


def image_address(content: bytes) -> Markup:
    """Write a PNG as an address that holds it."""
    return Markup(f"data:image/png;base64,{b64encode(content).decode()}")


@cache
def _environment(package: str) -> Environment:
    loader = ChoiceLoader([PackageLoader(each) for each in dict.fromkeys((package, "physbench.report"))])
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_readable,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )
    filters, tests, names = (
        cast("dict[str, Any]", table) for table in (environment.filters, environment.tests, environment.globals)
    )
    filters.update(breakable=_breakable, digest=_digest, figures=figures, number=number)
    tests["address"] = _is_address

    def asset(name: str) -> Markup:
        return Markup(loader.get_source(environment, name)[0])

    names["asset"] = asset
    return environment


def _readable(value: object) -> object:
    """Cut a text to a length, with nothing in it that cannot be printed. Templates escape it after that."""
    if isinstance(value, Markup):
        return value
    return printable(shorten(str(value), LONGEST, "…"))


def _breakable(name: str) -> Markup:
    """Let a long name go on in the next line after a sign."""
    return Markup(re.sub(r"([_/:]|\.(?=[a-z]))", r"\1<wbr>", str(escape(_readable(name)))))


def _digest(text: str) -> str:
    """Name a style or a script as the policy of a page does."""
    return b64encode(sha256(text.encode()).digest()).decode()


def _is_address(address: str | None) -> bool:
    return address is not None and len(address) <= LONGEST and LINK.fullmatch(address) is not None
