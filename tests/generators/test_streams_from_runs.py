"""Tests of the zlib streams that are written from runs: every decoder reads them, and the constant code is nearly
optimal."""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import deflate
import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from isal import isal_zlib
from zlib_ng import zlib_ng

import physbench
from physbench import registry
from physbench.recipe import Recipe
from physbench.scene import Span, Streams
from physbench_generators.balls.deflate import canonical, code_for, huffman_lengths, most_words, write_stream
from physbench_generators.balls.scenes import Balls

DECODERS: dict[str, Callable[[bytes, int], bytes]] = {
    "zlib": lambda stream, _: zlib.decompress(stream),
    "igzip": lambda stream, _: isal_zlib.decompress(stream),
    "zlib-ng": lambda stream, _: zlib_ng.decompress(stream),
    "libdeflate": lambda stream, length: bytes(deflate.zlib_decompress(stream, length)),
}


def split_up(streams: Streams) -> list[bytes]:
    ends = np.cumsum(streams.sizes, dtype=np.int64)
    return [streams.data[end - size : end].tobytes() for end, size in zip(ends, streams.sizes, strict=True)]


@st.composite
def movies(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], int, int, int]:
    """Any runs, not only those of discs: (start, end, owner) within rows; the frame's width; the length of the movie;
    how many owners."""
    width = draw(st.integers(2, 256))
    rows = draw(st.integers(1, 60))
    owners = draw(st.integers(2, 16))
    runs: list[tuple[int, int, int]] = []
    for row in sorted(draw(st.sets(st.integers(0, rows - 1), max_size=20))):
        ends = sorted(draw(st.sets(st.integers(0, width), min_size=2, max_size=6)))
        for start, end in zip(ends[::2], ends[1::2], strict=False):
            runs.append((row * width + start, row * width + end, draw(st.integers(1, owners))))
    return runs, width, rows * width, owners


@given(movies(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_runs_come_out_of_every_decoder(
    movie: tuple[list[tuple[int, int, int]], int, int, int], binary: bool
) -> None:
    runs, width, length, owners = movie
    pixels = np.zeros(length, np.uint8)
    for start, end, owner in runs:
        pixels[start:end] = 1 if binary else owner
    table = np.array(runs, np.int32).reshape(-1, 3)
    kinds = 1 if binary else owners
    out = np.empty(most_words(len(runs), length), np.uint32)
    size = write_stream(table, len(runs), length, width, kinds, code_for(kinds, width), out)
    assert size <= out.nbytes
    stream = out.view(np.uint8)[:size].tobytes()
    for decode in DECODERS.values():
        assert decode(stream, length) == pixels.tobytes()


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("name", ["balls4mass64", "balls678mass64", "balls3curtain64"])
def test_every_decoder_reads_the_named_datasets(name: str, decoder: str) -> None:
    recipe: Recipe = registry.datasets.get(name)
    scenes = recipe.scenes("test", 0, 8)
    streams, _ = recipe.generator.encode(recipe, Span("test", 0, 8))  # type: ignore[attr-defined]
    for array, written in streams.items():
        truth = scenes.arrays()[array]
        for sequence, stream in zip(truth, split_up(written), strict=True):
            assert DECODERS[decoder](stream, sequence.nbytes) == sequence.tobytes()


def test_h5py_reads_them_through_its_own_filter(tmp_path: Path) -> None:
    recipe = Recipe(
        dataset="balls", generator=Balls(n=(6, 8), curtain=20, crop=50, gravity=0.05), splits={"test": 40}, frames=20
    )
    path = physbench.generate(recipe, tmp_path / "x.h5")
    scenes = recipe.scenes("test", 0, 40)
    with h5py.File(path) as file:
        for name in ("features", "groups", "collisions"):
            np.testing.assert_array_equal(file["test"][name][...], scenes.arrays()[name].swapaxes(0, 1))
    assert physbench.verify(path).sequences_remade == 40


@pytest.mark.parametrize(("owners", "width"), [(1, 2), (1, 64), (4, 64), (16, 256), (3, 50)])
def test_the_code_is_complete_and_no_look_up_has_more_than_32_bits(owners: int, width: int) -> None:
    code = code_for(owners, width)
    assert max(code.run_bits.max(), code.copy_bits.max()) <= 32
    lengths = huffman_lengths({symbol: symbol + 1 for symbol in range(40)}, limit=10)
    assert sum(2.0**-length for length in lengths.values()) == 1.0  # Kraft: no bit pattern is left without a meaning
    words = {word for word, _ in canonical(lengths).values()}
    assert len(words) == len(lengths)


def test_the_constant_code_is_within_three_per_cent_of_the_best() -> None:
    """Symbols are counted by decoding the streams bit by bit; the entropy of the counts is what no code can beat."""
    recipe: Recipe = registry.datasets.get("balls4mass64")
    streams, _ = recipe.generator.encode(recipe, Span("validation", 0, 3))  # type: ignore[attr-defined]
    for array in ("features", "groups"):
        counts: Counter[int] = Counter()
        coded = 0
        for stream in split_up(streams[array]):
            found, bits = symbols_of(stream)
            counts += found
            coded += bits
        total = sum(counts.values())
        best = sum(-number * math.log2(number / total) for number in counts.values())
        assert coded < 1.03 * best


def symbols_of(stream: bytes) -> tuple[Counter[int], int]:
    """A slow inflate [RFC 1951] of a stream with one dynamic block: the literal and length symbols, and the bits their
    code words took."""
    bits = int.from_bytes(stream, "little")
    at = 16

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & ((1 << count) - 1)
        at += count
        return value

    def decoder(lengths: list[int]) -> dict[tuple[int, int], int]:
        codes: dict[tuple[int, int], int] = {}
        code = 0
        for length in range(1, 16):
            for symbol, own in enumerate(lengths):
                if own == length:
                    codes[length, code] = symbol
                    code += 1
            code <<= 1
        return codes

    def symbol(codes: dict[tuple[int, int], int]) -> tuple[int, int]:
        code = 0
        for length in range(1, 16):
            code = code << 1 | take(1)
            if (length, code) in codes:
                return codes[length, code], length
        raise AssertionError("not a code word")

    assert (take(1), take(2)) == (1, 2)
    literals, distances, stated = take(5) + 257, take(5) + 1, take(4) + 4
    lengths = [0] * 19
    for place in (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)[:stated]:
        lengths[place] = take(3)
    codes, all_lengths = decoder(lengths), []
    while len(all_lengths) < literals + distances:
        found, _ = symbol(codes)
        assert found != 16
        all_lengths += [found] if found < 16 else [0] * (3 + take(3) if found == 17 else 11 + take(7))
    letters, far = decoder(all_lengths[:literals]), decoder(all_lengths[literals:])
    counts: Counter[int] = Counter()
    spent = 0
    while True:
        found, length = symbol(letters)
        counts[found] += 1
        spent += length
        if found == 256:
            return counts, spent
        if found > 256:
            take(0 if found < 265 or found == 285 else (found - 261) // 4)
            distance, _ = symbol(far)
            take(max(0, distance // 2 - 1))
