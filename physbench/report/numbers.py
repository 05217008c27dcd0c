"""Numbers for people to read."""

import math

MINUS, NOTHING = "\N{MINUS SIGN}", "\N{EN DASH}"


def figures(value: float, low: float = math.nan, high: float = math.nan) -> tuple[str, str]:
    """A number and its interval, with as many digits as the interval leaves a meaning."""
    if math.isnan(value):
        return NOTHING, ""
    half = (high - low) / 2
    if math.isnan(half) or half <= 1e-9 * abs(value):
        return number(value), ""
    places = min(max(0, 1 - _magnitude(half)), max(0, 5 - _magnitude(value)))
    return number(value, places), f"{number(low, places)} to {number(high, places)}"


def describe(value: float, low: float = math.nan, high: float = math.nan) -> str:
    """Write a number with its interval in brackets."""
    shown, interval = figures(value, low, high)
    return f"{shown} ({interval})" if interval else shown


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
