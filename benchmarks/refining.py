"""Question 15: how much memory does a step of IODINE need?

Our implementation is compared with two that differ only in the gradients that are passed to the refinements.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from benchmarks.peak_memory import measure_peak
from benchmarks.report import Table, times
from benchmarks.seeing import Learner
from physbench_baselines.iodine import Guess, Iodine
from physbench_baselines.training.initial import sizes_of
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.step import fast

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.plan import Plan

CASES = (("shapes", "iodine-small"), ("shapes", "iodine"), ("tetris", "iodine"))
ABOUT = """
IODINE refines its guess by the gradients of its loss, and learns nothing through them: their graph is not kept. The
peak of a step of training on one image, all tensors together, beyond what there is before it. *Shown zeros*: no
gradient is ever taken on the way, so that only the refinements themselves are remembered. *Second order*: gradients are
taken with `create_graph=True`, and learnt through.
"""


class ShownZeros(Iodine):
    """IODINE that takes no gradients and uses zeros instead."""

    def slopes(self, guess: Guess) -> tuple[Tensor, Tensor, Tensor]:
        """Return zeros."""
        zeros = (
            guess.raw.new_zeros(like.shape) for like in (guess.outputs, guess.logits, guess.raw)
        )  # they take as much memory as gradients
        return tuple(zeros)  # type: ignore[return-value]


class SecondOrder(Iodine):
    """IODINE whose gradients can be differentiated again."""

    def slopes(self, guess: Guess) -> tuple[Tensor, Tensor, Tensor]:
        """Return the gradients of the loss, with their graph."""
        loss = guess.loss.sum() / self.sizes.inner_batch
        slopes = torch.autograd.grad(loss, (guess.outputs, guess.logits, guess.raw), create_graph=True)
        return slopes  # type: ignore[return-value]


KINDS: dict[str, type[Iodine]] = {"shown zeros": ShownZeros, "**ours**": Iodine, "second order": SecondOrder}


def table(plan: Plan) -> Table:
    """Measure, and return the table."""
    rows: list[tuple[str, ...]] = []
    with fast():
        for dataset, model in CASES:
            for refinements in plan.refinements:
                peaks = [measure(kind, model, dataset, refinements) for kind in KINDS.values()]
                figures = [f"{peak / 1e6:,.3g}" for peak in peaks]
                rows.append(
                    (f"{dataset}, {model}", str(refinements), *figures, *(times(peak / peaks[0]) for peak in peaks[1:]))
                )
    columns = (
        "images, model",
        "refinements",
        *(f"{name}, MB" for name in KINDS),
        "ours, of zeros",
        "second order, of zeros",
    )
    return Table("15. What refinements remember", columns, rows, ABOUT)


def measure(kind: type[Iodine], model: str, dataset: str, refinements: int) -> int:
    """Measure the peak of a step on one image, in bytes."""
    recipe = usual_recipe(model, data=dataset, batch=1, sizes={"refinements": refinements})
    return measure_peak(Learner(recipe, kind(sizes_of(recipe, dataset=dataset))).step)
