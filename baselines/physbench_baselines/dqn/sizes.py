"""The sizes of an agent's network."""

from __future__ import annotations

import math
from dataclasses import dataclass

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter

MOST_WEIGHTS = 2_000_000
"""The most weights of one agent: as float16 they fit into 4 MB."""


@dataclass(frozen=True, kw_only=True)
class AgentSizes:
    """Sizes of a network; the defaults are those of a new agent.

    Mnih et al. 2015 have channels 32, 64, 64 and 512 hidden units, without normalisation.
    """

    channels: tuple[int, ...] = parameter((32, 32, 32), help="channels of the convolutions", low=1, high=256)
    kernels: tuple[int, ...] = parameter((8, 4, 3), help="sides of their kernels", low=1, high=16)
    strides: tuple[int, ...] = parameter((4, 2, 1), help="strides of the convolutions", low=1, high=16)
    hidden: int = parameter(512, help="units between the convolutions and the values", low=1, high=4096)
    normalise: bool = parameter(True, help="layer normalisation after each layer but the last")
    rows: tuple[int, int] = parameter(
        (3, 79), help="rows of the picture that it sees (end not included)", low=0, high=84
    )
    columns: tuple[int, int] = parameter(
        (8, 76), help="columns of the picture that it sees (end not included)", low=0, high=84
    )
    actions: int = parameter(6, low=1, high=18)
    stack: int = parameter(4, low=1, high=16)
    side: int = parameter(84, low=8, high=256)

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        if not len(self.channels) == len(self.kernels) == len(self.strides) or not 1 <= len(self.channels) <= 8:
            given = f"{self.channels}, {self.kernels}, {self.strides}"
            raise ModelError(
                f"an agent has 1 to 8 convolutions, each with channels, a kernel and a stride, not {given}"
            )
        if min(min(shape) for shape in self.shapes()) < 1:
            raise ModelError(
                f"nothing is left of rows {self.rows} and columns {self.columns} after kernels {self.kernels} with"
                f" strides {self.strides}"
            )
        if (count := self.count()) > MOST_WEIGHTS:
            raise ModelError(
                f"an agent of these sizes has {count:,} weights; at most {MOST_WEIGHTS:,} are allowed: make it smaller"
            )

    def shapes(self) -> list[tuple[int, int]]:
        """Return height and width of the picture after each convolution."""
        shapes: list[tuple[int, int]] = []
        high, wide = (last - first for first, last in (self.rows, self.columns))
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            high, wide = (high - kernel) // stride + 1, (wide - kernel) // stride + 1
            shapes.append((high, wide))
        return shapes

    def count(self) -> int:
        """Return the number of weights."""
        total, depth = 0, self.stack
        for channels, kernel, (high, wide) in zip(self.channels, self.kernels, self.shapes(), strict=True):
            total += channels * (depth * kernel * kernel + 1) + 2 * channels * high * wide * self.normalise
            depth = channels
        total += (depth * math.prod(self.shapes()[-1]) + 1) * self.hidden + 2 * self.hidden * self.normalise
        return total + (self.hidden + 1) * self.actions
