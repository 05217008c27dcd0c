"""Rows put together: what one model, trained once and asked with one seed, scored on one suite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from physbench_leaderboard.submission import Row


class Who(NamedTuple):
    """What is evaluated once."""

    model: str
    train_seed: int | None
    seed: int
    suite: str
    suite_version: int
    size: str
    metric_version: int

    def __str__(self) -> str:
        trained = "" if self.train_seed is None else f", trained with seed {self.train_seed}"
        return f"{self.model} on {self.suite} v{self.suite_version}, {self.size}, seed {self.seed}{trained}"


@dataclass(frozen=True)
class Entry:
    who: Who
    rows: Mapping[tuple[str, str], Row]  # task, metric

    @property
    def first(self) -> Row:
        """For the columns that are the same all over."""
        return next(iter(self.rows.values()))

    @property
    def data(self) -> tuple[str, ...]:
        """The digests of what was shown."""
        return tuple(sorted({row.data_sha256 for row in self.rows.values()}))

    @property
    def likelihood(self) -> str:
        """What its log-likelihoods are of: probabilities of pixels, or densities, which no probability compares
        with."""
        row = self.first
        sigma = next((note for note in row.notes if note.startswith(("gaussian-", "likelihood-"))), None)
        if sigma is None and any(metric == "clipped_share" for _, metric in self.rows):
            sigma = "gaussian"
        own = "self-computed-likelihood" if "self-computed-likelihood" in row.notes else None
        return " ".join(filter(None, [own, sigma])) or "bernoulli"

    def value(self, task: str, metric: str) -> float | None:
        """None where there is no such row, or nothing in it."""
        row = self.rows.get((task, metric))
        return None if row is None or row.value != row.value else row.value


def who(row: Row) -> Who:
    return Who(row.model, row.train_seed, row.seed, row.suite, row.suite_version, row.size, row.metric_version)


def entries(rows: Iterable[Row]) -> list[Entry]:
    """In the order in which they first appear."""
    found: dict[Who, dict[tuple[str, str], Row]] = {}
    for row in rows:
        found.setdefault(who(row), {})[row.task, row.metric] = row
    return [Entry(key, together) for key, together in found.items()]
