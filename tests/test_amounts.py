"""Tests of reading amounts as people write them."""

from __future__ import annotations

import pytest

from physbench.amounts import describe_size, describe_time


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (170_400, "170 kB"), (999_900, "1.0 MB"), (1_577_000_000, "1.6 GB"),
        (6_700_000_000_000, "6.7 TB"), (12_345e12, "12,345 TB"),
    ],
)  # fmt: skip
def test_sizes(count: float, words: str) -> None:
    assert describe_size(count) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.1 s"), (0.42, "0.4 s"), (9.7, "9.7 s"), (75, "1.2 min"), (21_960, "6.1 h"), (100_000, "27.8 h"),
        (259_200, "3.0 days"), (86_400 * 365.25 * 20, "20.0 years"),
    ],
)  # fmt: skip
def test_times(seconds: float, words: str) -> None:
    assert describe_time(seconds) == words
