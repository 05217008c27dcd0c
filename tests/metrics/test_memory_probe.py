"""Tests of probes of a memory against scikit-learn's ridge regression and scores, and against loops."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import Ridge
from sklearn.metrics import f1_score, r2_score
from sklearn.preprocessing import StandardScaler

from physbench.metrics import memory, memory_probe, sums
from physbench.metrics.memory_probe import RIDGES, MemoryProbe, solve_ridges

SLOTS = np.arange(128) % 40 == 3  # 3, 43, 83, 123
VARIABLES = (43, 7)


def draw(numbers: int, sequences: int = 15, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Codes, and memories of which they tell something."""
    rng = np.random.default_rng(seed)
    codes = rng.normal(3, 2, (sequences, 4, numbers)).astype(np.float32)
    ram = rng.integers(0, 256, (sequences, 4, 128), np.uint8)
    ram[..., 43] = np.clip(20 * codes[..., 0] + rng.normal(0, 9, codes.shape[:2]), 0, 255)
    ram[..., 3] = (codes[..., 1] > 3) * 129
    return codes, ram


@pytest.mark.parametrize("numbers", [9, 400])
def test_a_probe_is_scikit_learns_ridge_regression(numbers: int) -> None:
    """Of a code that is shorter than there are frames, and of a longer one."""
    codes, ram = draw(numbers)
    probe = MemoryProbe.fit(codes, ram, SLOTS, VARIABLES)
    x = StandardScaler().fit_transform(codes.reshape(60, numbers).astype(np.float64))
    bits = [
        (ram.reshape(60, 128)[:, slot] >> place) & 1 for slot in np.flatnonzero(SLOTS) for place in range(7, -1, -1)
    ]
    y = np.stack([*bits, *(ram.reshape(60, 128)[:, each] / ram[..., each].std() for each in VARIABLES)], axis=1).astype(
        np.float64
    )
    errors = []
    for ridge in RIDGES:  # fitted to the first four fifths, on codes that are centred already
        theirs = Ridge(alpha=ridge, fit_intercept=False).fit(x[:48], y[:48] - y[:48].mean(axis=0))
        errors.append(float(((theirs.predict(x[48:]) + y[:48].mean(axis=0) - y[48:]) ** 2).sum()))
    assert probe.ridge == RIDGES[int(np.argmin(errors))]
    theirs = Ridge(alpha=probe.ridge).fit(x, y)
    np.testing.assert_allclose(probe.weights, theirs.coef_.T, atol=1e-5)
    read, said = probe.read(codes), theirs.predict(x)
    np.testing.assert_allclose(read.values.reshape(60, 2), said[:, 32:], atol=1e-4)
    sure = (np.abs(said[:, :32] - 0.5) > 1e-4).reshape(60, 4, 8).all(axis=2)
    expected = np.packbits((said[:, :32] > 0.5).reshape(60, 4, 8), axis=2)[..., 0]
    np.testing.assert_array_equal(read.ram.reshape(60, 128)[:, SLOTS][sure], expected[sure])
    assert not read.ram[..., ~SLOTS].any()


@given(st.integers(0, 500), st.integers(2, 30), st.integers(1, 40), st.sampled_from(RIDGES))
@settings(max_examples=40, deadline=None)
def test_the_weights_solve_the_normal_equations(seed: int, rows: int, numbers: int, ridge: float) -> None:
    """Whichever of the two forms is taken."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(rows, numbers)).astype(np.float32), rng.normal(size=(rows, 3))
    found, weights = solve_ridges(x, y, max(rows - 1, 1), (ridge,))
    wide = x.astype(np.float64)
    np.testing.assert_allclose(
        wide.T @ (wide @ weights - (y - y.mean(axis=0))) + ridge * weights, 0, atol=1e-7 * ridge + 1e-9
    )
    assert found == ridge


def test_both_forms_say_the_same_and_pieces_of_a_code_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_probe, "CHUNK", 7)
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 60)).astype(np.float32), rng.normal(size=(50, 2))
    ridge, weights = solve_ridges(x, y, 40)
    padded = np.concatenate(
        [x, np.zeros((30, 60), np.float32)]
    )  # rows that say nothing, and make the code the shorter side
    for form in (memory_probe._Primal(x, 40), memory_probe._Dual(x, 40)):
        np.testing.assert_allclose(form.weights(y - y.mean(axis=0), ridge), weights, atol=1e-9)
        np.testing.assert_allclose(
            form.held_out(y[:40], ridge), memory_probe._Primal(padded, 40).held_out(y[:40], ridge)[:10], atol=1e-9
        )


def test_how_much_it_shrinks_is_what_the_held_out_sequences_want() -> None:
    """Where codes say everything, hardly; where they are noise, as much as it can."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(100, 300)).astype(np.float32)
    few = rng.normal(size=(100, 5)).astype(np.float32)
    assert solve_ridges(few, few.astype(np.float64), 80)[0] == min(RIDGES)
    assert solve_ridges(x, rng.normal(size=(100, 2)), 80)[0] == max(RIDGES)


def test_a_code_that_says_nothing_reads_the_commoner_bit_and_the_mean() -> None:
    _, ram = draw(2)
    read = MemoryProbe.fit(np.zeros((15, 4, 1), np.float32), ram, SLOTS, VARIABLES).read(
        np.full((2, 3, 1), 8.0, np.float32)
    )
    for slot in np.flatnonzero(SLOTS):
        commoner = (((ram.reshape(60, 128)[:, slot, None] >> np.arange(8)) & 1).mean(axis=0) > 0.5) @ (
            1 << np.arange(8)
        )
        assert (read.ram[..., slot] == commoner).all()
    np.testing.assert_allclose(
        read.values * [ram[..., each].std() for each in VARIABLES],
        [[[ram[..., each].mean() for each in VARIABLES]] * 3] * 2,
    )
    assert sums.value(read.explain(ram[:2, :3][..., list(VARIABLES)])) == pytest.approx(0, abs=1e-9)


def test_a_variable_that_never_changes_breaks_nothing() -> None:
    codes, ram = draw(5)
    ram[..., 7] = 9
    read = MemoryProbe.fit(codes, ram, SLOTS, VARIABLES).read(codes)
    np.testing.assert_allclose(read.values[..., 1], 9)
    assert np.isfinite(sums.value(read.explain(ram[..., list(VARIABLES)])))


def test_one_sequence_is_enough() -> None:
    codes, ram = draw(3, sequences=1)
    assert np.isfinite(MemoryProbe.fit(codes, ram, SLOTS, VARIABLES).weights).all()


def test_what_is_explained_of_one_variable_is_scikit_learns_r2() -> None:
    codes, ram = draw(5, sequences=40)
    probe = MemoryProbe.fit(codes, ram, SLOTS, (43,))
    there = ram[..., 43:44]
    found = sums.value(probe.read(codes).explain(there))
    assert (
        found
        == pytest.approx(
            r2_score(there.reshape(-1), probe.read(codes).values.reshape(-1) * ram[..., 43].std()), abs=1e-9
        )
        and found > 0.5
    )


def test_what_is_explained_of_several_is_a_loop_in_their_units() -> None:
    codes, ram = draw(5, sequences=6)
    read = MemoryProbe.fit(codes, ram, SLOTS, VARIABLES).read(codes)
    part = whole = 0.0
    for n, s in np.ndindex(6, 4):
        for v, address in enumerate(VARIABLES):
            unit, mean = ram[..., address].std(), ram[..., address].mean()
            whole += ((ram[n, s, address] - mean) / unit) ** 2
            part += ((ram[n, s, address] - read.values[n, s, v] * unit) / unit) ** 2
    assert sums.value(read.explain(ram[..., list(VARIABLES)])) == pytest.approx(1 - part / whole, abs=1e-9)


def test_the_f1_of_what_is_read_is_scikit_learns() -> None:
    codes, ram = draw(12, sequences=30)
    other, there = draw(12, sequences=20, seed=9)
    read = MemoryProbe.fit(codes, ram, SLOTS, VARIABLES).read(other)
    true, said = (np.unpackbits(array[..., SLOTS].reshape(-1)) for array in (there, read.ram))
    assert sums.value(memory.bit_f1(there, read.ram, SLOTS)) == pytest.approx(f1_score(true, said), abs=1e-12)
