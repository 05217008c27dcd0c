"""Sizes of a Slot Attention auto-encoder for each dataset, and how it is trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench_baselines.architecture import Architecture, StoppingRule
from physbench_baselines.stills import judge_stills

if TYPE_CHECKING:
    from physbench_baselines.slot_attention import AutoEncoder


@dataclass(frozen=True)
class SlotSizes:
    """What slots see with and draw with. The defaults are the paper's for images of 64 x 64 and 35 x 35 pixels. Any
    height and width will do."""

    channels: int = parameter(3, low=1, high=16)  # of a frame
    slots: int = parameter(6, low=1, high=64)  # K in training; it can be changed at test time
    iterations: int = parameter(3, low=1, high=64)  # of the attention; it can be changed too
    slot_size: int = parameter(64, low=1, high=4096)
    encoder: tuple[int, ...] = parameter((32, 32, 32, 32), low=1, high=1024)  # channels of its convolutions
    features: int = parameter(64, low=1, high=4096)  # numbers of each pixel that the attention sees
    decoder: tuple[int, ...] = parameter(
        (32, 32, 32), low=1, high=1024
    )  # channels of its convolutions before the last one
    kernel: int = parameter(5, low=1, high=15)  # of all convolutions but the decoder's last one
    last_kernel: int = parameter(3, low=1, high=15)
    decoder_kernel: int = parameter(
        0, low=0, high=15
    )  # of the decoder's convolutions but the last; 0 = the same as `kernel`
    patch: int = parameter(
        1, low=1, high=16
    )  # the model sees a square with this side in pixels as one pixel; 1 in the paper
    scale: float = parameter(
        0.1, above=0, high=10
    )  # sigma of a pixel, used only when a likelihood is computed, not for training

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        for name in ("encoder", "decoder"):
            if not 1 <= len(getattr(self, name)) <= 8:
                raise ModelError(f"{name} is 1 to 8 whole numbers, not {len(getattr(self, name))}")


@dataclass(frozen=True)
class SlotAttentionSizes(SlotSizes):
    """Of the auto-encoder: what its slots see is what they draw."""

    hidden: int = parameter(128, low=1, high=4096)  # of the MLP after the attention

    def build(self) -> AutoEncoder:
        """Make a model with fresh weights."""
        from physbench_baselines.slot_attention import AutoEncoder

        return AutoEncoder(self)


COLOURED = SlotAttentionSizes()
TETRIS = replace(COLOURED, slots=4)
BLACK_AND_WHITE = replace(COLOURED, channels=1, slots=4)
BALLS = replace(COLOURED, channels=1, slots=5)

SIZES = {
    "": BALLS,
    "balls10-colour": replace(COLOURED, slots=11),
    "multi-dsprites": COLOURED,
    "multi-dsprites-binary": BLACK_AND_WHITE,
    "tetris": TETRIS,
    "shapes": BLACK_AND_WHITE,
}


def shrink(sizes: SlotAttentionSizes) -> SlotAttentionSizes:
    """Return sizes that can learn on a CPU: patches of 4 x 4 pixels.

    What the decoder draws in a patch depends on the slot and on the place of the patch alone.
    """
    return replace(sizes, encoder=(64, 64), kernel=3, decoder=(64, 64), decoder_kernel=1, last_kernel=1, patch=4)


STEPS = 500_000

ARCHITECTURE = Architecture(
    name="slot-attention",
    sizes=SlotAttentionSizes,
    paper="https://arxiv.org/abs/2006.15055",
    stopping=StoppingRule(
        f"for {STEPS:,} steps of 64 images", lambda recipe, steps, ended: steps >= STEPS and recipe.batch >= 64
    ),
    variants={
        "slot-attention": SIZES,
        "slot-attention-small": {dataset: shrink(sizes) for dataset, sizes in SIZES.items()},
    },
    recipes={
        "": {
            "": {
                "precision": "fp32",
                "batch": 64,
                "frames": (1,),
                "anywhere": True,
                "learning_rate": 4e-4,
                "warm_up": 10_000,
                "schedule": "exponential",
                "decay_rate": 0.5,
                "decay_steps": 100_000,
            }
        },
        "slot-attention-small": {
            "": {
                "batch": 32,
                "learning_rate": 1e-3,
                "warm_up": 200,
                "schedule": "linear",
                "decay": 0.3,
                "validation": 512,
                "scored": 256,
                "evaluate_every": 1_000,
            }
        },
    },
    settable=("slots", "iterations"),
    judged_by=judge_stills,
)
