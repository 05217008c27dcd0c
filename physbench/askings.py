"""Askings: what a model is shown of the test sequences of a dataset, and what it has to predict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from physbench.states import INVADERS, Shows

Kind: TypeAlias = Literal[
    "window", "rollout", "samples", "still", "image", "trajectory", "flight", "memory", "codes", "colours"
]
"""The kinds of askings that a metric can be computed for: a Window, a Rollout, a Rollout of several samples, a Still,
an Image, a Trajectory, a Flight, a Memory, Codes, Colours."""


@dataclass(frozen=True)
class Window:
    """An asking that shows every frame, each after the model has predicted it.

    boxes: whether the model is also asked where the objects of each frame are.
    """

    frames: int
    boxes: bool = False
    name = ""
    kind: ClassVar[Kind] = "window"
    shows: ClassVar[Shows] = "features"
    context: ClassVar[int] = 1
    """How many states the model must have seen before its predictions are scored."""


@dataclass(frozen=True)
class Rollout:
    """An asking that shows frames 0 .. context - 1; the model imagines the next `horizon` frames."""

    context: int
    horizon: int
    samples: int = 1  # above 1: how often the model is asked, with different randomness; its likelihood is scored
    sample: int = 0
    boxes = False
    shows: ClassVar[Shows] = "features"

    @property
    def frames(self) -> int:
        """Count the frames that are shown or imagined."""
        return self.context + self.horizon

    @property
    def name(self) -> str:
        """Return the name that stands behind that of the dataset in results."""
        return f"rollout-{self.context}+{self.horizon}"

    @property
    def kind(self) -> Kind:
        """Return the kind, which decides which metrics can be computed."""
        return "samples" if self.samples > 1 else "rollout"


@dataclass(frozen=True)
class Still:
    """An asking that shows a single frame repeatedly: which object does each pixel belong to?

    Models of single images can answer it, too.
    """

    frame: int
    shown: int
    boxes = False
    name = "frames"
    kind: ClassVar[Kind] = "still"
    shows: ClassVar[Shows] = "features"

    @property
    def frames(self) -> int:
        """Count the frames of a sequence up to the one that is shown."""
        return self.frame + 1


@dataclass(frozen=True)
class Image(Still):
    """An asking that shows an image repeatedly.

    The questions: which object does each pixel belong to, what does the image look like, and what do the slots know
    about its objects?
    """

    frame: int = 0
    shown: int = 15
    name = ""
    kind: ClassVar[Kind] = "image"


@dataclass(frozen=True)
class Trajectory(Window):
    """An asking that shows the positions of objects instead of frames.

    Each state is shown after the model has predicted it. Predictions are scored once three states have been shown.
    """

    kind: ClassVar[Kind] = "trajectory"
    shows: ClassVar[Shows] = "position"
    context: ClassVar[int] = 3


@dataclass(frozen=True)
class Flight(Rollout):
    """An asking that shows positions 0 .. context - 1 of objects; the model imagines the next `horizon` states."""

    shows: ClassVar[Shows] = "position"

    @property
    def kind(self) -> Kind:
        """Return the kind, which decides which metrics can be computed."""
        return "flight"


@dataclass(frozen=True)
class Memory(Window):
    """An asking that shows the memory of a console and the action taken.

    Each state of the memory is shown after the model has predicted it.
    """

    kind: ClassVar[Kind] = "memory"
    shows: ClassVar[Shows] = "ram"


@dataclass(frozen=True)
class Codes(Window):
    """An asking that shows every frame, and takes the codes of the model after some of them.

    Probes read the memory of the console from these codes. The model does not have to predict anything.
    """

    stride: int = 6
    variables: tuple[tuple[str, int], ...] = INVADERS  # names of bytes, and their addresses
    kind: ClassVar[Kind] = "codes"

    @property
    def moments(self) -> tuple[int, ...]:
        """Return the frames after which codes are taken."""
        return tuple(range(self.stride, self.frames, self.stride)) or (self.frames - 1,)


@dataclass(frozen=True)
class Colours(Window):
    """An asking that shows frames in colour, each after the model has predicted it.

    The squared error is scored once three frames have been shown.
    """

    kind: ClassVar[Kind] = "colours"
    context: ClassVar[int] = 3


Asking: TypeAlias = "Window | Rollout | Still"
