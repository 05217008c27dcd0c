"""Entries, which group rows: the scores of one model, trained once and evaluated with one seed, on one suite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from physbench_leaderboard.submission import Row


class Who(NamedTuple):
    """The values that identify one evaluation."""

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
    """The rows of one evaluation."""

    who: Who
    rows: Mapping[tuple[str, str], Row]  # task, metric

    @property
    def first(self) -> Row:
        """The first row, for the columns that are the same in all rows."""
        return next(iter(self.rows.values()))

    @property
    def data(self) -> tuple[str, ...]:
        """The digests of the data that the model was shown."""
        return tuple(sorted({row.data_sha256 for row in self.rows.values()}))

    @property
    def likelihood(self) -> str:
        """What its log-likelihoods are of: probabilities of pixels, or densities, which must not be compared."""
        row = self.first
        sigma = next((note for note in row.notes if note.startswith(("gaussian-", "likelihood-"))), None)
        if sigma is None and any(metric == "clipped_share" for _, metric in self.rows):
            sigma = "gaussian"
        own = "self-computed-likelihood" if "self-computed-likelihood" in row.notes else None
        return " ".join(filter(None, [own, sigma])) or "bernoulli"

    def value(self, task: str, metric: str) -> float | None:
        """Return a figure, or None if there is no such row or the row is empty."""
        row = self.rows.get((task, metric))
        return None if row is None or row.value != row.value else row.value


def who(row: Row) -> Who:
    """Return the evaluation that a row belongs to."""
    return Who(row.model, row.train_seed, row.seed, row.suite, row.suite_version, row.size, row.metric_version)


def entries(rows: Iterable[Row]) -> list[Entry]:
    """Group rows by evaluation, in the order in which the evaluations first appear."""
    found: dict[Who, dict[tuple[str, str], Row]] = {}
    for row in rows:
        found.setdefault(who(row), {})[row.task, row.metric] = row
    return [Entry(key, together) for key, together in found.items()]
