"""Budgets of training: what a model may have cost to be ranked beside others that cost no more.

The cost of a model is what its rows say in their notes. A model whose rows do not say it fits no budget.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from physbench.model import TrainingCost
from physbench_leaderboard.submission import Row


@dataclass(frozen=True)
class Budget:
    """The most that training may have cost, with everything that a model began with."""

    title: str
    cpu_hours: float
    gpu_hours: float

    def fits(self, cost: TrainingCost) -> bool:
        """Return whether a training stayed within it."""
        return cost.cpu_hours <= self.cpu_hours and cost.gpu_hours <= self.gpu_hours


BUDGETS: Mapping[str, Budget] = {
    "night": Budget("one night on 2 CPU cores (24 core-hours)", cpu_hours=24, gpu_hours=0),
    "gpu-hour": Budget("one hour of a GPU, and at most 24 core-hours of a CPU", cpu_hours=24, gpu_hours=1),
}
"""The budgets by name."""


def list_budgets(cost: TrainingCost | None) -> list[str]:
    """List the names of the budgets that a training fits."""
    return [] if cost is None else [name for name, budget in BUDGETS.items() if budget.fits(cost)]


def is_cost(note: str) -> bool:
    """Return whether a note is about the cost of training, which has a column of its own."""
    return note.rpartition("-")[0] in TrainingCost.KINDS


def describe_cost(cost: TrainingCost | None) -> str:
    """Write a cost in a few characters; nothing if it is not known."""
    if cost is None:
        return ""
    spent = {"core-h": cost.cpu_hours, "GPU-h": cost.gpu_hours}
    return " + ".join(
        f"{hours:,.0f} {unit}" if hours >= 100 else f"{hours:.3g} {unit}" for unit, hours in spent.items() if hours
    )


def read_cost(rows: Iterable[Row]) -> TrainingCost | None:
    """Return the most that any of these rows says its training cost; None if one of them does not say it."""
    costs = [TrainingCost.from_notes(row.notes) for row in rows]
    known = [cost for cost in costs if cost is not None]
    if not known or len(known) < len(costs):
        return None
    return TrainingCost(
        max(cost.cpu_hours for cost in known),
        max(cost.gpu_hours for cost in known),
        max(cost.sequences for cost in known),
    )
