"""Which rows an evaluation of a suite has: those that every model has, and those that come together or not at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from physbench.evaluation.scoring import EVENT_STEPS
from physbench.metrics.events import CLASSES
from physbench.metrics.positions import STEPS as POSITION_STEPS
from physbench.suites import Rollout, Still, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from physbench.suites import Asking, Suite, Task

PIXELS = ("bce", "relative_bce", "relational_bce", "relative_relational_bce", "log_likelihood", "relational_log_likelihood")
LIKELIHOODS = PIXELS[-2:]


@dataclass(frozen=True)
class Wanted:
    task: str
    metrics: tuple[str, ...]
    optional: bool = False  # all of them or none: what a model without owner maps, or without a standard deviation, does not have

    @property
    def keys(self) -> set[tuple[str, str]]:
        return {(self.task, metric) for metric in self.metrics}


def wanted(suite: Suite) -> list[Wanted]:
    """Everything that may be in a submission to a suite."""
    found = [each for task in suite.tasks for asking in task.askings for each in _of(task, asking)]
    if suite.against:
        found.append(Wanted(":".join(suite.against), ("relative_bce_ratio", "relative_relational_bce_ratio")))
    return found


def _of(task: Task, asking: Asking) -> Iterator[Wanted]:
    row = task.names(asking)
    match asking:
        case Window():
            hidden = ("permanence_bce",) if "curtain" in task.dataset else ()
            yield Wanted(row, (*PIXELS, *(f"{name}_last" for name in PIXELS), *hidden))
            yield Wanted(row, ("ari_video", "ari", "ari_last"), optional=True)
            yield Wanted(row, ("clipped_share",), optional=True)
        case Still():
            yield Wanted(row, ("ari",), optional=True)
        case Rollout(samples=1):
            steps = tuple(f"rollout_bce[{h + 1}]" for h in range(asking.horizon))
            events = tuple(f"event_error[{h},{kind}]" for h in EVENT_STEPS if h <= asking.horizon for kind in CLASSES)
            places = tuple(f"rollout_position_error[{h}]" for h in POSITION_STEPS if h <= asking.horizon)
            yield Wanted(row, ("rollout_relative_bce", "rollout_overlap", *steps, *places, *events))
        case Rollout(sample=0):
            each = tuple(f"{name}[{sample + 1}]" for name in LIKELIHOODS for sample in range(asking.samples))
            yield Wanted(row, (*LIKELIHOODS, *(f"{name}_std" for name in LIKELIHOODS), *each))
        case Rollout():
            pass  # the first sample speaks for all
