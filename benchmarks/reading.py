"""Question 4: how many batches of 64 does a training loop get, in random order, from one core?"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

import physbench
from benchmarks.report import Table, percent
from benchmarks.timing import cost_of, interleave
from physbench.registry import datasets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from benchmarks.plan import Plan

BATCH = 64
FRESH = 5
"""A stream is measured for so many times more batches, so that unused batches made ahead hardly matter."""
ABOUT = f"""
`balls4mass64`, {BATCH} sequences a batch (13 MB of pixels an array), uint8, random order, everything on one core:
batches per second of CPU time, and of wall time beside it. The file is one of ours, {{count:,}} sequences, in the page
cache. *h5py loop*: `dataset[:, i]` for each sequence. *h5py fancy indexing*: `dataset[:, indices]`, indices sorted, as
h5py wants them. *stream*: new sequences, nothing is read.
"""


def table(plan: Plan, scratch: Path) -> Table:
    """Measure, and return the table."""
    path = physbench.generate(
        replace(datasets.get("balls4mass64"), splits={"training": plan.file}), scratch / "read.h5"
    )
    ways: dict[str, tuple[int, Callable[[int], object]]] = {}
    with h5py.File(path) as file, _one_core():
        for fields in (("features",), ("features", "groups")):
            what, plain = " + ".join(fields), [file["training"][name] for name in fields]
            split = physbench.open(path)["training"].only(*fields)
            ways |= {
                f"h5py fancy indexing, {what}": (plan.slow_batches, partial(_take, partial(_fancy, plain), len(split))),
                f"h5py loop, {what}": (plan.batches, partial(_take, partial(_loop, plain), len(split))),
                f"**our reader**, {what}": (plan.batches, partial(_take, split.__getitem__, len(split))),
                f"**stream**, made when asked for, {what}": (plan.batches * FRESH, partial(_fresh, fields, 0)),
                f"**stream**, one thread ahead, {what}": (plan.batches * FRESH, partial(_fresh, fields, 1)),
            }
        for _, read in ways.values():
            read(1)
        costs = interleave(
            {name: partial(cost_of, partial(read, count)) for name, (count, read) in ways.items()}, plan.repetitions
        )
    rows = [
        _row(name, count, costs[name].cpu, costs[name].wall, costs[name].spread) for name, (count, _) in ways.items()
    ]
    return Table(
        "4. Batches for training",
        ("way", "batches/s of CPU", "batches/s of wall", "CPU ms/batch", "spread"),
        rows,
        ABOUT.format(count=plan.file),
    )


def _row(name: str, count: int, cpu: float, wall: float, spread: float) -> tuple[str, ...]:
    return name, f"{count / cpu:,.3g}", f"{count / wall:,.3g}", f"{cpu / count * 1e3:,.3g}", percent(spread)


def _take(read: Callable[[NDArray[np.int64]], object], length: int, count: int) -> None:
    order = np.random.default_rng(0)
    for _ in range(count):
        read(order.choice(length, BATCH, replace=False))


def _loop(plain: list[h5py.Dataset], numbers: NDArray[np.int64]) -> list[NDArray[Any]]:
    return [np.stack([dataset[:, number] for number in numbers.tolist()]) for dataset in plain]


def _fancy(plain: list[h5py.Dataset], numbers: NDArray[np.int64]) -> list[NDArray[Any]]:
    return [dataset[:, np.sort(numbers)] for dataset in plain]


def _fresh(fields: tuple[str, ...], workers: int, count: int) -> None:
    for _ in islice(physbench.stream("balls4mass64", batch=BATCH, only=fields, workers=workers), count):
        pass


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this thread, and those that it starts, on one core, if the system can do that."""
    if sys.platform != "linux":
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)
