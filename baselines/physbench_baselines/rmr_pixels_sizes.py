"""Sizes of a model of frames around a processor of states, and how it is trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from physbench.askings import Colours
from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench.suites import Suite, Task
from physbench_baselines.architecture import Architecture, StoppingRule
from physbench_baselines.rmr_sizes import PAPER
from physbench_baselines.slot_attention_sizes import SlotAttentionSizes

if TYPE_CHECKING:
    from physbench_baselines.rmr_pixels import PixelModel
    from physbench_baselines.training.training_recipe import TrainingRecipe


@dataclass(frozen=True)
class PixelSizes:
    """Sizes of a model. The encoder and the decoder of its slots are those of a Slot Attention auto-encoder.

    The processor is between the two.
    """

    channels: int = parameter(3, low=1, high=16)  # of a frame
    slots: int = parameter(11, low=1, high=64)  # 10 balls and the background; it can be changed at test time
    iterations: int = parameter(3, low=1, high=64)  # of the attention in the first frame
    later_iterations: int = parameter(
        1, low=1, high=64
    )  # in each later frame, which begins with the slots of the frame before
    slot_size: int = parameter(64, low=1, high=4096)
    slot_hidden: int = parameter(128, low=1, high=4096)  # of the MLP after the attention
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
    patch: int = parameter(1, low=1, high=16)  # the model sees a square with this side in pixels as one pixel
    size: int = parameter(128, low=1, high=4096)  # numbers of each slot in the processor
    hidden: int = parameter(128, low=1, high=8192)  # of the layers of the processor
    passes: int = parameter(2, low=1, high=16)  # passes of messages
    scale: float = parameter(
        0.1, above=0, high=10
    )  # sigma of a pixel, used only when a likelihood is computed, not for training

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        for name in ("encoder", "decoder"):
            if not 1 <= len(getattr(self, name)) <= 8:
                raise ModelError(f"{name} is 1 to 8 whole numbers, not {len(getattr(self, name))}")

    @property
    def of_slots(self) -> SlotAttentionSizes:
        """Sizes of the encoder and of the attention."""
        shared = {
            field.name: getattr(self, field.name) for field in fields(SlotAttentionSizes) if field.name != "hidden"
        }
        return SlotAttentionSizes(**shared, hidden=self.slot_hidden)

    @property
    def of_decoder(self) -> SlotAttentionSizes:
        """Sizes of the decoder, which draws the processor's output."""
        return replace(self.of_slots, slot_size=self.size)

    def build(self) -> PixelModel:
        """Make a model with fresh weights."""
        from physbench_baselines.rmr_pixels import PixelModel

        return PixelModel(self)


def judge_frames(recipe: TrainingRecipe, dataset: str) -> Suite:
    """Return a suite that scores predictions of the next frame, like the suite of pixels."""
    return Suite(
        "training", 1, "what a network is asked while it learns", (Task(dataset, (Colours(recipe.longest),)),), None
    )


USUAL = PixelSizes()
SMALL = replace(
    USUAL,
    encoder=(64, 64),
    kernel=3,
    decoder=(64, 64),
    decoder_kernel=1,
    last_kernel=1,
    patch=4,
    size=64,
    hidden=64,
    passes=1,
)

ARCHITECTURE = Architecture(
    name="rmr-pixels",
    sizes=PixelSizes,
    paper=PAPER,
    stopping=StoppingRule("for 1,000 epochs of a set whose size it does not say", lambda recipe, steps, ended: False),
    variants={"rmr-pixels": {"": USUAL}, "rmr-pixels-small": {"": SMALL}},
    recipes={
        "": {
            "": {
                "precision": "fp32",
                "data": "balls10-colour",
                "batch": 512,
                "frames": (4,),
                "anywhere": True,
                "learning_rate": 1e-4,
                "validation": 512,
                "scored": 128,
                "evaluate_every": 1_000,
            }
        },
        "rmr-pixels-small": {
            "": {
                "batch": 8,
                "frames": (6,),
                "learning_rate": 1e-3,
                "warm_up": 200,
                "decay": 0.5,
                "gradient_limit": 1.0,
                "validation": 256,
                "patience": 100,
            }
        },
    },
    settable=("slots", "iterations", "later_iterations"),
    judged_by=judge_frames,
)
