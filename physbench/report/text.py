"""Text and numbers for the page. Names and links come from strangers: all of it is text, and a link is one only if it is plain https."""

from __future__ import annotations

import html
import math
import re

from physbench.printable import printable

LINK = re.compile(r"https://[a-z0-9.-]+(:\d+)?(/[\w.~:/?#\[\]@!$&'()*+,;=%-]*)?", re.ASCII | re.IGNORECASE)

LONGEST = 500

MINUS, NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"


def plain(words: object) -> str:
    """Escaped, on one line, and nothing that cannot be printed."""
    told = str(words)
    told = told if len(told) <= LONGEST else told[: LONGEST - 1] + "…"
    return html.escape(printable(told))


def breakable(name: str) -> str:
    """A long name that may go on in the next line."""
    return re.sub(r"([_/:])", r"\1<wbr>", plain(name))


def link(address: str, words: str | None = None) -> str:
    if LINK.fullmatch(address) and len(address) <= LONGEST:
        return f'<a href="{html.escape(address)}" rel="noopener noreferrer nofollow">{plain(words or address)}</a>'
    return plain(address)


def figures(value: float, low: float = math.nan, high: float = math.nan) -> tuple[str, str]:
    """A number and its interval, with as many digits as the interval leaves a meaning."""
    if math.isnan(value):
        return NOTHING, ""
    half = (high - low) / 2
    if math.isnan(half) or half <= 1e-9 * abs(value):
        return number(value), ""
    places = min(max(0, 1 - _magnitude(half)), max(0, 5 - _magnitude(value)))
    return number(value, places), f"{number(low, places)} to {number(high, places)}"


def number(value: float, places: int | None = None) -> str:
    """places: behind the point; None: four digits, fewer if those behind are noughts."""
    if not math.isfinite(value):
        return NOTHING if math.isnan(value) else f"{value}".replace("-", MINUS)
    size = _magnitude(value)
    if value and not -4 <= size < 9:
        digits, power = f"{value:.2e}".split("e")
        return f"{digits}e{int(power)}".replace("-", MINUS)
    shown = f"{value:,.{max(0, 3 - size) if places is None else places}f}"
    if places is None and "." in shown:
        shown = shown.rstrip("0").rstrip(".")
    return shown.replace("-", MINUS)


def _magnitude(value: float) -> int:
    """The power of ten of the first digit."""
    return math.floor(math.log10(abs(value))) if value and math.isfinite(value) else 0
