"""Comparison of trained models with rows that learn nothing and see frames only.

The best of these rows is the bar that a model has to pass in a suite.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from physbench.errors import TrainingError
from physbench.evaluation.known import scores_of
from physbench.metrics.catalogue import find
from physbench.suites import PRIVILEGED, SIZES, SUITES
from physbench_baselines.model_card import Card

Row = Mapping[str, Any]
Rows = Mapping[str, Mapping[str, Sequence[Row]]]  # scores by group and name
Place = tuple[str, str, str]  # suite, task, metric

GROUPS = ("trained", "frames alone, no learning", "told the truth")

DENSITIES = "Not to be compared with it, as they are densities"


def collect_rows(trained: Mapping[str, Card]) -> dict[str, dict[str, Sequence[Row]]]:
    """Collect the scores of trained models and of the reference rows, by group and name."""
    reference = {
        name: scores_of(name) for name in dict.fromkeys(name for suite in SUITES.values() for name in suite.references)
    }
    return {
        GROUPS[0]: {name: card.scores for name, card in trained.items()},
        GROUPS[1]: {name: row for name, row in reference.items() if name not in PRIVILEGED},
        GROUPS[2]: {name: row for name, row in reference.items() if name in PRIVILEGED},
    }


def find_score(scores: Sequence[Row], suite: str, task: str, metric: str) -> Row | None:
    """Return a score of the largest size that there is, or None."""
    found = {row["size"]: row for row in scores if (row["suite"], row["task"], row["metric"]) == (suite, task, metric)}
    return next((found[size] for size in reversed(SIZES) if size in found), None)


def compare_with_rows(rows: Rows) -> list[str]:
    """Say for every suite which trained models are better or worse than the bar.

    The bar is the best row that learns nothing and sees frames only.
    """
    return [_compare(rows, suite.name, *suite.ranked_by) for suite in SUITES.values() if suite.ranked_by]


def _compare(rows: Rows, suite: str, task: str, metric: str) -> str:
    place = suite, task, metric
    scored = {
        name: row
        for name, scores in rows[GROUPS[1]].items()
        if (row := find_score(scores, *place)) and row["value"] is not None
    }
    if not scored:
        raise TrainingError(
            f"no row without learning is scored on {suite}: python -m physbench_leaderboard.reference_rows {suite}"
        )
    bar = min(scored, key=lambda name: rank_key(rows[GROUPS[1]][name], place))
    lower = find(metric).better == "lower"
    verdicts: dict[str, list[str]] = {"Better": [], "Not told apart from it": [], DENSITIES: [], "Worse": []}
    for name, scores in sorted(rows[GROUPS[0]].items(), key=lambda item: rank_key(item[1], place)):
        row = find_score(scores, *place)
        if row is None or row["value"] is None:
            continue
        ours, theirs = interval_of(row), interval_of(scored[bar])
        apart = ours[1] < theirs[0] or theirs[1] < ours[0]
        better = (row["value"] < scored[bar]["value"]) == lower
        verdict = "Not told apart from it" if not apart else "Better" if better else "Worse"
        if metric == "log_likelihood" and scored[bar]["value"] <= 0 < row["value"]:  # for bits it is at most 0
            verdict = DENSITIES
        verdicts[verdict].append(f"{name} ({row['value']:.3f})")
    told = [f"{words}: {', '.join(names)}." for words, names in verdicts.items() if names] or [
        "No trained model that comes along is scored on it."
    ]
    return f"- `{suite}`, ranked by `{metric}`: the bar is `{bar}` ({scored[bar]['value']:.3f}). {' '.join(told)}"


def rank_key(scores: Sequence[Row], place: Place) -> float:
    """Return the key to sort by: smaller is better, and models without a score come last."""
    row = find_score(scores, *place)
    if row is None or row["value"] is None:
        return float("inf")
    return row["value"] if find(place[2]).better == "lower" else -row["value"]


def interval_of(row: Row) -> tuple[float, float]:
    """Return the interval of a score, or the score itself twice if it has none."""
    return tuple(row["value"] if row[end] is None else row[end] for end in ("low", "high"))
