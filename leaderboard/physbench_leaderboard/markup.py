"""Markup is made by `element` alone: whatever else is put into a page is text, and stays text."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

from physbench.printable import printable
from physbench.report.text import LINK, LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterable

EMPTY = {"br", "wbr", "img", "input"}
"""Elements that nothing stands in."""


class Markup(str):
    """Text that may stand in a page as it is. Joined to other text it is text again, and would be escaped."""

    __slots__ = ()


def escape(words: object) -> Markup:
    """What a stranger wrote, to be read and not obeyed: no markup, and no letter that turns the line round or cannot be seen."""
    if isinstance(words, Markup):
        return words
    return Markup(html.escape(printable(words)))


def element(tag: str, *inside: object, **attributes: object) -> Markup:
    """An element. `class_` is class and `data_v` is data-v; an attribute that is True stands bare, one that is None or False not at all."""
    written = "".join(_attribute(name, value) for name, value in attributes.items() if value is not None and value is not False)
    return Markup(f"<{tag}{written}>" if tag in EMPTY else f"<{tag}{written}>{''.join(map(escape, inside))}</{tag}>")


def joined(parts: Iterable[object], between: object = "") -> Markup:
    return Markup(escape(between).join(map(escape, parts)))


def breakable(name: str) -> Markup:
    """A long name that may go on in the next line after a sign."""
    parts: list[object] = []
    for letter in name[:LONGEST]:
        parts.append(letter)
        if letter in "_/:":
            parts.append(element("wbr"))
    return joined(parts)


def anchor(address: str | None, words: object) -> Markup:
    """A link where the address is plain https, and the words alone otherwise."""
    if address and len(address) <= LONGEST and LINK.fullmatch(address):
        return element("a", words, href=address, rel="noopener noreferrer nofollow")
    return escape(words)


def _attribute(name: str, value: object) -> str:
    written = name.rstrip("_").replace("_", "-") if name != "viewBox" else name
    return f" {written}" if value is True else f' {written}="{escape(value)}"'
