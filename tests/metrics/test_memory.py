"""Tests of metrics of bytes and bits of a memory against scikit-learn, loops, and known entropies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import f1_score

from physbench.metrics import sums
from physbench.metrics.memory import LEAST_ENTROPY, bit_f1, count_bytes, entropies, slot_accuracy
from physbench.states import read_memory, show_memory

Array = NDArray[Any]


def memories(seed: int, *, alike: float = 0.8) -> tuple[Array, Array, Array]:
    """Bytes (3, 4, 128) twice, the second mostly as the first, and which slots are scored."""
    rng = np.random.default_rng(seed)
    there = rng.integers(0, 256, (3, 4, 128), np.uint8)
    other = rng.integers(0, 256, (3, 4, 128), np.uint8)
    return there, np.where(rng.random(there.shape) < alike, there, other), rng.random(128) < 0.3


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_f1_is_that_of_scikit_learn(seed: int) -> None:
    there, said, scored = memories(seed)
    true, predicted = (show_memory(array)[:, :, scored].reshape(-1) for array in (there, said))
    assert sums.value(bit_f1(there, said, scored)) == pytest.approx(f1_score(true, predicted), abs=1e-12)


@given(st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_slot_is_right_with_all_its_bits(seed: int) -> None:
    there, said, scored = memories(seed)
    right = [
        all((there[n, s, slot] >> bit) & 1 == (said[n, s, slot] >> bit) & 1 for bit in range(8))
        for n in range(3) for s in range(4) for slot in range(128) if scored[slot]
    ]  # fmt: skip
    assert sums.value(slot_accuracy(there, said, scored)) == pytest.approx(sum(right) / len(right), abs=1e-12)


def test_slots_that_are_not_scored_count_nowhere() -> None:
    there, said, scored = memories(1)
    spoilt = np.where(scored, said, ~there)
    for metric in (slot_accuracy, bit_f1):
        assert sums.value(metric(there, said, scored)) == sums.value(metric(there, spoilt, scored))
        assert math.isnan(sums.value(metric(there, said, np.zeros(128, bool))))


@pytest.mark.parametrize("kinds", [1, 2, 4, 256])
def test_the_entropy_of_even_shares_is_the_logarithm_of_their_number(kinds: int) -> None:
    ram = np.broadcast_to((np.arange(512) % kinds).astype(np.uint8).reshape(4, 128, 1), (4, 128, 128))
    np.testing.assert_allclose(entropies(count_bytes(ram)), math.log(kinds), atol=1e-12)


@pytest.mark.parametrize(("share", "passes"), [(0.25, False), (0.3, True)])
def test_the_filter_lies_where_the_entropy_of_a_coin_says(share: float, passes: bool) -> None:
    """-p ln p - (1 - p) ln (1 - p) is 0.5623 at 1/4 and 0.6109 at 0.3."""
    ram = np.zeros((10, 100, 128), np.uint8)
    ram.reshape(1000, 128)[: int(1000 * share), 7] = 99
    found = entropies(count_bytes(ram))
    assert found[7] == pytest.approx(-share * math.log(share) - (1 - share) * math.log(1 - share))
    assert (found > LEAST_ENTROPY).tolist() == [slot == 7 and passes for slot in range(128)]


def test_counts_are_those_of_each_slot() -> None:
    ram = np.random.default_rng(2).integers(0, 5, (3, 4, 128), np.uint8)
    counts = count_bytes(ram)
    for slot, value in np.ndindex(128, 6):
        assert counts[slot, value] == (ram[:, :, slot] == value).sum()
    assert counts.sum() == ram.size


@given(st.integers(0, 1000))
@settings(max_examples=10, deadline=None)
def test_bits_are_read_as_they_are_shown(seed: int) -> None:
    ram = np.random.default_rng(seed).integers(0, 256, (2, 3, 128), np.uint8)
    shown = show_memory(ram)
    assert (
        shown.shape == (2, 3, 128, 8, 1)
        and [int("".join(map(str, byte)), 2) for byte in shown[0, 0, :, :, 0]] == ram[0, 0].tolist()
    )
    np.testing.assert_array_equal(read_memory(shown), ram)
    np.testing.assert_array_equal(read_memory(np.where(shown > 0, 0.51, 0.5)), ram)
