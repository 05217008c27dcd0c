"""The cost of some work: the CPU time of all threads, and the wall time. Other processes on the machine can change the
wall time severalfold, but the CPU time only by some per cent."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Cost:
    """The cost of some work: times in seconds, and memory."""

    cpu: float
    wall: float
    peak: int = 0
    """The peak memory in bytes; only measured for child processes."""


@dataclass(frozen=True)
class Costs:
    """The costs of several repetitions of the same work."""

    each: tuple[Cost, ...]

    @property
    def cpu(self) -> float:
        """Return the median CPU time."""
        return median(cost.cpu for cost in self.each)

    @property
    def wall(self) -> float:
        """Return the median wall time."""
        return median(cost.wall for cost in self.each)

    @property
    def peak(self) -> int:
        """Return the largest peak memory."""
        return max(cost.peak for cost in self.each)

    @property
    def spread(self) -> float:
        """Return the difference between the largest and the smallest CPU time, divided by the median."""
        return (
            (max(cost.cpu for cost in self.each) - min(cost.cpu for cost in self.each)) / self.cpu if self.cpu else 0.0
        )


def cost_of(work: Callable[[], object]) -> Cost:
    """Measure work in this process: user and system time of all its threads, and wall time."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def cost_of_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Measure a command in a new process, including its start."""
    launched = [sys.executable, "-S", str(Path(__file__).with_name("launcher.py")), *command]
    done = subprocess.run(launched, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return Cost(**json.loads(done.stdout))


def interleave(works: Mapping[str, Callable[[], Cost]], repetitions: int) -> dict[str, Costs]:
    """Measure several works in turns, A B C A B C, so that a slow period of the machine affects all of them."""
    found: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(repetitions):
        for name, work in works.items():
            found[name].append(work())
    return {name: Costs(tuple(costs)) for name, costs in found.items()}
