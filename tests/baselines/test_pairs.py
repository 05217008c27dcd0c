"""Tests of the paired comparisons behind the verdicts on claims."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from physbench.errors import TrainingError
from physbench.evaluation.evaluate import evaluate
from physbench.metrics.bootstrap import Interval
from physbench.result import load_run
from physbench_baselines.releasing import pairs, scoring_options
from physbench_baselines.releasing.cards import cards
from physbench_baselines.releasing.claims import CLAIMS, NO_MEMORY, Claim
from physbench_baselines.releasing.pairs import FILE, Pair, find_differences, measure_pairs, read_pairs
from physbench_baselines.releasing.repeat import find_repeats
from physbench_baselines.releasing.scoring_options import Scoring
from physbench_baselines.releasing.trainings import LEAST

CLAIM = next(claim for claim in CLAIMS if claim.place[0] == "ram" and claim.worse == "copy")


def known_pair(claim: Claim = CLAIM) -> Pair:
    """A pair of the released weights, with an invented difference."""
    weights = [cards()[name].weights_sha256[:16] if name in cards() else None for name in (claim.better, claim.worse)]
    suite, task, metric = claim.place
    return Pair(suite, 1, "lite", task, metric, claim.better, claim.worse, weights[0], weights[1], 0.2, 0.1, 0.3)


def put(folder: Path, *there: Pair) -> None:
    (folder / FILE).write_text(json.dumps([asdict(pair) for pair in there]), encoding="utf-8")


def test_every_claim_about_models_that_come_along_is_paired_or_told_by_trainings() -> None:
    there = cards()
    for claim in CLAIMS:
        if claim.worse == NO_MEMORY or not {claim.better, claim.worse} <= {*there, "copy"}:
            continue
        trained_often = all(1 + len(find_repeats(name)) >= LEAST for name in (claim.better, claim.worse))
        assert trained_often != (claim in find_differences(there)), claim


def test_no_pair_of_other_weights_is_kept_in_the_package() -> None:
    assert all(pair.is_current(cards()) and pair.size == "lite" for pair in read_pairs())


def test_a_difference_is_that_of_the_scores_on_the_cards() -> None:
    there = cards()
    for claim, found in find_differences(there).items():
        if claim.worse in there:
            suite, task, metric = claim.place
            ours, theirs = (
                next(
                    row["value"]
                    for row in there[name].scores
                    if (row["suite"], row["task"], row["metric"]) == (suite, task, metric)
                )
                for name in (claim.better, claim.worse)
            )
            assert found.low <= found.value <= found.high
            assert found.value == pytest.approx(ours - theirs, rel=1e-3, abs=1e-4), claim


def test_pairs_are_found_by_claim_size_and_weights(tmp_path: Path) -> None:
    there, pair = cards(), known_pair()
    assert find_differences(there, tmp_path) == {}
    put(tmp_path, pair)
    assert find_differences(there, tmp_path) == {CLAIM: Interval(0.2, 0.1, 0.3)}
    for other in (
        replace(pair, better_weights="0" * 16),
        replace(pair, worse_weights="0" * 16),
        replace(pair, version=0),
        replace(pair, size="limit-4"),
        replace(pair, metric="another"),
    ):
        put(tmp_path, other)
        assert find_differences(there, tmp_path) == {}


@pytest.mark.parametrize("text", ["", "[1]", '[{"suite": "ram"}]', "[" * 9])
def test_a_file_of_something_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(TrainingError, match=r"pairs.json does not hold pairs of models: put it back, or delete it"):
        read_pairs(tmp_path)


def test_the_command_measures_what_is_missing_and_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [
        str(tmp_path / "sums"),
        "--suites",
        "ram",
        "--limit",
        "2",
        "--folder",
        str(tmp_path),
        "--device",
        "cpu",
    ]
    told = CliRunner().invoke(pairs.main, arguments)
    assert told.exit_code == 0, told.output
    about = [claim for claim in CLAIMS if claim.place[0] == "ram"]
    found = read_pairs(tmp_path)
    assert (
        [any(pair.is_about(claim) for pair in found) for claim in about] == [True] * len(about) == [True] * len(found)
    )
    assert {pair.size for pair in found} == {"limit-2"} and find_differences(cards(), tmp_path) == {}
    names = {name for claim in about for name in (claim.better, claim.worse)}
    assert {path.name for path in (tmp_path / "sums").iterdir()} == {f"{name}.ram.npz" for name in names}

    monkeypatch.setattr(scoring_options, "evaluate", None)  # nothing is left to evaluate
    assert measure_pairs(tmp_path / "sums", suites=["ram"], how=Scoring(limit=2), folder=tmp_path) == found
    put(tmp_path, *(replace(pair, better_weights="0" * 16) for pair in found))
    assert measure_pairs(tmp_path / "sums", suites=["ram"], how=Scoring(limit=2), folder=tmp_path) == found

    monkeypatch.undo()
    stale = next((tmp_path / "sums").glob("rmr-ram-mlp.*"))
    before = load_run(stale)
    evaluate("rmr-ram-deep-sets.invaders-ram", "ram", limit=2).save_sums(stale)
    (tmp_path / FILE).unlink()
    assert measure_pairs(tmp_path / "sums", suites=["ram"], how=Scoring(limit=2), folder=tmp_path) == found
    assert load_run(stale).provenance["weights_sha256"] == before.provenance["weights_sha256"]


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    told = CliRunner().invoke(pairs.main, [str(tmp_path / "sums"), "--folder", str(tmp_path / "none")])
    assert told.exit_code != 0 and "there is no folder" in told.output and "Traceback" not in told.output
