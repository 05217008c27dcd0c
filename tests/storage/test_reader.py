"""Tests of the reader: it gives the stored arrays for one sequence, for many, and in batches."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.errors import StorageError
from tests.oracles.contract import read_stored, same


@pytest.mark.parametrize("name", ["mass", "many", "curtain", "colour", "crowd"])
def test_one_sequence_is_its_arrays_by_name(name: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(name)
    for split, count in made.recipe.splits.items():
        truth, read = read_stored(made.path, split), physbench.open(made.path)[split]
        assert len(read) == count
        for i in {0, count - 1, count // 2}:
            same(read[i], truth, i)
            assert {field: array.dtype for field, array in read[i].items()} == {
                field: array.dtype for field, array in truth.items()
            }


@pytest.mark.parametrize(
    "rows",
    [
        slice(None), slice(250, 260), slice(None, None, -7), slice(290, 10**9), slice(5, 5),
        [299, 0, 256, 255, 0], [-1, -300], [], np.array([3, 1], np.uint8), range(4, 0, -1),
    ],
    ids=str,
)  # fmt: skip
def test_many_sequences_in_any_order(many: Any, rows: Any) -> None:
    same(
        physbench.open(many.path)["training"][rows],
        read_stored(many.path, "training"),
        rows if isinstance(rows, slice) else np.asarray(rows, int),
    )


@pytest.mark.parametrize("row", [-1, -300, np.int64(7)])
def test_a_number_may_count_from_the_end(many: Any, row: int) -> None:
    same(physbench.open(many.path)["training"][row], read_stored(many.path, "training"), row)


@pytest.mark.parametrize(
    "rows", [300, -301, [0, 300], [-301], 10**30, "0", 1.0, [0.5], None, [[0]], [True], (0, "a")], ids=str
)
def test_a_sequence_out_of_range_is_an_index_error(many: Any, rows: Any) -> None:
    with pytest.raises(IndexError):
        physbench.open(many.path)["training"][rows]


def test_iterating_a_split_ends(tiny: Any) -> None:
    assert len(list(physbench.open(tiny.path)["training"])) == 3


def test_a_split_that_is_not_there_is_a_key_error(crowd: Any) -> None:
    file = physbench.open(crowd.path)
    assert list(file) == ["test"] and "training" not in file
    with pytest.raises(KeyError, match="it has test"):
        file["training"]


def test_arrays_that_are_read_may_be_changed(tiny: Any) -> None:
    read = physbench.open(tiny.path)["training"]
    for array in (read[0]["features"], read[0]["position"], *read[:].values(), *read.events(0).values()):
        array[...] = 0
    same(read[:], read_stored(tiny.path, "training"), slice(None))


def test_only_reads_what_is_asked_for(many: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = physbench.open(many.path)["training"].only("position", "count")
    monkeypatch.setattr("physbench.storage.reader.Split.inflate_into", None)
    assert {name: array.shape for name, array in read[2:5].items()} == {"position": (3, 8, 4, 2), "count": (3,)}
    assert {name: len(array) for name, array in next(read.batches(32)).items()} == {"position": 32, "count": 32}
    with pytest.raises(StorageError, match="no array 'pixels'"):
        read.only("pixels")


def test_events_are_the_rows_of_a_sequence(many: Any) -> None:
    read = physbench.open(many.path)["validation"]
    with h5py.File(many.path) as file:
        table = {name: column[()] for name, column in file["validation/events"].items()}
    for i in (0, 17, 39, -1):
        found = read.events(i)
        assert set(found) == {"time", "a", "b", "normal", "impulse", "position"}
        for name, column in found.items():
            np.testing.assert_array_equal(column, table[name][table["sequence"] == i % 40])
    with pytest.raises(IndexError):
        read.events(40)


@pytest.mark.parametrize(
    ("size", "drop_last", "lengths"),
    [(64, False, [64] * 4 + [44]), (64, True, [64] * 4), (300, True, [300]), (1000, False, [300]), (1000, True, [])],
)
def test_batches_hold_each_sequence_once(many: Any, size: int, drop_last: bool, lengths: list[int]) -> None:
    read = physbench.open(many.path)["training"].only("position")
    truth = read_stored(many.path, "training")["position"]
    number = {row.tobytes(): i for i, row in enumerate(truth)}
    orders: dict[int | None, list[int]] = {}
    for seed in (None, 0, 1, 2**40):
        batches = [batch["position"] for batch in read.batches(size, shuffle_seed=seed, drop_last=drop_last)]
        assert [len(batch) for batch in batches] == lengths
        orders[seed] = [number[row.tobytes()] for batch in batches for row in batch]
        assert len(set(orders[seed])) == sum(lengths)
        again = [
            number[row.tobytes()]
            for batch in read.batches(size, shuffle_seed=seed, drop_last=drop_last)
            for row in batch["position"]
        ]
        assert again == orders[seed]
    assert orders[None] == list(range(sum(lengths)))
    if lengths:
        assert len({tuple(order) for order in orders.values()}) == 4
    with pytest.raises(StorageError, match="at least 1"):
        next(read.batches(0))
