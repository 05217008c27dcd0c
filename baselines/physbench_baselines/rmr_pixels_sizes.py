"""Sizes of a model of frames around a processor of states, and how it is trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from physbench.askings import Colours
from physbench.fields import parameter
from physbench.suites import Suite, Task
from physbench_baselines.architecture import Architecture, StoppingRule
from physbench_baselines.rmr_sizes import PAPER
from physbench_baselines.slot_attention_sizes import SlotAttentionSizes, SlotSizes

if TYPE_CHECKING:
    from physbench_baselines.rmr_pixels import PixelModel
    from physbench_baselines.training.training_recipe import TrainingRecipe


@dataclass(frozen=True)
class PixelSizes(SlotSizes):
    """The slots see and draw as those of a Slot Attention auto-encoder do; between the two is the processor.

    iterations: of the attention in the first frame.
    """

    slots: int = parameter(
        11, low=1, high=64
    )  # 10 balls and the background; other numbers may be asked for at test time
    later_iterations: int = parameter(
        1, low=1, high=64
    )  # of the attention in each next frame, which begins with the slots of the one before
    slot_hidden: int = parameter(128, low=1, high=4096)  # of the MLP after the attention
    size: int = parameter(128, low=1, high=4096)  # numbers of each slot that the processor takes and gives
    hidden: int = parameter(128, low=1, high=8192)  # of the layers of the processor
    passes: int = parameter(2, low=1, high=16)  # of messages

    @property
    def of_slots(self) -> SlotAttentionSizes:
        """Those of the encoder and of the attention."""
        shared = {field.name: getattr(self, field.name) for field in fields(SlotSizes)}
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
