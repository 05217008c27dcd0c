"""Tests of progress reports: a share of the whole from the first steps of a model, and regular lines in the log of a
job."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physbench
from physbench import progress
from physbench.evaluation.evaluation_journal import EvaluationJournal
from physbench.evaluation.meter import Progress, count_steps
from physbench.suites import SUITES
from physbench_baselines.reference import ConstantVelocity, Copy
from tests.evaluation.toys import Witness


@pytest.mark.parametrize("suite", [name for name in SUITES if name != "probe"])  # which shows training sequences before
def test_the_steps_of_a_task_are_the_calls_that_a_model_gets(suite: str) -> None:
    model = Witness()
    owners = model.observe

    def observe(state: Any, frame: Any, action: Any) -> Any:  # with owners, or a still frame is shown once only
        after, prediction = owners(state, frame, action)
        return after, type(prediction)(prediction.mean, np.zeros(frame.shape[:3], np.uint8))

    model.observe = observe  # type: ignore[method-assign]
    physbench.evaluate(model, suite, limit=1)
    assert len(model.calls) == sum(count_steps(task) for task in SUITES[suite].tasks)


@pytest.mark.parametrize("model", [Copy(), ConstantVelocity(), Witness()])
def test_progress_is_told_within_a_block_and_ends_at_the_whole(model: Any) -> None:
    told: list[Progress] = []
    physbench.evaluate(model, "simulation", limit=6, batch=6, progress=told.append)
    done = [now.done for now in told]
    assert len(done) > 40, "one block, many steps"
    assert done == sorted(done) and done[-1] == pytest.approx(6) and done[0] < 0.2
    assert {now.total for now in told} == {6}


def test_an_evaluation_that_goes_on_counts_what_was_finished(tmp_path: Path) -> None:
    for _ in range(2):
        told: list[Progress] = []
        physbench.evaluate(
            Copy(), "balls", limit=6, batch=2, journal=EvaluationJournal(tmp_path / "journal"), progress=told.append
        )
    assert [now.done for now in told] == pytest.approx([2, 4, 6])


def test_without_a_terminal_there_is_a_line_at_first_and_then_one_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 100.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress_bar("evaluating") as update:
        for done in range(0, 401):
            update(done, 1000, "evaluating on balls")
            now += 0.5
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 4  # at 10, 70, 130 and 190 of 200 seconds
    assert lines[0] == "evaluating on balls: 2%, 2.0 sequences/s, about 8.2 min left"
    assert all(
        re.fullmatch(r"evaluating on balls: \d+%, 2\.0 sequences/s, about \d\.\d min left", line) for line in lines
    )


def test_time_left_leaves_out_what_came_before_the_first_advance(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half a minute of compiling, and then 10 sequences a second."""
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress_bar("checking") as update:
        update(0, 1000, "regenerating test")
        now = 30.0
        update(1, 1000, "regenerating test")
        now = 92.0
        update(621, 1000, "regenerating test")
    first, second = capsys.readouterr().err.splitlines()
    assert first == "regenerating test: 0%", "one advance is no measure of speed"
    assert second == "regenerating test: 62%, 10 sequences/s, about 37.9 s left"


def test_a_second_part_of_the_work_is_measured_by_itself(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress_bar("checking") as update:
        for done in (0, 500, 1000):  # the first part: fast
            update(done, 1000, "reading")
            now += 1
        for done in range(0, 41):  # the second: one a second
            update(done, 100, "checking")
            now += 1
    assert capsys.readouterr().err.splitlines() == ["checking: 7%, 1.0 sequences/s, about 1.6 min left"]


def test_work_without_a_known_end_is_told_without_a_share(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.progress_bar("preparing", unit="") as update:
        for step in range(100):
            update(step, 0, f"step {step}: loss 0.5")
            now += 1
    assert capsys.readouterr().err.splitlines() == ["step 10: loss 0.5", "step 70: loss 0.5"]


def test_short_work_says_nothing_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar("evaluating") as update:
        for done in range(100):
            update(done, 100, "evaluating")
    assert capsys.readouterr().err == ""
