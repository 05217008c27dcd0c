"""Noise for a batch: the same numbers for a sequence, however many processes share the batch out.

A network that learns draws its noise by these functions. One process draws what `torch.randn` and `torch.rand` would.
Each of several draws the noise of the whole batch, from the same generator, and takes the rows of its own sequences.
That costs every process the noise of all of them, which is little beside a training step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from physbench.recipe import mix


class SharedGenerator(torch.Generator):
    """The generator of one of several processes that train together.

    `whole` is the same in all of them. Drawn from directly, as by a network that does not know of this module, it gives
    each process other numbers: good noise, but not that of one process alone.
    """

    def __new__(cls, device: torch.device, *, rank: int, world: int) -> SharedGenerator:
        return super().__new__(cls, device)  # pyright: ignore[reportCallIssue, reportUnknownVariableType]

    def __init__(self, device: torch.device, *, rank: int, world: int) -> None:
        super().__init__()
        self.rank, self.world = rank, world
        self.whole = torch.Generator(device)

    def manual_seed(self, seed: int) -> SharedGenerator:
        self.whole.manual_seed(seed)
        super().manual_seed(mix(seed ^ (self.rank + 1)))
        return self


def draw_normal(shape: Sequence[int], *, generator: torch.Generator | None, like: Tensor, axis: int = 0) -> Tensor:
    """Draw standard normal numbers, on the device and of the type of another tensor.

    axis: along which the sequences of the batch lie, one or more rows for each, in their order.
    """
    return _draw(torch.randn, shape, generator=generator, like=like, axis=axis)


def draw_uniform(shape: Sequence[int], *, generator: torch.Generator | None, like: Tensor, axis: int = 0) -> Tensor:
    """As `draw_normal`, from 0 to 1."""
    return _draw(torch.rand, shape, generator=generator, like=like, axis=axis)


def _draw(
    kind: Callable[..., Tensor], shape: Sequence[int], *, generator: torch.Generator | None, like: Tensor, axis: int
) -> Tensor:
    placed: dict[str, Any] = {"device": like.device, "dtype": like.dtype}
    if not isinstance(generator, SharedGenerator):
        return kind(tuple(shape), generator=generator, **placed)
    rows, whole = shape[axis], list(shape)
    whole[axis] *= generator.world
    return kind(whole, generator=generator.whole, **placed).narrow(axis, generator.rank * rows, rows)
