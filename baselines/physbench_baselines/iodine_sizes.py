"""How large an IODINE is and of which kind, for which dataset, and how it is trained. Without torch."""

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
    """The defaults are the paper's for CLEVR (appendix B.1). Any height and width will do.

    The paper gives no standard deviation of the pixels; `scale` is 0.1 because reimplementations have it so.
    """

    channels: int = parameter(3, low=1, high=16)  # of a frame
    slots: int = parameter(7, low=2, high=64)  # K in training; other numbers may be asked for at test time
    refinements: int = parameter(
        5, low=1, high=256
    )  # T in training, likewise; of sequences it is the number of frames that counts
    latent: int = parameter(64, low=1, high=1024)  # of a slot's z; the posterior has twice as many numbers
    distribution: str = parameter(
        "gaussian", choices=DISTRIBUTIONS
    )  # of a pixel: the paper's, the published code's, one for black and white
    scale: float = parameter(
        0.1, above=0, high=10
    )  # of the first two: sigma, or the logistic's s, which is 0.03 in the published code
    sequential: bool = False  # one refinement per frame (appendix B.4), else all of them on each frame by itself
    decoder: tuple[int, ...] = parameter(
        (64, 64, 64, 64), low=1, high=1024
    )  # channels of the convolutions before the last one
    decoder_kernel: int = parameter(3, low=1, high=15)
    glimpse: int = parameter(
        0, low=0, high=128
    )  # side of a small picture that a decoder of ours puts in one place; 0 = the paper's decoder
    encoder: tuple[int, ...] = parameter(
        (64, 64, 64, 64), low=1, high=1024
    )  # channels of the refinement network's convolutions
    encoder_kernel: int = parameter(3, low=1, high=15)
    patch: int = parameter(
        1, low=1, high=16
    )  # convolutions see squares of so many pixels, up and across, as one; 1 in the paper
    dense: tuple[int, ...] = parameter((256, 256), low=1, high=4096)  # of the MLP after the convolutions
    lstm: int = parameter(256, low=0, high=4096)  # 0 = there is none
    coordinates: str = parameter("linear", choices=COORDINATES)  # that the refinement network is shown: 2, or 8 cosines
    head: str = parameter(
        "residual", choices=HEADS
    )  # the second is the published code's for sequences, which no published configuration uses
    predictor: int = parameter(64, low=1, high=4096)  # of the second head's MLP
    correction_bias: float = parameter(0.0, low=-10, high=10)  # added to its two gates
    prediction_bias: float = parameter(0.0, low=-10, high=10)
    inner_batch: int = parameter(
        4, low=1, high=4096
    )  # the gradients that it is shown are those of a mean over so many images

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
"""Appendix B.2."""

TETRIS = replace(SPRITES, slots=4, latent=32, lstm=0, inner_batch=32)
"""Appendix B.3."""

BLACK_AND_WHITE = replace(SPRITES, channels=1, slots=4, distribution="bernoulli")
"""The paper gives no sizes for its two black and white sets: those of the coloured sprites, with a slot for each of
three objects and the ground."""

BALLS = replace(BLACK_AND_WHITE, slots=5, sequential=True)
"""Nor for sequences."""

SIZES = {
    "": BALLS,
    "multi-dsprites": SPRITES,
    "multi-dsprites-binary": BLACK_AND_WHITE,
    "tetris": TETRIS,
    "shapes": BLACK_AND_WHITE,
}


def shrink(sizes: IodineSizes) -> IodineSizes:
    """Give the sizes that learn on a CPU: convolutions on patches of 4 x 4 pixels, of which a patch's place and z alone
    decide what is drawn there."""
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
"""A side that holds the largest object of each dataset."""


def glimpse(sizes: IodineSizes, side: int) -> IodineSizes:
    """Give the small sizes with the decoder of ours, which says less of a slot, so that less has to be known of it."""
    small = shrink(sizes)
    return replace(small, glimpse=side, decoder=(64, 128), latent=8 if sizes.channels == 1 else small.latent)


SMALL: dict[str, dict[str, Any]] = {
    "": {
        "batch": 16, "learning_rate": 2e-3, "betas": (0.9, 0.999), "warm_up": 200, "schedule": "linear", "decay": 0.3,
        "validation": 128, "scored": 32, "evaluate_every": 1_000,
    },
    **{dataset: {"frames": (1,), "validation": 512, "scored": 256} for dataset in SIZES if dataset},
}  # fmt: skip
"""How both small kinds are usually trained."""

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
