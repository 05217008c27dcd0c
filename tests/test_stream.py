"""Tests of streams: they give what a file would hold, the same in any process, and never overwrite a batch in use."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

import physbench
from physbench.errors import PhysbenchError
from physbench.recipe import Recipe
from physbench.stream import Stream
from physbench_generators.balls.scenes import Balls

RECIPE = Recipe(
    dataset="balls", generator=Balls(n=(2, 3), size=24, radius=3.0), frames=12, splits={"training": 40, "test": 8}
)


def some(stream: Stream, count: int) -> list[dict[str, NDArray[Any]]]:
    return list(islice(iter(stream), count))


def same(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]), name)


def test_a_stream_is_what_the_file_holds_and_goes_on_beyond_its_end(tmp_path: Path) -> None:
    training = physbench.open(physbench.generate(RECIPE, tmp_path / "x.h5"))["training"]
    for number, batch in enumerate(some(physbench.stream(RECIPE, batch=16), 4)):
        truth = RECIPE.generator.batch(RECIPE.seeds("training", 16 * number, 16 * number + 16), 12).arrays()
        same(batch, truth)
        if number < 2:
            same(batch, training[16 * number : 16 * number + 16])


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_the_number_of_threads_changes_nothing(workers: int) -> None:
    for one, other in zip(
        some(physbench.stream(RECIPE, batch=5, workers=workers), 7),
        some(physbench.stream(RECIPE, batch=5, workers=0), 7),
        strict=True,
    ):
        same(one, other)


def test_only_the_arrays_that_are_asked_for_are_made() -> None:
    whole = next(iter(physbench.stream(RECIPE, batch=6)))
    for name in (name for name in RECIPE.generator.arrays if not name.startswith("events/")):
        same(next(iter(physbench.stream(RECIPE, batch=6, only=(name,)))), {name: whole[name]})


def test_seed_and_start_choose_the_sequences() -> None:
    first, second = some(physbench.stream(RECIPE, batch=8, seed=0), 2)
    same(next(iter(physbench.stream(RECIPE, batch=8, start=8, seed=0))), second)
    assert (first["position"] != next(iter(physbench.stream(RECIPE, batch=8, seed=1)))["position"]).any()


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_a_batch_that_is_kept_is_not_written_over(workers: int) -> None:
    """Memory is used again when nothing refers to it: keep whole batches, single arrays, views of views."""
    kept: list[tuple[Any, bytes]] = []
    for number, batch in enumerate(
        some_by_one(physbench.stream(RECIPE, batch=4, only=("features", "groups"), workers=workers), 40)
    ):
        held = (
            batch["features"],
            batch["groups"][1:2].reshape(-1)[3:],
            np.asarray(batch["features"])[..., 0].swapaxes(0, 1),
        )[number % 3]
        if number % 4 != 3:
            kept.append((held, held.tobytes()))
    assert all(held.tobytes() == was for held, was in kept)


def some_by_one(stream: Stream, count: int) -> Iterator[dict[str, NDArray[Any]]]:
    yield from islice(stream, count)


def test_memory_without_references_is_used_again() -> None:
    places = set()
    for batch in islice(physbench.stream(RECIPE, batch=64, only=("features",), workers=1), 30):
        places.add(batch["features"].ctypes.data)
    assert len(places) <= 5


def test_shares_together_are_the_stream() -> None:
    whole = some(physbench.stream(RECIPE, batch=4), 12)
    shared = physbench.stream(RECIPE, batch=4).take_share(1, 2)  # batches 1, 3, 5, ...
    for part in range(3):
        for batch, truth in zip(some(shared.take_share(part, 3), 2), whole[1 + 2 * part :: 6], strict=True):
            same(batch, truth)


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
def test_loader_workers_and_ranks_share_the_stream(ranks: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = some(physbench.stream(RECIPE, batch=4), 8)
    for rank in range(ranks):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(ranks))
        loader = DataLoader(physbench.stream(RECIPE, batch=4).torch(), batch_size=None, num_workers=workers)
        for batch, truth in zip(islice(loader, 4), whole[rank::ranks], strict=False):
            assert batch["features"].dtype.is_floating_point is False
            same({name: array.numpy() for name, array in batch.items()}, truth)


@pytest.mark.parametrize("settings", [{}, {"window": 3, "dtype": "float32", "time_first": True}])
def test_a_stream_for_torch_gives_tensors_with_a_loader_and_without(settings: dict[str, Any]) -> None:
    data = physbench.stream(RECIPE, batch=4).torch(**settings)
    for batch, loaded in islice(zip(data, DataLoader(data, batch_size=None, num_workers=1), strict=False), 3):
        assert batch.keys() == loaded.keys()
        for name, tensor in batch.items():
            assert isinstance(tensor, torch.Tensor) and tensor.dtype == loaded[name].dtype
            assert torch.equal(tensor, loaded[name])


def test_a_tensor_of_a_stream_is_the_array_and_no_copy_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    arrays: list[Any] = []
    view = import_module("physbench.stream.torch_view")
    monkeypatch.setattr(view, "known_to_torch", lambda array: arrays.append(array) or array)
    batch = next(iter(physbench.stream(RECIPE, batch=4, only=("features", "groups")).torch()))
    assert [tensor.data_ptr() for tensor in batch.values()] == [array.ctypes.data for array in arrays]


def test_a_stream_can_be_pickled_and_left_at_any_time() -> None:
    stream = physbench.stream(RECIPE, batch=4)
    iterator = iter(stream)
    next(iterator)
    iterator.close()  # type: ignore[attr-defined]
    same(next(iter(pickle.loads(pickle.dumps(stream)))), next(iter(stream)))


@pytest.mark.parametrize(
    "wrong", [{"split": "tset"}, {"batch": 0}, {"start": -1}, {"workers": -1}, {"only": ("pixels",)}, {"seed": -1}]
)
def test_what_cannot_be_streamed_is_said_at_once(wrong: dict[str, Any]) -> None:
    with pytest.raises(PhysbenchError):
        physbench.stream(RECIPE, **wrong)


@pytest.mark.parametrize("made", ["physbench.stream('balls')", "physbench.open('x.h5')['test']"])
def test_without_torch_the_missing_package_is_named(made: str, tmp_path: Path) -> None:
    physbench.generate(RECIPE, tmp_path / "x.h5")
    code = f"import sys; sys.modules['torch'] = None; import physbench; {made}.torch()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1].startswith("physbench.errors.MissingPackage: this needs PyTorch")
