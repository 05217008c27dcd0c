"""Tests that damage is found: in the streams, in the digests, in a single bit."""

from __future__ import annotations

import random
import zlib
from pathlib import Path
from typing import Any

import h5py
import pytest

import physbench
from physbench.errors import DamagedFile, HostileFile
from physbench.generate import generate
from tests.builders.spoils import TRUE_ZEROS, Spoil, array_instead, attribute, chunk_written, link_to
from tests.oracles.contract import AXES

DEFLATED = ("features", "groups", "collisions")
DAMAGE: dict[str, Spoil] = {
    "one split under two names": link_to("validation", lambda file: file["training"]),
    "a shorter stream": chunk_written("training/features", zlib.compress(bytes(100))),
    "a longer stream": chunk_written("training/groups", zlib.compress(bytes(6 * 16 * 16 + 1))),
    "no stream": chunk_written("training/groups", bytes(60)),
    "three bytes": chunk_written("training/groups", b"abc"),
    "half a stream": chunk_written("training/collisions", TRUE_ZEROS[: len(TRUE_ZEROS) // 2]),
    "a gzip stream": chunk_written("training/features", zlib.compressobj(9, zlib.DEFLATED, 31).flush()),
    "a filter left out": chunk_written("training/features", bytes(6 * 16 * 16), mask=1),
    "a chunk left out": array_instead("training/position", shape=(6, 3, 2, 2)),
    "digest of the content": attribute("content_sha256", "0" * 64),
    "digest of the content, too short": attribute("content_sha256", ""),
    "digest of a split": attribute("content_sha256", "0" * 64, owner="test"),
    "digest of the recipe": attribute("recipe_sha256", "0" * 64),
    "another recipe": attribute("recipe", '{"parameters": {}}'),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_found_and_said_in_one_sentence(name: str, tiny: Any, copied: Any, cli: Any, refusal: Any) -> None:
    path = copied(tiny)
    DAMAGE[name](path)
    with pytest.raises((DamagedFile, HostileFile)) as refused:
        physbench.verify(path)
    assert "\n" not in str(refused.value)
    result = cli("verify", path)
    refusal(result.exit_code, result.stderr)


def test_other_pixels_cannot_hide_before_the_checksum_of_the_true_ones(tiny: Any, copied: Any) -> None:
    """A stream of other pixels, and after its end the four bytes that the digest is taken of."""
    path = copied(tiny)
    with h5py.File(path) as file:
        _, stored = file["training/features"].id.read_direct_chunk((0,) * 5)
    chunk_written("training/features", TRUE_ZEROS + stored[-4:])(path)
    with h5py.File(path) as file:
        assert not file["training/features"][:, 0].any()
    with pytest.raises(DamagedFile, match="training sequence 0: features is wrong in frame 0"):
        physbench.verify(path)


def stored_ranges(path: Path) -> dict[str, list[tuple[int, int]]]:
    """Where the bytes of each array lie."""
    ranges: dict[str, list[tuple[int, int]]] = {}
    with h5py.File(path) as file:
        for split in file:
            for name in AXES:
                dataset = file[split][name].id
                if dataset.get_create_plist().get_layout() == h5py.h5d.CHUNKED:
                    infos = [dataset.get_chunk_info(i) for i in range(dataset.get_num_chunks())]
                    ranges[f"{split}/{name}"] = [(info.byte_offset, info.size) for info in infos]
                else:
                    ranges[f"{split}/{name}"] = [(dataset.get_offset(), dataset.get_storage_size())]
    return ranges


@pytest.fixture(scope="module")
def single(recipe_of: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One split, and little of it."""
    return generate(
        recipe_of(training=2, frames=6, n=(2, 2), size=16, radius=2.0), tmp_path_factory.mktemp("single") / "single.h5"
    )


def found_flips(name: str, sound: Path, spoilt: Path, flips: int) -> int:
    """How many flipped bits of an array are found; those that are not may change nothing.

    A few bits of a deflate stream decode to the same pixels either way: where a copy comes from among equals, the
    filling of the last byte.
    """
    draw, good, places = random.Random(name), sound.read_bytes(), stored_ranges(sound)[name]
    found = 0
    for _ in range(flips):
        start, size = draw.choice(places)
        spoiled = bytearray(good)
        spoiled[start + draw.randrange(size)] ^= 1 << draw.randrange(8)
        spoilt.write_bytes(spoiled)
        try:
            physbench.verify(spoilt)
        except DamagedFile:
            found += 1
        else:
            assert zlib.decompress(spoiled[start : start + size]) == zlib.decompress(good[start : start + size])
    return found


@pytest.mark.parametrize("name", [f"training/{name}" for name in AXES])
def test_a_flipped_bit_is_found(name: str, single: Path, tmp_path: Path) -> None:
    if name.removeprefix("training/") in DEFLATED:
        assert found_flips(name, single, tmp_path / "spoilt.h5", 20) > 10
    else:
        assert found_flips(name, single, tmp_path / "spoilt.h5", 6) == 6


@pytest.mark.slow
@pytest.mark.parametrize("name", [f"training/{name}" for name in DEFLATED])
def test_a_flipped_bit_of_a_stream_is_found_at_length(name: str, single: Path, tmp_path: Path) -> None:
    assert found_flips(name, single, tmp_path / "spoilt.h5", 500) > 250
