"""An axis: where a value lies along it, and the round values that are written beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass

LOGARITHMIC = 12.0
"""Where the greatest value is so many times the least, equal steps are equal ratios."""

SMALLEST = 1e-7


@dataclass(frozen=True)
class Axis:
    first: float  # where the least value lies, in the picture
    last: float
    ticks: tuple[float, ...]
    logarithmic: bool

    def at(self, value: float) -> float:
        """What lies outside is drawn at the edge."""
        value = min(max(value, self.ticks[0]), self.ticks[-1])
        low, high, value = (map(math.log, (self.ticks[0], self.ticks[-1], value))) if self.logarithmic else (self.ticks[0], self.ticks[-1], value)
        return self.first + (value - low) / (high - low) * (self.last - self.first)


def spreads(values: list[float]) -> bool:
    """Say whether values are so far apart that equal steps should be equal ratios."""
    return min(values) > SMALLEST and max(values) > LOGARITHMIC * min(values)


def axis(values: list[float], first: float, last: float, *, logarithmic: bool | None = None) -> Axis:
    """Of values that are numbers. logarithmic: None: where they are far apart."""
    low, high = min(values), max(values)
    if logarithmic is None:
        logarithmic = spreads(values)
    return Axis(first, last, tuple(_powers(low, high) if logarithmic else _even(low, high)), logarithmic)


def _even(low: float, high: float) -> list[float]:
    """Round values from below the least to above the greatest; from nought on where that is near."""
    if 0 < low < high / 2 or 0 < low == high:
        low = 0.0
    rough = ((high - low) or abs(high) or 1.0) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(k * step, 12) for k in range(first, max(last, first + 1) + 1)]


def _powers(low: float, high: float) -> list[float]:
    """Powers of ten, with 2 and 5 of each where there are few."""
    factors = (1,) if high > 500 * low else (1, 2, 5)
    steps = [factor * 10.0**power for power in range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2) for factor in factors]
    first = max(k for k, step in enumerate(steps) if step <= low * (1 + 1e-9))
    last = min(k for k, step in enumerate(steps) if step >= high * (1 - 1e-9))
    return steps[first : max(last, first + 1) + 1]
