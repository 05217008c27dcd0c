"""The table of all suites and all rows, in the README and in docs/results.md: written from cards and reference rows by `make tables`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physbench.metrics.catalogue import find
from physbench.suites import SIZES, SUITES
from physbench_baselines.training.bars import collect_rows, compare_with_rows, find_score, rank_key
from physbench_baselines.training.cards import cards, format_figure, format_table, replace_between

if TYPE_CHECKING:
    from collections.abc import Mapping

    Card = Mapping[str, Any]
    Place = tuple[str, str, str]  # suite, task, metric

ROOT = Path(__file__).parents[3]

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"

COLUMNS: dict[str, Place] = {
    "4 balls, `relative_bce`": ("balls", "balls4mass64", "relative_bce"),
    "`ari_video`": ("balls", "balls4mass64", "ari_video"),
    "6-8 balls, `relative_bce`": ("extrapolation", "balls678mass64", "relative_bce"),
    "curtain, `permanence_bce`": ("curtain", "balls3curtain64", "permanence_bce"),
    "5+10 imagined, `rollout_overlap`": ("simulation", "balls4mass64/rollout-5+10", "rollout_overlap"),
    "`rollout_position_error[10]`": ("simulation", "balls4mass64/rollout-5+10", "rollout_position_error[10]"),
    "crop, `log_likelihood`": ("crop50", "balls4mass64-crop50/rollout-9+1", "log_likelihood"),
}
"""Of the README's table, by heading."""

ARROWS = {"lower": "↓", "higher": "↑", "neither": ""}


def format_results(rows: Mapping[str, Mapping[str, Card]], columns: Mapping[str, Place]) -> str:
    """Write one table: the best of each group first, by the first column."""
    head = ["", *(f"{name} {ARROWS[find(place[2]).better]}" for name, place in columns.items())]
    table = [head]
    for group, members in rows.items():
        table.append([f"**{group}**", *[""] * len(columns)])
        for name, card in sorted(members.items(), key=lambda item: rank_key(item[1], next(iter(columns.values())))):
            table.append([name, *(format_figure(find_score(card, *place)) for place in columns.values())])
    return format_table(table)


def format_page(rows: Mapping[str, Mapping[str, Card]]) -> str:
    """Write docs/results.md: the table, what lies below the rows without learning, and a table for each suite."""
    parts = [
        "# Results",
        f"Every figure is of {SIZES['lite']:,} pinned test sequences (`lite`), with a 95 % interval. The page is written by "
        "`make tables` from the cards of the trained models and from the scores of the reference rows; a test checks that it is "
        "what they say. What each figure means: `physbench explain NAME`.",
        "Reference rows are of two kinds. `tracker`, `blur`, `blobs`, `copy`, `mean` and `blank` see the frames that a model sees "
        "and learn nothing: a trained model below them has not learnt what it was made for. `constant-velocity` and `oracle` are "
        "told the truth, and measure the benchmark.",
        format_results(rows, COLUMNS),
        "## Trained models against rows without learning",
        "\n".join(compare_with_rows(rows)),
    ]
    for suite in (suite for suite in SUITES.values() if suite.ranked_by):
        parts += [f"## {suite.name}", f"{suite.about[0].upper()}{suite.about[1:]}.", format_results(rows, _columns_of(rows, suite.name))]
    return "\n\n".join(parts) + "\n"


def _columns_of(rows: Mapping[str, Mapping[str, Card]], suite: str) -> dict[str, Place]:
    """Everything that is scored in a suite and has a better direction; the ranking figure first."""
    ranked = SUITES[suite].ranked_by
    assert ranked is not None
    keys = dict.fromkeys(
        (row["task"], row["metric"]) for members in rows.values() for card in members.values() for row in card["scores"] if row["suite"] == suite
    )
    kept = [key for key in keys if find(key[1].removesuffix("_ratio")).better != "neither" and not _is_minor(key[1])]
    ordered = sorted(kept, key=lambda key: key != ranked)
    first = SUITES[suite].tasks[0].dataset
    return {f"`{metric}`" if task == first else f"{task} `{metric}`": (suite, task, metric) for task, metric in ordered}


def _is_minor(metric: str) -> bool:
    """Whether a figure says what another one says."""
    return metric.endswith("_std") or metric in ("bce", "relational_bce", "bce_last", "relational_bce_last") or metric.startswith("log_likelihood_last")


def main() -> None:
    if not (ROOT / "README.md").is_file():
        sys.exit(f"there is no README.md in {ROOT}: this is for a checkout of the repository")
    rows = collect_rows(cards())
    readme = ROOT / "README.md"
    content = f"{format_results(rows, COLUMNS)}\n\n" + "\n".join(compare_with_rows(rows))
    readme.write_text(replace_between(readme.read_text(encoding="utf-8"), content, begin=BEGIN, end=END), encoding="utf-8")
    (ROOT / "docs" / "results.md").write_text(format_page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
