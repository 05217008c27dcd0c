"""How long a cluster takes for a dataset in shards, when its workers fail: a simulation of docs/scale.md's plan.

Every worker takes the next shard as soon as it is free. It fails after a time that is drawn from an exponential
distribution; its shard is then lost and goes back to the others, and a new worker takes its place after a while. A
shard costs what its sequences cost, and a fixed time for each. Run `python -m benchmarks.schedule`.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace

import click
import numpy as np

from benchmarks.report import Table, markdown

HOUR = 3600.0


@dataclass(frozen=True)
class Job:
    """What is to be made, and on what. Times in seconds."""

    sequences: int
    shard_size: int
    workers: int
    sequence: float = 200e-6
    """CPU time of a sequence of `balls4mass64`."""
    overhead: float = 0.3
    """Fixed time of a shard: to hand it out, to open and to close its file."""
    lifetime: float = 24 * HOUR
    """Mean time until a worker fails."""
    replacement: float = 300.0
    """Until another worker takes its place."""

    @property
    def shards(self) -> int:
        return -(-self.sequences // self.shard_size)

    @property
    def duration(self) -> float:
        """Return the time of a whole shard on one worker that does not fail."""
        return self.overhead + self.shard_size * self.sequence


@dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    wall: float
    lost: float
    """Work of workers that failed, in seconds."""
    failures: int


def simulate(job: Job, seed: int = 0) -> Outcome:
    """Play a job through, event by event."""
    rng = np.random.default_rng(seed)
    waiting = job.shards
    returned: list[float] = []  # when the shards of failed workers can be taken again
    free = [(0.0, worker) for worker in range(job.workers)]
    dies = rng.exponential(job.lifetime, job.workers)
    wall, lost, failures = 0.0, 0.0, 0
    while free and (waiting or returned):
        now, worker = heapq.heappop(free)
        if waiting:
            waiting -= 1
        else:
            now = max(now, heapq.heappop(returned))
        end, failed = now + job.duration, max(now, float(dies[worker]))
        if end <= dies[worker]:
            wall = max(wall, end)
            heapq.heappush(free, (end, worker))
            continue
        lost, failures = lost + failed - now, failures + 1
        heapq.heappush(returned, failed)
        heapq.heappush(free, (failed + job.replacement, worker))
        dies[worker] = failed + job.replacement + rng.exponential(job.lifetime)
    return Outcome(wall, lost, failures)


PLANS = {
    "laptop, 4 cores": Job(10_000_000, 8192, 4),
    "node of 64 cores": Job(100_000_000, 8192, 64),
    "16 nodes of 64 cores": Job(1_000_000_000, 8192, 1024),
}
SIZES = (2048, 8192, 131_072, 1_048_576)
ABOUT = """
CPU time of a sequence 200 us, 0.3 s for each shard, a worker fails once a day on average and is replaced after 5
minutes. *Ideal*: no failures, no overhead. *Bad day*: workers fail once an hour. The costs are core-hours; multiply
by what your machine costs.
"""


def table() -> Table:
    """Simulate the plans, each with several sizes of shards."""
    rows: list[tuple[str, ...]] = []
    for name, plan in PLANS.items():
        ideal = plan.sequences * plan.sequence / plan.workers
        for size in SIZES:
            job = replace(plan, shard_size=size)
            good, bad = simulate(job), simulate(replace(job, lifetime=HOUR))
            rows.append(
                (
                    name, f"{plan.sequences:.0e}".replace("e+0", "e"), f"{size:,}", f"{job.shards:,}",
                    f"{ideal / 60:,.1f}", f"{good.wall / 60:,.1f}", f"{bad.wall / 60:,.1f}",
                    f"{plan.workers * good.wall / HOUR:,.1f}", f"{bad.failures:,}",
                )
            )  # fmt: skip
    columns = (
        "machines", "sequences", "shard", "shards", "ideal, min", "min", "bad day, min", "core-hours",
        "failures on a bad day",
    )  # fmt: skip
    return Table("The plan, simulated", columns, rows, ABOUT)


@click.command(help=__doc__)
def main() -> None:
    click.echo(markdown(table()))


if __name__ == "__main__":
    main()
