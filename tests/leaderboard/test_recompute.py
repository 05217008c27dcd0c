"""Tests of figures that are recomputed from sums, or by running the model again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import physbench
from physbench import registry
from physbench.result import Result, Score
from physbench.suites import SUITES
from physbench_leaderboard.recompute import recompute
from physbench_leaderboard.rerun import beside_fresh, verify
from physbench_leaderboard.submission import Submission, SubmissionError, read
from tests.leaderboard.rows_of_submissions import rows


@pytest.fixture(scope="module")
def evaluated() -> Result:
    return physbench.evaluate(registry.models.get("mean")(), "smoke", name="mine")


@pytest.fixture(scope="module")
def submission_and_sums(evaluated: Result, tmp_path_factory: pytest.TempPathFactory) -> tuple[Submission, Path]:
    path = tmp_path_factory.mktemp("handed_in") / "mine.csv"
    path.write_text(evaluated.to_csv(), encoding="utf-8")
    evaluated.save_sums(path.with_suffix(".npz"))
    return read(path), path.with_suffix(".npz")


def change(submission: Submission, number: int, **changes: float) -> Submission:
    return Submission(tuple(replace(row, **changes) if at == number else row for at, row in enumerate(submission.rows)))  # type: ignore[arg-type]


def test_every_row_follows_from_the_sums(submission_and_sums: tuple[Submission, Path], evaluated: Result) -> None:
    again = recompute(*submission_and_sums)
    assert again.all_well and again.problems == [] and again.rows == again.of == len(evaluated.scores)


@pytest.mark.parametrize("part", range(12))
def test_a_figure_or_an_interval_that_does_not_follow_is_named(
    submission_and_sums: tuple[Submission, Path], part: int
) -> None:
    submission, sums = submission_and_sums
    number = part * len(submission.rows) // 12
    row = submission.rows[number]
    for name in ("value", "low", "high"):
        if (figure := getattr(row, name)) == figure:
            again = recompute(change(submission, number, **{name: figure * (1 + 1e-6) + 1e-6}), sums)
            assert (
                not again.all_well
                and len(again.problems) == 1
                and f"{row.metric} on {row.task}: {name} is" in again.problems[0]
            )


def test_the_quotient_of_two_tasks_is_made_again(tmp_path: Path) -> None:
    evaluated = physbench.evaluate(registry.models.get("mean")(), "extrapolation", name="mine", limit=6)
    path = tmp_path / "mine.csv"
    path.write_text(evaluated.to_csv(), encoding="utf-8")
    evaluated.save_sums(path.with_suffix(".npz"))
    submission = read(path)
    assert recompute(submission, path.with_suffix(".npz")).all_well
    number = next(at for at, row in enumerate(submission.rows) if row.metric == "relative_bce_ratio")
    assert len(recompute(change(submission, number, low=0.5), path.with_suffix(".npz")).problems) == 1


def test_one_evaluation_of_several_is_not_all(submission_and_sums: tuple[Submission, Path]) -> None:
    submission, sums = submission_and_sums
    again = recompute(Submission((*submission.rows, *rows())), sums)
    assert again.problems == [] and not again.all_well
    with pytest.raises(SubmissionError, match="an evaluation that is not in the table"):
        recompute(Submission(tuple(rows())), sums)


@pytest.mark.slow
def test_the_same_model_comes_out_the_same_and_another_does_not(submission_and_sums: tuple[Submission, Path]) -> None:
    submission, _ = submission_and_sums
    (same,) = verify(submission, registry.models.get("mean")())
    assert same.all_well and same.differences == [] and same.fresh is None
    (other,) = verify(submission, registry.models.get("blank")())
    assert not other.all_well and any(
        "was submitted, but" in line and "was computed" in line for line in other.differences
    )
    (owners,) = verify(submission, registry.models.get("oracle")())
    assert any("ari on balls4mass64 was computed again, but was not submitted" in line for line in owners.differences)
    claimed = Submission(tuple(replace(row, weights_sha256="a" * 64, parameters=7) for row in submission.rows))
    (weightless,) = verify(claimed, registry.models.get("mean")())
    assert len(weightless.differences) == 2 and "aaaa" in weightless.differences[0]


def test_another_machine_may_round_otherwise_and_no_more(submission_and_sums: tuple[Submission, Path]) -> None:
    submission, _ = submission_and_sums
    model = registry.models.get("mean")()
    near = change(
        submission, 0, **{name: getattr(submission.rows[0], name) * (1 + 9e-5) for name in ("value", "low", "high")}
    )
    assert verify(near, model)[0].differences == []
    far = change(submission, 0, value=submission.rows[0].value * (1 + 2e-4))
    assert len(verify(far, model)[0].differences) == 1


@pytest.mark.slow
def test_fresh_data_show_who_knows_the_test_set(
    submission_and_sums: tuple[Submission, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    ranked = replace(SUITES["smoke"], ranked_by=("balls4mass64", "relative_bce"))
    monkeypatch.setitem(SUITES, "smoke", ranked)
    submission, _ = submission_and_sums
    (honest,) = verify(submission, registry.models.get("mean")(), fresh=5)
    assert honest.all_well and honest.fresh is not None and "the same within chance" in honest.fresh
    learnt = Submission(
        tuple(replace(row, value=row.value / 2, low=row.low / 2, high=row.high / 2) for row in submission.rows)
    )
    (cheat,) = verify(learnt, registry.models.get("mean")(), fresh=5)
    assert cheat.suspicious and cheat.fresh is not None and "may know the pinned data" in cheat.fresh
    rest = Submission(tuple(row for row in submission.rows if row.metric != "relative_bce"))
    (unranked,) = verify(rest, registry.models.get("mean")(), fresh=5)
    assert unranked.fresh is None and any("was not submitted" in words for words in unranked.differences)


@pytest.mark.parametrize(("metric", "fresh", "words"), [
    ("relative_bce", 0.55, "the same"), ("relative_bce", 0.7, "worse than chance"), ("relative_bce", 0.3, "better than chance"),
    ("relative_bce", 0.5, "the same"), ("rollout_overlap", 0.7, "better than chance"), ("rollout_overlap", 0.3, "worse than chance"),
])  # fmt: skip
def test_worse_on_fresh_data_is_said_by_the_direction_of_the_metric(metric: str, fresh: float, words: str) -> None:
    row = replace(rows()[0], metric=metric, value=0.5, low=0.45, high=0.55)
    said, suspicious = beside_fresh(row, Score("balls4mass64", metric, fresh, fresh - 0.05, fresh + 0.05, 1_000))
    assert words in said and suspicious == words.startswith("worse")
