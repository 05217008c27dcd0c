"""Suites as data: what is shown, what is asked, and what the answer is ranked by. Definitions of the metrics are in metrics/."""

from __future__ import annotations

from dataclasses import dataclass

from physbench.errors import UnknownName

SIZES = {"lite": 1_000, "full": 10_000}

DIGESTS = {
    ("balls4mass64", 64): "774e8d7a74682ecf7371976778f0a10fe39aee2281e1813fb5256a4409a8a88a",
    ("balls4mass64", 1000): "54efbbf76a22d52b3b008087fc1cd4cfd0726b1064a351f0515001966c5df50f",
    ("balls4mass64", 10000): "8f2c643cca3ab01ff88b0591333ec83d726f0525af95e1330a5fcfd8166a031f",
    ("balls678mass64", 64): "7dd1cd80f311d98a25b5a673e220a5566b8d09ca7a9a2f2a69278902b9937bed",
    ("balls678mass64", 1000): "44189bdc28edce56a59ad5424c78a23ae042cbd563d6706540bf1e9c41ea86b0",
    ("balls678mass64", 10000): "36f0d31bab1cfd92e3c8688847662cdce85bd691681a553bea42271a1e1a8a31",
    ("balls3curtain64", 64): "52be40aaaefb04d978c264ccd0b190b6fc0a005978f87c2dc118b4c158c33a57",
    ("balls3curtain64", 1000): "cb00bb1abed77f0b03942047105f91d4dc0c0c6b35a28d3df85a01429da5377e",
    ("balls3curtain64", 10000): "befdffbfceacf24f643cb668b558345a9d85ef2e2e14d3cabfaeb4faa3a1c4d3",
}
"""Of the test splits, by dataset and number of sequences: what a file of them carries as its content digest."""


@dataclass(frozen=True)
class Rollout:
    """Frames 0 .. context - 1 are shown; the next `horizon` are imagined."""

    context: int
    horizon: int

    @property
    def name(self) -> str:
        return f"rollout-{self.context}+{self.horizon}"


@dataclass(frozen=True)
class Task:
    """The test sequences of a dataset, cut to so many frames."""

    dataset: str
    frames: int
    slots: int | None = None
    one_step: bool = True
    rollouts: tuple[Rollout, ...] = ()

    def pinned(self, sequences: int) -> str | None:
        """The content digest of the test split, its first so many sequences alone."""
        return DIGESTS.get((self.dataset, sequences))


@dataclass(frozen=True)
class Suite:
    name: str
    version: int
    about: str
    tasks: tuple[Task, ...]
    ranked_by: tuple[str, str] | None  # task, metric
    sequences: int | None = None  # a fixed number, whatever the size
    against: tuple[str, str] | None = None  # more objects, fewer objects: how many times worse the first is, for relative figures


_ROLLOUTS = tuple(Rollout(context, horizon) for context in (5, 20) for horizon in (10, 30))

SUITES = {
    suite.name: suite
    for suite in (
        Suite("balls", 1, "4 balls, as in training", (Task("balls4mass64", 31),), ("balls4mass64", "relative_bce")),
        Suite(
            "extrapolation",
            1,
            "6-8 balls for models that were trained on 4",
            (Task("balls678mass64", 31, slots=8), Task("balls4mass64", 31)),
            ("balls678mass64", "relative_bce"),
            against=("balls678mass64", "balls4mass64"),
        ),
        Suite("curtain", 1, "3 balls behind an invisible curtain", (Task("balls3curtain64", 51),), ("balls3curtain64", "permanence_bce")),
        Suite(
            "simulation",
            1,
            "imagining 10 and 30 frames after 5 or 20",
            (Task("balls4mass64", 50, one_step=False, rollouts=_ROLLOUTS),),
            ("balls4mass64/rollout-5+10", "rollout_relative_bce"),
        ),
        Suite(
            "smoke",
            1,
            "64 sequences of each ball set: does a model run at all?",
            (Task("balls4mass64", 31, rollouts=(Rollout(5, 10),)), Task("balls678mass64", 31, slots=8), Task("balls3curtain64", 51)),
            None,
            sequences=64,
        ),
    )
}


def suite_of(name: str) -> Suite:
    if name not in SUITES:
        raise UnknownName(f"no suite is called {name!r}: there is {', '.join(SUITES)}")
    return SUITES[name]
