"""Question 7: how fast does the NEM family learn? A step of training with our implementation is compared with the same
model in its plainest form."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.nem_plain import PlainNem
from benchmarks.report import Table, percent, times
from benchmarks.timing import cost_of, interleave
from physbench.registry import datasets
from physbench_baselines.nem_sizes import ARCHITECTURE
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.step import Stepper, autocast, fast, precision_of
from physbench_baselines.training.training_recipe import TrainingRecipe

if TYPE_CHECKING:
    from benchmarks.plan import Plan

    Step = Callable[[int], object]  # takes the number of the step

MODEL = "r-nem"
SIZES = ARCHITECTURE.sizes_of(MODEL)
BATCH, STEPS = 16, 10
LARGE_BATCH = 64
"""A batch that makes full use of a graphics card."""
RATE = 1e-3
SIDE = 8192
PRODUCTS = 20
"""How many products of two square matrices of side SIDE are timed, to find the best speed of a graphics card."""
DEVICE_STEPS = 10
"""On a graphics card, where a step is short, there are so many times more repetitions."""
ABOUT = f"""
R-NEM in the paper's sizes, K = {SIZES.slots}: forward, backward and Adam on {BATCH} sequences of `balls4mass64` over
{STEPS} steps in time, with {{threads}} for torch. A *sequence-step* is one sequence, shown one frame. *Plain* is the
model as the paper has it (`benchmarks/nem_plain.py`): images grow by nearest neighbours before each convolution, every
pair of slots is put together before the layers see it. Ours computes the same loss to rounding. *bf16* is torch's
automatic mixed precision, where the processor has instructions for it.
"""
ABOUT_DEVICE = f"""
*Of its peak*: the multiplications and additions of the layers, beside what the device does in a bf16 product of two
matrices of side {SIDE:,}.
"""


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    cpu, frames = torch.device("cpu"), _frames(BATCH)
    precisions = dict.fromkeys(("fp32", precision_of("auto", cpu)))
    steps: dict[str, Step] = {f"plain, {precision}": _plain(frames, precision) for precision in precisions}
    steps |= {f"**ours**, {precision}": _ours(frames, precision, cpu) for precision in precisions}
    with fast():
        for step in steps.values():
            step(0)
        costs = interleave(
            {name: partial(cost_of, partial(step, 1)) for name, step in steps.items()}, 2 * plan.repetitions + 1
        )
    work, plain = BATCH * STEPS, costs["plain, fp32"]
    rows: list[tuple[str, ...]] = [
        (
            name,
            f"{work / of.wall:,.3g}",
            f"{work / of.cpu:,.3g}",
            times(plain.wall / of.wall),
            times(plain.cpu / of.cpu),
            percent(of.spread),
        )
        for name, of in costs.items()
    ]
    about = ABOUT.format(threads="one thread" if torch.get_num_threads() == 1 else f"{torch.get_num_threads()} threads")
    columns = ("formulation", "sequence-steps/s of wall", "of CPU", "wall, of plain", "CPU, of plain", "spread")
    if torch.cuda.is_available():
        columns += ("of its peak",)
        rows = [*((*row, "-") for row in rows), *_on_device(plan, plain.wall / work)]
        about += ABOUT_DEVICE
    return Table("7. Learning", columns, rows, about)


def _frames(batch: int) -> torch.Tensor:
    """Return frames of training sequences, (B, T, H, W, 1) uint8."""
    recipe = datasets.get("balls4mass64")
    return torch.from_numpy(replace(recipe, frames=STEPS + 1).scenes("training", 0, batch, ("features",)).features)


def _recipe(precision: str) -> TrainingRecipe:
    return TrainingRecipe(model=MODEL, precision=precision, learning_rate=RATE)


def _ours(frames: torch.Tensor, precision: str, device: torch.device) -> Step:
    recipe = _recipe(precision)
    stepper = Stepper(network_of(recipe), recipe, device=device, graphs=True)
    return lambda number: stepper.take({"features": frames}, step=number, learning_rate=RATE)


def _plain(frames: torch.Tensor, precision: str) -> Step:
    network = network_of(_recipe(precision))
    weights = dict(network.named_parameters())
    plain, optimizer = (
        PlainNem(weights, recurrence=SIZES.recurrence, size=SIZES.height),
        torch.optim.Adam(weights.values(), lr=RATE),
    )
    generator = torch.Generator()

    def step(number: int) -> None:
        generator.manual_seed(number)
        clean = frames[..., 0].float()
        gamma = torch.randn((len(clean), SIZES.slots, *clean.shape[2:]), generator=generator).abs()
        noise = torch.rand(clean.shape, generator=generator) < SIZES.noise
        optimizer.zero_grad()
        with autocast(clean.device, precision):
            loss = plain.loss(clean, torch.where(noise, 1 - clean, clean), gamma / gamma.sum(dim=1, keepdim=True))
        loss.backward()
        optimizer.step()

    return step


def _on_device(plan: Plan, plain: float) -> list[tuple[str, ...]]:
    """Return the rows of a graphics card. plain: the seconds of a sequence-step of the plain model on the CPU."""
    device = torch.device("cuda")
    operations = _operations() / (BATCH * STEPS)
    rows: list[tuple[str, ...]] = []
    with fast():
        peak = _peak(device)
        for batch in (BATCH, LARGE_BATCH):
            step = _ours(_frames(batch).to(device), "bf16", device)
            step(0)  # the capture
            seconds = [_device_seconds(partial(step, 1)) for _ in range(DEVICE_STEPS * plan.repetitions)]
            each = median(seconds) / (batch * STEPS)
            name = f"**ours**, bf16, {torch.cuda.get_device_name(device)}, batch {batch}"
            spread = percent((max(seconds) - min(seconds)) / median(seconds))
            rows.append(
                (name, f"{1 / each:,.3g}", "-", times(plain / each), "-", spread, percent(operations / each / peak))
            )
    return rows


def _operations() -> int:
    """Count the operations of a step on a batch, forward and backward; multiplications and additions both count."""
    recipe = _recipe("fp32")
    stepper = Stepper(network_of(recipe), recipe, device=torch.device("cpu"), graphs=False)
    with FlopCounterMode(display=False) as counter:
        stepper.descend({"features": _frames(BATCH)}, 0.0)
    return counter.get_total_flops()


def _peak(device: torch.device) -> float:
    """Return how many operations per second the device reaches at best."""
    a, b = torch.randn((2, SIDE, SIDE), device=device).bfloat16()
    seconds = [_device_seconds(lambda: a @ b) for _ in range(PRODUCTS)]
    return 2 * SIDE**3 / min(seconds)


def _device_seconds(work: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    began = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - began
