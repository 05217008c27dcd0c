"""How large conv3 is, and how it is trained. Without torch."""

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
    """How large the model is. Any height and width will do."""

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
    }}},  # small steps, and many of them
)  # fmt: skip
