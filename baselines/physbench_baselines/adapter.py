"""A torch network as a Model, and its weights as arrays.

Arrays at the border are NumPy. Only this module handles devices, types and gradients. Arrays are copied on their way in
and out, so that neither side sees later changes by the other.
"""

import re
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import MissingPackage, ModelError
from physbench.evaluation.signatures import require_signature
from physbench.machine import wait_without_spinning
from physbench.model import Batch, Likelihood, Origin, Parts, Prediction

wait_without_spinning()
try:
    import torch
    from torch import Tensor
except ImportError:
    raise MissingPackage("this needs PyTorch: pip install 'physbench[train]'") from None

Step = tuple[
    Any, Tensor | None, Tensor | None
]  # state, mean (B, H, W, C) of the next frame, owner uint8 (B, H, W) of this one


class Network(Protocol):
    """What a network needs besides being an nn.Module. All randomness of sequence i comes from seeds[i].

    It may also have these methods:

    - `parts(state)`: the arrays of a Parts, as tensors and in the same order.
    - `latents(state)`: what each slot has noted, (B, K, D).
    - `boxes(state)`: the boxes of a Prediction, (B, N, 5), of the frame just seen or imagined.
    - `refinements(state, frame, action)`: what `observe` would return after 0, 1, ... refinements of its guess; the
      last one is what it does return.
    """

    likelihood: Likelihood

    def begin(self, seeds: Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0) -> Any:
        """Return the state before the first frame. seeds are int64 (B,)."""
        ...

    def observe(self, state: Any, frame: Tensor, action: Tensor | None) -> Step:
        """Take a frame and return a step. frame is float32 (B, H, W, C), action float32 (B, A)."""
        ...

    def imagine(self, state: Any, action: Tensor | None) -> Step:
        """Return a step after the model's own prediction instead of a frame."""
        ...


class TorchModel:
    """A network as a model for the evaluator. The network itself is moved to the device and set to evaluation."""

    def __init__(self, network: Network, *, device: str = "cpu", origin: Origin | None = None) -> None:
        if not isinstance(network, torch.nn.Module):
            raise ModelError(f"a network is a torch.nn.Module, not {type(network).__name__}")
        require_observer(network)
        self.device = device_of(device)
        self.network: Any = network.to(self.device).eval()
        self.likelihood: Likelihood = self.network.likelihood
        self.origin = replace(
            origin or Origin(),
            parameters=sum(parameter.numel() for parameter in network.parameters()),
            device=str(self.device),
            torch_version=torch.__version__,
        )

    def begin(self, batch: Batch) -> Any:
        """Return the state before the first frame."""
        same_bits = np.ascontiguousarray(batch.seeds, np.uint64).view(np.int64)  # torch cannot calculate with uint64
        seeds = torch.tensor(same_bits, device=self.device)
        with _scoring():
            return self.network.begin(seeds, shape=batch.shape, slots=batch.slots, actions=batch.actions)

    def observe(
        self, state: Any, frame: NDArray[np.float32], action: NDArray[np.float32] | None
    ) -> tuple[Any, Prediction]:
        """Take a frame and return the state and a prediction."""
        with _scoring():
            return self._to_prediction(self.network.observe(state, self._to_device(frame), self._to_device(action)))

    @property
    def imagine(self) -> Callable[[Any, NDArray[np.float32] | None], tuple[Any, Prediction]]:
        """The network's `imagine`; without it, the network is shown its own mean instead."""
        step = self.network.imagine

        def imagine(state: Any, action: NDArray[np.float32] | None) -> tuple[Any, Prediction]:
            with _scoring():
                return self._to_prediction(step(state, self._to_device(action)))

        return imagine

    @property
    def latents(self) -> Callable[[Any], NDArray[np.float32]]:
        """The network's `latents`, if it has them."""
        read = self.network.latents

        def latents(state: Any) -> NDArray[np.float32]:
            with _scoring():
                return _array(read(state))

        return latents

    @property
    def refinements(
        self,
    ) -> Callable[[Any, NDArray[np.float32], NDArray[np.float32] | None], list[tuple[Any, Prediction]]]:
        """The network's `refinements`, if it has them."""
        refine: Callable[..., Iterable[Step]] = self.network.refinements

        def refinements(
            state: Any, frame: NDArray[np.float32], action: NDArray[np.float32] | None
        ) -> list[tuple[Any, Prediction]]:
            with _scoring():
                return [
                    self._to_prediction(step) for step in refine(state, self._to_device(frame), self._to_device(action))
                ]

        return refinements

    def parts(self, state: Any) -> Parts | None:
        """Return the parts of a prediction, or None if the network has none."""
        told = getattr(self.network, "parts", None)
        if told is None:
            return None
        with _scoring():
            predictions, shares, attention = told(state)
        return Parts(_array(predictions), _array(shares), None if attention is None else _array(attention))

    def _to_prediction(self, step: Step) -> tuple[Any, Prediction]:
        given: tuple[Any, ...] | None = step if isinstance(cast("Any", step), tuple) else None
        if given is None or len(given) != 3:
            returned = f"a {type(step).__name__}" if given is None else f"{len(given)} values"
            raise ModelError(
                "observe returns (state, prediction of the next frame, owner map or None):"
                f" {type(self.network).__name__} returned {returned}"
            )
        state, mean, owner = step
        boxes = getattr(self.network, "boxes", None)
        mask = None if owner is None else owner.detach().cpu().numpy().copy()
        return state, Prediction(
            None if mean is None else _array(mean), mask, boxes=None if boxes is None else _array(boxes(state))
        )

    def _to_device(self, array: NDArray[np.float32] | None) -> Tensor | None:
        return (
            None
            if array is None
            else torch.tensor(np.ascontiguousarray(array), dtype=torch.float32, device=self.device)
        )


def require_observer(network: torch.nn.Module) -> None:
    """Refuse a network whose `begin` or `observe` does not take what it is going to be given."""
    owner: Any = network
    for name, positional, keywords in (
        ("begin", "seeds", "shape slots actions"),
        ("observe", "state frame action", ""),
    ):
        if not callable(getattr(owner, name, None)):
            raise ModelError(f"{type(network).__name__} has no {name}: a network that is scored has begin and observe")
        require_signature(getattr(owner, name), type(network).__name__, positional=positional, keywords=keywords)


def device_of(name: str) -> torch.device:
    """Return the device auto, cpu, cuda or cuda:1. auto is a graphics card if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d{1,3})?", name):
        raise ModelError(f"there is no device {name[:40]!r}: it is auto, cpu, cuda or cuda:1")
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            raise ModelError(
                f"PyTorch {torch.__version__} finds no CUDA device here, so not {name!r}: use cpu, or install a PyTorch"
                " built for your driver"
            )
        if (device.index or 0) >= torch.cuda.device_count():
            raise ModelError(
                f"there is no {name!r}: this machine has {torch.cuda.device_count()} CUDA device(s), counted from 0"
            )
    return device


@contextmanager
def _scoring() -> Generator[None]:
    """Set torch up for scoring: no gradients, exact float32, and the same kernels every time.

    A training run in the same process keeps its own settings. A network that descends gradients at test time enables
    them itself with `torch.enable_grad()`; `inference_mode` would forbid that.
    """
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.no_grad(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(before)


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().to("cpu", torch.float32).numpy().copy()


def weights_of(network: torch.nn.Module) -> dict[str, NDArray[np.float32]]:
    """Return every number that a network has learnt, by name."""
    weights: dict[str, NDArray[np.float32]] = {}
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point() or tensor.element_size() > 4:
            raise ModelError(f"{name} of the network is {tensor.dtype}: weights are float32")
        weights[name] = tensor.detach().to("cpu", torch.float32).numpy().copy()
        if not np.isfinite(weights[name]).all():
            raise ModelError(f"{name} of the network holds numbers that are not finite")
    return weights


def shapes_of(build: Callable[[], torch.nn.Module]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight by name, without using memory for the weights."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}


def network_with(build: Callable[[], torch.nn.Module], weights: Mapping[str, NDArray[np.float32]]) -> torch.nn.Module:
    """Build a network with these weights."""
    with torch.random.fork_rng(devices=[]):  # the first weights are drawn and then replaced
        network = build()
    network.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    return network.eval()
