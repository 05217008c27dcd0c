"""Reference rows for codes of frames: what can be read from a frame itself, and from an untrained network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from physbench.model import Batch, Bernoulli, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from physbench_baselines.adapter import TorchModel

    Frame = NDArray[np.float32]  # (B, H, W, C)

SEED = 0
"""Seed of the untrained network."""


@dataclass(frozen=True)
class Pixels:
    """A frame is its own code, and the next frame is this one."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> None:
        """Return the state before the first frame."""
        return None

    def observe(self, state: Frame | None, frame: Frame, action: Frame | None) -> tuple[Frame, Prediction]:
        """Take a frame, and return the state and a prediction of the next one."""
        return frame, Prediction(frame)

    def latents(self, state: Frame) -> Frame:
        """Return the pixels as one code, (B, 1, H * W * C)."""
        return state.reshape(len(state), 1, -1)


def random_cnn(device: str = "cpu") -> TorchModel:
    """The network that learns by contrast, with its untrained first weights."""
    import torch

    from physbench_baselines.adapter import TorchModel
    from physbench_baselines.contrastive_sizes import ARCHITECTURE

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = ARCHITECTURE.make(ARCHITECTURE.sizes_of("cswm"))
    return TorchModel(network, device=device)  # type: ignore[arg-type]
