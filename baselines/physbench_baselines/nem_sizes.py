"""Sizes and kinds of models of the NEM family. They fit into the header of a file of weights."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench_baselines.architecture import Architecture, StoppingRule

if TYPE_CHECKING:
    from physbench_baselines.nem import Nem

RECURRENCES = ("rnn", "lstm", "r-nem", "r-nem-no-attention")
ENCODERS = ("published", "appendix")
LARGEST = 1 << 26
"""The most weights that one dense layer may have."""


@dataclass(frozen=True)
class NemSizes:
    """Sizes of a model; the defaults are the paper's for bouncing balls.

    The norm, the noise and the layers are those of the published code where it differs from the paper.
    """

    recurrence: str = parameter("r-nem", choices=RECURRENCES)
    slots: int = parameter(
        5, low=1, high=64
    )  # K in training; it can be changed at test time, except for RNN and LSTM, which have 1
    height: int = parameter(64, low=8, high=256)
    width: int = parameter(64, low=8, high=256)
    channels: tuple[int, ...] = parameter(
        (16, 32, 64), low=1, high=512
    )  # of the encoder's convolutions; the decoder's are the same in reverse order
    dense: int = parameter(512, low=1, high=4096)
    hidden: int = parameter(250, low=1, high=4096)  # size of theta, and of the layers of the interaction
    attention: int = parameter(100, low=1, high=4096)
    actions: int = parameter(0, low=0, high=1024)  # how many there are; 0 = the model takes none
    embedding: int = parameter(10, low=1, high=1024)  # size of an action's embedding
    noise: float = parameter(0.2, low=0, below=1)  # share of the input's pixels that are flipped
    encoder: str = parameter(
        "published", choices=ENCODERS
    )  # which layers to use at 84x84: the published code's or the appendix's; at other sizes they are the same

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        if not 1 <= len(self.channels) <= 6:
            raise ModelError(f"channels are 1 to 6 whole numbers, not {len(self.channels)}")
        if self.strided and len(self.channels) != 2:
            raise ModelError(
                f"the published layers for 84x84 are 2 convolutions, not {len(self.channels)}: give 2 channels, or take"
                " the appendix's encoder"
            )
        if self.actions and self.recurrence not in ("r-nem", "r-nem-no-attention"):
            raise ModelError(f"only a relational recurrence takes actions, not {self.recurrence!r}: leave actions at 0")
        features = max(math.prod(self.encoded), math.prod(self.first))
        if max(features, 4 * self.hidden) * max(self.dense, self.hidden) > LARGEST:
            raise ModelError(
                f"layers of {features} x {self.dense} and {4 * self.hidden} x {self.hidden} weights are too large: at"
                f" most {LARGEST} in one of them"
            )

    @property
    def strided(self) -> bool:
        """Whether the layers are the published ones for Space Invaders."""
        return self.encoder == "published" and (self.height, self.width) == (84, 84)

    @property
    def mixture(self) -> bool:
        """Whether there is more than one slot to share the pixels."""
        return self.slots > 1

    @property
    def kernels(self) -> tuple[int, ...]:
        """Kernel sizes of the encoder's convolutions."""
        return (8, 4) if self.strided else (4,) * len(self.channels)

    @property
    def strides(self) -> tuple[int, ...]:
        """Strides of the encoder's convolutions."""
        return (4, 2) if self.strided else (2,) * len(self.channels)

    @property
    def scales(self) -> list[tuple[int, int]]:
        """Height and width of the frame, then after each convolution."""
        found = [(self.height, self.width)]
        for stride in self.strides:
            height, width = found[-1]
            found.append((-(-height // stride), -(-width // stride)))
        return found

    @property
    def encoded(self) -> tuple[int, int, int]:
        """Height, width and channels after the last convolution."""
        return (*self.scales[-1], self.channels[-1])

    @property
    def first(self) -> tuple[int, int, int]:
        """Height, width and channels of the image that the decoder starts from.

        At 84x84 this is none of the encoder's scales, neither in the code nor in the appendix. The appendix doubles an
        image of 8x8 four times, which gives 128 and not 84. Here the last four sizes are the encoder's.
        """
        if self.strided:
            return (10, 10, self.channels[-1])
        if (self.height, self.width) == (84, 84):
            return (8, 8, 2 * self.channels[-1])
        return self.encoded

    @property
    def grown(self) -> list[tuple[int, int]]:
        """The sizes that the decoder's first image grows to, in order."""
        return self.scales[-2::-1]

    def build(self) -> Nem:
        """Make a model with fresh weights."""
        from physbench_baselines.nem import Nem

        return Nem(self)


def invaders(sizes: NemSizes, *, actions: int = 0) -> NemSizes:
    """Return the sizes of the same model for Space Invaders, as in the published code.

    The paper flips 2 % of the pixels and the code 0.2 %.
    """
    slots = 4 if sizes.mixture else 1
    return replace(sizes, slots=slots, height=84, width=84, channels=(16, 32), dense=250, actions=actions, noise=0.002)


def sprites(sizes: NemSizes) -> NemSizes:
    """Return the sizes of the same model for a still image, which is shown again and again.

    R-NEM's authors show it no still images. The number of slots and the noise are those of the published N-EM code
    (Greff et al. 2017) for Shapes: one slot for each of three objects and one for the background.
    """
    return replace(sizes, slots=4 if sizes.mixture else 1, noise=0.1)


def shapes(sizes: NemSizes) -> NemSizes:
    """Return the sizes for still images of 28x28.

    The convolutions are those that N-EM has for moving shapes of this size. For still shapes it has none.
    """
    return replace(sprites(sizes), height=28, width=28, channels=(32, 64))


def _sizes(recurrence: str, *, slots: int = 5) -> dict[str, NemSizes]:
    """Return the sizes by dataset.

    In Space Invaders there are six actions, which only a relational recurrence takes.
    """
    balls = NemSizes(recurrence, slots=slots)
    return {
        "": balls,
        "invaders84": invaders(balls, actions=6 if recurrence.startswith("r-nem") else 0),
        "shapes": shapes(balls),
        "multi-dsprites-binary": sprites(balls),
    }


LOOKS = (16,)
"""Frames per image: 15 steps, as in the published N-EM code."""

PATIENCE, EPOCH = 10, 50_000

ARCHITECTURE = Architecture(
    name="nem",
    sizes=NemSizes,
    paper="https://arxiv.org/abs/1802.10353",
    stopping=StoppingRule(
        f"until validation has not improved for {PATIENCE} epochs of {EPOCH:,} sequences",
        lambda recipe, steps, ended: ended == "patience" and recipe.patience >= PATIENCE and recipe.epoch >= EPOCH,
    ),
    variants={
        "rnn": _sizes("rnn", slots=1),
        "lstm": _sizes("lstm", slots=1),
        "rnn-em": _sizes("rnn"),
        "r-nem": _sizes("r-nem"),
        "r-nem-no-attention": _sizes("r-nem-no-attention"),
    },
    recipes={
        "": {
            "invaders84": {"frames": (25,), "batch": 32},
            "shapes": {"frames": LOOKS},
            "multi-dsprites-binary": {"frames": LOOKS},
        }
    },
    settable=lambda sizes: ("slots", "noise") if sizes.mixture else ("noise",),
)
