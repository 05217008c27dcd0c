"""The card of a metric: what it says, where it comes from, how it can be gamed, an example that is also a test, and how
it is computed.

Scoring, tables, charts, `physbench explain` and the leaderboard all read these cards, and contain no list of metrics
themselves. A package adds a metric by an entry point in the group `physbench.metrics` that leads to its card.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from physbench.askings import Asking, Kind

if TYPE_CHECKING:  # NumPy is not loaded to read a card
    from physbench.metrics.evidence import Evidence
    from physbench.metrics.sums import Sums

R_NEM = "van Steenkiste et al., Relational Neural Expectation Maximization, 2018"
R_SQAIR = "Stanic and Schmidhuber, R-SQAIR: Relational Sequential Attend, Infer, Repeat, 2019"
IODINE = "Greff et al., Multi-Object Representation Learning with Iterative Variational Inference, 2019"
RMR = "Velickovic et al., Reasoning-Modulated Representations, 2021"
ARI = "Hubert and Arabie, Comparing Partitions, 1985"
OWN = "physbench"

FACTORS = ("position", "scale", "colour", "shape")
"""Arrays of the ground truth that a probe is fitted to, if the data have them; the last holds kinds, not amounts."""

FROM_THE_MODEL = ("owners", "boxes", "unbounded", "reconstruction", *(f"probe of {factor}" for factor in FACTORS))
"""Needs that some models meet and others do not: owner maps, boxes, means beyond 0 and 1, means of an image, codes of
slots from which a factor can be read."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A metric: its texts, what it needs, how it is computed and how it is shown."""

    name: str  # small letters, digits and _; it must not end in _last or _std, which are suffixes of figures
    better: Literal["lower", "higher", "neither"]
    definition: str
    paper: str = OWN
    formula: str = ""
    caution: str = ""  # how it can be gamed, and what it does not say
    example: str = ""  # lines as typed in Python, and their output

    asked_of: tuple[Kind, ...] = ()
    needs: tuple[
        str, ...
    ] = ()  # of Evidence.has: "means", "owners", "boxes", "unbounded", "rates", "events", arrays of the truth by name
    function: Callable[[Evidence], Sums | Mapping[str, Sums]] | None = (
        None  # a mapping by index if there are indices; None: computed from other figures
    )
    indices: Callable[[Any], tuple[str, ...]] | None = None  # the indices in NAME[...] for a rollout
    index: str = ""  # the letters of an index: "h", "h,j"
    last: bool = False  # also reported for the last transition of a window alone, as NAME_last
    quotient_of: str = ""  # this figure is that metric on more objects, divided by the same on fewer

    bounds: tuple[float, float] = (-math.inf, math.inf)
    may_lack: bool = False  # the denominator can be 0, depending on the model
    per_pixel: bool = False  # the bounds are those of one pixel, and the figure is a sum over pixels
    oracle_is_least: bool = False  # no model is below the oracle, which is certain and right everywhere
    share_of: str = ""  # this figure is that metric, divided by what copying scores on it
    minus_of: str = ""  # this figure is minus that metric, if pixels have probabilities and not densities
    one_is: str = ""  # what a score of 1 means, if the figure is a share: "copying"

    place: int = 0  # the place among the figures that tables show by default, from 1; 0: not shown by default
    place_index: str = ""  # the index that is shown there
    tabled: bool = False  # tables show NAME[...]; otherwise it is a step of a curve, or a cell, and only in charts
    curve: str = ""  # the label of its chart; empty: it is not drawn step by step

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name.endswith(("_last", "_std")):
            raise ValueError(
                f"a metric is called by small letters, digits and _, and not NAME_last or NAME_std: not {self.name!r}"
            )
        if self.asked_of and self.function is None:
            raise ValueError(f"{self.name} is asked of {', '.join(self.asked_of)} and has no function")

    @property
    def may_be_empty(self) -> bool:
        """Return whether the denominator can be 0."""
        return bool(self.one_is or self.quotient_of or self.may_lack)

    @property
    def headline(self) -> str:
        """Return the name under which tables show it by default."""
        return f"{self.name}[{self.place_index}]" if self.place_index else self.name

    @property
    def reading(self) -> str:
        """Say which way is better, and what a score of 1 is: "lower is better; 1 is copying"."""
        direction = "neither way is better" if self.better == "neither" else f"{self.better} is better"
        return f"{direction}; 1 is {self.one_is}" if self.one_is else direction

    def rows(self, asking: Asking) -> tuple[str, ...]:
        """Return every name under which it is reported for an asking; all samples of a rollout are one asking here."""
        if asking.kind == "samples":
            return (
                self.name,
                f"{self.name}_std",
                *(f"{self.name}[{sample + 1}]" for sample in range(getattr(asking, "samples", 1))),
            )
        if self.indices is not None:
            return tuple(f"{self.name}[{index}]" for index in self.indices(asking))
        return (self.name, *[f"{self.name}_last"] * (self.last and asking.kind == "window"))
