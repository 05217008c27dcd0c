"""`make tables`: write the tables about models in the READMEs and in docs/results.md.

They are made from the models' cards and from the scores of the reference rows.
"""

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from physbench.errors import TrainingError
from physbench.metrics.bootstrap import Interval
from physbench.metrics.catalogue import find
from physbench.report.definitions import ARROWS
from physbench.suites import SIZES, SUITES
from physbench_baselines.model_card import Card, Repeat
from physbench_baselines.releasing import cards
from physbench_baselines.releasing.bars import (
    GROUPS,
    Place,
    Row,
    Rows,
    collect_rows,
    compare_with_rows,
    find_score,
    rank_key,
)
from physbench_baselines.releasing.cards import format_figure, format_table
from physbench_baselines.releasing.claims import Claim, format_claims
from physbench_baselines.releasing.flattening import WORDS, format_flattening
from physbench_baselines.releasing.pairs import find_differences
from physbench_baselines.releasing.repeat import find_repeats
from physbench_baselines.releasing.trainings import format_trainings

ROOT = Path(__file__).parents[3]

COLUMNS: dict[str, Place] = {
    "4 balls, `relative_bce`": ("balls", "balls4mass64", "relative_bce"),
    "`ari_video`": ("balls", "balls4mass64", "ari_video"),
    "6-8 balls, `relative_bce`": ("extrapolation", "balls678mass64", "relative_bce"),
    "curtain, `permanence_bce`": ("curtain", "balls3curtain64", "permanence_bce"),
    "5+10 imagined, `rollout_overlap`": ("simulation", "balls4mass64/rollout-5+10", "rollout_overlap"),
    "`rollout_position_error[10]`": ("simulation", "balls4mass64/rollout-5+10", "rollout_position_error[10]"),
    "crop, `log_likelihood`": ("crop50", "balls4mass64-crop50/rollout-9+1", "log_likelihood"),
}
"""Columns of the README's table, which is about balls only, by heading."""

CHARTS = {"simulation": "pictures/simulation.svg"}
"""Pictures of suites in docs/results.md, which `make pictures` draws."""

ABOUT_DENSITIES = (
    "(*) This model takes pixels for continuous, so its `log_likelihood` is a density, which can be above 0. The row"
    " beside it gives black and white pixels a probability. The two figures cannot be compared."
)


def replace_between(text: str, content: str, *, mark: str) -> str:
    """Replace the text between two marks."""
    begin, end = (f"<!-- {mark}: {which} -->" for which in ("begin", "end"))
    before, first, rest = text.partition(begin)
    _, last, after = rest.partition(end)
    if not (first and last):
        raise TrainingError(f"there is no place for the table: a line {begin} and, after it, a line {end}")
    return f"{before}{begin}\n\n{content}\n\n{end}{after}"


def render(root: Path = ROOT) -> dict[Path, str]:
    """Return every file with its tables as they should be now."""
    trained = cards.cards()
    rows = collect_rows(trained)
    trainings = {name: [card, *find_repeats(name)] for name, card in trained.items()}
    baselines, readme = root / "baselines" / "README.md", root / "README.md"
    return {
        baselines: replace_between(
            baselines.read_text(encoding="utf-8"), cards.describe_cards(trained), mark="from the cards"
        ),
        readme: replace_between(readme.read_text(encoding="utf-8"), format_summary(rows), mark="results"),
        root / "docs" / "results.md": format_page(rows, trainings, find_differences(trained)),
    }


def format_results(rows: Rows, columns: Mapping[str, Place], *, intervals: bool = True) -> str:
    """Write one table with the best of each group first, by the first column.

    Models without a figure in it are left out.
    """
    head = ["", *(f"{name} {ARROWS[find(place[2]).better]}" for name, place in columns.items())]
    table = [head]
    for group, everybody in rows.items():
        members = {
            name: scores
            for name, scores in everybody.items()
            if any(find_score(scores, *place) for place in columns.values())
        }
        if not members:
            continue
        table.append([f"**{group}**", *[""] * len(columns)])
        for name, scores in sorted(members.items(), key=lambda item: rank_key(item[1], next(iter(columns.values())))):
            figures = (format_figure(find_score(scores, *place)) for place in columns.values())
            table.append([name, *(figure if intervals else figure.partition(" [")[0] for figure in figures)])
    return format_table(table)


def format_summary(rows: Rows) -> str:
    """Write the part of the README about results.

    It is the table without intervals, and the best trained model of each suite beside the best row that learns nothing.
    """
    return f"{format_results(rows, COLUMNS, intervals=False)}\n\n{format_best(rows)}\n\n{ABOUT_DENSITIES}"


def format_best(rows: Rows) -> str:
    """Write a table of all suites, with the best row that learns nothing and the best trained model.

    The row sees frames only.
    """
    table = [["suite", "ranked by", "best row without learning", "best trained model"]]
    for suite in (suite for suite in SUITES.values() if suite.ranked_by):
        assert suite.ranked_by is not None
        place = (suite.name, *suite.ranked_by)
        best = [_best(rows[group], place) for group in (GROUPS[1], GROUPS[0])]
        table.append([f"`{suite.name}`", f"`{place[2]}` {ARROWS[find(place[2]).better]}", *best])
    return format_table(table)


def _best(members: Mapping[str, Sequence[Row]], place: Place) -> str:
    name = min(members, key=lambda each: rank_key(members[each], place), default="")
    row = find_score(members[name], *place) if name else None
    if row is None or row["value"] is None:
        return "-"
    note = " (*)" if place[2] == "log_likelihood" and row["value"] > 0 else ""
    return f"{name}, {row['value']:.3f}{note}"


def format_page(
    rows: Rows, trainings: Mapping[str, Sequence[Card | Repeat]], differences: Mapping[Claim, Interval]
) -> str:
    """Write docs/results.md: the table, the comparison with rows without learning, and a table for each suite."""
    parts = [
        "# Results",
        (
            f"Every figure is of {SIZES['lite']:,} pinned test sequences (`lite`), with a 95 % interval. The page is"
            " written by `make tables` from the cards of the trained models and from the scores of the reference rows;"
            " a test checks that it is what they say. What each figure means: `physbench explain NAME`."
        ),
        (
            f"Reference rows are of two kinds. {_list_names(rows[GROUPS[1]])} see the frames that a model sees and"
            " learn nothing: a trained model below them has not learnt what it was made for."
            f" {_list_names(rows[GROUPS[2]])} are told the truth, and measure the benchmark."
        ),
        "Of the balls, in short:",
        format_results(rows, COLUMNS),
        "## Trained models against rows without learning",
        "\n".join(compare_with_rows(rows)),
        "## What papers say, and what is so here",
        (
            "These are the bundled models, which were trained for less than those of the papers, and not all for as"
            " long as each other. Whatever the verdict, look at how many sequences each model was trained on: a model"
            " that was trained for longer can win for that reason alone."
            " A claim *holds* or is *reversed* where the 95 % interval of the difference leaves out 0; otherwise the"
            " verdict is *cannot tell*. The difference is paired, sequence by sequence; `python -m"
            " physbench_baselines.releasing.pairs SUMS` measures it. Without one, the two intervals must not overlap,"
            " which asks for more. These intervals are about the sequences, and not about what another training of"
            " the same model would give. Where both"
            " models were trained at least three times, all trainings are listed and decide: every training of one"
            " model has to beat every training of the other. `iodine.*` use another decoder than the paper."
            " `r-nem` learnt with K = 8 slots; no weights with K = 5 come along."
        ),
        format_claims(rows, trainings, differences),
    ]
    parts += [
        "## What training cost, and whether more would have paid",
        f"{WORDS} [What was tried](trainings.md) says what else was found.",
        format_flattening({name: cards[0] for name, cards in trainings.items() if isinstance(cards[0], Card)}),
    ]
    if repeated := format_trainings(trainings):
        parts += [
            "## Every training",
            "Models that were trained more than once, with different seeds. The first row is the bundled one.",
            repeated,
        ]
    for suite in (suite for suite in SUITES.values() if suite.ranked_by):
        parts += [
            f"## {suite.name}",
            f"{suite.about[0].upper()}{suite.about[1:]}.",
            *(
                [f"![{suite.name}: the charts of its leaderboard]({CHARTS[suite.name]})"]
                if suite.name in CHARTS
                else []
            ),
            format_results(rows, _columns_of(rows, suite.name)),
        ]
    return "\n\n".join(parts) + "\n"


def _list_names(names: Iterable[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} and {last}"


def _columns_of(rows: Rows, suite: str) -> dict[str, Place]:
    """Return everything that is scored in a suite and has a better direction, with the ranking figure first."""
    ranked = SUITES[suite].ranked_by
    assert ranked is not None
    keys = dict.fromkeys(
        (row["task"], row["metric"])
        for members in rows.values()
        for scores in members.values()
        for row in scores
        if row["suite"] == suite
    )
    kept = [key for key in keys if find(key[1].removesuffix("_ratio")).better != "neither" and not _is_minor(key[1])]
    ordered = sorted(kept, key=lambda key: key != ranked)
    first = SUITES[suite].tasks[0].dataset
    return {f"`{metric}`" if task == first else f"{task} `{metric}`": (suite, task, metric) for task, metric in ordered}


def _is_minor(metric: str) -> bool:
    """Return whether a figure only repeats what another one says."""
    same = ("bce", "relational_bce", "bce_last", "relational_bce_last", "position_mse")
    return (
        metric.endswith("_std") or metric in same or metric.startswith(("log_likelihood_last", "rollout_position_mse"))
    )


if __name__ == "__main__":
    if not (ROOT / "README.md").is_file():
        sys.exit(f"there is no README.md in {ROOT}: this is for a checkout of the repository")
    for path, text in render().items():
        path.write_text(text, encoding="utf-8")
