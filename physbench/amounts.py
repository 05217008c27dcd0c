"""Sizes and times written for people: 6.7 TB, 6.1 h."""

SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
TIMES = (("years", 365.25 * 86_400), ("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def describe_size(count: float) -> str:
    """Return a number of bytes in a suitable unit, with at least two digits."""
    for unit, size in SIZES:
        if count >= 0.9995 * size:
            return f"{_round(count / size)} {unit}"
    return f"{count:.0f} bytes"


def describe_time(seconds: float) -> str:
    """Return a number of seconds in a suitable unit, with at least two digits."""
    for unit, length in TIMES:
        if seconds >= 1.5 * length or (seconds >= length and unit in ("h", "min", "s")):
            return f"{_round(seconds / length)} {unit}"
    return f"{max(seconds, 0.1):.1f} s"


def _round(number: float) -> str:
    return f"{number:.1f}" if number < 99.95 else f"{number:,.0f}"
