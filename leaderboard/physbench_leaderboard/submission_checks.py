"""Checks whether a submission can be listed: known suite and data, complete tasks, and figures that agree.

A figure is checked against the others of its evaluation and against the reference rows. For example, a relative figure
must be the ratio that it claims to be.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from physbench.metrics.catalogue import METRICS, all_metrics, is_foreign
from physbench.metrics.metric import FROM_THE_MODEL
from physbench.result import METRIC_VERSION
from physbench.suites import ROWS, SIZES, SUITES, UNRANKED, Asking, Suite, Task, installed_suites
from physbench_leaderboard import consistency
from physbench_leaderboard.entries import Entry, entries, who
from physbench_leaderboard.pins import ReferencePins, load_pins
from physbench_leaderboard.submission import MOST_PROBLEMS, Row, Submission, SubmissionError, examine, list_problems

SELF_REPORTED = "self-reported"

SAME_ALL_OVER = ("model_link", "paper_link", "parameters", "weights_sha256", "batch", "notes", "sequences")
"""The columns that must be the same in all rows of one evaluation."""

NOT_RANKED = {
    UNRANKED: (
        "their suite pins no digests for these sequences, so it is unknown whether two models were shown the same"
    ),
    "limit": "only some of its sequences were shown: evaluate without --limit",
    "fresh": "fresh data stand beside the pinned data and are never ranked with them: evaluate without --fresh",
    "file": "scores on your own file cannot be compared: evaluate without --data",
    "training": "the training split is no test",
    "validation": "the validation split is no test",
}


def problems(path: Path, pins: ReferencePins | None = None) -> list[str]:
    """Return sentences about what is wrong with a submission; none if all is well.

    At most a few are returned, and the number of the others.
    """
    found = _all_problems(path, pins)[1]
    more = len(found) - MOST_PROBLEMS
    return [*found[:MOST_PROBLEMS], *([f"and {more:,} more"] if more > 0 else [])]


def check(path: Path, pins: ReferencePins | None = None) -> Submission:
    """Read a submission, and raise an error if it cannot be listed."""
    submission, found = _all_problems(path, pins)
    if found:
        raise SubmissionError(list_problems(path, found))
    return submission


def meaning(rows: Iterable[Row], pins: ReferencePins) -> list[str]:
    """Return sentences about what is wrong with rows that could be read."""
    rows, suites = list(rows), installed_suites()
    found = list(_strangers(rows))
    if found:
        return found
    found += _twice(rows)
    for entry in entries(rows):
        suite = suites[entry.who.suite]
        found += _different(entry)
        found += _data(entry, suite)
        missing = list(_incomplete(entry, suite))
        found += missing
        found += consistency.out_of_range(entry, pins)
        if not missing:
            found += consistency.contradictions(entry, suite, pins)
        found += _references(entry, pins)
    return [*found, *_weights(rows)]


def is_reference(model: str) -> bool:
    """Return whether a name belongs to a reference row."""
    return model.casefold() in ROWS or any(model in suite.references for suite in installed_suites().values())


def _all_problems(path: Path, pins: ReferencePins | None) -> tuple[Submission, list[str]]:
    submission, found = examine(path)
    return submission, found or meaning(submission.rows, pins or load_pins())


def _strangers(rows: list[Row]) -> Iterator[str]:
    """Yield the reasons why rows cannot be compared with the tables, each reason once."""
    reasons: dict[str, int] = {}
    for row in rows:
        if reason := _strange(row):
            reasons.setdefault(reason, row.line)
    yield from (f"line {line}: {reason}" for reason, line in reasons.items())
    models = dict.fromkeys(row.model for row in rows)
    if len(models) > 1 and not all(map(is_reference, models)):
        yield (
            "a submission must be of one model: this one has"
            f" {', '.join(list(models)[:4])}{' and others' if len(models) > 4 else ''}"
        )


def _strange(row: Row) -> str | None:
    """Return the reason why a row cannot be compared with the tables, or None."""
    suites = installed_suites()
    if row.suite not in suites:
        return (
            f"no suite is called {row.suite}: there is {', '.join(suites)}; your own suite is listed where its package"
            " is installed and pins its data"
        )
    suite = suites[row.suite]
    if row.suite_version != suite.version:
        return f"{suite.name} is at version {suite.version}, not {row.suite_version}: evaluate again"
    if row.metric_version != METRIC_VERSION:
        return f"the metrics are at version {METRIC_VERSION}, not {row.metric_version}: evaluate again"
    if row.size not in SIZES:
        reason = NOT_RANKED.get(row.size.partition("-")[0], f"it is {' or '.join(SIZES)}")
        return f"rows of size {row.size} are not listed: {reason}"
    if suite.sequences and row.size != next(iter(SIZES)):
        return f"{suite.name} has one size: evaluate without --size"
    if not suite.is_pinned(suite.sequences or SIZES[row.size]):
        return f"{suite.name} pins no digests for {row.size}, so it is not ranked"
    if "privileged" in row.notes and not is_reference(row.model):
        return "it was told the truth: only reference rows may be"
    if row.trust != SELF_REPORTED:
        return f"trust is {SELF_REPORTED} in a submission, not {row.trust}: only the table's maintainer grants more"
    return None


def _twice(rows: list[Row]) -> Iterator[str]:
    """Yield rows that occur twice."""
    seen: dict[tuple[object, ...], int] = {}
    for row in rows:
        first = seen.setdefault((who(row), row.task, row.metric), row.line)
        if first != row.line:
            yield f"line {row.line}: {row.metric} on {row.task} of {who(row)} is in line {first} already"


def _different(entry: Entry) -> Iterator[str]:
    """Yield columns that differ within one evaluation."""
    for name in SAME_ALL_OVER:
        if odd := next((row for row in entry.rows.values() if getattr(row, name) != getattr(entry.first, name)), None):
            yield f"line {odd.line}: {name} differs from line {entry.first.line}, in the same evaluation"


def _data(entry: Entry, suite: Suite) -> Iterator[str]:
    """Yield tasks whose data are not the pinned ones."""
    count = suite.sequences or SIZES[entry.who.size]
    tasks = {task.name: task for task in suite.tasks}
    seen: set[str] = set()
    for (task, _), row in entry.rows.items():
        name = task.split("/")[0].split(":")[0]
        if name in tasks and name not in seen and row.data_sha256 != (digest := suite.digest(tasks[name], count)):
            seen.add(name)
            yield (
                f"line {row.line}: the data of {name} have the digest {row.data_sha256[:12]}..., not"
                f" {str(digest)[:12]}...: these are other sequences"
            )
    if entry.first.sequences != count:
        yield (
            f"line {entry.first.line}: {suite.name} of size {entry.who.size} has {count:,} sequences, not"
            f" {entry.first.sequences:,}"
        )


def _incomplete(entry: Entry, suite: Suite) -> Iterator[str]:
    """Yield rows that are missing, and rows that the suite does not ask for."""
    here = set(entry.rows)
    every = list_wanted(suite)
    for each in every:
        missing = [metric for metric in each.metrics if (each.task, metric) not in here]
        if missing and not (each.optional and len(missing) == len(each.metrics)):
            yield (
                f"{entry.who} lacks"
                f" {', '.join(missing[:3])}{f' and {len(missing) - 3} more' if len(missing) > 3 else ''} on {each.task}"
            )
    for task, metric in sorted(here - set().union(*(each.keys for each in every))):
        more = ""
        if is_foreign(metric):
            more = (
                ", a metric that does not come with physbench: leave its rows out"
                if suite.name in SUITES
                else ", a metric that is not installed here: leave its rows out, or install the package that brings it"
            )
        yield f"line {entry.rows[task, metric].line}: {suite.name} does not ask for {metric} on {task}{more}"


def _references(entry: Entry, pins: ReferencePins) -> Iterator[str]:
    """Yield reference rows without their pinned figures."""
    if not is_reference(entry.who.model):
        return
    pinned = pins.of(entry.first, entry.who.model)
    if not all(consistency.near(row.value, pinned.get(key, row.value), 1e-9) for key, row in entry.rows.items()) or set(
        pinned
    ) != set(entry.rows):
        yield (
            f"{entry.who.model} is a reference row of every table, but these are not its figures on {entry.who.suite}:"
            " give your model another name"
        )


def _weights(rows: list[Row]) -> Iterator[str]:
    """Yield models with several files of weights for one training."""
    trained = {(row.model, row.train_seed, row.weights_sha256) for row in rows if row.weights_sha256}
    for (model, seed), count in Counter((model, seed) for model, seed, _ in trained).items():
        if count > 1:
            yield (
                f"{model} has {count} files of weights with one train_seed ({'none' if seed is None else seed}): give"
                " each training its own train_seed"
            )


@dataclass(frozen=True)
class Wanted:
    """Rows of an evaluation that must all be there, or, if they are optional, all or none."""

    task: str
    metrics: tuple[str, ...]
    optional: bool = False  # whether models without owner maps, boxes or a standard deviation lack them

    @property
    def keys(self) -> set[tuple[str, str]]:
        """The task and the metric of each row."""
        return {(self.task, metric) for metric in self.metrics}


def list_wanted(suite: Suite) -> list[Wanted]:
    """Return all rows that may be in a submission to a suite.

    Metrics of installed packages are optional on a suite of a package, and forbidden on one that comes with physbench.
    """
    found = [each for task in suite.tasks for asking in task.askings for each in _list_wanted_of(suite, task, asking)]
    if suite.against:
        found.append(Wanted(":".join(suite.against), tuple(card.name for card in METRICS.values() if card.quotient_of)))
    return found


def _list_wanted_of(suite: Suite, task: Task, asking: Asking) -> Iterator[Wanted]:
    if getattr(asking, "sample", 0):
        return  # the first sample stands for all of them
    there = _needs_met(suite, task, asking)
    possible = set(FROM_THE_MODEL) - (set() if asking.boxes else {"boxes"})
    together: dict[object, list[str]] = {(): []}
    for card in (METRICS if suite.name in SUITES else all_metrics()).values():
        if asking.kind in card.asked_of and there.issuperset(set(card.needs) - possible):
            depends = tuple(need for need in card.needs if need in possible)
            together.setdefault(depends if card.name in METRICS else card.name, []).extend(card.rows(asking))
    yield from (
        Wanted(task.names(asking), tuple(metrics), optional=bool(depends)) for depends, metrics in together.items()
    )


def _needs_met(suite: Suite, task: Task, asking: Asking) -> set[str]:
    """Return the inputs that metrics have for every model."""
    stored = {name.partition("/")[0] for name in task.recipe.generator.arrays}
    rates = any(key[:2] == (task.name, asking.frames) for key in suite.pins.memoryless)
    probed = ["probe of memory"] * (asking.kind == "codes")  # a model without codes is not scored at all
    return {"means", *stored, *["rates"] * rates, *probed}
