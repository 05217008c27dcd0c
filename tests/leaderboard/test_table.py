"""Tests of the way from submissions to ranks: who shares a rank, what is compared, and what is shown without a rank."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

import physbench
from physbench import registry
from physbench.compare import compare
from physbench.notices import listen
from physbench.result import Provenance, Result, Score, load_run
from physbench.suites import DIGESTS, PRIVILEGED, SUITES
from physbench_leaderboard.boards import Board, boards
from physbench_leaderboard.estimate import _quantile  # pyright: ignore[reportPrivateUsage]
from physbench_leaderboard.exports import as_csv, as_json
from physbench_leaderboard.pins import bundled_folder
from physbench_leaderboard.store import Listed, load_all
from physbench_leaderboard.submission import Row, Submission
from physbench_leaderboard.terminal import as_text
from tests.leaderboard.rows_of_submissions import references, rows, write

GOLDEN = Path(__file__).parent.parent / "golden"
RANKED = ("balls4mass64", "relative_bce")
OVERLAP = ("balls4mass64/rollout-5+10", "rollout_overlap")


def list_submissions(*submissions: list[Row], trust: str = "self-reported") -> list[Listed]:
    return [Listed(Path(f"{number}.csv"), Submission(tuple(lines)), trust) for number, lines in enumerate(submissions)]


def one(model: str, value: float, low: float, high: float, key: tuple[str, str] = RANKED, **changes: Any) -> list[Row]:
    """The headline alone."""
    suite = "balls" if key == RANKED else "simulation"
    row = next(row for row in rows(model, suite=suite) if (row.task, row.metric) == key)
    return [replace(row, value=value, low=low, high=high, **changes)]


def ranks(board: Board) -> dict[str, int | None]:
    return {standing.model: standing.rank for standing in board.standings}


@pytest.mark.parametrize("key", [RANKED, OVERLAP])
@pytest.mark.parametrize("seed", range(8))
def test_a_rank_is_one_more_than_the_number_of_models_that_are_clearly_better(seed: int, key: tuple[str, str]) -> None:
    draw = random.Random(seed)
    models = {
        f"m{number}": (value := draw.random(), value - draw.random() / 4, value + draw.random() / 4)
        for number in range(12)
    }
    (board,) = boards(list_submissions(*(one(model, *figures, key) for model, figures in models.items())))
    lower_is_better = key == RANKED
    for standing in board.standings:
        clearly_better = 0
        _, low, high = models[standing.model]
        for _, other_low, other_high in models.values():
            clearly_better += other_high < low if lower_is_better else other_low > high
        assert standing.rank == 1 + clearly_better
    order = [standing.rank for standing in board.standings]
    assert order == sorted(order) and order[0] == 1  # type: ignore[type-var]


def test_a_model_without_the_figure_or_with_another_model_s_name_is_not_ranked() -> None:
    (board,) = boards(
        list_submissions(
            one("a", math.nan, math.nan, math.nan), one("b", 0.3, math.nan, math.nan), one("copy", 0.1, 0.1, 0.1)
        )
    )
    assert ranks(board) == {"b": 1, "a": None}
    assert [standing.model for standing in board.references] == ["copy"]


@pytest.mark.parametrize("count", [2, 3, 5, 20])
def test_several_trainings_give_a_mean_and_an_interval_of_both_uncertainties(count: int) -> None:
    draw = random.Random(count)
    values = [draw.random() for _ in range(count)]
    (board,) = boards(
        list_submissions(
            *(one("a", value, value - 0.03, value + 0.04, train_seed=number) for number, value in enumerate(values))
        )
    )
    (standing,) = board.standings
    figure = board.headline(standing)
    trainings = stats.t.ppf(0.975, count - 1) * statistics.stdev(values) / math.sqrt(count)
    assert standing.trainings == standing.evaluations == count
    assert figure.value == pytest.approx(sum(values) / count)
    assert figure.value - figure.low == pytest.approx((0.03**2 + trainings**2) ** 0.5, rel=1e-3)
    assert figure.high - figure.value == pytest.approx((0.04**2 + trainings**2) ** 0.5, rel=1e-3)


def test_one_training_has_the_interval_of_its_submission_and_its_evaluations_are_averaged() -> None:
    (board,) = boards(list_submissions(one("a", 0.3, 0.2, 0.4, train_seed=7)))
    assert board.headline(board.standings[0]).low == 0.2
    (board,) = boards(
        list_submissions(one("a", 0.3, 0.2, 0.4, train_seed=7), one("a", 0.5, 0.3, 0.6, train_seed=7, seed=1))
    )
    figure = board.headline(board.standings[0])
    assert (figure.value, figure.low, figure.high) == pytest.approx((0.4, 0.25, 0.5))
    assert (board.standings[0].trainings, board.standings[0].evaluations) == (1, 2)


@pytest.mark.parametrize("freedom", [1, 2, 5, 15, 16, 30, 100, 10_000])
def test_student_s_quantile_is_scipy_s(freedom: int) -> None:
    assert _quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=2e-5)


def with_sums(
    folder: Path, model: str, numerator: NDArray[np.float64], denominator: NDArray[np.float64], **changes: Any
) -> Listed:
    """A submission of the headline alone, with its per-sequence sums beside it."""
    value = float(numerator.sum() / denominator.sum())
    lines = one(model, value, value - 0.05, value + 0.05, **changes)
    provenance = Provenance(
        *(model, "balls", SUITES["balls"].version, "lite", 0, 16, "cpu", 1.0, "2026-01-01", "0"),
        {"balls4mass64": DIGESTS["balls4mass64", 1000]},
        **changes,
    )
    path = folder / f"{model}-{changes.get('train_seed')}.csv"
    Result((Score(*RANKED, value, 0, 1, 1000),), provenance, {RANKED: (numerator, denominator)}).save_sums(
        path.with_suffix(".npz")
    )
    return Listed(path, Submission(tuple(lines)), "self-reported")


@pytest.fixture
def sums_of_sequences() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    draw = np.random.default_rng(0)
    return draw.gamma(2.0, 3.0, 1000), draw.gamma(9.0, 2.0, 1000)


def test_a_small_difference_is_found_if_both_submitted_their_sums(
    tmp_path: Path, sums_of_sequences: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    numerator, denominator = sums_of_sequences
    other = numerator * np.random.default_rng(1).normal(1, 0.05, 1000)
    other *= numerator.sum() / other.sum()  # no better and no worse, in other places
    a, b, same = (
        with_sums(tmp_path, name, each, denominator)
        for name, each in (("a", numerator), ("b", other * 1.01), ("c", other))
    )
    (board,) = boards([a, b, same])
    assert ranks(board) == {"a": 1, "c": 1, "b": 3}
    runs = [load_run(each.path.with_suffix(".npz")) for each in (a, b, same)]
    verdicts = [compare(runs[0], other)[0].comparison.verdict for other in runs[1:]]
    assert verdicts == ["a better", "cannot be told apart"], "as `physbench compare` has it"
    b.path.with_suffix(".npz").unlink()
    (board,) = boards([a, b])
    assert ranks(board) == {"a": 1, "b": 1}, "the intervals alone overlap"


def test_several_trainings_must_agree_before_a_paired_difference_counts(
    tmp_path: Path, sums_of_sequences: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    numerator, denominator = sums_of_sequences

    def list_trainings(model: str, factors: list[float]) -> list[Listed]:
        return [
            with_sums(tmp_path, model, numerator * factor, denominator, train_seed=number)
            for number, factor in enumerate(factors)
        ]

    steady = boards([*list_trainings("a", [1.0, 1.001, 0.999]), *list_trainings("b", [1.02, 1.021, 1.019])])[0]
    assert ranks(steady) == {"a": 1, "b": 2}
    for first, second in (("c", "d"), ("f", "e")):  # whichever is compared with the other
        lucky = boards([*list_trainings(first, [1.0, 1.05, 0.95]), *list_trainings(second, [1.02, 1.07, 0.97])])[0]
        assert ranks(lucky) == {first: 1, second: 1}


def test_sums_that_are_not_what_the_figure_was_made_of_decide_nothing(
    tmp_path: Path, sums_of_sequences: tuple[NDArray[np.float64], NDArray[np.float64]]
) -> None:
    a, b = (
        with_sums(tmp_path, "a", *sums_of_sequences),
        with_sums(tmp_path, "b", sums_of_sequences[0] * 1.001, sums_of_sequences[1]),
    )
    lied = replace(a, submission=Submission(tuple(replace(row, value=row.value * 0.99) for row in a.submission.rows)))
    said: list[str] = []
    with listen(said.append):
        assert ranks(boards([lied, b])[0]) == {"a": 1, "b": 1}, "their intervals overlap"
    assert len(said) == 1 and said[0].startswith("left out: ") and said[0].endswith("remove it")
    assert ranks(boards([a, b])[0]) == {"a": 1, "b": 2}


def test_rows_are_compared_only_under_the_same_key() -> None:
    small = one("a", 0.5, 0.4, 0.6)
    apart = [
        one("b", 0.1, 0.1, 0.1, size="full"),
        one("c", 0.1, 0.1, 0.1, suite_version=99),
        one("d", 0.1, 0.1, 0.1, metric_version=99),
        one("e", 0.1, 0.1, 0.1, data_sha256="0" * 64),
    ]
    found = boards(list_submissions(small, *apart))
    assert len(found) == 5 and len({board.key for board in found}) == 5
    assert all(set(ranks(board).values()) == {1} for board in found)


@pytest.mark.parametrize(("key", "good", "bad"), [(RANKED, 1e-9, 0.9), (OVERLAP, 0.9999, 0.01)])
def test_a_board_says_which_models_lie_below_the_best_row_without_learning(
    key: tuple[str, str], good: float, bad: float
) -> None:
    suite = "balls" if key == RANKED else "simulation"
    known = [row for row in references() if row.suite == suite and row.size == "lite"]
    (board,) = boards(
        list_submissions(one("strong", good, good, good, key), one("weak", bad, bad, bad, key), known), suite=suite
    )
    rows_there = {
        row.model: row.value for row in known if (row.task, row.metric) == key and row.model not in PRIVILEGED
    }
    best = (min if key == RANKED else max)(rows_there, key=rows_there.__getitem__)
    assert board.describe_bar().startswith(f"The best row that learns nothing and sees frames alone is {best} (")
    assert board.describe_bar().endswith(" Worse: weak.")
    (alone,) = boards(list_submissions(one("strong", good, good, good, key)), suite=suite)
    assert alone.describe_bar() == ""


def test_probabilities_and_densities_are_never_ranked_together() -> None:
    plain, dense = rows("a", suite="crop50"), rows("b", suite="crop50", notes=("gaussian-0.3",))
    found = boards(
        list_submissions(plain, dense, rows("c", suite="crop50", notes=("gaussian-0.5",)), list(references())),
        suite="crop50",
    )
    assert [board.key.likelihood for board in found] == ["bernoulli", "gaussian-0.3", "gaussian-0.5"]
    assert [list(ranks(board)) for board in found] == [["a"], ["b"], ["c"]]
    assert found[0].references and all(board.published for board in found)
    together = boards(list_submissions(rows("a"), rows("b", notes=("gaussian-0.3",))))
    assert len(together) == 1, "where something else is ranked, it does not matter"


def test_references_and_papers_stand_apart_and_a_suite_without_a_ranking_lists_its_models() -> None:
    found = {
        board.key.suite: board for board in boards(list_submissions(list(references()), rows(suite="smoke"), rows()))
    }
    assert list(found) == [name for name in SUITES]
    for name, board in found.items():
        assert [standing.model for standing in board.references] == list(SUITES[name].references)
        assert all(standing.rank is None for standing in board.references)
    assert ranks(found["smoke"]) == {"mine": None} and found["smoke"].ranked_by is None
    assert ranks(found["balls"]) == {"mine": 1}
    assert [row.model for row in found["balls"].published] == ["r-nem"]


def test_a_standing_is_trusted_as_far_as_the_least_trusted_of_its_files() -> None:
    files = [
        *list_submissions(one("a", 0.5, 0.4, 0.6, train_seed=0), trust="re-run"),
        *list_submissions(one("a", 0.5, 0.4, 0.6, train_seed=1), trust="recomputed"),
    ]
    assert boards(files)[0].standings[0].trust == "recomputed"


def test_curves_are_found_by_step_and_by_collisions() -> None:
    board = boards(list_submissions(rows(suite="simulation")))[0]
    steps = board.standings[0].curve(OVERLAP[0], "rollout_bce")
    assert list(steps) == [str(h + 1) for h in range(10)]
    kinds = board.standings[0].curve(OVERLAP[0], "event_error", "10,")
    assert list(kinds) == ["0", "1", "2", "3+"] and all(each.value == each.value for each in kinds.values())
    assert ("balls4mass64/rollout-5+10", "rollout_overlap") in board.metrics()
    steps = {metric for _, metric in board.metrics() if "[" in metric}
    assert steps == {f"rollout_position_error[{h}]" for h in (1, 5, 10, 30)}, "curves are drawn, not listed"


def golden_boards() -> list[Board]:
    """Of figures that stand here, and of the reference rows."""
    day = {"date": "2026-01-02"}
    files = [
        rows("a-model", factor=2.0, parameters=1_234, model_link="https://example.org/a", train_seed=0, **day),
        rows("a-model", factor=2.1, parameters=1_234, model_link="https://example.org/a", train_seed=1, **day),
        rows("b:model", factor=2.05, notes=("own-code",), **day),
        rows("c_model", factor=0.5, **day),
        [replace(row, **day) for row in references() if row.suite == "balls" and row.size == "lite"],
    ]
    return boards(list_submissions(*files))


@pytest.mark.parametrize(
    ("name", "written_by"), [("leaderboard.txt", as_text), ("leaderboard.csv", as_csv), ("leaderboard.json", as_json)]
)
def test_the_golden_table(name: str, written_by: Any) -> None:
    assert (GOLDEN / name).read_text(encoding="utf-8") == written_by(golden_boards())


def test_the_three_forms_say_the_same() -> None:
    found = golden_boards()
    table = list(csv.DictReader(io.StringIO(as_csv(found))))
    plain = json.loads(as_json(found))
    assert (
        "NaN" not in as_json(found)
        and len(table) == sum(len(model["scores"]) for board in plain for model in board["models"]) + 1
    )
    for model in plain[0]["models"]:
        headline = next(row for row in table if (row["model"], row["task"], row["metric"]) == (model["model"], *RANKED))
        figure = next(each for each in model["scores"] if (each["task"], each["metric"]) == RANKED)
        assert float(headline["value"]) == figure["value"] and headline["rank"] == (
            "" if model["rank"] is None else str(model["rank"])
        )
        shown = next(line for line in as_text(found).splitlines() if f"  {model['model']} " in line).split()[2]
        assert float(shown) == pytest.approx(figure["value"], rel=5e-3)
    assert as_text([]) == "nothing is listed"


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("every", [False, True])
def test_no_line_is_wider_than_the_terminal_and_the_ranking_figure_is_first_and_marked(width: int, every: bool) -> None:
    found = boards([*list_submissions(rows("x" * 64, factor=3.0)), *load_all(bundled_folder())])
    lines = as_text(found, width=width, every=every).splitlines()
    assert max(map(len, lines)) <= width and (any("…" in line for line in lines) or width == 200)
    for board in (board for board in found if board.ranked_by):
        heads = next(
            line for line in as_text([board], width=width, every=every).splitlines() if line.startswith("rank  model")
        )
        arrow = {"lower": "↓", "higher": "↑", "neither": ""}[board.better]
        assert heads.split()[2:4] == [f"*{board.ranked_by[1]}", arrow] and heads.count("*") == 1


def test_a_wider_terminal_shows_more_and_all_shows_every_column_once() -> None:
    (board,) = golden_boards()

    def heads(**how: Any) -> list[str]:
        lines = [line for line in as_text([board], **how).splitlines() if line.startswith("rank  model")]
        return [
            name
            for line in lines
            for name in re.findall(r"\*?[a-z_]{3,}|95 % interval", line)
            if name not in ("rank", "model")
        ]

    everything = {
        "*relative_bce",
        "95 % interval",
        "trust",
        "trainings",
        "parameters",
        "training",
        *(metric for _, metric in board.metrics()),
    } - {"relative_bce"}
    assert set(heads(width=80)) < set(heads(width=120)) < set(heads(width=200)) < everything
    for width in (60, 80, 200):
        shown = heads(width=width, every=True)
        assert set(shown) == everything and len(shown) == len(board.metrics()) + 5
    hidden = int(re.findall(r"(\d+) more columns with --all", as_text([board], width=80))[0])
    assert hidden + len(heads(width=80)) == len(board.metrics()) + 5


def test_text_that_a_spreadsheet_would_run_is_quoted() -> None:
    (board,) = golden_boards()
    strange = [
        replace(standing, model=name)
        for standing, name in zip(board.standings, ["=1+1", "\uff1d1+1", " =1"], strict=True)
    ]
    table = list(csv.DictReader(io.StringIO(as_csv([replace(board, standings=tuple(strange))]))))
    assert {row["model"] for row in table if row["kind"] == "ranked"} == {"'=1+1", "'\uff1d1+1", "' =1"}
    assert all(float(row["value"]) < 0 for row in table if row["metric"] == "log_likelihood"), "numbers stay numbers"


def test_the_order_of_the_files_changes_nothing() -> None:
    files = list_submissions(
        *(rows(f"m{number % 5}", factor=1 + number / 50, train_seed=number) for number in range(15)), list(references())
    )
    forwards, backwards = as_json(boards(files)), as_json(boards(files[::-1]))
    assert forwards == backwards


def test_five_thousand_rows_are_read_checked_and_ranked(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path / f"{number}.csv", rows(f"m{number % 20}", suite="simulation", train_seed=number))
    files = load_all(tmp_path)
    text = as_text(boards(files))
    assert sum(len(each.submission.rows) for each in files) > 5_000 and "m19" in text


def test_what_the_evaluator_writes_goes_all_the_way(tmp_path: Path) -> None:
    found = physbench.evaluate(registry.models.get("mean")(), "smoke", name="mine")
    (tmp_path / "mine.csv").write_text(found.to_csv(), encoding="utf-8")
    (board,) = boards(load_all(tmp_path))
    assert (
        board.standings[0].score("balls4mass64", "ari").value != board.standings[0].score("balls4mass64", "ari").value
    )
    assert board.standings[0].score(*RANKED).value == found.score(*RANKED).value
