"""What work costs: CPU time of all threads, and wall time. Neighbours move the wall time severalfold and the CPU time
by some per cent."""

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
    """In seconds."""

    cpu: float
    wall: float
    peak: int = 0
    """Bytes of memory; of a child process only."""


@dataclass(frozen=True)
class Costs:
    """The same work, several times."""

    each: tuple[Cost, ...]

    @property
    def cpu(self) -> float:
        return median(cost.cpu for cost in self.each)

    @property
    def wall(self) -> float:
        return median(cost.wall for cost in self.each)

    @property
    def peak(self) -> int:
        return max(cost.peak for cost in self.each)

    @property
    def spread(self) -> float:
        """How far the CPU times lie apart, as a part of their median."""
        return (
            (max(cost.cpu for cost in self.each) - min(cost.cpu for cost in self.each)) / self.cpu if self.cpu else 0.0
        )


def cost_of(work: Callable[[], object]) -> Cost:
    """In this process: user and system time of all its threads."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


def cost_of_process(command: Sequence[str], environment: Mapping[str, str] | None = None) -> Cost:
    """Of a fresh process, its start included."""
    launched = [sys.executable, "-S", str(Path(__file__).with_name("launcher.py")), *command]
    done = subprocess.run(launched, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return Cost(**json.loads(done.stdout))


def interleave(works: Mapping[str, Callable[[], Cost]], repetitions: int) -> dict[str, Costs]:
    """A B C A B C: whatever slows the machine for a while slows all of them."""
    found: dict[str, list[Cost]] = {name: [] for name in works}
    for _ in range(repetitions):
        for name, work in works.items():
            found[name].append(work())
    return {name: Costs(tuple(costs)) for name, costs in found.items()}
