"""Training recipes: the network, the data, and how it is trained. Together they decide the weights of a run.

The defaults are the paper's [van Steenkiste et al. 2018].
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from physbench.errors import TrainingError
from physbench.fields import check_fields, parameter

MOST_TEXT = 1 << 16

MANY = 10**12

MOVED = ("slots", "noise")
"""Fields of older recipes that are now sizes."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """A recipe, of which each field with a `help` is an option of `physbench train`.

    Fields with an empty help are for Python only.
    """

    model: str
    """The name of a model, or the user's package.module:ATTRIBUTE."""
    sizes: dict[str, Any] = field(default_factory=lambda: {})
    """Sizes that differ from the model's defaults."""
    data: str = parameter("balls4mass64", help="dataset to train on: a name (generated on the fly) or a dataset file")
    initial: str = parameter(
        "",
        help="start from these weights: a bundled model, a run folder or a checkpoint; or from parts of such ones,"
        " PART=WEIGHTS,...",
    )
    reuse: str = parameter(
        "", help="PART=WEIGHTS,...: copy parts from other weights and freeze them, such as processor=rmr-mpnn.balls10"
    )
    seed: int = parameter(0, help="seed of the run: initial weights, data and noise", low=0, high=(1 << 63) - 1)
    batch: int = parameter(64, help="sequences per step", low=1, high=1 << 16)
    accumulate: int = parameter(
        1, help="split each batch into this many parts to save memory; the step stays the same", low=1, high=1 << 16
    )
    frames: tuple[int, ...] = parameter(
        (31,), help="frames per sequence; several numbers form a curriculum of equal shares", low=1, high=10_000
    )
    anywhere: bool = parameter(False, help="take frames from anywhere in a sequence instead of its start")
    optimizer: str = parameter("adam", help="optimiser", choices=("adam", "adamw", "rmsprop", "sgd"))
    learning_rate: float = parameter(1e-3, help="learning rate", above=0)
    betas: tuple[float, float] = parameter(
        (0.9, 0.999), help="decay rates of the two averages of adam and adamw", low=0, below=1
    )
    epsilon: float = parameter(1e-8, help="epsilon of adam, adamw and rmsprop", low=0)
    smoothing: float = parameter(0.99, help="decay rate of rmsprop's average of squares", low=0, below=1)
    momentum: float = parameter(0.0, help="momentum of rmsprop and sgd", low=0, below=1)
    weight_decay: float = parameter(0.0, help="weight decay", low=0)
    warm_up: int = parameter(0, help="steps over which the learning rate rises to its full value", low=0, high=MANY)
    schedule: str = parameter(
        "linear", help="how the learning rate decays", choices=("linear", "cosine", "exponential")
    )
    decay: float = parameter(
        0.0,
        help="linear and cosine: share of the run, at its end, over which the rate falls to 0 (0: never)",
        low=0,
        high=1,
    )
    decay_rate: float = parameter(0.5, help="exponential: factor applied to the rate", above=0, high=1)
    decay_steps: int = parameter(
        100_000, help="exponential: steps after which the factor is applied once", low=1, high=MANY
    )
    gradient_limit: float = parameter(0.0, help="clip gradients to this norm (0: no clipping)", low=0)
    averaging: float = parameter(
        0.0, help="decay of the moving average of weights, which is then validated and saved (0: none)", low=0, below=1
    )
    precision: str = parameter(
        "auto", help="arithmetic; auto is bf16 where the hardware supports it", choices=("auto", "fp32", "bf16")
    )
    validation: int = parameter(1_000, help="number of validation sequences", low=1, high=1 << 20)
    scored: int = parameter(64, help="validation sequences scored by the evaluator (0: none)", low=0, high=10_000)
    epoch: int = parameter(50_000, help="sequences per epoch; of a file, its training split", low=1, high=MANY)
    evaluate_every: int = parameter(0, help="steps between validations (0: one epoch)", low=0, high=MANY)
    log_every: int = parameter(50, help="steps between rows of the log", low=1, high=MANY)
    patience: int = parameter(
        10, help="stop after this many epochs without a better validation loss", low=1, high=1 << 20
    )

    def __post_init__(self) -> None:
        check_fields(self, TrainingError)
        for name in ("model", "data"):
            if not getattr(self, name):
                raise TrainingError(f"{name} is a name, not ''")
        sizes: Any = self.sizes
        if not isinstance(sizes, dict) or not all(isinstance(name, str) for name in cast("dict[Any, Any]", sizes)):
            raise TrainingError(f"sizes is an object of names and values, not {sizes!r:.60}")
        if not self.frames:
            raise TrainingError("frames is one or more whole numbers, not none")
        if self.accumulate > self.batch:
            raise TrainingError(
                f"a batch of {self.batch} sequences cannot be taken in {self.accumulate} parts: give fewer"
            )
        if self.schedule == "cosine" and not self.decay:
            raise TrainingError(
                "a cosine falls over the last share of the run, and decay is 0: give a decay, 1 for the whole run"
            )

    @property
    def longest(self) -> int:
        """The largest number of frames in the curriculum."""
        return max(self.frames)

    @property
    def needs_an_end(self) -> bool:
        """Whether the schedule depends on the share of the run that is over."""
        return len(self.frames) > 1 or (self.schedule != "exponential" and self.decay > 0)

    def frames_at(self, share: float) -> int:
        """Return the number of frames when this share of the run is over."""
        return self.frames[min(int(share * len(self.frames)), len(self.frames) - 1)]

    def count_predicted(self, frames: int) -> int:
        """Return how many of so many frames are predicted; where the recipe is of images, each counts as one."""
        return frames - 1 if self.longest > 1 else 1

    def learning_rate_at(self, step: int, share: float) -> float:
        """Return the learning rate of a step, counted from 0, when this share of the run is over."""
        rising = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        if self.schedule == "exponential":
            return self.learning_rate * rising * self.decay_rate ** (step / self.decay_steps)
        falling = min(1.0, (1.0 - min(share, 1.0)) / self.decay) if self.decay else 1.0
        if self.schedule == "cosine":
            falling = (1 - math.cos(math.pi * falling)) / 2
        return self.learning_rate * rising * falling

    def to_json(self) -> str:
        """Write the recipe as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> TrainingRecipe:
        """Read a recipe from JSON."""
        try:
            given: Any = json.loads(text) if len(text) <= MOST_TEXT else None
        except (ValueError, RecursionError):
            given = None
        return TrainingRecipe.from_dict(given)

    @staticmethod
    def from_dict(given: Any) -> TrainingRecipe:
        """Read a recipe from an object in JSON, which may be of an older version."""
        if not isinstance(given, dict):
            raise TrainingError("this is not a training recipe: it is an object in JSON")
        values = cast("dict[str, Any]", given)
        if "algorithm" in values and "model" not in values:
            raise TrainingError("this is the recipe of an agent: use `physbench train dqn`")
        moved = {name: values[name] for name in MOVED if values.get(name) is not None}
        values = {name: value for name, value in values.items() if name not in MOVED}
        if moved and isinstance(values.get("sizes", {}), dict):
            values["sizes"] = {**values.get("sizes", {}), **moved}
        known = {item.name for item in fields(TrainingRecipe)}
        for name in values:
            if name not in known:
                raise TrainingError(f"a training recipe has no field {name!r:.60}: it has {', '.join(sorted(known))}")
        if "model" not in values:
            raise TrainingError("this training recipe names no model")
        return TrainingRecipe(**values)

    def difference(self, other: TrainingRecipe) -> str | None:
        """Return the name of the first field that differs in another recipe, or None."""
        mine, theirs = json.loads(self.to_json()), json.loads(other.to_json())
        return next((name for name in mine if mine[name] != theirs[name]), None)
