"""Tests of reading untrusted per-sequence sums: they are read as they were saved, or refused before they take
memory."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from physbench.errors import PhysbenchError, StorageError
from physbench.npz import read_npz
from physbench.result import load_run

PROVENANCE = {"model": "m", "suite": "s", "suite_version": 1, "size": "lite", "data_sha256": {}, "metric_version": 1}
PAIR = {"balls|bce|numerator": np.arange(1.0, 9.0), "balls|bce|denominator": np.ones(8)}


def save(path: Path, *, compressed: bool = True, **more: Any) -> Path:
    """As `save_sums` does, by NumPy itself."""
    arrays = {"provenance": np.array(json.dumps(PROVENANCE)), **PAIR, **more}
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save(tmp_path / "good.npz")


def npy(shape: str = "(8,)", descr: str = "'<f8'", version: bytes = b"\x01\x00", body: bytes = bytes(64)) -> bytes:
    """An array file with a given header."""
    header = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + version + struct.pack("<H" if version[0] == 1 else "<I", len(header)) + header + body


def archive(
    path: Path, member: bytes, *, method: int = zipfile.ZIP_DEFLATED, name: str = "balls|bce|numerator.npy"
) -> Path:
    """Sums of which one array is these bytes."""
    with zipfile.ZipFile(path, "w", method) as file:
        for key, array in {"provenance": np.array(json.dumps(PROVENANCE)), **PAIR}.items():
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array)
            file.writestr(f"{key}.npy", member if f"{key}.npy" == name else buffer.getvalue())
    return path


def patch(path: Path, signature: bytes, at: int, value: bytes) -> Path:
    """Every zip record of a kind changed."""
    stored = bytearray(path.read_bytes())
    place = stored.find(signature)
    while place >= 0:
        stored[place + at : place + at + len(value)] = value
        place = stored.find(signature, place + 1)
    path.write_bytes(stored)
    return path


CENTRAL = b"PK\x01\x02"
SPOILS: dict[str, Callable[[Path], Path]] = {
    "an unknown method": lambda path: patch(save(path), CENTRAL, 10, b"\x63\x00"),
    "encrypted": lambda path: patch(save(path), CENTRAL, 8, b"\x01\x00"),
    "bzip2": lambda path: archive(path, npy(), method=zipfile.ZIP_BZIP2),
    "lzma": lambda path: archive(path, npy(), method=zipfile.ZIP_LZMA),
    "sizes beyond all memory": lambda path: patch(save(path), CENTRAL, 24, b"\xff\xff\xff\x0f"),
    "a shape beyond all memory": lambda path: archive(path, npy("(10000000000,)")),
    "a shape beyond all numbers": lambda path: archive(path, npy(f"({'9' * 400},)")),
    "a shape below zero": lambda path: archive(path, npy("(-8,)")),
    "two shapes below zero": lambda path: archive(path, npy("(-8,-1)")),
    "a shape that is no number": lambda path: archive(path, npy("(8.0,)")),
    "a shape with less than there is": lambda path: archive(path, npy("(7,)")),
    "a shape with more than there is": lambda path: archive(path, npy("(9,)")),
    "a scalar": lambda path: archive(path, npy("()", body=bytes(8))),
    "no sequences": lambda path: save(
        path, **{"balls|bce|numerator": np.zeros(0), "balls|bce|denominator": np.zeros(0)}
    ),  # type: ignore[arg-type]
    "a pickle": lambda path: archive(path, npy("(1,)", "'|O'", body=b"\x80\x04N.")),
    "a record with a pickle": lambda path: archive(path, npy("(1,)", "[('x', '|O')]", body=bytes(8))),
    "a header that is no Python": lambda path: archive(path, npy("(8,)", "'<f8")),
    "a header that nests": lambda path: archive(path, npy("(" * 5000 + ")" * 5000)),
    "a header of another version": lambda path: archive(path, npy(version=b"\x03\x00")),
    "a header too long": lambda path: archive(path, npy("(8,)" + " " * 20_000)),
    "a header cut off": lambda path: archive(path, npy()[:20]),
    "no header": lambda path: archive(path, b"x" * 100),
    "nothing": lambda path: archive(path, b""),
    "a number beyond all sums": lambda path: save(path, **{"balls|bce|numerator": np.full(8, 1e308)}),  # type: ignore[arg-type]
    "a text for a number": lambda path: save(path, **{"balls|bce|numerator": np.array(["a"] * 8)}),  # type: ignore[arg-type]
    "a provenance that is no JSON": lambda path: save(path, provenance=np.array("{")),
    "a provenance that nests": lambda path: save(path, provenance=np.array("[" * 60_000)),
    "a provenance that is no character": lambda path: archive(
        path, npy("()", "'<U1'", body=b"\xff" * 4), name="provenance.npy"
    ),
    "a directory": lambda path: path.mkdir() or path,
    "a pipe": lambda path: os.mkfifo(path) or path,
}


@pytest.mark.parametrize("name", SPOILS)
def test_strange_sums_are_refused_in_one_line(name: str, tmp_path: Path, good: Path, cli: Any, refusal: Any) -> None:
    path = SPOILS[name](tmp_path / "x.npz")
    tracemalloc.start()
    with pytest.raises(StorageError) as refused:
        load_run(path)
    assert tracemalloc.get_traced_memory()[1] < 30_000_000
    tracemalloc.stop()
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    result = cli("compare", path, good)
    refusal(result.exit_code, result.stderr)
    assert not result.stdout


@pytest.mark.parametrize("compressed", [True, False])
def test_a_flipped_byte_is_refused_or_changes_no_number(compressed: bool, tmp_path: Path) -> None:
    sound = save(tmp_path / "good.npz", compressed=compressed).read_bytes()
    path, draw, refused = tmp_path / "x.npz", random.Random(0), 0
    for _ in range(600):
        spoilt = bytearray(sound)
        spoilt[draw.randrange(len(sound))] ^= draw.randrange(1, 256)
        path.write_bytes(spoilt)
        try:
            run = load_run(path)
        except PhysbenchError as error:
            assert "\n" not in str(error)
            refused += 1
            continue
        for pair in run.sums.values():
            assert [part.tolist() for part in pair] == [array.tolist() for array in PAIR.values()]
        assert run.provenance == PROVENANCE
    assert refused > 150


def test_what_numpy_saves_is_read_as_numpy_reads_it(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    arrays = {
        "columns": np.asfortranarray(draw.normal(size=(3, 4))),
        "turned": draw.normal(size=4).astype(">f8"),
        "none": np.zeros((0, 3)),
        "texts": np.array([["a", "bc"], ["", "d"]]),
        "truths": np.array([True, False]),
        "one": np.array(7, np.int16),
    }
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    found = read_npz(tmp_path / "x.npz", "arrays", most_arrays=10, most_bytes=1 << 20)
    with np.load(tmp_path / "x.npz") as expected:
        assert set(found) == set(expected.files)
        for name in found:
            assert found[name].dtype == expected[name].dtype
            np.testing.assert_array_equal(found[name], expected[name])


def test_more_than_is_allowed_is_not_read(good: Path) -> None:
    assert len(read_npz(good, "sums", most_arrays=3, most_bytes=1 << 20)) == 3
    for most in ({"most_arrays": 2, "most_bytes": 1 << 20}, {"most_arrays": 3, "most_bytes": 500}):
        with pytest.raises(StorageError):
            read_npz(good, "sums", **most)
