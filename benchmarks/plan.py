"""The plan of the benchmarks: how much is measured."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much each benchmark measures."""

    repetitions: int = 3
    sequences: int = 20_000
    """Sequences of a dataset that physbench makes; the rivals make fewer, and the costs per sequence are compared."""
    drawn: int = 400  # of numba + gzip
    stepped: int = 40  # of the Python and pymunk rivals
    frames: int = 51
    collisions: int = 1_000
    flights: int = 6
    whole: int = 70_000
    file: int = 2_000  # sequences in the file that is read
    batches: int = 30
    slow_batches: int = 2
    indexed: int = 300  # frames that scikit-learn is given
    evaluated: int | None = None  # sequences; None = as many as the sizes of a suite have
    processes: int = 5
    cold_processes: int = 2
    staged: int = 2_048
    verified: int = 10_000
    observed: int = 20  # steps of a trained model
    images: int = 20_000
    large_batch: int = 1  # images, or sequences, in a step of a model in the size of the paper
    small_batch: int = 8  # in a step of a small model
    refined: int = 4  # frames of a sequence for IODINE
    followed: int = 3  # frames of a sequence for SQAIR and R-SQAIR
    refinements: tuple[int, ...] = (1, 5)  # of an image


FULL = Plan()
QUICK = Plan(
    repetitions=1,
    sequences=1_000,
    drawn=32,
    stepped=5,
    collisions=40,
    flights=2,
    whole=2_000,
    file=256,
    batches=4,
    slow_batches=1,
    indexed=20,
    evaluated=64,
    processes=1,
    cold_processes=1,
    staged=256,
    verified=500,
    observed=2,
    images=1_000,
    large_batch=1,
    small_batch=1,
    refined=1,
    followed=1,
    refinements=(1,),
)
