"""Tests of the random numbers of a sequence: a hash that is checked with whole numbers and by its moments."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from physbench_baselines import chance

WORD = 1 << 64


def finalise(word: int) -> int:
    """splitmix64's mixing of a 64-bit word, in whole numbers."""
    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9 % WORD
    word = (word ^ (word >> 27)) * 0x94D049BB133111EB % WORD
    return word ^ (word >> 31)


def slow_bits(seed: int, stream: int, position: int) -> int:
    golden = 0x9E3779B97F4A7C15
    key = finalise((finalise((seed + golden) % WORD) + golden * (2 * stream + 1)) % WORD)
    return finalise((key + golden * (position + 1)) % WORD)


def test_mixing_is_that_of_splitmix64() -> None:
    """Its published outputs for the seed 1234567: each is the mixed sum of the seed and multiples of one constant."""
    published = (6457827717110365317, 3203168211198807973, 9817491932198370423)
    assert tuple(finalise((1234567 + number * 0x9E3779B97F4A7C15) % WORD) for number in (1, 2, 3)) == published


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1, max_size=4), st.integers(0, 1000), st.integers(1, 5)
)
def test_the_hash_is_that_of_whole_numbers(seeds: list[int], stream: int, count: int) -> None:
    found = chance.bits(torch.tensor(seeds), stream, count).tolist()
    assert [[word % WORD for word in row] for row in found] == [
        [slow_bits(seed % WORD, stream, position) for position in range(count)] for seed in seeds
    ]
    uniform = chance.uniform(torch.tensor(seeds), stream, count)
    assert uniform.dtype == torch.float32
    assert uniform.tolist() == [
        [(slow_bits(seed % WORD, stream, position) >> 40) / (1 << 24) for position in range(count)] for seed in seeds
    ]
    normal = chance.normal(torch.tensor(seeds), stream, count)
    for row, seed in zip(normal.tolist(), seeds, strict=True):
        for position, value in enumerate(row):
            word = slow_bits(seed % WORD, stream, position)
            radius = math.sqrt(-2 * math.log(((word >> 32) + 1) / (1 << 32)))
            assert value == pytest.approx(
                radius * math.cos(2 * math.pi * (word & 0xFFFFFFFF) / (1 << 32)), rel=1e-6, abs=1e-6
            )


def test_uniform_numbers_are_uniform_and_normal_ones_normal() -> None:
    """Half a million of each, from seeds and streams as close as they can be; six standard errors."""
    seeds = torch.arange(50)
    uniform = torch.stack([chance.uniform(seeds, stream, 1000) for stream in range(10)]).double().numpy()
    normal = torch.stack([chance.normal(seeds, stream, 1000) for stream in range(10)]).double().numpy()
    error = 1 / math.sqrt(uniform.size)
    assert uniform.min() >= 0 and uniform.max() < 1
    assert abs(uniform.mean() - 1 / 2) < 6 * error * math.sqrt(1 / 12)
    assert abs(uniform.var() - 1 / 12) < 6 * error * math.sqrt(1 / 180)
    counts = np.histogram(uniform, bins=64, range=(0, 1))[0]
    assert ((counts - uniform.size / 64) ** 2 / (uniform.size / 64)).sum() < 63 + 6 * math.sqrt(2 * 63)
    assert abs(normal.mean()) < 6 * error
    assert abs(normal.var() - 1) < 6 * error * math.sqrt(2)
    assert abs((np.abs(normal) < 1).mean() - math.erf(math.sqrt(1 / 2))) < 6 * error * 0.47
    assert abs((np.abs(normal) < 2).mean() - math.erf(math.sqrt(2))) < 6 * error * 0.21
    assert 4 < np.abs(normal).max() < 6.7


def test_seeds_streams_and_positions_have_nothing_to_do_with_one_another() -> None:
    draws = torch.stack([chance.uniform(torch.arange(20), stream, 2000) for stream in range(5)]).reshape(100, 2000)
    correlation = torch.corrcoef(draws.double()) - torch.eye(100)
    assert float(correlation.abs().max()) < 6 / math.sqrt(2000)
    assert float(
        torch.corrcoef(torch.stack([draws[:, :-1].flatten(), draws[:, 1:].flatten()]).double())[0, 1].abs()
    ) < 6 / math.sqrt(draws.numel())


def test_a_row_depends_on_its_seed_alone() -> None:
    seeds = torch.tensor([5, -7, 1 << 62, 0])
    whole = chance.normal(seeds, 3, 100)
    for row, seed in enumerate(seeds):
        assert torch.equal(chance.normal(seed[None], 3, 100)[0], whole[row])
    assert torch.equal(chance.normal(seeds.flip(0), 3, 40), whole.flip(0)[:, :40])
