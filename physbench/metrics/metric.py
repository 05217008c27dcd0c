"""A record per metric: what it says, where it comes from, how it can be gamed, an example that is also a test, and how
it is computed.

Scoring, tables, charts, `physbench explain` and the leaderboard read these records, and hold no list of names of their
own. A package adds a metric with an entry point in the group `physbench.metrics` that leads to its record.
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
"""Arrays of the truth that a probe is fitted to, where the data have them; the last holds kinds, not amounts."""

FROM_THE_MODEL = ("owners", "boxes", "unbounded", "reconstruction", *(f"probe of {factor}" for factor in FACTORS))
"""Needs that some models meet and others do not: owner maps, boxes, means beyond 0 and 1, means of an image, codes of
slots that a factor can be read off."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    name: str  # small letters, digits and _; none ends in _last or _std, which are parts of others
    better: Literal["lower", "higher", "neither"]
    definition: str
    paper: str = OWN
    formula: str = ""
    caution: str = ""  # how it can be gamed, and what it does not say
    example: str = ""  # lines as typed in Python, and what must come out

    asked_of: tuple[Kind, ...] = ()
    needs: tuple[
        str, ...
    ] = ()  # of Evidence.has: "means", "owners", "boxes", "unbounded", "rates", "events", arrays of the truth by name
    function: Callable[[Evidence], Sums | Mapping[str, Sums]] | None = (
        None  # by index where there are indices; None: made of other figures
    )
    indices: Callable[[Any], tuple[str, ...]] | None = None  # what stands in the brackets of NAME[...] for a rollout
    index: str = ""  # the same in words: "h", "h,j"
    last: bool = False  # also reported for the last transition of a window alone, as NAME_last
    quotient_of: str = ""  # this metric on more objects over the same on fewer

    bounds: tuple[float, float] = (-math.inf, math.inf)
    may_lack: bool = False  # a model may give it nothing to divide by
    per_pixel: bool = False  # the bounds are those of one pixel, and the figure is a sum over pixels
    oracle_is_least: bool = False  # no model has less than the oracle, which is certain and right everywhere
    share_of: str = ""  # this is that metric over what copying has of it
    minus_of: str = ""  # this is minus that metric where pixels have probabilities and not densities
    one_is: str = ""  # what a score of 1 says, where the figure is a share: "copying"

    place: int = 0  # among the figures that tables show first, from 1; 0: shown when everything is
    place_index: str = ""  # the index that stands there
    tabled: bool = False  # NAME[...] stands in tables; else it is a step of a curve, or a cell, and is drawn
    curve: str = ""  # what its chart says it is; nothing: it is not drawn step by step

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name) or self.name.endswith(("_last", "_std")):
            raise ValueError(
                f"a metric is called by small letters, digits and _, and not NAME_last or NAME_std: not {self.name!r}"
            )
        if self.asked_of and self.function is None:
            raise ValueError(f"{self.name} is asked of {', '.join(self.asked_of)} and has no function")

    @property
    def may_be_empty(self) -> bool:
        """Whether there may be nothing to divide by."""
        return bool(self.one_is or self.quotient_of or self.may_lack)

    @property
    def headline(self) -> str:
        """Its name where tables show it first."""
        return f"{self.name}[{self.place_index}]" if self.place_index else self.name

    def rows(self, asking: Asking) -> tuple[str, ...]:
        """Every name under which it is reported of what is asked; samples of one rollout go together."""
        if asking.kind == "samples":
            return (
                self.name,
                f"{self.name}_std",
                *(f"{self.name}[{sample + 1}]" for sample in range(getattr(asking, "samples", 1))),
            )
        if self.indices is not None:
            return tuple(f"{self.name}[{index}]" for index in self.indices(asking))
        return (self.name, *[f"{self.name}_last"] * (self.last and asking.kind == "window"))
