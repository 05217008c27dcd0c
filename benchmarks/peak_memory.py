"""The peak memory of some work: the most memory of all tensors that exist at the same time."""

from __future__ import annotations

import json
import os
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch
from torch.profiler import ProfilerActivity, profile

if TYPE_CHECKING:
    from collections.abc import Callable

os.environ.setdefault("KINETO_LOG_LEVEL", "9")  # otherwise the profiler prints messages


def measure_peak(work: Callable[[], object], device: torch.device | None = None) -> int:
    """Measure the peak in bytes, beyond the memory used before. The work is done once, or twice on CUDA."""
    if device is not None and device.type == "cuda":
        return _measure_on_cuda(work, device)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    with TemporaryDirectory() as directory:
        path = Path(directory) / "trace.json"
        profiler.export_chrome_trace(str(path))
        events: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
    changes = sorted((event["ts"], event["args"]["Bytes"]) for event in events if event["name"] == "[memory]")
    return max(accumulate((size for _, size in changes), initial=0))


def _measure_on_cuda(work: Callable[[], object], device: torch.device) -> int:
    work()  # the first time, kernels are chosen, which takes extra memory
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    work()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
