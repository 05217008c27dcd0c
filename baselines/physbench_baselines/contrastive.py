"""Codes of frames that are learnt by contrast (Velickovic et al., Reasoning-Modulated Representations, 2021, section 4,
"Natural pipeline"): the second half of RMR for Atari, and C-SWM (Kipf, van der Pol, Welling, Contrastive Learning of
Structured World Models, 2019), which it is held against.

An encoder makes 128 slots of a frame, P is told the action and says what the slots of the next frame are, up to a
linear layer g. A code is good where that is near, and where the codes of other frames are far. The two models are one
architecture: in RMR's, P has been learnt from the console's memory and is kept as it is, in C-SWM's it is learnt with
everything else:

    physbench train cswm-small --data invaders84.h5 --reuse processor=runs/rmr-ram-mpnn-small
    physbench train cswm-small --data invaders84.h5

There is no published code, and the paper leaves open what is decided here:

- the trunk is that of Anand et al., 2019, for frames of 84 x 84 pixels, and one frame is a state, as the paper's text
  has it;
- m, the number of feature maps of a slot, is 1, which the paper calls the style of C-SWM;
- between the convolution of 1 x 1 and the linear layer that all slots share there is no activation: the paper names
  none;
- g starts as the identity. P starts as one, too, so a model that has learnt nothing says that nothing changes;
- what is far is measured as in C-SWM's published experiments: between a state and one that a permutation of the batch
  puts in its place, where some may stay what they are; sigma is 1/2 and the hinge 1.

B sequences, T frames, N transitions, K = 128 slots of D numbers each, A actions of the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

from physbench.errors import ModelError
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
    """Convolutions, m feature maps of each slot, and a linear layer that all slots share. (B, C, H, W) -> (B, K, D)."""

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
        return self.last(self.maps(self.trunk(x)).reshape(len(x), BYTES, -1))


class ContrastiveModel(nn.Module):
    """A frame and an action in, the slots of the next frame out."""

    likelihood = Bernoulli()  # it says nothing of pixels
    wants = ("features", "actions")

    def __init__(self, sizes: ContrastiveSizes) -> None:
        super().__init__()
        self.sizes = sizes
        self.encoder = Encoder(sizes)
        self.processor = make_processor(sizes, BYTES, actions=ALL_ACTIONS)
        self.decoder = nn.Linear(sizes.size, sizes.size)
        nn.init.eye_(self.decoder.weight)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, z: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        """z (N, K, D), action (N, A) -> what the slots will be (N, K, D)."""
        return self.decoder(self.processor(z, self.place_actions(action)))

    def place_actions(self, action: torch.Tensor) -> torch.Tensor:
        """Put actions (N, A) where the code of each stands: (N, 18)."""
        every = action.new_zeros(len(action), ALL_ACTIONS)
        every[:, list(self.sizes.codes)] = action
        return every

    def loss(
        self, batch: Mapping[str, torch.Tensor], *, generator: torch.Generator | None = None, share: float = 0.0
    ) -> Losses:
        """How far the next slots are from what was said of them, and how near others are: C-SWM's.

        batch: features uint8 (B, T, H, W, C), actions (B, T, A). The generator draws who is put in whose place. The
        share is not needed.
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
        """(N, K, D) both -> (N,): squared distances of the slots in units of sigma, halved; a mean over slots."""
        return (one - other).square().sum(dim=2).mean(dim=1) * (0.5 / self.sizes.sigma**2)

    def begin(
        self, seeds: torch.Tensor, *, shape: tuple[int, int, int], slots: int | None = None, actions: int = 0
    ) -> torch.Tensor | None:
        """Know nothing: no randomness, and nothing of before. Actions are not looked at."""
        self._require(shape, None)
        return None

    def observe(
        self, state: torch.Tensor | None, frame: torch.Tensor, action: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, None, None]:
        """Take a frame (B, H, W, C) -> its slots (B, K, D), as the state, and nothing of the next frame and of
        owners."""
        return self.encoder(frame.permute(0, 3, 1, 2)), None, None

    def latents(self, state: torch.Tensor) -> torch.Tensor:
        """(B, K, D)."""
        return state

    def _require(self, shape: tuple[int, ...], actions: int | None) -> None:
        wanted = self.sizes.side, self.sizes.side, self.sizes.channels
        if shape != wanted:
            raise ModelError(
                f"this model is for frames of {wanted}, not of {shape}: take another dataset, or train one for them"
            )
        if actions not in (None, len(self.sizes.codes)):
            raise ModelError(
                f"this model is told one of {len(self.sizes.codes)} actions, not of {actions}: give their codes with"
                " --size codes=[0,1,...]"
            )
