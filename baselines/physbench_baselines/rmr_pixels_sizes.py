"""How large a model of frames around a processor of states is, and how it is trained. Without torch."""

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
    """The slots see and draw as those of a Slot Attention auto-encoder do; between the two is the processor."""

    channels: int = parameter(3, low=1, high=16)  # of a frame
    slots: int = parameter(
        11, low=1, high=64
    )  # 10 balls and the background; other numbers may be asked for at test time
    iterations: int = parameter(3, low=1, high=64)  # of the attention in the first frame
    later_iterations: int = parameter(
        1, low=1, high=64
    )  # in each next one, which begins with the slots of the frame before
    slot_size: int = parameter(64, low=1, high=4096)
    slot_hidden: int = parameter(128, low=1, high=4096)  # of the MLP after the attention
    encoder: tuple[int, ...] = parameter((32, 32, 32, 32), low=1, high=1024)  # channels of its convolutions
    features: int = parameter(64, low=1, high=4096)  # that the attention sees of a pixel
    decoder: tuple[int, ...] = parameter(
        (32, 32, 32), low=1, high=1024
    )  # channels of its convolutions before the last one
    kernel: int = parameter(5, low=1, high=15)  # of all convolutions but that one
    last_kernel: int = parameter(3, low=1, high=15)
    decoder_kernel: int = parameter(
        0, low=0, high=15
    )  # of the decoder's convolutions, where they have one of their own
    patch: int = parameter(1, low=1, high=16)  # everything sees squares of so many pixels, up and across, as one
    size: int = parameter(128, low=1, high=4096)  # numbers of each slot that the processor takes and gives
    hidden: int = parameter(128, low=1, high=8192)  # of the layers of the processor
    passes: int = parameter(2, low=1, high=16)  # of messages
    scale: float = parameter(
        0.1, above=0, high=10
    )  # sigma of a pixel where a likelihood is asked for; nothing is learnt from it

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        for name in ("encoder", "decoder"):
            if not 1 <= len(getattr(self, name)) <= 8:
                raise ModelError(f"{name} is 1 to 8 whole numbers, not {len(getattr(self, name))}")

    @property
    def of_slots(self) -> SlotAttentionSizes:
        """Those of the encoder and of the attention."""
        shared = {
            field.name: getattr(self, field.name) for field in fields(SlotAttentionSizes) if field.name != "hidden"
        }
        return SlotAttentionSizes(**shared, hidden=self.slot_hidden)

    @property
    def of_decoder(self) -> SlotAttentionSizes:
        """Those of the decoder, which draws what the processor gives."""
        return replace(self.of_slots, slot_size=self.size)

    def build(self) -> PixelModel:
        """Make a model with fresh weights."""
        from physbench_baselines.rmr_pixels import PixelModel

        return PixelModel(self)


def judge_frames(recipe: TrainingRecipe, dataset: str) -> Suite:
    """Ask for the next frame, as the suite of pixels does."""
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
