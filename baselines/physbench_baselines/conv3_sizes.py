"""Sizes of conv3, and how it is trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench_baselines.architecture import Architecture

if TYPE_CHECKING:
    from physbench_baselines.conv3 import Conv3


@dataclass(frozen=True)
class Conv3Sizes:
    """Sizes of a model. Any height and width is possible."""

    channels: int = parameter(1, low=1, high=16)  # of a frame
    width: int = parameter(16, low=1, high=256)  # channels between the convolutions

    def __post_init__(self) -> None:
        check_fields(self, ModelError)

    def build(self) -> Conv3:
        """Make a model with fresh weights."""
        from physbench_baselines.conv3 import Conv3

        return Conv3(self)


ARCHITECTURE = Architecture(
    name="conv3",
    sizes=Conv3Sizes,
    recipes={"": {"": {
        "precision": "fp32", "batch": 4, "frames": (12,), "learning_rate": 6e-3, "warm_up": 50, "decay": 0.5,
        "averaging": 0.995, "validation": 128, "evaluate_every": 2_000,
    }}},  # many small steps
)  # fmt: skip
