"""What a model may be asked about the test sequences of a dataset: what it is shown, and what it has to say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

from physbench.states import INVADERS, Shows

Kind: TypeAlias = Literal[
    "window", "rollout", "samples", "still", "image", "trajectory", "flight", "memory", "codes", "colours"
]
"""What a metric may be asked of: a Window, a Rollout, a Rollout of several samples, a Still, an Image, a Trajectory, a
Flight, a Memory, Codes, Colours."""


@dataclass(frozen=True)
class Window:
    """Every frame is shown; the next one is predicted before it. boxes: asked is also where the objects of each frame
    are."""

    frames: int
    boxes: bool = False
    name = ""
    kind: ClassVar[Kind] = "window"
    shows: ClassVar[Shows] = "features"
    context: ClassVar[int] = 1
    """What is predicted after fewer states is not scored."""


@dataclass(frozen=True)
class Rollout:
    """Frames 0 .. context - 1 are shown; the next `horizon` are imagined."""

    context: int
    horizon: int
    samples: int = 1  # asked for so many times, with other randomness, and judged by its likelihood
    sample: int = 0
    boxes = False
    shows: ClassVar[Shows] = "features"

    @property
    def frames(self) -> int:
        return self.context + self.horizon

    @property
    def name(self) -> str:
        return f"rollout-{self.context}+{self.horizon}"

    @property
    def kind(self) -> Kind:
        return "samples" if self.samples > 1 else "rollout"


@dataclass(frozen=True)
class Still:
    """One frame alone, shown again and again; asked is who owns its pixels. For models of single images too."""

    frame: int
    shown: int
    boxes = False
    name = "frames"
    kind: ClassVar[Kind] = "still"
    shows: ClassVar[Shows] = "features"

    @property
    def frames(self) -> int:
        return self.frame + 1


@dataclass(frozen=True)
class Image(Still):
    """An image, shown again and again: asked is who owns its pixels, what it looks like, and what the slots know of its
    objects."""

    frame: int = 0
    shown: int = 15
    name = ""
    kind: ClassVar[Kind] = "image"


@dataclass(frozen=True)
class Trajectory(Window):
    """The places of objects in place of frames: each state is shown, and the next one predicted before it; scored once
    three are shown."""

    kind: ClassVar[Kind] = "trajectory"
    shows: ClassVar[Shows] = "position"
    context: ClassVar[int] = 3


@dataclass(frozen=True)
class Flight(Rollout):
    """The same, imagined: states 0 .. context - 1 are shown, and the next `horizon` are not."""

    shows: ClassVar[Shows] = "position"

    @property
    def kind(self) -> Kind:
        return "flight"


@dataclass(frozen=True)
class Memory(Window):
    """The memory of a console and the action that is taken: the next memory is predicted before it is shown."""

    kind: ClassVar[Kind] = "memory"
    shows: ClassVar[Shows] = "ram"


@dataclass(frozen=True)
class Codes(Window):
    """Every frame is shown; asked is what the model has noted after some of them, for probes of a memory. It need
    predict nothing."""

    stride: int = 6
    variables: tuple[tuple[str, int], ...] = INVADERS  # names of bytes, and where they lie
    kind: ClassVar[Kind] = "codes"

    @property
    def moments(self) -> tuple[int, ...]:
        """Frames after which codes are taken."""
        return tuple(range(self.stride, self.frames, self.stride)) or (self.frames - 1,)


@dataclass(frozen=True)
class Colours(Window):
    """Frames in colour: each is shown, and the next one predicted before it; the squared error is scored once three are
    shown."""

    kind: ClassVar[Kind] = "colours"
    context: ClassVar[int] = 3


Asking: TypeAlias = "Window | Rollout | Still"
