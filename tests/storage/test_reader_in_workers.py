"""Tests of the reader in worker processes: pickled, forked, spawned, collated."""

from __future__ import annotations

import multiprocessing
import pickle
from typing import Any

import pytest

import physbench
from tests.oracles.contract import read_stored, same


def test_a_handle_survives_pickling(many: Any) -> None:
    file = physbench.open(many.path)
    split = file["test"].only("features", "visible")
    split[0]
    for kept in (
        pickle.loads(pickle.dumps(split)),
        pickle.loads(pickle.dumps(file))["test"].only("features", "visible"),
    ):
        truth = read_stored(many.path, "test")
        same(kept[[5, 69]], {name: truth[name] for name in ("features", "visible")}, [5, 69])
    assert len(pickle.dumps(file)) < 10_000


@pytest.mark.parametrize(
    ("method", "used_before"),
    [("fork", True), ("spawn", False), pytest.param("forkserver", True, marks=pytest.mark.slow)],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_workers_of_a_data_loader_read_the_same(many: Any, method: str, used_before: bool) -> None:
    data = pytest.importorskip("torch.utils.data")
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip("not on this system")
    read = physbench.open(many.path)["test"]
    if used_before:
        read[0]
    loader = data.DataLoader(read.torch(), batch_size=20, num_workers=2, multiprocessing_context=method)
    truth, seen = read_stored(many.path, "test"), 0
    for batch in loader:
        rows = slice(seen, seen + len(batch["count"]))
        same(batch, truth, rows)
        seen = rows.stop
    assert seen == 70


def test_the_default_collate_makes_tensors_and_keeps_bytes_bytes(many: Any) -> None:
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(physbench.open(many.path)["test"].torch(), batch_size=7)
    batch = next(iter(loader))
    assert batch["features"].dtype == torch.uint8 and tuple(batch["features"].shape) == (7, 8, 24, 24, 1)
    assert batch["position"].dtype == torch.float32 and batch["visible"].dtype == torch.int32
    same(batch, read_stored(many.path, "test"), slice(0, 7))


def test_sequences_of_different_numbers_of_balls_collate(crowd: Any) -> None:
    data = pytest.importorskip("torch.utils.data")
    batch = next(iter(data.DataLoader(physbench.open(crowd.path)["test"].torch(), batch_size=20)))
    assert tuple(batch["position"].shape) == (20, 51, 8, 2) and set(batch["count"].tolist()) == {6, 7, 8}
