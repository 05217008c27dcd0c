"""Tests of honest statistics: intervals of few sequences are marked wherever they are shown.

A comparison says how many figures it tests, and which differences remain significant.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from click.testing import Result as Ran
from numpy.typing import NDArray

import physbench
from physbench import registry
from physbench.cli import main
from physbench.compare import compare, count_tested
from physbench.errors import PhysbenchError
from physbench.evaluation.evaluate import extent
from physbench.evaluation.result_text import as_text, to_json
from physbench.model import Prediction
from physbench.report.page import page
from physbench.result import ENOUGH, ScoredRun, load_run
from physbench.suites import RARE, SUITES
from physbench_baselines.reference import Blank, Copy
from tests.evaluation.toys import Slots


def is_marked(line: str) -> bool:
    return " ~" in line


@pytest.mark.parametrize("limit", [63, 64])
def test_an_interval_of_fewer_than_64_sequences_is_marked_in_the_terminal_and_explained(limit: int) -> None:
    shown = as_text(
        physbench.evaluate(Copy(), "balls", limit=limit), extent("balls", limit=limit), everything=True
    ).splitlines()
    line = next(line for line in shown if line.startswith("  bce "))
    assert is_marked(line) == (limit < ENOUGH)
    rare = next(line for line in shown if line.startswith("  relative_relational_bce_last "))
    assert is_marked(rare), "few of the last transitions have a collision"
    assert sum(line.startswith("~ too narrow, being of fewer than 64 sequences") for line in shown) == 1


def test_json_has_the_number_of_contributing_sequences_as_a_count_by_hand() -> None:
    found = physbench.evaluate(Slots(), "smoke")
    scores = {(each["task"], each["metric"]): each for each in json.loads(to_json(found))["scores"]}
    for key, (_, denominator) in found.sums.items():
        by_hand = sum(1 for each in denominator.tolist() if each != 0)
        assert scores[key]["contributing"] == by_hand
        assert scores[key]["is_narrow"] == (by_hand < 64 and scores[key]["low"] is not None)
    assert any(each["is_narrow"] for each in scores.values()) and not all(each["is_narrow"] for each in scores.values())


class Noted(Slots):
    """With a code to read: how bright each frame was."""

    def observe(self, state: Any, frame: NDArray[np.float32], action: object) -> tuple[Any, Prediction]:
        return frame.mean((1, 2, 3)), super().observe(None, frame, action)[1]

    def latents(self, state: NDArray[np.float32]) -> NDArray[np.float32]:
        return state[:, None, None]


def few(suite: str) -> set[tuple[str, str, int]]:
    """Figures of fewer than 64 sequences, counted."""
    sums = physbench.evaluate(Noted(), suite).sums
    return {
        (*key, len(below)) for key, (_, below) in sums.items() if sum(1 for each in below.tolist() if each != 0) < 64
    }


@pytest.mark.slow
def test_the_pinned_list_of_narrow_figures_is_that_of_the_smoke_suites() -> None:
    assert few("smoke") | few("smoke-invaders") == {each for each in RARE if each[2] == 64}


@pytest.mark.slow
def test_the_pinned_list_of_narrow_figures_is_that_of_every_suite() -> None:
    assert set().union(*map(few, SUITES)) == RARE


def test_the_report_marks_what_the_terminal_marks() -> None:
    for limit in (20, 100):
        found = physbench.evaluate(Slots(), "curtain", limit=limit)
        html = " ".join(page(found, (), (), ()).split())
        assert (
            html.count('<abbr title="of fewer than 64 sequences: too narrow">~</abbr>')
            == sum(score.is_narrow for score in found.scores)
            > 0
        )
        assert "its interval is too narrow" in html


def test_a_ratio_of_two_sets_is_as_narrow_as_the_smaller_one() -> None:
    found = physbench.evaluate(Copy(), "extrapolation", limit=10)
    assert found.score("balls678mass64:balls4mass64", "relative_bce_ratio").contributing == 10


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name in ("copy", "mean", "blank"):
        physbench.evaluate(registry.models.get(name)(), "balls", limit=80, name=name).save_sums(folder / f"{name}.npz")
    return folder


def command(*words: Any) -> Ran:
    return CliRunner().invoke(main, ["compare", "--all", *map(str, words)])


def test_the_figure_that_ranks_the_suite_comes_first_and_the_others_on_request(runs: Path) -> None:
    words = ["compare", str(runs / "mean.npz"), str(runs / "copy.npz")]
    few, every = (CliRunner().invoke(main, [*words, *more]).stdout.splitlines() for more in ([], ["--all"]))
    assert few[1] == every[1] == "balls4mass64"
    assert few[2].split()[:4] == every[2].split()[:4] == ["relative_bce", "(ranks", "the", "suite)"]
    more = next(int(line.split()[0]) for line in few if line.endswith("more figures: --all"))
    rows = [sum(line.startswith("  ") for line in lines) for lines in (few, every)]
    assert more == rows[1] - rows[0] > 0
    assert not any("more figures" in line for line in every)


def test_a_figure_without_an_interval_says_why(tmp_path: Path) -> None:
    """Of 80 sequences one has a value: many resamples have none."""
    one = np.zeros(80)
    one[7] = 1.0
    for name in "ab":
        found = physbench.evaluate("copy", "balls", limit=80, name=name)
        found.sums["balls4mass64", "relative_bce"] = (one * (0.5 if name == "a" else 1.0), one)
        found.save_sums(tmp_path / f"{name}.npz")
    shown = CliRunner().invoke(main, ["compare", str(tmp_path / "a.npz"), str(tmp_path / "b.npz")]).stdout
    why = "too few of the sequences have a value (1), so there is no interval"
    assert f"cannot be told apart: {why}" in shown.splitlines()[2]


def test_a_comparison_says_how_many_figures_it_tests_and_marks_what_survives(runs: Path) -> None:
    lines = compare(load_run(runs / "mean.npz"), load_run(runs / "copy.npz"))
    shown = command(runs / "mean.npz", runs / "copy.npz").stdout.splitlines()
    surviving = sum(line.survives for line in lines)
    assert (
        0
        < surviving
        <= count_tested(lines)
        == len([line for line in lines if not np.isnan(line.comparison.difference.value)])
    )
    assert sum(line.endswith("better *") for line in shown) == surviving
    assert any(line.startswith(f"{count_tested(lines)} figures are tested, each at 5 %") for line in shown)
    assert any(line.startswith(f"* {surviving} of the differences survive Holm's correction") for line in shown)
    told = json.loads(command(runs / "mean.npz", runs / "copy.npz", "--json").stdout)
    assert (told["tested"], told["surviving"]) == (count_tested(lines), surviving)
    assert [(line["adjusted_p"], line["survives"]) for line in told["lines"]] == [
        (line.adjusted_p, line.survives) for line in lines
    ]
    assert all(line["adjusted_p"] >= line["comparison"]["p"] for line in told["lines"])
    assert min(line["comparison"]["p"] for line in told["lines"]) < 1 / 2000


def test_a_run_against_itself_has_nothing_that_survives(runs: Path) -> None:
    shown = command(runs / "copy.npz", runs / "copy.npz").stdout
    assert "* 0 of the differences survive Holm's correction" in shown and "better" not in shown.replace(
        "a better direction", ""
    )


def test_intervals_of_few_sequences_are_marked_in_a_comparison_too(runs: Path) -> None:
    shown = command(runs / "mean.npz", runs / "copy.npz").stdout.splitlines()
    rare = next(line for line in shown if line.strip().startswith("relative_relational_bce_last "))
    usual = next(line for line in shown if line.strip().startswith("relative_bce "))
    assert is_marked(rare) and not is_marked(usual)
    assert any(line.startswith("~ This interval is of fewer than 64 sequences") for line in shown)


def spoilt(path: Path, out: Path, **changes: Any) -> Path:
    with np.load(path) as arrays:
        np.savez_compressed(
            out, **{**arrays, **{f"balls4mass64|bce|{name}": np.full(80, value) for name, value in changes.items()}}
        )
    return out


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"numerator": 1e16},
            "bce on balls4mass64 of a holds 1e+16: what a sequence contributes is at most 1e+15; evaluate again",
        ),
        ({"numerator": -1e16}, "holds -1e+16"),
        ({"numerator": np.inf}, "holds inf"),
        ({"denominator": 1e16}, "holds 1e+16"),
        ({"denominator": -1.0}, "divides by -1: a denominator is 0, or at least 1e-15"),
        ({"denominator": 1e-300}, "divides by 1e-300"),
    ],
)
def test_numbers_that_no_evaluation_gives_are_refused_in_one_line(
    runs: Path, tmp_path: Path, changes: dict[str, float], words: str
) -> None:
    bad = spoilt(runs / "copy.npz", tmp_path / "bad.npz", **changes)
    refused = command(bad, runs / "copy.npz")
    assert refused.exit_code == 2 and words in refused.output and len(refused.output.strip().splitlines()) == 1, (
        refused.output
    )
    assert "of b " in command(runs / "copy.npz", bad).output


@pytest.mark.parametrize("number", [1e308, -1e308])
def test_numbers_that_would_overflow_are_refused_when_they_are_read(runs: Path, tmp_path: Path, number: float) -> None:
    bad = spoilt(runs / "copy.npz", tmp_path / "bad.npz", numerator=number)
    for files in ((bad, runs / "copy.npz"), (runs / "copy.npz", bad)):
        refused = command(*files)
        assert refused.exit_code == 2 and "balls4mass64 bce holds a number beyond 1e+100" in refused.output
        assert len(refused.output.strip().splitlines()) == 1


def test_the_largest_numbers_that_are_taken_do_not_overflow(runs: Path, tmp_path: Path) -> None:
    far = spoilt(runs / "copy.npz", tmp_path / "far.npz", numerator=1e15, denominator=1e-15)
    shown = command(far, runs / "blank.npz")
    assert shown.exit_code == 0 and "b better" in shown.output


def test_a_figure_without_a_value_is_not_tested(runs: Path) -> None:
    whole = load_run(runs / "copy.npz")
    nothing = ScoredRun(whole.provenance, whole.sums | {("balls4mass64", "bce"): (np.zeros(80), np.zeros(80))})
    lines = {line.metric: line for line in compare(nothing, load_run(runs / "blank.npz"))}
    assert np.isnan(lines["bce"].adjusted_p) and not lines["bce"].survives
    assert count_tested(list(lines.values())) == len(lines) - 1


def test_other_versions_of_the_metrics_are_not_compared(runs: Path) -> None:
    whole = load_run(runs / "copy.npz")
    with pytest.raises(PhysbenchError, match="their metric_version is 2 and 1"):
        compare(whole, ScoredRun({**whole.provenance, "metric_version": 1}, whole.sums))


def test_blank_is_compared_with_itself_under_another_name(runs: Path) -> None:
    again = physbench.evaluate(Blank(), "balls", limit=80, name="again")
    lines = compare(ScoredRun(load_run(runs / "blank.npz").provenance, again.sums), load_run(runs / "blank.npz"))
    assert not any(line.survives for line in lines) and all(
        line.comparison.p == 1.0 for line in lines if line.adjusted_p == line.adjusted_p
    )


def test_how_much_worse_with_more_objects_is_compared_but_not_tested(tmp_path: Path) -> None:
    runs = []
    for name in ("blur", "blank"):
        physbench.evaluate(name, "extrapolation", limit=4).save_sums(tmp_path / f"{name}.npz")
        runs.append(load_run(tmp_path / f"{name}.npz"))
    lines = {(line.task, line.metric): line for line in compare(*runs)}
    found = lines["balls678mass64:balls4mass64", "relative_bce_ratio"]
    values = [
        [run.sums[task, "relative_bce"][0].sum() / run.sums[task, "relative_bce"][1].sum() for run in runs]
        for task in ("balls678mass64", "balls4mass64")
    ]
    assert found.comparison.difference.value == pytest.approx(values[0][0] / values[1][0] - values[0][1] / values[1][1])
    assert found.adjusted_p != found.adjusted_p and not found.survives
    shown = CliRunner().invoke(
        main, ["compare", "--all", *(str(tmp_path / f"{name}.npz") for name in ("blur", "blank"))]
    )
    assert "relative_bce_ratio" in shown.output and shown.exit_code == 0
