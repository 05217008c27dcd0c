"""Tests of how often intervals contain the truth and comparisons are wrong, as docs/statistics.md reports."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from physbench.metrics import bootstrap, sums
from physbench.metrics.significance import FAMILY_WISE, adjust_for_many, p_value
from physbench.result import ENOUGH

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, int]], tuple[Array, Array]]

DOCS = Path(__file__).parents[2] / "docs" / "statistics.md"
COUNTS = (16, 64, 256, 1000)
REPEATED, AT_ONCE = 4_000, 1_000


def light(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    below = rng.gamma(2, 1, shape)
    return 0.5 * below + rng.normal(0, 0.5, shape), below


def heavy(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    return rng.lognormal(0, 1.2, shape), np.ones(shape)


def rare(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    counts = (rng.random(shape) < 0.3).astype(np.float64)
    return counts * rng.lognormal(0, 1, shape), counts


TAILS: dict[str, tuple[Draw, float]] = {
    "light tails": (light, 0.5),
    "heavy tails": (heavy, math.exp(0.72)),
    "heavy tails, 3 sequences in 10 count": (rare, math.exp(0.5)),
}
"""What sequences contribute, and the figure of endlessly many."""


def coverage(draw: Draw, truth: float, count: int, repeated: int) -> float:
    """The share of intervals that hold the truth; one that is not there does not."""
    rng = np.random.default_rng(count)
    holding = 0
    for _ in range(0, repeated, AT_ONCE):
        above, below = draw(rng, (count, AT_ONCE))
        found = bootstrap.intervals([sums.ratio(above[:, each], below[:, each]) for each in range(AT_ONCE)])
        holding += sum(each.low <= truth <= each.high for each in found)
    return holding / repeated


def table(heading: str) -> dict[str, list[float]]:
    """Of the docs, under a heading: a row by its first cell."""
    section = DOCS.read_text(encoding="utf-8").partition(f"## {heading}\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("| \n").split("|")]
        for line in section.splitlines()
        if line.startswith("|")
    ]
    assert re.findall(r"\d+", " ".join(rows[0])) == [str(count) for count in COUNTS] or heading != "Intervals"
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows[2:]}


@pytest.mark.slow
@pytest.mark.parametrize("name", TAILS)
def test_intervals_hold_the_truth_as_often_as_the_docs_say(name: str) -> None:
    for count, said in zip(COUNTS, table("Intervals")[name], strict=True):
        measured = coverage(*TAILS[name], count, REPEATED)
        error = math.sqrt(measured * (1 - measured) / REPEATED)
        assert said == pytest.approx(measured, abs=3 * error + 0.005), count


def test_below_enough_sequences_intervals_are_too_narrow_and_the_docs_say_so() -> None:
    """Nothing to measure: what is written."""
    said = table("Intervals")
    assert set(said) == set(TAILS) and all(0 < share < 1 for row in said.values() for share in row)
    assert all(row[0] < 0.94 for row in said.values()) and said["light tails"][1] > 0.93
    assert f"fewer than {ENOUGH}" in DOCS.read_text(encoding="utf-8")


FAMILY, TRIES = 40, 1_000


def skew(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    """One run with heavy tails, the other as good and always the same."""
    return rng.lognormal(0, 1.2, shape), np.full(shape, math.exp(0.72))


def equals(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    return 1 + rng.normal(0, 0.3, shape), 1 + rng.normal(0, 0.3, shape)


def heavy_equals(rng: np.random.Generator, shape: tuple[int, int]) -> tuple[Array, Array]:
    return rng.lognormal(0, 1.2, shape), rng.lognormal(0, 1.2, shape)


PAIRS: dict[str, Draw] = {
    "light tails": equals,
    "heavy tails in both": heavy_equals,
    "heavy tails in one, none in the other": skew,
}


def false_differences(draw: Draw, count: int, tries: int) -> float:
    """The share of comparisons of FAMILY figures in which any false difference survives."""
    rng = np.random.default_rng(count)
    false = 0
    for _ in range(tries):
        a, b = draw(rng, (count, FAMILY))
        false += (
            min(
                adjust_for_many(
                    [p_value(sums.mean(a[:, m : m + 1]), sums.mean(b[:, m : m + 1])) for m in range(FAMILY)]
                )
            )
            <= FAMILY_WISE
        )
    return false / tries


@pytest.mark.slow
@pytest.mark.parametrize("name", PAIRS)
def test_a_comparison_has_a_false_difference_as_often_as_the_docs_say(name: str) -> None:
    for count, said in zip((64, 256, 1000), table("Comparisons")[name], strict=True):
        measured = false_differences(PAIRS[name], count, TRIES)
        error = math.sqrt(max(measured * (1 - measured), 0.01) / TRIES)
        assert said == pytest.approx(measured, abs=3 * error + 0.005), count
