"""Sizes and kinds of IODINE for each dataset, and how it is trained. Needs no torch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from physbench.errors import ModelError
from physbench.fields import check_fields, parameter
from physbench_baselines.architecture import Architecture, StoppingRule
from physbench_baselines.stills import judge_stills

if TYPE_CHECKING:
    from physbench_baselines.iodine import Iodine

DISTRIBUTIONS = ("gaussian", "logistic", "bernoulli")
COORDINATES = ("linear", "cosine")
HEADS = ("residual", "predictor-corrector")


@dataclass(frozen=True)
class IodineSizes:
    """Sizes of a model; the defaults are the paper's for CLEVR (appendix B.1). Any height and width is possible.

    The paper gives no standard deviation of the pixels. `scale` is 0.1 because reimplementations use that.
    """

    channels: int = parameter(3, low=1, high=16)  # of a frame
    slots: int = parameter(7, low=2, high=64)  # K in training; it can be changed at test time
    refinements: int = parameter(
        5, low=1, high=256
    )  # T in training; it can be changed too; for sequences the number of frames counts instead
    latent: int = parameter(64, low=1, high=1024)  # size of a slot's z; the posterior has twice as many numbers
    distribution: str = parameter(
        "gaussian", choices=DISTRIBUTIONS
    )  # of a pixel: the paper's, the published code's, and one for black and white
    scale: float = parameter(
        0.1, above=0, high=10
    )  # of the first two: sigma of the Gaussian, or s of the logistic, 0.03 in the published code
    sequential: bool = False  # True: one refinement per frame (appendix B.4); False: all refinements on each frame
    decoder: tuple[int, ...] = parameter(
        (64, 64, 64, 64), low=1, high=1024
    )  # channels of the convolutions before the last one
    decoder_kernel: int = parameter(3, low=1, high=15)
    glimpse: int = parameter(
        0, low=0, high=128
    )  # side of the small picture that our decoder draws; 0 = the paper's decoder
    encoder: tuple[int, ...] = parameter(
        (64, 64, 64, 64), low=1, high=1024
    )  # channels of the refinement network's convolutions
    encoder_kernel: int = parameter(3, low=1, high=15)
    patch: int = parameter(
        1, low=1, high=16
    )  # convolutions see a square with this side in pixels as one pixel; 1 in the paper
    dense: tuple[int, ...] = parameter((256, 256), low=1, high=4096)  # of the MLP after the convolutions
    lstm: int = parameter(256, low=0, high=4096)  # size of the LSTM; 0 = no LSTM
    coordinates: str = parameter("linear", choices=COORDINATES)  # inputs of the refinement network: 2, or 8 cosines
    head: str = parameter(
        "residual", choices=HEADS
    )  # the second is in the published code, for sequences, but no published configuration uses it
    predictor: int = parameter(64, low=1, high=4096)  # size of the second head's MLP
    correction_bias: float = parameter(0.0, low=-10, high=10)  # this and the next are added to the second head's gates
    prediction_bias: float = parameter(0.0, low=-10, high=10)
    inner_batch: int = parameter(
        4, low=1, high=4096
    )  # the gradients among its inputs are those of a mean over this many images

    def __post_init__(self) -> None:
        check_fields(self, ModelError)
        for name in ("decoder", "encoder", "dense"):
            if not 1 <= len(getattr(self, name)) <= 8:
                raise ModelError(f"{name} is 1 to 8 whole numbers, not {len(getattr(self, name))}")

    def build(self) -> Iodine:
        """Make a model with fresh weights."""
        from physbench_baselines.iodine import Iodine

        return Iodine(self)


SPRITES = IodineSizes(
    slots=6,
    latent=16,
    decoder=(32, 32, 32, 32),
    decoder_kernel=5,
    encoder=(32, 32, 32),
    encoder_kernel=5,
    dense=(128,),
    lstm=128,
    coordinates="cosine",
    inner_batch=16,
)
"""The paper's sizes for coloured sprites, appendix B.2."""

TETRIS = replace(SPRITES, slots=4, latent=32, lstm=0, inner_batch=32)
"""The paper's sizes for Tetris, appendix B.3."""

BLACK_AND_WHITE = replace(SPRITES, channels=1, slots=4, distribution="bernoulli")
"""Sizes for black and white images, for which the paper gives none.

They are those of the coloured sprites, with one slot for each of three objects and one for the background.
"""

BALLS = replace(BLACK_AND_WHITE, slots=5, sequential=True)
"""Sizes for sequences, for which the paper gives none either."""

SIZES = {
    "": BALLS,
    "multi-dsprites": SPRITES,
    "multi-dsprites-binary": BLACK_AND_WHITE,
    "tetris": TETRIS,
    "shapes": BLACK_AND_WHITE,
}


def shrink(sizes: IodineSizes) -> IodineSizes:
    """Return sizes that can learn on a CPU: convolutions on patches of 4 x 4 pixels.

    What the decoder draws in a patch depends on z and on the place of the patch alone.
    """
    return replace(
        sizes,
        refinements=3,
        latent=min(sizes.latent, 16),
        decoder=(64, 32),
        decoder_kernel=1,
        encoder=(32, 32),
        encoder_kernel=3,
        patch=4,
        dense=(128,),
        lstm=min(sizes.lstm, 128),
        inner_batch=1,
    )


GLIMPSES = {"": 16, "multi-dsprites": 24, "multi-dsprites-binary": 24, "tetris": 20, "shapes": 14}
"""A side that is large enough for the largest object of each dataset."""


def glimpse(sizes: IodineSizes, side: int) -> IodineSizes:
    """Return the small sizes with our decoder.

    It can draw less with a slot, so there is less to infer about each slot.
    """
    small = shrink(sizes)
    return replace(small, glimpse=side, decoder=(64, 128), latent=8 if sizes.channels == 1 else small.latent)


SMALL: dict[str, dict[str, Any]] = {
    "": {
        "batch": 16, "learning_rate": 2e-3, "betas": (0.9, 0.999), "warm_up": 200, "schedule": "linear", "decay": 0.3,
        "validation": 128, "scored": 32, "evaluate_every": 1_000,
    },
    **{dataset: {"frames": (1,), "validation": 512, "scored": 256} for dataset in SIZES if dataset},
}  # fmt: skip
"""How both small kinds are trained by default."""

STEPS = 1_000_000

ARCHITECTURE = Architecture(
    name="iodine",
    sizes=IodineSizes,
    paper="https://arxiv.org/abs/1903.00450",
    stopping=StoppingRule(
        f"for {STEPS:,} steps of 32 images", lambda recipe, steps, ended: steps >= STEPS and recipe.batch >= 32
    ),
    variants={
        "iodine": SIZES,
        "iodine-small": {dataset: shrink(sizes) for dataset, sizes in SIZES.items()},
        "iodine-glimpse": {dataset: glimpse(sizes, GLIMPSES[dataset]) for dataset, sizes in SIZES.items()},
    },
    recipes={
        "": {
            "": {
                "precision": "fp32",
                "batch": 32,
                "frames": (12,),
                "learning_rate": 3e-4,
                "betas": (0.95, 0.999),
                "schedule": "exponential",
                "decay_rate": 0.1,
                "decay_steps": STEPS,
                "gradient_limit": 5.0,
            },
            **{dataset: {"frames": (1,)} for dataset in SIZES if dataset},
        },
        "iodine-small": SMALL,
        "iodine-glimpse": SMALL,
    },
    settable=lambda sizes: ("slots",) if sizes.sequential else ("slots", "refinements"),
    judged_by=judge_stills,
)
