"""Codes of frames that are learnt by contrast: C-SWM, and the second half of RMR for Atari.

C-SWM is from Kipf, van der Pol and Welling (Contrastive Learning of Structured World Models, 2019). RMR for Atari,
which is compared with it, is from Velickovic et al. (Reasoning-Modulated Representations, 2021, section 4, "Natural
pipeline").

An encoder makes 128 slots from a frame. P gets the slots and the action, and predicts the slots of the next frame, up
to a linear layer g. A code is good if the prediction is near, and if the codes of other frames are far away. The two
models have the same architecture. In RMR's, P has been learnt from the console's memory and is frozen; in C-SWM's it is
learnt with everything else:

    physbench train cswm-small --data invaders84.h5 --reuse processor=runs/rmr-ram-mpnn-small
    physbench train cswm-small --data invaders84.h5

There is no published code, and the paper does not decide the following:

- The trunk is that of Anand et al., 2019, for frames of 84 x 84 pixels. One frame is a state, as the paper's text says.
- m, the number of feature maps of a slot, is 1, which the paper calls the style of C-SWM.
- There is no activation between the convolution of 1 x 1 and the linear layer that all slots share: the paper names
  none.
- g starts as the identity. P adds the messages of fresh weights from the start.
- The distance to other codes is measured as in C-SWM's published experiments: between a state and the one that a
  permutation of the batch puts in its place, where some may stay in place. sigma is 1/2 and the hinge 1.

Shapes: B sequences, T frames, N transitions, K = 128 slots of D numbers each, A actions of the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from physbench.errors import ModelError, UnsuitableModel
from physbench.model import Bernoulli
from physbench.states import BYTES
from physbench_baselines.contrastive_sizes import ALL_ACTIONS
from physbench_baselines.pixel_distributions import frames_as_images
from physbench_baselines.rmr import make_processor
from physbench_baselines.training.trainable import Losses

if TYPE_CHECKING:
    from collections.abc import Mapping

    from physbench_baselines.contrastive_sizes import ContrastiveSizes


class Encoder(nn.Module):
    """Convolutions, then m feature maps of each slot, then a linear layer that all slots share.

    (B, C, H, W) -> (B, K, D).
    """

    def __init__(self, sizes: ContrastiveSizes) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Conv2d(sizes.channels, 32, 8, stride=4),
            nn.ReLU(),
            nn.Conv2d(32, 64, 4, stride=2),
            nn.ReLU(),
            nn.Conv2d(64, 64, 3),
            nn.ReLU(),
        )
        self.maps = nn.Conv2d(64, BYTES * sizes.maps, 1)
        left = (((sizes.side - 8) // 4 + 1) - 4) // 2 + 1 - 2
        self.last = nn.Linear(sizes.maps * left**2, sizes.size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Encode frames x (B, C, H, W)."""
        return self.last(self.maps(self.trunk(x)).reshape(len(x), BYTES, -1))


class ContrastiveModel(nn.Module):
    """A model that predicts the slots of the next frame from a frame and an action."""

    likelihood = Bernoulli()  # not used: it predicts no pixels
    wants = ("features", "actions")
    separable = False  # it tells the sequences of a batch apart

    def __init__(self, sizes: ContrastiveSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(sizes)
        self.processor = make_processor(sizes, BYTES, actions=ALL_ACTIONS)
        self.decoder = nn.Linear(sizes.size, sizes.size)
        with torch.no_grad():
            self.decoder.weight.zero_().fill_diagonal_(1)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, z: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """Return the predicted slots (N, K, D), from z (N, K, D) and action (N, A)."""
        return self.decoder(self.processor(z, self.place_actions(action)))

    def place_actions(self, action: torch.Tensor) -> torch.Tensor:
        """Put each action (N, A) at the place of its code: (N, 18)."""
        every = action.new_zeros(len(action), ALL_ACTIONS)
        every[:, list(self.sizes.codes)] = action
        return every

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """Return C-SWM's loss: how far the next slots are from the prediction, and how near those of other frames are.

        batch: features uint8 (B, T, H, W, C), actions (B, T, A). The generator draws the permutation of the batch. The
        share is not used.
        """
        self._require(tuple(batch["features"].shape[2:]), batch["actions"].shape[-1])
        frames = frames_as_images(batch["features"], self.decoder.weight.dtype)
        if frames.shape[1] < 2:
            raise ModelError(f"there is nothing to predict in sequences of {frames.shape[1]} frames: give 2 or more")
        z = self.encoder(frames.flatten(0, 1)).to(frames.dtype).unflatten(0, frames.shape[:2])
        now, following = z[:, :-1].flatten(0, 1), z[:, 1:].flatten(0, 1)
        said = self(now, batch["actions"][:, :-1].flatten(0, 1).to(z.dtype)).to(z.dtype)
        others = torch.randperm(len(now), generator=generator, device=z.device)
        near = self.energy(said, following).mean()
        far = F.relu(self.sizes.hinge - self.energy(now, now[others])).mean()
        return Losses(near + far, {"near": near.detach(), "far": far.detach()})

    def energy(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """Return squared distances of slots in units of sigma, halved, a mean over slots: (N, K, D) both -> (N,)."""
        return (one - other).square().sum(dim=2).mean(dim=1) * (0.5 / self.sizes.sigma**2)

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> torch.Tensor | None:
        """Check the shape. There is no state before the first frame, and no randomness. Actions are not used."""
        self._require(shape, None)
        return None

    def observe(
        self, state: torch.Tensor | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """Take a frame (B, H, W, C) and return its slots (B, K, D) as the state, no prediction and no owners."""
        return self.encoder(frame.permute(0, 3, 1, 2)), None, None

    def latents(self, state: torch.Tensor) -> torch.Tensor:
        """Return the slots (B, K, D)."""
        return state

    def _require(self, shape: tuple[int, ...], actions: int | None) -> None:
        wanted = self.sizes.side, self.sizes.side, self.sizes.channels
        if shape != wanted:
            raise UnsuitableModel(
                f"this model is for frames of {wanted}, not of {shape}: take another dataset, or train one for them"
            )
        if actions not in (None, len(self.sizes.codes)):
            raise UnsuitableModel(
                f"this model takes one of {len(self.sizes.codes)} actions, not of {actions}: give their codes with"
                " --size codes=[0,1,...]"
            )
