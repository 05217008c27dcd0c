"""Tests of buffers: memory is used again, but never while it is still visible."""

from __future__ import annotations

import gc
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from physbench.storage.buffers import MOST, Buffers


def address(array: Any) -> int:
    return np.asarray(array).__array_interface__["data"][0]


def test_memory_without_references_is_used_again_and_may_be_written() -> None:
    buffers = Buffers()
    first = buffers.take(1000)
    first[:] = 7
    place = address(first)
    del first
    again = buffers.take(1000)
    assert address(again) == place and again.flags.writeable and again.shape == (1000,) and again.dtype == np.uint8


HOLDS: dict[str, Callable[[np.ndarray[Any, Any]], Any]] = {
    "a view": lambda array: array[:],
    "a slice of a slice": lambda array: array[100:].reshape(-1, 4)[3:, 1],
    "another shape and type": lambda array: array.reshape(10, 100).view(np.float32).T,
    "a memoryview": memoryview,
    "an iterator": np.nditer,
    "one of two": lambda array: (array, array.reshape(-1, 10))[1],
    "a dictionary that holds itself": lambda array: [held := {"array": array[:5]}, held.update(itself=held), held][2],
}


@pytest.mark.parametrize("name", HOLDS)
def test_memory_is_not_lent_again_while_something_made_of_it_is_held(name: str) -> None:
    buffers = Buffers()
    array = buffers.take(1000)
    place, held = address(array), HOLDS[name](array)
    del array
    others = [buffers.take(1000) for _ in range(3)]
    assert place not in map(address, others)
    del held
    gc.collect()
    assert address(buffers.take(1000)) == place


def test_memory_is_not_lent_again_while_a_tensor_is_held() -> None:
    torch = pytest.importorskip("torch")
    buffers = Buffers()
    tensor = torch.from_numpy(buffers.take(1000).reshape(10, 100))[2:, 5]
    tensor[:] = 9
    for _ in range(3):
        buffers.take(1000)[:] = 1
    assert tensor.tolist() == [9] * 8
    place = tensor.untyped_storage().data_ptr()
    assert address(buffers.take(1000)) != place
    del tensor
    assert place in (address(buffers.take(1000)), *(address(memory) for memory in buffers._free))


def test_sizes_are_told_apart_and_only_a_few_wait() -> None:
    buffers = Buffers()
    assert [buffers.take(nbytes).nbytes for nbytes in (5, 0, 5, 9, 5)] == [5, 0, 5, 9, 5]
    lent = [buffers.take(100) for _ in range(3 * MOST)]
    assert len({address(array) for array in lent}) == 3 * MOST
    del lent
    assert len(buffers._free) == MOST


def test_memory_outlives_what_lent_it() -> None:
    array = Buffers().take(1000)
    gc.collect()
    array[:] = 3
    assert array.sum() == 3000


def test_threads_never_see_each_others_batches() -> None:
    buffers, wrong = Buffers(), []

    def work(number: int) -> None:
        chance, held = random.Random(number), []
        for turn in range(2_000):
            value = (number * 31 + turn) % 251
            array = buffers.take(chance.choice((64, 64, 65)))
            array[:] = value
            held.append((array[3:] if turn % 2 else array.reshape(-1, 1), value))
            if len(held) > 4:
                view, expected = held.pop(chance.randrange(len(held)))
                wrong.extend([] if (view == expected).all() else [expected])

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
