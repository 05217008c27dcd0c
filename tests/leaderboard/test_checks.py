"""Tests of the checks of submissions: complete, on pinned data, and consistent with the reference rows."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import physbench
from physbench import registry
from physbench.errors import PhysbenchError
from physbench.model import Batch, Gaussian, Prediction
from physbench.suites import SUITES
from physbench_leaderboard.pins import ReferencePins, load_pins
from physbench_leaderboard.submission import Row, SubmissionError
from physbench_leaderboard.submission_checks import check, list_wanted, meaning, problems
from tests.leaderboard.rows_of_submissions import cells, references, rows, spoilt, write

EXTRA = {"balls": "balls4mass64", "curtain": "balls3curtain64", "crop50": "balls4mass64-crop50"}


class Soft:
    """A Gaussian model that groups, has codes of its slots and boxes: it has every row there can be."""

    likelihood: ClassVar[Gaussian] = Gaussian(0.3)

    def begin(self, batch: Batch) -> int:
        return len(batch.seeds)

    def observe(self, state: int, frame: Any, action: Any) -> tuple[int, Prediction]:
        return state, Prediction(
            1.2 * frame - 0.1, (frame[..., 0] > 0).astype(np.uint8), boxes=np.full((state, 1, 5), 3.0, np.float32)
        )

    def latents(self, state: int) -> Any:
        return np.ones((state, 2, 3), np.float32)


DEAR = ("invaders", "smoke-invaders", "probe")


@pytest.mark.parametrize("suite", [pytest.param(name, marks=[pytest.mark.slow] * (name in DEAR)) for name in SUITES])
def test_what_a_submission_must_have_is_what_the_evaluator_gives(suite: str) -> None:
    groups = list_wanted(SUITES[suite])
    always = set().union(*(each.keys for each in groups if not each.optional))
    together = [each.keys for each in groups if each.optional]
    models: dict[str, Any] = {
        "copy": registry.models.get("copy")(),
        "oracle": registry.models.get("oracle")(),
        "soft": Soft(),
    }
    for name, model in (
        models.items() if suite != "probe" else [("soft", Soft())]
    ):  # the others have no codes, and no figure
        found = {(score.task, score.metric) for score in physbench.evaluate(model, suite, name=name, limit=2).scores}
        assert always <= found
        assert found - always == set().union(*(keys for keys in together if keys <= found))
        if name == "soft":
            missing = always.union(*together) - found
            assert found <= always.union(*together) and {metric for _, metric in missing} <= {
                "probe_colour"
            }  # of white sprites
            assert not missing or suite == "segmentation-multi-dsprites-binary"
        if name == "copy":
            assert {metric for _, metric in found - always} <= {"reconstruction_mse"}


LIKE = ("constant-velocity", "mean", "oracle")


@pytest.mark.parametrize(
    ("suite", "like"), [(name, like) for name, suite in SUITES.items() for like in LIKE if like in suite.references]
)
def test_an_honest_submission_passes(tmp_path: Path, suite: str, like: str) -> None:
    path = write(
        tmp_path / "mine.csv", rows(like=like, suite=suite, factor=1.0 if like != "constant-velocity" else 1.25)
    )
    assert problems(path) == []
    assert len(check(path).rows) == len(rows(like=like, suite=suite))


def test_several_suites_and_seeds_of_one_model_go_into_one_file(tmp_path: Path) -> None:
    every = [
        row for suite in SUITES for seed in (0, 1) for row in rows(suite=suite, train_seed=seed, factor=1 + seed / 100)
    ]
    assert problems(write(tmp_path / "mine.csv", every)) == []


def test_the_reference_rows_pass_and_cannot_have_other_figures(tmp_path: Path) -> None:
    assert problems(write(tmp_path / "references.csv", references())) == []
    copy = [row for row in references() if row.model == "copy" and row.suite == "balls"]
    assert problems(write(tmp_path / "copy.csv", copy)) == []
    better = rows("copy", factor=0.5)
    assert any("give your model another name" in line for line in problems(write(tmp_path / "copy.csv", better)))
    assert any(
        "give your model another name" in line for line in problems(write(tmp_path / "copy.csv", rows("Oracle")))
    )


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"suite": "ball"}, "no suite is called ball"),
    ({"suite_version": 1}, "balls is at version 2, not 1"),
    ({"metric_version": 1}, "the metrics are at version 2, not 1"),
    ({"size": "limit-1000"}, "without --limit"),
    ({"size": "fresh-3"}, "never ranked"),
    ({"size": "fresh-3-limit-5"}, "never ranked"),
    ({"size": "file"}, "without --data"),
    ({"size": "file-limit-3"}, "without --data"),
    ({"size": "validation"}, "no test"),
    ({"size": "huge"}, "lite or full"),
    ({"size": "full"}, "these are other sequences"),
    ({"sequences": 999}, "has 1,000 sequences, not 999"),
    ({"data_sha256": "0" * 64}, "these are other sequences"),
    ({"trust": "re-run"}, "trust is self-reported in a submission"),
    ({"trust": "recomputed"}, "trust is self-reported in a submission"),
    ({"notes": ("privileged",)}, "told the truth"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_what_cannot_be_compared_is_refused_in_words(tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    found = problems(write(tmp_path / "mine.csv", [replace(row, **change) for row in rows()]))
    assert any(reason in line for line in found), found
    assert all(line.isascii() and "\n" not in line for line in found) and len(found) <= 7
    with pytest.raises(SubmissionError) as refused:
        check(tmp_path / "mine.csv")
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("suite", ["balls", "extrapolation", "curtain", "simulation", "crop50"])
def test_a_submission_without_any_one_of_its_rows_is_incomplete(suite: str) -> None:
    every = rows(suite=suite)
    for number in range(0, len(every), 7):
        left_out = every[number]
        found = meaning(every[:number] + every[number + 1 :], load_pins())
        assert any("lacks" in line and left_out.metric in line and left_out.task in line for line in found)


def test_half_a_group_is_incomplete_and_what_was_not_asked_for_is_refused() -> None:
    every = rows(like="oracle")
    assert any(
        "lacks ari_video" in line for line in meaning([row for row in every if row.metric != "ari_video"], load_pins())
    )
    strange = replace(every[0], metric="rollout_overlap", value=0.5, low=0.5, high=0.5)
    assert any("does not ask for rollout_overlap" in line for line in meaning([*every, strange], load_pins()))


def test_a_row_that_stands_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    every = rows()
    found = problems(write(tmp_path / "mine.csv", [*every, every[0]]))
    assert found == [
        f"line {len(every) + 2}: bce on balls4mass64 of mine on balls v2, lite, seed 0 is in line 2 already"
    ]


SEEN_ALONE: dict[str, Callable[[str], bool]] = {
    "balls": lambda metric: True,
    "extrapolation": lambda metric: True,
    "crop50": lambda metric: True,
    "simulation": lambda metric: metric.startswith(("rollout_bce", "rollout_relative_bce")),
}
"""Figures that follow from others."""


@pytest.mark.parametrize("suite", SEEN_ALONE)
def test_no_figure_that_follows_from_others_can_be_changed_alone(suite: str) -> None:
    every = rows(suite=suite, factor=1.25)
    for row in [row for row in every if SEEN_ALONE[suite](row.metric) and row.value][::3]:
        better = {name: getattr(row, name) * 0.98 for name in ("value", "low", "high")}
        found = meaning(spoilt(every, row.task, row.metric, **better), load_pins())
        assert found, f"{row.metric} on {row.task} can be changed"


def test_a_relative_figure_must_be_the_ratio_that_it_claims_to_be() -> None:
    """All of a submission's own figures agree; only against the pinned sums of copying does it show."""
    made_up = [
        (
            replace(row, value=row.value / 2, low=row.low / 2, high=row.high / 2)
            if row.metric.startswith("relative")
            else row
        )
        for row in rows()
    ]
    found = meaning(made_up, load_pins())
    assert len(found) == 4 and all("over copy's" in line for line in found)
    assert meaning(made_up, ReferencePins({})) == []  # nothing to hold it against


@pytest.mark.parametrize(("suite", "task", "metric", "change", "reason"), [
    ("balls", "balls4mass64", "bce", {"value": -1.0, "low": -1.0, "high": -1.0}, "lie between 0 and"),
    ("balls", "balls4mass64", "bce", {"value": 56_600.0, "low": 56_600.0, "high": 56_600.0}, "lie between 0 and 56588"),
    ("balls", "balls4mass64", "log_likelihood", {"value": 1.0, "low": 1.0, "high": 1.0}, "lie between -56588"),
    ("balls", "balls4mass64", "ari", {"value": 1.01, "high": 1.02}, "lie between -1 and 1"),
    ("balls", "balls4mass64/frames", "ari", {"value": -1.5, "low": -1.5}, "lie between -1 and 1"),
    ("balls", "balls4mass64", "bce", {"value": 0.004, "low": 0.004, "high": 0.004}, "below the oracle's"),
    ("simulation", "balls4mass64/rollout-5+10", "rollout_overlap", {"value": 1.01, "high": 1.01}, "lie between 0 and 1"),
    ("simulation", "balls4mass64/rollout-5+10", "rollout_position_error[5]", {"value": 16.1, "high": 16.1}, "lie between 0 and 16"),
    ("simulation", "balls4mass64/rollout-5+10", "event_error[10,1]", {"value": -0.1, "low": -0.1}, "lie between 0 and inf"),
    ("simulation", "balls4mass64/rollout-5+10", "event_error[10,1]", {"value": math.nan}, "is empty"),
    ("curtain", "balls3curtain64", "permanence_bce", {"value": 0.0, "low": 0.0, "high": 0.0}, "below the oracle's"),
    ("curtain", "balls3curtain64", "permanence_bce", {"value": 0.9}, "does not lie in its interval"),
    ("curtain", "balls3curtain64", "permanence_bce", {"low": math.nan}, "does not lie in its interval"),
    ("curtain", "balls3curtain64", "permanence_bce", {"value": math.nan, "low": math.nan, "high": math.nan}, "is empty"),
    ("crop50", "balls4mass64-crop50/rollout-9+1", "log_likelihood", {"value": -40_000.0, "low": -40_000.0, "high": -40_000.0}, "lie between -34538"),
])  # fmt: skip
def test_figures_that_cannot_be_are_refused(
    suite: str, task: str, metric: str, change: dict[str, float], reason: str
) -> None:
    found = meaning(spoilt(rows(like="oracle", suite=suite), task, metric, **change), load_pins())
    assert any((reason in line and metric in line) or (reason in line and "interval" in line) for line in found), found


def test_a_likelihood_is_minus_the_cross_entropy_unless_a_note_says_what_else_it_is() -> None:
    density = [
        replace(row, value=400.0, low=390.0, high=410.0) if "log_likelihood" in row.metric else row for row in rows()
    ]
    assert any("log_likelihood is 400" in line for line in meaning(density, load_pins()))
    assert meaning([replace(row, notes=("gaussian-0.3",)) for row in density], load_pins()) == []
    assert meaning([replace(row, notes=("self-computed-likelihood",)) for row in density], load_pins()) == []
    clipped = replace(density[0], metric="clipped_share", value=0.1, low=0.1, high=0.1)
    assert meaning([*density, clipped], load_pins()) == []


def test_an_evaluation_says_one_thing_of_itself_and_a_training_leaves_one_file_of_weights(tmp_path: Path) -> None:
    every = rows(weights_sha256="a" * 64, parameters=5)
    assert meaning(every, load_pins()) == []
    assert any(
        "weights_sha256 differs from line" in line
        for line in meaning([*every[:-1], replace(every[-1], weights_sha256="b" * 64)], load_pins())
    )
    assert any(
        "parameters differs from line" in line
        for line in meaning([*every[:-1], replace(every[-1], parameters=6)], load_pins())
    )
    twice = [*every, *rows(suite="curtain", weights_sha256="b" * 64)]
    assert any("2 files of weights with one train_seed" in line for line in meaning(twice, load_pins()))
    assert meaning([*every, *rows(train_seed=1, weights_sha256="b" * 64)], load_pins()) == []
    assert any("of one model" in line for line in problems(write(tmp_path / "two.csv", [*rows("a"), *rows("b")])))


CELLS = st.sampled_from(
    [
        "",
        "0",
        "1",
        "-1",
        "0.5",
        "1e30",
        "-1e30",
        "5e-324",
        "lite",
        "balls",
        "smoke",
        "crop50",
        "copy",
        "oracle",
        "bce",
        "balls4mass64",
        "gaussian-0",
        "999",
    ]
)


@settings(
    max_examples=120, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    suite=st.sampled_from(sorted(SUITES)),
    changes=st.lists(st.tuples(st.integers(0, 200), st.sampled_from(sorted(cells(rows()[0]))), CELLS), max_size=6),
)
def test_whatever_stands_in_the_cells_there_is_an_answer_in_words(
    tmp_path: Path, suite: str, changes: list[tuple[int, str, str]]
) -> None:
    table = [cells(row) for row in rows(like=SUITES[suite].references[-1], suite=suite)]
    for number, name, text in changes:
        table[number % len(table)][name] = text
    path = write(tmp_path / "mine.csv", table)
    try:
        found = check(path)
    except PhysbenchError as error:
        assert len(str(error).splitlines()) == 1 and problems(path)
    else:
        assert found.rows and not problems(path)


def test_five_thousand_rows_are_read_and_checked_in_three_seconds(tmp_path: Path) -> None:
    every: list[Row] = [row for seed in range(40) for row in rows(suite="simulation", train_seed=seed)]
    path = write(tmp_path / "mine.csv", every)
    began = time.perf_counter()
    assert len(check(path).rows) == len(every) > 5_000
    assert time.perf_counter() - began < 3
