"""Tests of bytes flipped anywhere: the file is refused or reads the same, and nothing crashes or hangs."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from physbench.errors import HostileFile
from physbench.storage.hdf5 import lookup3
from physbench.storage.heaps import require_sound_heaps
from tests.oracles.judge import Judge


@pytest.fixture(scope="module")
def judge(tiny: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    judge = Judge(Path(shutil.copy(tiny.path, tmp_path_factory.mktemp("judge") / "spoiled.h5")))
    yield judge
    judge.close()


FUZZ = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
LONGER = settings(FUZZ, max_examples=5000, derandomize=False)


def flips(size: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Of the whole file, or of its structure alone: that lies at its end."""
    place = st.integers(0, size - 1) | st.integers(size * 4 // 5, size - 1) | st.integers(0, 47)
    return st.lists(st.tuples(place, st.integers(1, 255)), min_size=1, max_size=8)


def structure_flips(sound: bytes) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Changes within one object header or the superblock, its checksum put right: what a liar would write."""
    headers = [(0, 44)] + [
        (at, 10 + int.from_bytes(sound[at + 6 : at + 10], "little"))
        for at in range(0, len(sound), 8)
        if sound[at : at + 4] == b"OHDR"
    ]

    def lie(header: tuple[int, int], changes: list[tuple[float, int]]) -> list[tuple[int, int]]:
        at, length = header
        told = bytearray(sound[at : at + length])
        for where, value in changes:
            told[8 + int(where * (length - 8))] ^= value
        told += lookup3(bytes(told)).to_bytes(4, "little")
        return [
            (at + i, old ^ new)
            for i, (old, new) in enumerate(zip(sound[at : at + length + 4], told, strict=True))
            if old != new
        ]

    changes = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), min_size=1, max_size=3)
    return st.builds(lie, st.sampled_from(headers), changes)


def check_judge(judge: Judge, data: st.DataObject) -> None:
    strategy = flips(len(judge.sound)) | structure_flips(judge.sound)
    drawn = data.draw(strategy)
    assert judge(drawn) in ("equal", "refused"), drawn


@pytest.mark.slow
@FUZZ
@given(data=st.data())
def test_flipped_bytes_are_refused_or_change_nothing(judge: Judge, data: st.DataObject) -> None:
    check_judge(judge, data)


@pytest.mark.slow
@LONGER
@given(data=st.data())
def test_flipped_bytes_are_refused_or_change_nothing_at_length(judge: Judge, data: st.DataObject) -> None:
    check_judge(judge, data)


@pytest.mark.slow
def test_a_heap_in_which_hdf5_would_walk_for_ever_is_refused(judge: Judge) -> None:
    """Each object of the heap of texts in turn is of no length, of a huge one, or of one a little off."""
    sound = judge.sound
    heap = sound.index(b"GCOL\x01")
    end = heap + int.from_bytes(sound[heap + 8 : heap + 16], "little")
    at, objects = heap + 16, 0
    while at + 16 <= end:
        length = int.from_bytes(sound[at + 8 : at + 16], "little")
        for wrong in (0, length ^ 4, length + 8, (1 << 64) - 16):
            flips = [
                (at + 8 + i, old ^ new)
                for i, (old, new) in enumerate(zip(sound[at + 8 : at + 16], wrong.to_bytes(8, "little"), strict=True))
                if old != new
            ]
            assert judge(flips) in ("equal", "refused"), (at, wrong)
        used = int.from_bytes(sound[at : at + 2], "little") > 0
        at += 16 + (length + 7) // 8 * 8 if used else length
        objects += 1
    assert objects > 1


def test_heaps_are_looked_for_at_both_ends(tmp_path: Path) -> None:
    head = b"\x89HDF\r\n\x1a\n\x03\x08\x08" + bytes(5)
    endless = b"GCOL\x01" + bytes(3) + (32).to_bytes(8, "little") + bytes(16)  # an object of no length
    path = tmp_path / "x.h5"
    for parts, refused in (
        ((endless, b"", b""), True),
        ((b"", b"", endless), True),
        ((b"", endless, b""), False),
        ((b"", b"", b""), False),
    ):
        path.write_bytes(head + parts[0] + bytes(5000) + parts[1] + bytes(5000) + parts[2])
        with pytest.raises(HostileFile, match="damaged") if refused else nullcontext():
            require_sound_heaps(path, ends=1000)
    path.write_bytes(head[:9])
    require_sound_heaps(path)
