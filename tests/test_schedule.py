"""The simulation of a large job: held to closed forms, and its table in docs/scale.md to what it gives."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.report import markdown
from benchmarks.schedule import Job, simulate, table

NEVER = 1e18
PAGE = Path(__file__).parent.parent / "docs" / "scale.md"


@given(shards=st.integers(1, 60), workers=st.integers(1, 9), seconds=st.floats(0.1, 1e3))
def test_without_failures_the_shards_are_made_in_rounds(shards: int, workers: int, seconds: float) -> None:
    job = Job(10 * shards, 10, workers, sequence=seconds, overhead=1.0, lifetime=NEVER)
    outcome = simulate(job)
    assert outcome.wall == pytest.approx(math.ceil(shards / workers) * (1 + 10 * seconds))
    assert outcome.lost == outcome.failures == 0


@pytest.mark.parametrize("share", [0.1, 1.0, 2.0])
def test_one_worker_that_fails_takes_the_time_of_the_closed_form(share: float) -> None:
    """A task of length d that begins again after each failure, at a rate of r, with repairs of length R, takes
    (1 / r + R) (exp(r d) - 1) on average."""
    shards, duration, repair = 20_000, 100.0, 30.0
    job = Job(shards, 1, 1, sequence=duration, overhead=0.0, lifetime=duration / share, replacement=repair)
    expected = (duration / share + repair) * math.expm1(share)
    assert simulate(job, seed=1).wall / shards == pytest.approx(expected, rel=0.03)


@given(seed=st.integers(0, 99), workers=st.integers(2, 8))
def test_failures_cost_time_and_no_shard_is_forgotten(seed: int, workers: int) -> None:
    good = Job(4_000, 100, workers, sequence=1.0, lifetime=NEVER)
    bad = Job(4_000, 100, workers, sequence=1.0, lifetime=300.0, replacement=50.0)
    outcome = simulate(bad, seed)
    assert outcome.wall >= simulate(good).wall or not outcome.failures
    assert workers * outcome.wall >= bad.shards * bad.duration + outcome.lost - 1e-6


@pytest.mark.slow
def test_the_page_shows_the_table_of_the_command() -> None:
    assert markdown(table()).partition("\n\n")[2].strip() in PAGE.read_text(encoding="utf-8")
