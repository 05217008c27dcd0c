"""One step of the optimiser: forward, backward, and update.

It runs directly, or is captured once as a CUDA graph and replayed. Noise comes from a generator that is seeded anew for
every step. So a step is a function of the weights, the batch, its number and its share of the run. If several processes
train together, each takes its rows of the batch, and all take the same step.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from typing import Any

import torch
from numpy.typing import NDArray
from torch.optim.swa_utils import get_ema_multi_avg_fn

from physbench.errors import TrainingError
from physbench.recipe import mix
from physbench_baselines.noise import SharedGenerator
from physbench_baselines.training.ranks import ALONE, Ranks
from physbench_baselines.training.trainable import measure, traits_of
from physbench_baselines.training.training_recipe import TrainingRecipe

Batch = Mapping[str, torch.Tensor]  # (B, T, ...) each
Make = Callable[[Sequence[torch.nn.Parameter], TrainingRecipe, bool], torch.optim.Optimizer]  # the bool: is it CUDA?

WARM_UP = 3
"""Runs before a capture: in the first ones, libraries choose their kernels and allocate memory."""

OPTIMIZERS: Mapping[str, Make] = {
    "adam": lambda weights, recipe, cuda: torch.optim.Adam(
        weights, recipe.learning_rate, recipe.betas, recipe.epsilon, recipe.weight_decay, fused=True, capturable=cuda
    ),
    "adamw": lambda weights, recipe, cuda: torch.optim.AdamW(
        weights, recipe.learning_rate, recipe.betas, recipe.epsilon, recipe.weight_decay, fused=True, capturable=cuda
    ),
    "rmsprop": lambda weights, recipe, cuda: torch.optim.RMSprop(
        weights,
        recipe.learning_rate,
        recipe.smoothing,
        recipe.epsilon,
        recipe.weight_decay,
        recipe.momentum,
        capturable=cuda,
    ),
    "sgd": lambda weights, recipe, cuda: torch.optim.SGD(
        weights, recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay, fused=True
    ),
}
"""The optimisers by their names in a recipe."""


class Stepper:
    """A network in training, with the state of its optimiser and the average of its weights."""

    def __init__(
        self,
        network: torch.nn.Module,
        recipe: TrainingRecipe,
        *,
        device: torch.device,
        graphs: bool,
        ranks: Ranks = ALONE,
    ) -> None:
        self.recipe = recipe
        self.ranks = ranks
        self.device = device
        self.traits = traits_of(network)
        self.network = network.to(device)
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.averaged: torch.nn.Module | None = deepcopy(self.network) if recipe.averaging else None
        self.generator = (
            SharedGenerator(device, rank=ranks.rank, world=ranks.world) if ranks.several else torch.Generator(device)
        )
        self.figures: tuple[str, ...] = ()
        """The names of what a step measures, the loss first; known after the first step."""
        self.parameters = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        own, cuda = self.traits.optimizer, device.type == "cuda"
        self.optimizer = own(recipe) if own else OPTIMIZERS[recipe.optimizer](self.parameters, recipe, cuda)
        self._rates = [group["lr"] / recipe.learning_rate for group in self.optimizer.param_groups]
        self._graphs = graphs and cuda and self.traits.capturable and own is None
        self._captured: _Captured | None = None
        if own is None:
            for group in self.optimizer.param_groups:
                group["lr"] = torch.tensor(group["lr"], device=device)
            self._remember_nothing()

    @property
    def judged(self) -> torch.nn.Module:
        """The network that is validated and saved."""
        return self.averaged or self.network

    def take(self, batch: Batch, *, step: int, learning_rate: float, share: float = 0.0) -> torch.Tensor:
        """Do one step on a batch on the device, and return the figures (F,) that `figures` names.

        On CUDA the step may still be running when this returns.
        """
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].fill_(learning_rate * rate)
            else:
                group["lr"] = learning_rate * rate
        if self._graphs and (self._captured is None or not self._captured.fits(batch)):
            self._captured = None  # its memory is needed
            torch.cuda.synchronize(self.device)
            torch.cuda.empty_cache()
            self._captured = _Captured(self, batch)
        self.seed(step)
        measured = self._captured.replay(batch) if self._captured else self.once(batch, share)
        if self.averaged is not None:
            self._average(step)
        return measured

    def seed(self, step: int) -> None:
        """Begin the noise of a step, of the layers too that take no generator, such as a dropout."""
        seed = mix(mix(self.recipe.seed + 2) ^ step)
        self.generator.manual_seed(seed)
        torch.manual_seed(mix(seed ^ (self.ranks.rank + 1)) if self.ranks.several else seed)

    def place(self, array: NDArray[Any]) -> torch.Tensor:
        """Put an array where the network is, as soon as may be."""
        tensor = torch.from_numpy(array)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor

    def once(self, batch: Batch, share: float) -> torch.Tensor:
        """Do one step without a graph."""
        self.optimizer.zero_grad(set_to_none=True)
        return self.move(self.descend(batch, share))

    def move(self, measured: torch.Tensor) -> torch.Tensor:
        """Let the optimiser move by the gradients that are there, averaged over the processes: (F,) -> (F,)."""
        measured = self.ranks.average(self.parameters, measured)
        self.limit()
        self.optimizer.step()
        return measured

    def limit(self) -> None:
        if self.recipe.gradient_limit:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.recipe.gradient_limit)

    def descend(self, batch: Batch, share: float) -> torch.Tensor:
        """Run forward and backward, part by part, and return the figures."""
        size = len(next(iter(batch.values())))
        parts = {name: array.tensor_split(self.recipe.accumulate) for name, array in batch.items()}
        sums: list[torch.Tensor] = []
        for number in range(self.recipe.accumulate):
            part = {name: arrays[number] for name, arrays in parts.items()}
            weight = len(next(iter(part.values()))) / size
            with autocast(self.device, self.recipe.precision):
                total, figures = measure(self.network, part, generator=self.generator, share=share)
            (total * weight).backward()
            self.figures = self.figures or tuple(figures)
            if tuple(figures) != self.figures:
                raise TrainingError(
                    f"the figures of a loss have the same names in every step: not {', '.join(self.figures)}, then"
                    f" {', '.join(figures)}"
                )
            sums.append(torch.stack(list(figures.values())) * weight)
        return torch.stack(sums).sum(dim=0)

    def state(self) -> dict[str, torch.Tensor]:
        """Return everything that the next step depends on, on the CPU."""
        return {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in self._live_tensors().items()
        }

    def restore(self, state: Mapping[str, torch.Tensor]) -> None:
        """Restore a state, or raise ValueError if it is of another network."""
        state = {
            name.replace("adam/", "optimizer/", 1) if name.startswith("adam/") else name: value
            for name, value in state.items()
        }  # names in older runs
        for name, tensor in self._live_tensors().items():
            if name not in state or state[name].shape != tensor.shape:
                raise ValueError(f"it has no {name} of shape {tuple(tensor.shape)}")
            tensor.copy_(state[name])
        if self.traits.optimizer:  # its state exists only after its first step
            self._restore_own(state)

    def finite(self) -> bool:
        """Return whether all weights are finite."""
        return bool(torch.stack([parameter.detach().isfinite().all() for parameter in self.judged.parameters()]).all())

    def _live_tensors(self) -> dict[str, torch.Tensor]:
        """Return all tensors of the state, not copied."""
        tensors = {f"weights/{name}": tensor for name, tensor in self.network.state_dict().items()}
        for name, parameter in self.network.named_parameters():
            remembered = self.optimizer.state.get(parameter, {})
            tensors |= {
                f"optimizer/{name}/{key}": torch.as_tensor(value)
                for key, value in remembered.items()
                if value is not None
            }
        if self.averaged is not None:
            tensors |= {f"averaged/{name}": tensor for name, tensor in self.averaged.state_dict().items()}
        return tensors

    def _remember_nothing(self) -> None:
        """Create the optimiser's state as it is before the first step, because a capture and `state` need it."""
        before = [parameter.detach().clone() for parameter in self.parameters]
        for parameter in self.parameters:
            parameter.grad = torch.zeros_like(parameter)
        self.optimizer.step()
        with torch.no_grad():
            for parameter, value in zip(self.parameters, before, strict=True):
                parameter.copy_(value)  # a weight decay changes it
        for remembered in self.optimizer.state.values():
            for value in remembered.values():
                if value is not None:
                    value.zero_()
        self.optimizer.zero_grad(set_to_none=True)

    def _restore_own(self, state: Mapping[str, torch.Tensor]) -> None:
        names = {parameter: name for name, parameter in self.network.named_parameters()}
        packed = self.optimizer.state_dict()
        for number, parameter in enumerate(each for group in self.optimizer.param_groups for each in group["params"]):
            start = f"optimizer/{names[parameter]}/"
            own = {key.removeprefix(start): value for key, value in state.items() if key.startswith(start)}
            packed["state"] |= {number: own} if own else {}
        self.optimizer.load_state_dict(packed)

    def _average(self, step: int) -> None:
        """Update the average of the weights.

        The decay is lower at first, because otherwise the average would consist of the weights before the first step.
        """
        assert self.averaged is not None
        decay = min(self.recipe.averaging, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(self.averaged.parameters()), list(self.network.parameters()), step)
        for mean, buffer in zip(self.averaged.buffers(), self.network.buffers(), strict=True):
            mean.copy_(buffer)


class _Captured:
    """A whole step on batches of one shape as one CUDA graph.

    The batch and the noise are replaced in place before each replay. If several processes train together, the graph
    ends with the gradients, since the exchange between them is not captured.
    """

    def __init__(self, stepper: Stepper, batch: Batch) -> None:
        self.stepper = stepper
        self.batch = {name: array.clone(memory_format=torch.contiguous_format) for name, array in batch.items()}
        beside = torch.cuda.Stream(stepper.device)
        beside.wait_stream(torch.cuda.current_stream(stepper.device))
        with torch.cuda.stream(beside):
            for _ in range(WARM_UP):
                stepper.optimizer.zero_grad(set_to_none=True)
                stepper.descend(self.batch, 0.0)
                stepper.limit()
        torch.cuda.current_stream(stepper.device).wait_stream(beside)
        stepper.optimizer.zero_grad(set_to_none=True)
        self.graph = torch.cuda.CUDAGraph()
        self.graph.register_generator_state(stepper.generator)
        if isinstance(stepper.generator, SharedGenerator):
            self.graph.register_generator_state(stepper.generator.whole)
        with torch.cuda.graph(self.graph):
            self.measured = stepper.descend(self.batch, 0.0)
            if not stepper.ranks.several:
                stepper.move(self.measured)

    def fits(self, batch: Batch) -> bool:
        return all(self.batch[name].shape == array.shape for name, array in batch.items())

    def replay(self, batch: Batch) -> torch.Tensor:
        for name, array in batch.items():
            self.batch[name].copy_(array)
        self.graph.replay()
        return self.stepper.move(self.measured) if self.stepper.ranks.several else self.measured.clone()


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """Return the context in which a network runs with this precision."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bf16" else nullcontext()


def precision_of(wanted: str, device: torch.device) -> str:
    """Return the precision to use; auto is bf16 where the hardware has instructions for it."""
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16"
    asked = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bf16" if any(ask is not None and ask() for ask in asked) else "fp32"


@contextmanager
def fast() -> Generator[None]:
    """Set torch up for training, and restore the caller's settings at the end."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with (
            torch.random.fork_rng(devices=[]),
            torch.backends.cudnn.flags(enabled=True, benchmark=True, deterministic=False, allow_tf32=True),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
