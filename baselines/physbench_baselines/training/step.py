"""One step of the optimiser: forward, backward, Adam. Directly, or captured once as a CUDA graph and replayed.

A network is an nn.Module with `loss(frames, *, generator) -> Losses`: frames (B, T, H, W, C) as uint8, `.total` the scalar to descend, `.figures` other
scalars by name. Noise comes from a generator that is seeded anew for every step, so a step is a function of weights, frames and its number.
"""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch.optim.swa_utils import get_ema_multi_avg_fn

from physbench.recipe import mixed

if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager

    from physbench_baselines.training.recipe import TrainingRecipe

WARM_UP = 3
"""Runs before a capture: libraries choose their kernels and take their memory in the first ones."""


class Losses(Protocol):
    @property
    def total(self) -> torch.Tensor: ...  # ()

    @property
    def figures(self) -> dict[str, torch.Tensor]: ...  # () each


class Stepper:
    """The network while it learns, with what its optimiser remembers and the average of its weights."""

    def __init__(self, network: torch.nn.Module, recipe: TrainingRecipe, *, device: torch.device, graphs: bool) -> None:
        self.recipe = recipe
        self.device = device
        self.network = network.to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged: torch.nn.Module | None = deepcopy(self.network) if recipe.averaging else None
        self.generator = torch.Generator(device)
        self.parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.learning_rate = torch.tensor(recipe.learning_rate, device=device)
        self.optimizer = torch.optim.Adam(self.parameters, lr=self.learning_rate, fused=True, capturable=device.type == "cuda")
        self._graphs = graphs and device.type == "cuda"
        self._captured: _Captured | None = None
        self._remember_nothing()

    @property
    def judged(self) -> torch.nn.Module:
        """What is validated and kept."""
        return self.averaged or self.network

    def take(self, frames: torch.Tensor, *, step: int, learning_rate: float) -> torch.Tensor:
        """(B, T, H, W, C) uint8 on the device -> (2,): the loss and the upper bound. On CUDA it may still be at work when this returns."""
        self.learning_rate.fill_(learning_rate)
        if self._graphs and (self._captured is None or self._captured.frames.shape != frames.shape):
            self._captured = None  # its memory is needed
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
            self._captured = _Captured(self, frames)
        self.generator.manual_seed(mixed(mixed(self.recipe.seed + 2) ^ step))
        found = self._captured.replay(frames) if self._captured else self.once(frames)
        if self.averaged is not None:
            self._average(step)
        return found

    def once(self, frames: torch.Tensor) -> torch.Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        found = self.descend(frames)
        self.optimizer.step()
        return found

    def descend(self, frames: torch.Tensor) -> torch.Tensor:
        """Forward and backward."""
        with autocast(self.device, self.recipe.precision):
            losses: Losses = self.network.loss(frames, generator=self.generator)  # type: ignore[operator]
        losses.total.backward()
        if self.recipe.gradient_limit:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.gradient_limit)
        return figures_of(losses)

    def state(self) -> dict[str, torch.Tensor]:
        """Everything that the next step depends on, on the CPU."""
        return {name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in self._remembered().items()}

    def restore(self, state: dict[str, torch.Tensor]) -> None:
        """ValueError for a state of another network."""
        for name, tensor in self._remembered().items():
            if name not in state or state[name].shape != tensor.shape:
                raise ValueError(f"it has no {name} of shape {tuple(tensor.shape)}")
            tensor.copy_(state[name])

    def finite(self) -> bool:
        return bool(torch.stack([parameter.detach().isfinite().all() for parameter in self.judged.parameters()]).all())

    def _remembered(self) -> dict[str, torch.Tensor]:
        """The live tensors."""
        tensors = {f"weights/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            tensors |= {f"adam/{name}/{key}": value for key, value in self.optimizer.state.get(parameter, {}).items()}
        if self.averaged is not None:
            tensors |= {f"averaged/{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        return tensors

    def _remember_nothing(self) -> None:
        """Give the optimiser its memory now, as it is before the first step: a capture must find it and a state must have it."""
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()  # moves nothing
        for remembered in self.optimizer.state.values():
            remembered["step"].zero_()
        self.optimizer.zero_grad(set_to_none=True)

    def _average(self, step: int) -> None:
        """Decay is less at first, or the average would be of the weights before the first step."""
        assert self.averaged is not None
        decay = min(self.recipe.averaging, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(self.averaged.parameters()), list(self.network.parameters()), step)
        for mean, buffer in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
            mean.copy_(buffer)


class _Captured:
    """A whole step on frames of one shape as one CUDA graph. Frames and noise are replaced in place before each replay."""

    def __init__(self, stepper: Stepper, frames: torch.Tensor) -> None:
        self.frames = frames.clone(memory_format=torch.contiguous_format)
        beside = torch.cuda.Stream(stepper.device)
        beside.wait_stream(torch.cuda.current_stream(stepper.device))
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                stepper.optimizer.zero_grad(set_to_none=True)
                stepper.descend(self.frames)
        torch.cuda.current_stream(stepper.device).wait_stream(beside)
        stepper.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(stepper.generator)
        with torch.cuda.graph(self.graph):
            self.found = stepper.descend(self.frames)
            stepper.optimizer.step()

    def replay(self, frames: torch.Tensor) -> torch.Tensor:
        self.frames.copy_(frames)
        self.graph.replay()
        return self.found.clone()


def figures_of(losses: Losses) -> torch.Tensor:
    """(2,) loss, upper bound; NaN for a network that has none."""
    total = losses.total.detach().float()
    bound = losses.figures.get("upper_bound")
    return torch.stack([total, torch.full_like(total, torch.nan) if bound is None else bound.detach().float()])


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def precision_of(wanted: str, device: torch.device) -> str:
    """bf16 where there are instructions for it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16"
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bf16" if any(ask is not None and ask() for ask in asked) else "fp32"


@contextmanager
def fast() -> Generator[None]:
    """The settings that training wants of torch; whoever called gets their own back."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
