"""A card per metric: what it says, where it comes from, how it can be gamed, and an example that is also a test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

R_NEM = "van Steenkiste et al., Relational Neural Expectation Maximization, 2018"
R_SQAIR = "Stanic and Schmidhuber, R-SQAIR: Relational Sequential Attend, Infer, Repeat, 2019"
ARI = "Hubert and Arabie, Comparing Partitions, 1985"
OWN = "physbench"


@dataclass(frozen=True, slots=True)
class Metric:
    name: str
    better: Literal["lower", "higher", "neither"]
    paper: str
    definition: str
    formula: str
    caution: str  # how it can be gamed, and what it does not say
    example: str  # lines as typed in Python, and what must come out
    last: bool = False  # also reported for the last transition alone, as NAME_last
    sampled: bool = False  # also reported for each sample of the model's randomness, as NAME[s], and their standard deviation, as NAME_std
    one_is: str = ""  # what a score of 1 says, where the figure is a share: "copying"
    index: str = ""  # what stands in the brackets of NAME[...]
    tabled: bool = False  # NAME[...] stands in tables; else it is a step of a curve, or a cell, and is drawn
