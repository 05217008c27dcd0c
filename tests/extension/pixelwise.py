# pixelwise.py
from dataclasses import dataclass

from torch import nn

from physbench.model import Bernoulli
from physbench_baselines.architecture import Architecture
from physbench_baselines.training.trainable import Losses


@dataclass(frozen=True)
class Sizes:
    channels: int = 8


class Pixelwise(nn.Module):
    likelihood = Bernoulli()

    def __init__(self, sizes):
        super().__init__()
        self.see = nn.Conv2d(1, sizes.channels, 5, padding=2)
        self.draw = nn.Conv2d(sizes.channels, 1, 5, padding=2)

    def predict(self, frames):  # (N, H, W, 1) -> the logits of the next frames
        return self.draw(self.see(frames.movedim(-1, 1)).relu()).movedim(1, -1)

    def loss(self, batch, *, generator, share):
        frames = batch["features"].float()  # (B, T, H, W, 1)
        logits, wanted = self.predict(frames[:, :-1].flatten(0, 1)), frames[:, 1:].flatten(0, 1)
        wrong = nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
        return Losses(wrong.sum((1, 2, 3)).mean(), {})

    def begin(self, seeds, *, shape, slots=None, actions=0):
        return None

    def observe(self, state, frame, action):
        return state, self.predict(frame).sigmoid(), None


ARCHITECTURE = Architecture(name="pixelwise", sizes=Sizes, build=Pixelwise)
