"""What decides the weights of a run: the network, the data, and how it is trained. Defaults are the paper's [van Steenkiste et al. 2018]."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, cast

from physbench.errors import TrainingError

PRECISIONS = ("auto", "fp32", "bf16")
MOST_TEXT = 1 << 16


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    model: str
    """A network of ours, or package.module:factory of one's own: its sizes, a dataclass with a `build()`."""
    sizes: dict[str, Any] = field(default_factory=lambda: {})
    """What differs from the sizes that the model usually has."""
    data: str = "balls4mass64"
    """A dataset, made while it is learnt from and never twice the same sequence; or a dataset file."""
    slots: int | None = None  # None = as many as the model usually has
    noise: float | None = None  # likewise
    initial: str = ""
    """Weights to begin with: a checkpoint's file, or the name of a model that comes with the package. None: they are drawn from the seed."""
    seed: int = 0
    batch: int = 64
    frames: tuple[int, ...] = (31,)
    """Of a sequence. Several: each for an equal share of the run, the first ones first."""
    anywhere: bool = False
    """Frames from anywhere in a sequence, not its first ones."""
    learning_rate: float = 1e-3
    warm_up: int = 0  # steps
    decay: float = 0.0
    """The last share of the run, over which the learning rate falls to nothing."""
    gradient_limit: float = 0.0  # of the norm; 0 = none
    averaging: float = 0.0
    """Decay of the averaged weights that are then validated and kept; 0 = none."""
    precision: str = "auto"
    validation: int = 1_000  # sequences
    scored: int = 64  # validation sequences for the evaluator's figures; 0 = none
    epoch: int = 50_000
    """Sequences; a file's epoch is its training split."""
    evaluate_every: int = 0  # steps; 0 = an epoch
    log_every: int = 50  # steps
    patience: int = 10
    """Epochs without a better validation loss, after which it ends."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frames", tuple(self.frames))
        for name, low, high in (
            ("seed", 0, (1 << 63) - 1), ("batch", 1, 1 << 16), ("warm_up", 0, 1 << 40), ("validation", 1, 1 << 20), ("scored", 0, 10_000),
            ("epoch", 1, 1 << 40), ("evaluate_every", 0, 1 << 40), ("log_every", 1, 1 << 40), ("patience", 1, 1 << 20),
        ):  # fmt: skip
            self._require(name, isinstance(getattr(self, name), int) and low <= getattr(self, name) <= high, f"a whole number from {low} to {high}")
        for name, words in (("learning_rate", "above 0"), ("gradient_limit", "0 (no limit) or above")):
            value = getattr(self, name)
            self._require(name, isinstance(value, (int, float)) and 0 <= value < 1e30 and (value > 0 or name != "learning_rate"), f"a number {words}")
        self._require("decay", isinstance(self.decay, (int, float)) and 0 <= self.decay <= 1, "a share from 0 to 1")
        self._require("averaging", isinstance(self.averaging, (int, float)) and 0 <= self.averaging < 1, "a number from 0 (none) to below 1")
        self._require("precision", self.precision in PRECISIONS, " or ".join(PRECISIONS))
        self._require("noise", self.noise is None or (isinstance(self.noise, (int, float)) and 0 <= self.noise <= 1), "a probability from 0 to 1")
        self._require("slots", self.slots is None or (isinstance(self.slots, int) and 1 <= self.slots <= 255), "a whole number from 1 to 255")
        enough = bool(self.frames) and all(isinstance(count, int) and 2 <= count <= 10_000 for count in self.frames)
        self._require("frames", enough, "one or more whole numbers from 2 to 10000")
        for name in ("model", "data"):
            self._require(name, isinstance(getattr(self, name), str) and getattr(self, name) != "", "a name")
        self._require("initial", isinstance(self.initial, str), "a checkpoint's file or a model's name")
        self._require("anywhere", isinstance(self.anywhere, bool), "true or false")
        self._require("sizes", isinstance(self.sizes, dict) and all(isinstance(name, str) for name in self.sizes), "an object of names and values")

    def _require(self, name: str, holds: bool, words: str) -> None:
        if not holds:
            raise TrainingError(f"{name.replace('_', ' ')} is {words}, not {getattr(self, name)!r}")

    @property
    def longest(self) -> int:
        return max(self.frames)

    def frames_at(self, share: float) -> int:
        """With this share of the run behind it."""
        return self.frames[min(int(share * len(self.frames)), len(self.frames) - 1)]

    def learning_rate_at(self, step: int, share: float) -> float:
        """Of step number `step`, counted from 0."""
        rising = min(1.0, (step + 1) / self.warm_up) if self.warm_up else 1.0
        falling = min(1.0, (1.0 - min(share, 1.0)) / self.decay) if self.decay else 1.0
        return self.learning_rate * rising * falling

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2) + "\n"

    @staticmethod
    def from_json(text: str) -> TrainingRecipe:
        try:
            given: Any = json.loads(text) if len(text) <= MOST_TEXT else None
        except (ValueError, RecursionError):
            given = None
        if not isinstance(given, dict):
            raise TrainingError("this is not a training recipe: it is an object in JSON")
        told = cast("dict[str, Any]", given)
        known = {item.name for item in fields(TrainingRecipe)}
        for name in told:
            if name not in known:
                raise TrainingError(f"a training recipe has no field {name!r}: it has {', '.join(sorted(known))}")
        if "model" not in told:
            raise TrainingError("this training recipe names no model")
        if not isinstance(told.get("frames", []), list):
            raise TrainingError(f"frames is a list of whole numbers, not {told['frames']!r}")
        return TrainingRecipe(**told)

    def difference(self, other: TrainingRecipe) -> str | None:
        """The first field in which another one differs."""
        mine, theirs = json.loads(self.to_json()), json.loads(other.to_json())
        return next((name for name in mine if mine[name] != theirs[name]), None)
