"""Bytes flipped anywhere are refused or change nothing; nothing crashes, nothing hangs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physbench.storage.hdf5 import lookup3
from tests.oracles.judge import Judge


@pytest.fixture(scope="module")
def judge(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    judge = Judge(Path(shutil.copy(tiny.path, tmp_path_factory.mktemp("judge") / "spoiled.h5")))
    yield judge
    judge.close()


FUZZ = settings(max_examples=80, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
LONGER = settings(FUZZ, max_examples=5000, derandomize=False)


def flips(size: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Of the whole file, or of its structure alone: that lies at its end."""
    place = st.integers(0, size - 1) | st.integers(size * 4 // 5, size - 1) | st.integers(0, 47)
    return st.lists(st.tuples(place, st.integers(1, 255)), min_size=1, max_size=8)


def structure_flips(sound: bytes) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Changes within one object header or the superblock, its checksum put right: what a liar would write."""
    headers = [(0, 44)] + [(at, 10 + int.from_bytes(sound[at + 6 : at + 10], "little")) for at in range(0, len(sound), 8) if sound[at : at + 4] == b"OHDR"]

    def lie(header: tuple[int, int], changes: list[tuple[float, int]]) -> list[tuple[int, int]]:
        at, length = header
        told = bytearray(sound[at : at + length])
        for where, value in changes:
            told[8 + int(where * (length - 8))] ^= value
        told += lookup3(bytes(told)).to_bytes(4, "little")
        return [(at + i, old ^ new) for i, (old, new) in enumerate(zip(sound[at : at + length + 4], told, strict=True)) if old != new]

    changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3)
    return st.builds(lie, st.sampled_from(headers), changes)


def judged(judge: Judge, data: st.DataObject) -> None:
    strategy = flips(len(judge.sound)) | structure_flips(judge.sound)
    drawn = data.draw(strategy)
    assert judge(drawn) in ("equal", "refused"), drawn


@FUZZ
@given(data=st.data())
def test_flipped_bytes_are_refused_or_change_nothing(judge: Judge, data: st.DataObject) -> None:
    judged(judge, data)


@pytest.mark.slow
@LONGER
@given(data=st.data())
def test_flipped_bytes_are_refused_or_change_nothing_at_length(judge: Judge, data: st.DataObject) -> None:
    judged(judge, data)
