"""Sizes of R-NEM with other rules for its slots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from physbench.errors import ModelError
from physbench.fields import parameter
from physbench_baselines.architecture import Architecture
from physbench_baselines.nem_sizes import NemSizes

if TYPE_CHECKING:
    from physbench_baselines.regrouped import RegroupedNem


@dataclass(frozen=True)
class RegroupedSizes(NemSizes):
    """Sizes of R-NEM, and the numbers of the rules, which no weight depends on."""

    spread: float = parameter(3.0, above=0, high=256)  # pixels over which a slot's share at the start falls by 1/e
    smallest_thing: int = parameter(40, low=0, high=1 << 16)  # pixels of a thing that gets a slot of its own; 0 = never
    largest_free: int = parameter(25, low=0, high=1 << 16)  # pixels that a slot may own and still be given away
    threshold: float = parameter(0.4, low=0, below=1)  # in a rollout, a pixel is on if its prediction is above this
    published: float = parameter(0.0, low=0, high=1)  # share of the sequences in training that are as published

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.mixture:
            raise ModelError("with one slot there is nothing to group: give 2 slots or more")
        if 0 < self.smallest_thing <= self.largest_free:
            raise ModelError(
                "a slot that is free owns fewer pixels than a thing: give a largest_free below smallest_thing"
            )

    def build(self) -> RegroupedNem:
        """Make a model with fresh weights."""
        from physbench_baselines.regrouped import RegroupedNem

        return RegroupedNem(self)


ARCHITECTURE = Architecture(
    name="nem-regrouped",
    sizes=RegroupedSizes,
    variants={"r-nem-regrouped": {"": RegroupedSizes(slots=8)}},
    settable=("slots", "noise", "spread", "smallest_thing", "largest_free", "threshold"),
)
