"""Tests of campaigns: the order of the work, how much a kill costs, what the status says, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from physbench.errors import PhysbenchError, TrainingError, UnknownName
from physbench_baselines import checkpoint
from physbench_baselines.campaign import planned_runs, weights
from physbench_baselines.campaign import work as working
from physbench_baselines.campaign.budget import count_sequence_steps, is_flat, steps_for
from physbench_baselines.campaign.history import CurvePoint, History, Ledger, read_record
from physbench_baselines.campaign.planned_runs import TABLE, Plan, PlannedRun, expand
from physbench_baselines.campaign.standing import RunStanding, order, read_standings
from physbench_baselines.campaign.work import adopt, hold_campaign, work
from physbench_baselines.nem_sizes import ARCHITECTURE
from physbench_baselines.releasing.cards import cards
from physbench_baselines.training.folder import CORE, AtWork, Folder
from physbench_baselines.training.preflight import strip_version
from physbench_baselines.training.run import train
from physbench_baselines.training.training_recipe import TrainingRecipe
from tests.baselines.test_training import curve, log, step_of
from tests.baselines.test_training import weights as tensors_of
from tests.baselines.toy import MODEL
from tests.baselines.toy_campaign import A_STEP, BUDGET, STEPS, toys

ONE_STEP = 1e-9
"""Minutes: a piece takes at least one step."""

NAME = "tests.baselines.toy.architecture.seed0"


@pytest.fixture(autouse=True)
def usual_priority(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "nice", lambda increment: increment)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of the first seed, made by the trainer alone and never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(toys()[0].training_recipe(), out, steps=STEPS, device="cpu")
    return out


def standings(folder: Path, runs: list[PlannedRun]) -> list[RunStanding]:
    return read_standings(folder, runs, Ledger(folder))


def standing(folder: Path, run: PlannedRun) -> RunStanding:
    return standings(folder, [run])[0]


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


def stopped_at(step: int) -> Callable[[str, Any], None]:
    """As Ctrl-C would, right after this step."""

    def stop(name: str, now: Any) -> None:
        if now.step == step:
            signal.raise_signal(signal.SIGINT)

    return stop


def begin(folder: Path, step: int, runs: list[PlannedRun] | None = None) -> PlannedRun:
    """A campaign that was stopped."""
    runs = runs or toys()
    with pytest.raises(KeyboardInterrupt):
        work(folder, runs, device="cpu", progress=stopped_at(step))
    return runs[0]


def count_by_walking(recipe: TrainingRecipe, steps: int, limit: int) -> int:
    """Sequence-steps, one step after the other."""
    if recipe.longest == 1:
        return steps * recipe.batch  # images
    return sum(recipe.batch * (recipe.frames_at(step / limit) - 1) for step in range(steps))


# the table


def test_models_of_a_family_have_one_recipe_and_one_budget_and_three_seeds() -> None:
    families = (
        (ARCHITECTURE.models, ("balls4mass64", "balls3curtain64")),
        (("rnn", "lstm", "r-nem"), ("invaders84",)),
        (planned_runs.SQAIR, ("balls4mass64-crop50",)),
    )
    for models, datasets in families:
        rows = [plan for plan in TABLE if plan.model in models and plan.data in datasets]
        assert {plan.model for plan in rows} == set(models)
        assert len({(plan.recipe, plan.budget, plan.seeds, plan.settings.get("frames")) for plan in rows}) == 1
    assert all(len(plan.seeds) == 3 for plan in TABLE)


def test_every_model_that_comes_along_can_be_trained_again_by_a_row() -> None:
    rows = {(plan.model, plan.data) for plan in TABLE}
    for name, card in cards().items():
        recipe = TrainingRecipe.from_dict(card.recipe)
        assert (recipe.model, strip_version(recipe.data.removesuffix(".h5"))) in rows, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "run", [run for run in expand(TABLE) if run.seed == 0 and run.budget < 1_200_000], ids=lambda run: run.name
)
def test_every_row_can_be_begun(run: PlannedRun, tmp_path: Path) -> None:
    """Those of the whole budget are begun by other tests."""
    (piece,) = work(tmp_path, [run], minutes=ONE_STEP, device="cpu")
    assert (piece.name, piece.step, piece.ended) == (run.name, 1, "pause")


def test_every_run_has_a_name_of_its_own_and_a_recipe_that_can_be_followed() -> None:
    runs = expand(TABLE)
    assert len({run.name for run in runs}) == len(runs) >= 18
    for run in runs:
        first, second = (run.training_recipe(stage=stage) for stage in (1, 2))
        assert first.seed != second.seed and first.longest == second.longest
        assert count_by_walking(first, steps := steps_for(first, run.budget), steps) >= run.budget
    assert [run.name for run in runs][:2] == ["rnn.seed0", "lstm.seed0"] and "r-nem.balls3curtain64.seed2" in {
        run.name for run in runs
    }


def test_first_seeds_come_before_second_ones_and_models_that_cannot_be_trained_here_are_left_out() -> None:
    rows = [
        Plan(model=model, seeds=seeds, budget=1)
        for model, seeds in (("rnn", (0, 4)), ("not-here", (0,)), ("lstm", (7,)))
    ]
    assert [run.name for run in expand(rows)] == ["rnn.seed0", "lstm.seed7", "rnn.seed4"]


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 9), st.integers(1, 300), st.data())
def test_sequence_steps_are_those_of_every_step_together(
    frames: list[int], batch: int, limit: int, data: st.DataObject
) -> None:
    recipe = TrainingRecipe(model="rnn", frames=tuple(frames), batch=batch)
    steps = data.draw(st.integers(0, limit))
    assert count_sequence_steps(recipe, steps, limit) == count_by_walking(recipe, steps, limit)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=4), st.integers(1, 9), st.integers(1, 20_000))
def test_a_budget_is_used_up_by_its_steps_and_not_by_one_less(frames: list[int], batch: int, budget: int) -> None:
    recipe = TrainingRecipe(model="rnn", frames=tuple(frames), batch=batch)
    steps = steps_for(recipe, budget)
    assert count_by_walking(recipe, steps, steps) >= budget
    assert steps == 1 or count_by_walking(recipe, steps - 1, steps - 1) < budget


def test_a_run_limited_by_minutes_is_counted_as_if_every_length_had_the_same_time() -> None:
    """A step of 10 predicted frames takes twice as long as one of 5: 20 steps of the one and 10 of the other."""
    recipe = TrainingRecipe(model="rnn", frames=(6, 11), batch=2)
    assert count_sequence_steps(recipe, 30, None) == 2 * (20 * 5 + 10 * 10)
    assert count_sequence_steps(replace(recipe, frames=(1, 6)), 30, None) == 2 * 30 * 5  # single frames are free


def test_an_image_counts_as_one() -> None:
    recipe = TrainingRecipe(model="iodine", data="shapes", batch=3, frames=(1,))
    assert count_sequence_steps(recipe, 7, 9) == count_sequence_steps(recipe, 7, None) == 21
    assert steps_for(recipe, 22) == 8 and steps_for(recipe, 21) == 7


@pytest.mark.parametrize(
    ("curve", "flat"),
    [
        ([(25, 4.0), (50, 3.0), (75, 2.0), (100, 1.99)], True),
        ([(25, 4.0), (50, 3.0), (75, 2.0), (100, 1.97)], False),
        ([(75, 2.0), (90, 1.0), (100, 3.0)], False),
        ([(75, 2.0), (100, 3.0)], True),
        ([(76, 2.0), (100, 1.0)], None),
        ([], None),
    ],
)
def test_a_curve_is_flat_when_its_last_quarter_improved_by_less_than_one_percent(
    curve: list[tuple[int, float]], flat: bool | None
) -> None:
    assert is_flat(curve) is flat


# the order


@pytest.mark.slow
def test_the_next_piece_is_always_of_the_run_with_the_smallest_share_of_its_budget(tmp_path: Path) -> None:
    plans = [
        Plan(model=MODEL, seeds=(0, 1), budget=4 * A_STEP, settings=toys()[0].settings),
        Plan(model="rnn", seeds=(), budget=1),
    ]
    runs = [*expand(plans), *toys(seeds=(2,), budget=6 * A_STEP)]
    pieces = work(tmp_path, runs, piece=ONE_STEP, device="cpu")
    steps, limits, expected = [0, 0, 0], [4, 4, 6], []
    over = [False] * 3
    while not all(over):
        shares = [
            Fraction(count_by_walking(runs[0].training_recipe(), steps[i], limits[i]), limits[i] * A_STEP)
            for i in range(3)
        ]
        chosen = min((i for i in range(3) if not over[i]), key=lambda i: (shares[i], i))
        over[chosen] = steps[chosen] == limits[chosen]
        steps[chosen] += not over[chosen]
        expected.append((runs[chosen].name, steps[chosen], "steps" if over[chosen] else "pause"))
    assert [(piece.name, piece.step, piece.ended) for piece in pieces] == expected
    assert len(expected) == 4 + 4 + 6 + 3


def test_patterns_choose_runs() -> None:
    runs = expand(TABLE)
    chosen = planned_runs.select(runs, ["rnn.*", "*.seed2"])
    assert (
        chosen == [run for run in runs if run.model == "rnn" or run.seed == 2] and planned_runs.select(runs, []) == runs
    )
    with pytest.raises(UnknownName, match=r"no run of the campaign is called 'r-mem\*': there is rnn.seed0"):
        planned_runs.select(runs, ["rnn.*", "r-mem*"])
    with pytest.raises(UnknownName, match=r"'rnn.seed9': did you mean 'rnn.seed"):
        planned_runs.find(runs, "rnn.seed9")


# pieces


@pytest.mark.slow
def test_pieces_do_not_change_what_is_learnt(whole: Path, tmp_path: Path) -> None:
    pieces = work(tmp_path, toys(), piece=ONE_STEP, device="cpu")
    assert len(pieces) == STEPS + 1
    for name in ("last.safetensors", "best.safetensors"):
        assert tensors_of(tmp_path / NAME / name) == tensors_of(whole / name)
    assert curve(tmp_path / NAME) == curve(whole)


@pytest.mark.slow
def test_a_campaign_that_is_killed_again_and_again_ends_where_it_would_have_ended(whole: Path, tmp_path: Path) -> None:
    folder, steps = tmp_path / "campaign", []
    for wanted in (20, 50):
        words = [sys.executable, "-m", "tests.baselines.toy_campaign", str(folder), "0.001"]
        process = subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 120
        while not (
            (folder / NAME / "log.csv").exists() and any(int(row["step"] or 0) >= wanted for row in log(folder / NAME))
        ):
            assert process.poll() is None and time.monotonic() < deadline, process.communicate()
            time.sleep(0.001)
        process.kill()
        process.communicate()
        steps.append(step_of(folder / NAME / "last.safetensors"))
        assert standing(folder, toys()[0]).stage.step == steps[-1]  # type: ignore[union-attr]
    assert 16 <= steps[0] < steps[1] < STEPS
    work(folder, toys(), device="cpu")
    for name in ("last.safetensors", "best.safetensors"):
        assert tensors_of(folder / NAME / name) == tensors_of(whole / name)
    assert curve(folder / NAME) == curve(whole)


def test_ctrl_c_saves_and_keeps_the_weights(tmp_path: Path) -> None:
    run = begin(tmp_path, 21)
    assert step_of(tmp_path / NAME / "last.safetensors") == 21
    paths = (tmp_path / NAME / "last.safetensors", weights.weights_of(tmp_path, run))
    last, small = (checkpoint.load(path, architecture=MODEL).network.state_dict() for path in paths)
    assert all(torch.equal(small[name], tensor.half().float()) for name, tensor in last.items())


@pytest.mark.parametrize(("step", "steps"), [(3, 9), (2, 2)])
def test_ctrl_c_at_the_end_of_a_piece_or_of_a_run_is_not_lost(tmp_path: Path, step: int, steps: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        work(
            tmp_path,
            toys(budget=steps * A_STEP),
            piece=ONE_STEP if step < steps else 15.0,
            device="cpu",
            progress=stopped_at(step),
        )
    assert step_of(tmp_path / NAME / "last.safetensors") == step


@pytest.mark.parametrize("left", [["log.csv"], ["log.csv", "recipe.json.0a1b2c3d.part"], []])
def test_a_run_that_was_killed_before_it_had_a_recipe_is_begun_again(tmp_path: Path, left: list[str]) -> None:
    (tmp_path / NAME).mkdir()
    for name in left:
        (tmp_path / NAME / name).write_text("step,sequences\n" if name == "log.csv" else "{")
    run = toys(budget=2 * A_STEP)[0]
    assert standing(tmp_path, run).state == "not begun"
    assert [piece.step for piece in work(tmp_path, [run], device="cpu")] == [2]


def test_a_run_that_was_killed_before_its_first_save_goes_on_with_the_length_it_had(tmp_path: Path) -> None:
    run = begin(tmp_path, 3, toys(budget=10 * A_STEP))
    (tmp_path / NAME / "last.safetensors").unlink()
    (tmp_path / NAME / "log.csv").write_text(",".join(CORE) + "\n")
    shutil.rmtree(tmp_path / "weights")
    assert standing(tmp_path, run).state == "not begun"
    assert work(tmp_path, [run], device="cpu")[0].step == 10


def test_a_full_budget_is_left_alone(tmp_path: Path) -> None:
    runs = toys(budget=5 * A_STEP)
    assert [piece.ended for piece in work(tmp_path, runs, device="cpu")] == ["steps"]
    before = contents(tmp_path)
    assert work(tmp_path, runs, device="cpu") == []
    assert contents(tmp_path) == before and standing(tmp_path, runs[0]).state == "full"


def test_minutes_are_an_end(tmp_path: Path) -> None:
    pieces = work(tmp_path, toys(seeds=(0, 1)), minutes=ONE_STEP, device="cpu")
    assert [(piece.step, piece.ended) for piece in pieces] == [(1, "pause")]


def test_a_run_that_fails_does_not_stop_the_others_and_is_named(tmp_path: Path) -> None:
    told: list[str] = []
    bad = toys(seeds=(5,), sizes={"poisoned": True}, learning_rate=1e-3, warm_up=0, decay=0.0)
    good = toys(seeds=(6,), budget=3 * A_STEP)
    with pytest.raises(TrainingError, match=r"^tests.*seed5: the loss became nan at step 6"):
        work(tmp_path, [*bad, *good], device="cpu", say=told.append)
    assert [each.state for each in standings(tmp_path, [*bad, *good])][
        1
    ] == "full" and "seed5 failed: the loss" in told[0]


def test_a_run_at_work_elsewhere_is_passed_over(tmp_path: Path) -> None:
    runs = toys(seeds=(0, 1), budget=6 * A_STEP)
    begin(tmp_path, 2, runs)
    before, told = contents(tmp_path / NAME), list[str]()
    with Folder(tmp_path / NAME).hold():
        pieces = work(tmp_path, runs, device="cpu", say=told.append)
        assert {piece.name for piece in pieces} == {runs[1].name} and "seed0 is skipped: the run in" in told[0]
        with pytest.raises(TrainingError, match="is at work in another process"):
            work(tmp_path, runs, device="cpu")
    assert contents(tmp_path / NAME) == before


# status


def test_status_tells_what_was_done(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = toys(seeds=(0, 1))
    plan = Plan(model=MODEL, seeds=(0, 1), budget=BUDGET, settings=runs[0].settings)
    monkeypatch.setattr(planned_runs, "TABLE", [plan])
    work(tmp_path, runs[:1], device="cpu")
    begin(tmp_path, 37, runs)
    told = cli("campaign", "status", "--folder", tmp_path, "--json")
    assert told.exit_code == 0, told.output
    status = json.loads(told.stdout, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    full, partly = status["runs"]
    assert status["next"] == runs[1].name == partly["name"] and status["minutes"] == pytest.approx(
        full["minutes"] + partly["minutes"]
    )
    for entry, steps, state in ((full, STEPS, "full"), (partly, 37, "under way")):
        recipe = TrainingRecipe.from_json((Path(entry["folder"]) / "recipe.json").read_text())
        assert (entry["step"], entry["steps_limit"], entry["stages"], entry["state"]) == (steps, STEPS, 1, state)
        assert entry["sequence_steps"] == count_by_walking(recipe, steps, STEPS) and entry["share"] == pytest.approx(
            entry["sequence_steps"] / BUDGET
        )
        measured = [row for row in log(Path(entry["folder"])) if row["validation_loss"]]
        best = min(measured, key=lambda row: float(row["validation_loss"]))
        assert entry["best"]["validation_loss"] == float(best["validation_loss"])
        assert entry["best"]["sequence_steps"] == count_by_walking(recipe, int(best["step"]), STEPS)
        assert [each["hardware"] for each in entry["spent"]] == ["1 CPU core"]
        seconds = checkpoint.load(Path(entry["folder"]) / "last.safetensors").training["seconds"]
        assert entry["minutes"] == pytest.approx(seconds / 60, abs=1e-3) and entry["differences"] == []
    early = [
        float(row["validation_loss"])
        for row in log(tmp_path / NAME)
        if row["validation_loss"] and walked_row(row) <= 0.75 * BUDGET
    ]
    late = [
        float(row["validation_loss"])
        for row in log(tmp_path / NAME)
        if row["validation_loss"] and walked_row(row) > 0.75 * BUDGET
    ]
    assert early and late and full["flattened"] == (min(late) > 0.99 * min(early)) and partly["flattened"] is None
    shown = cli("campaign", "status", "--folder", tmp_path).stdout
    assert f"{runs[0].name}  full" in shown and f"Next: {runs[1].name}" in shown and "on 1 CPU core" in shown


def walked_row(row: dict[str, str]) -> int:
    return count_by_walking(toys()[0].training_recipe(), int(row["step"]), STEPS)


def test_status_sees_what_the_trainer_did_by_itself(tmp_path: Path) -> None:
    run = begin(tmp_path, 5)
    train(None, tmp_path / NAME, resume=True, pause_after=ONE_STEP, device="cpu")
    assert standing(tmp_path, run).stage.step == 6  # type: ignore[union-attr]


def test_a_pause_is_no_result(tmp_path: Path) -> None:
    result = train(toys()[0].training_recipe(), tmp_path / "run", steps=9, pause_after=ONE_STEP, device="cpu")
    assert (result.ended, result.step) == ("pause", 1) and not (tmp_path / "run" / "result.json").exists()
    assert not (tmp_path / "run" / "best.safetensors").exists(), "it was not evaluated"
    with pytest.raises(TrainingError, match="a pause is after more than 0 minutes, not 0"):
        train(None, tmp_path / "run", resume=True, pause_after=0, device="cpu")


def test_times_are_reported_by_hardware(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = toys(budget=4 * A_STEP)[0]
    for hardware in ("1 CPU core", "1 CPU core", "1 GPU (of some kind)"):
        monkeypatch.setattr(working, "hardware_of", lambda device, words=hardware: words)
        work(tmp_path, [run], piece=ONE_STEP, minutes=ONE_STEP, device="cpu")
    spent = standing(tmp_path, run).history.spent
    assert [each.hardware for each in spent] == ["1 CPU core", "1 GPU (of some kind)"]
    assert sum(each.minutes for each in spent) == pytest.approx(
        checkpoint.load(tmp_path / NAME / "last.safetensors").training["seconds"] / 60, abs=1e-3
    )


def test_without_what_the_campaign_wrote_down_its_runs_are_still_known(tmp_path: Path) -> None:
    run = begin(tmp_path, 30)
    before = standing(tmp_path, run)
    (tmp_path / "campaign.json").unlink()
    after = standing(tmp_path, run)
    assert after.history.sequence_steps == before.history.sequence_steps and after.history.curve == before.history.curve
    assert after.history.minutes == pytest.approx(before.history.minutes, abs=0.01)


# weights for moving, later stages, larger budgets


def test_another_machine_goes_on_with_the_weights_and_the_first_one_with_its_own(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    run = begin(here, 40)
    there.mkdir()
    shutil.copytree(here / "weights", there / "weights")
    moved = standing(there, run)
    assert (
        moved.state == "under way"
        and moved.history.sequence_steps
        == count_by_walking(run.training_recipe(), 40, STEPS)
        == standing(here, run).history.sequence_steps
    )
    work(there, [run], device="cpu")
    recipe = Folder(there / f"{NAME}.stage2").recipe()
    rest = BUDGET - count_by_walking(run.training_recipe(), 40, STEPS)
    assert (recipe.seed, recipe.frames) == (1000, (6,)) and step_of(there / f"{NAME}.stage2" / "last.safetensors") == -(
        -rest // (4 * 5)
    )
    full = standing(there, run)
    assert (
        full.state == "full"
        and full.history.stages == 2
        and full.history.minutes > moved.history.minutes
        and full.differences == []
    )
    assert [point.sequence_steps for point in full.history.curve][:2] == [
        count_by_walking(run.training_recipe(), step, STEPS) for step in (16, 32)
    ]
    shutil.copytree(there / "weights", here / "weights", dirs_exist_ok=True)
    assert standing(here, run).state == "full" and work(here, [run], device="cpu") == []
    (there / "campaign.json").unlink()
    assert standing(there, run).history.sequence_steps == full.history.sequence_steps, "the cards tell it, too"
    small = weights.weights_of(here, run)
    assert small.stat().st_size <= 16_000_000
    card = checkpoint.inspect(small).card
    assert json.loads(small.with_suffix(".json").read_text()) == card
    assert [stage["steps"] for stage in card["before"]] == [40] and card["recipe"]["initial"] == small.name
    assert (
        train(
            TrainingRecipe(model=MODEL, batch=1, frames=(2,), validation=1, initial=str(small), scored=0),
            tmp_path / "x",
            steps=1,
            device="cpu",
        ).step
        == 1
    )


def test_weights_of_less_training_than_the_folder_has_are_not_gone_back_to(tmp_path: Path) -> None:
    run = begin(tmp_path, 10)
    shutil.copytree(tmp_path / "weights", tmp_path / "old")
    begin(tmp_path, 20)
    shutil.copytree(tmp_path / "old", tmp_path / "weights", dirs_exist_ok=True)
    assert standing(tmp_path, run).moved is None
    begin(tmp_path, 30)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(NAME)] == [NAME]


def test_a_larger_budget_is_one_more_stage_and_does_not_touch_the_first(tmp_path: Path) -> None:
    work(tmp_path, toys(budget=40 * A_STEP), device="cpu")
    before = contents(tmp_path / NAME)
    larger = toys(budget=60 * A_STEP)
    assert standing(tmp_path, larger[0]).share == pytest.approx(40 / 60)
    pieces = work(tmp_path, larger, device="cpu")
    assert [(piece.step, piece.ended) for piece in pieces] == [(20 * A_STEP // 20, "steps")]
    assert contents(tmp_path / NAME) == before and (tmp_path / f"{NAME}.stage2" / "best.safetensors").exists()
    assert standing(tmp_path, larger[0]).history.sequence_steps == 60 * A_STEP


@pytest.mark.slow
def test_a_larger_budget_does_not_change_the_schedule_of_a_run_under_way(whole: Path, tmp_path: Path) -> None:
    begin(tmp_path, 10)
    work(tmp_path, toys(budget=2 * BUDGET), piece=10.0, device="cpu")
    assert curve(tmp_path / NAME) == curve(whole)


def test_weights_that_are_too_large_are_not_kept_and_this_is_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(weights, "MOST_BYTES", 100)
    work(tmp_path, toys(budget=2 * A_STEP), device="cpu", say=told.append)
    assert list((tmp_path / "weights").iterdir()) == [] and "too large for moving" in told[0]


def test_a_history_that_travelled_is_the_same_and_a_long_curve_keeps_its_last_point() -> None:
    points = [CurvePoint(number, 1 / number, None, 0.5) for number in range(1, 1001)]
    history = History().add(5, [], "some", points[:7])
    assert read_record(History, json.loads(json.dumps(history.to_dict())), Path("here")) == history
    long = read_record(History, History().add(5, [], "some", points).to_dict(), Path("here")).curve
    assert (
        len(long) == 100
        and long[-1] == points[-1]
        and list(long) == sorted(long, key=lambda point: point.sequence_steps)
    )
    assert [point.sequence_steps for point in history.add(3, [], "some", points[:1]).curve][-1] == 6
    assert len(history.add(3, [], "another", points[:1]).curve) == 1, "losses on other sequences cannot be joined"


# adopting


def test_a_run_of_the_trainer_is_adopted_as_a_copy_and_goes_on(whole: Path, tmp_path: Path) -> None:
    source, folder, run = tmp_path / "mine", tmp_path / "campaign", toys()[0]
    train(run.training_recipe(), source, steps=STEPS, pause_after=ONE_STEP, device="cpu")
    before = contents(source)
    adopt(folder, {run: source})
    assert standing(folder, run).stage.step == 1 and standing(folder, run).history.minutes >= 0  # type: ignore[union-attr]
    work(folder, [run], device="cpu")
    assert curve(folder / NAME) == curve(whole) and contents(source) == before
    with pytest.raises(TrainingError, match="has a run already, in"):
        adopt(folder, {run: source})


def test_a_run_that_lies_in_its_place_is_one_of_the_campaign(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / NAME)
    adopted = standing(tmp_path, toys()[0])
    assert adopted.state == "full" and adopted.history.sequence_steps == BUDGET
    assert adopted.history.spent[0].hardware == "1 CPU core"
    other = toys(learning_rate=0.5)[0]
    assert standing(tmp_path, other).differences == ["learning rate 0.01, not 0.5"]


def test_what_came_before_an_adopted_run_counts(whole: Path, tmp_path: Path) -> None:
    run = toys(budget=3 * BUDGET)[0]
    train(run.training_recipe(initial=str(whole)), tmp_path / NAME, steps=STEPS, pause_after=ONE_STEP, device="cpu")
    best = checkpoint.inspect(whole / "best.safetensors").card["steps"]
    counted = count_by_walking(run.training_recipe(), best, STEPS)
    assert standing(tmp_path, run).history.sequence_steps == counted + count_by_walking(run.training_recipe(), 1, STEPS)


def test_what_cannot_be_adopted_is_refused_and_nothing_is_copied(tmp_path: Path) -> None:
    run, other = toys(seeds=(0, 1))
    train(run.training_recipe(), tmp_path / "good", steps=9, pause_after=ONE_STEP, device="cpu")
    train(
        TrainingRecipe(model=MODEL, data="balls3curtain64", frames=(2,), batch=1),
        tmp_path / "curtain",
        steps=9,
        pause_after=ONE_STEP,
        device="cpu",
    )
    (tmp_path / "empty").mkdir()
    for place, sentence in (
        ("nowhere", "there is no run in"),
        ("empty", "there is no run in"),
        ("curtain", "on balls3curtain64, and"),
    ):
        with pytest.raises(PhysbenchError, match=sentence):
            adopt(tmp_path / "campaign", {run: tmp_path / "good", other: tmp_path / place})
    with Folder(tmp_path / "good").hold(), pytest.raises(AtWork, match="is at work in another process"):
        adopt(tmp_path / "campaign", {run: tmp_path / "good"})
    assert [path.name for path in (tmp_path / "campaign").iterdir()] == ["campaign.lock"]


# refusals


def test_two_campaigns_in_one_folder_are_refused(tmp_path: Path, cli: Any, refusal: Any) -> None:
    with hold_campaign(tmp_path):
        with pytest.raises(AtWork, match="a campaign is at work in .* stop that one first"):
            work(tmp_path, toys(), device="cpu")
        told = cli("campaign", "run", "--folder", tmp_path, "--device", "cpu", "--minutes", "1")
        assert told.exit_code == 2 and [
            line for line in told.stderr.splitlines() if line.startswith("Error: a campaign is at work in")
        ]
        assert standing(tmp_path, toys()[0]).state == "not begun", "status may be asked at any time"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["campaign.lock"]


def spoil_by(name: str, content: bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)

    return spoil


def cut_off(name: str) -> Callable[[Path], None]:
    return lambda folder: spoil_by(name, (folder / name).read_bytes()[:-100])(folder)


def of_another(folder: Path) -> None:
    text = (folder / NAME / "recipe.json").read_text()
    (folder / NAME / "recipe.json").write_text(text.replace(MODEL, "rnn"))


def weights_of_another(folder: Path) -> None:
    place = folder / "weights" / f"{NAME}.safetensors"
    found = checkpoint.load(place, architecture=MODEL)
    checkpoint.save(place, found.network, card={**found.card, "recipe": {"model": "rnn", "data": "balls4mass64"}})


def weights_without_sense(folder: Path) -> None:
    place = folder / "weights" / f"{NAME}.safetensors"
    found = checkpoint.load(place, architecture=MODEL)
    checkpoint.save(place, found.network, card={**found.card, "campaign": {"stages": -1}})


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (spoil_by("campaign.json", b"{"), "campaign.json cannot be read"),
        (spoil_by("campaign.json", b"[]"), "it is no object in JSON"),
        (spoil_by("campaign.json", b'{"a": {"before": 3}}'), "is not as a campaign writes it"),
        (spoil_by("campaign.json", b"\xff\xff"), "campaign.json cannot be read"),
        (spoil_by("campaign.json", b"[" * 100_000), "campaign.json cannot be read"),
        (spoil_by(f"{NAME}/result.json", b"{}"), "is not the result of a run"),
        (spoil_by(f"{NAME}/recipe.json", b"{}"), "names no model"),
        (spoil_by(f"{NAME}/log.csv", b"step\nfive\n"), "is not the log of a run"),
        (spoil_by(f"{NAME}.stage2/notes.txt", b"mine"), "there is no run in"),
        (cut_off(f"{NAME}/last.safetensors"), "cut off or added to"),
        (cut_off(f"weights/{NAME}.safetensors"), NAME),
        (of_another, "holds a run of rnn on balls4mass64"),
        (weights_of_another, "holds weights of rnn on balls4mass64"),
        (weights_without_sense, "is not as a campaign writes it"),
    ],
)
def test_a_folder_that_is_not_in_order_is_refused_in_one_sentence(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None], sentence: str
) -> None:
    monkeypatch.setattr(
        planned_runs, "TABLE", [Plan(model=MODEL, seeds=(0,), budget=BUDGET, settings=toys()[0].settings)]
    )
    begin(tmp_path, 3)
    assert cli("campaign", "status", "--folder", tmp_path).exit_code == 0, "in order before"
    spoil(tmp_path)
    before = contents(tmp_path)
    for words in (["status"], ["status", "--json"], ["run", "--dry-run"], ["run", "--device", "cpu", "--minutes", "1"]):
        told = cli("campaign", *words, "--folder", tmp_path)
        errors = [line for line in told.stderr.splitlines() if line.startswith("Error: ")]
        assert told.exit_code == 2 and len(errors) == 1 and sentence in errors[0], told.output
        assert "Traceback" not in told.output and not told.stdout
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["run", "--minutes", "0"], "minutes is above 0, not 0"),
        (["run", "--piece", "-1"], "piece is above 0, not -1"),
        (["run", "--dry-run", "--piece", "nan"], "piece is above 0, not nan"),
        (["run", "--threads", "0"], "threads is 1 to 1024, not 0"),
        (["run", "--device", "abacus"], "abacus"),
        (["run", "--only", "nobody"], "no run of the campaign is called 'nobody'"),
        (["run", "--adopt", "rnn.seed0"], "is not written NAME=FOLDER"),
        (["run", "--adopt", "rnn.seed=x"], "did you mean 'rnn.seed"),
        (["run", "--adopt", "rnn.seed0=x"], "there is no run in x"),
        (["run", "--adopt", "rnn.seed0=x", "--adopt", "rnn.seed0=y"], "names a run twice"),
        (["run", "--adopt", "rnn.seed0=x", "--dry-run"], "leave --adopt out"),
        (["run", "--folder", "file"], "file cannot be the folder of a campaign"),
        (["status", "--folder", "file"], "file is a file"),
        (["status", "--only", "nobody"], "no run of the campaign is called 'nobody'"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("of somebody")
    told = cli("campaign", *words)
    errors = [line for line in told.stderr.splitlines() if line.startswith("Error: ")]
    assert told.exit_code == 2 and len(errors) == 1 and sentence in errors[0] and not told.stdout, told.output
    assert not list(Path().rglob("recipe.json"))


# the command


def test_a_dry_run_says_the_order_and_changes_nothing(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = toys(seeds=(0, 1))
    monkeypatch.setattr(
        planned_runs, "TABLE", [Plan(model=MODEL, seeds=(0, 1), budget=BUDGET, settings=runs[0].settings)]
    )
    told = cli("campaign", "run", "--dry-run", "--folder", tmp_path / "new", "--minutes", "170")
    assert told.exit_code == 0 and "would train for 170 minutes, at most 15 minutes at a time" in told.stdout
    assert not (tmp_path / "new").exists()
    begin(tmp_path, 5, runs)
    before = contents(tmp_path)
    lines = cli("campaign", "run", "--dry-run", "--folder", tmp_path).stdout.splitlines()
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        run.name for run in order(standings(tmp_path, runs)) for run in [run.run]
    ]
    assert lines[1].endswith("to be begun") and lines[2].endswith("to go on at step 5") and contents(tmp_path) == before


def test_the_command_works_it_all_off_and_says_so(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(os, "nice", asked.append)
    monkeypatch.setattr(
        planned_runs, "TABLE", [Plan(model=MODEL, seeds=(0, 1), budget=2 * A_STEP, settings=toys()[0].settings)]
    )
    told = cli("campaign", "run", "--folder", tmp_path, "--device", "cpu")
    assert told.exit_code == 0, told.output
    assert (
        told.stdout.splitlines()[-1] == "every budget is used up"
        and "seed1: 0.0 minutes, at step 2, its steps used up" in told.stdout
    )
    assert asked == [19] and torch.get_num_threads() == 1
    assert "every budget is used up" in cli("campaign", "run", "--folder", tmp_path, "--dry-run").stdout


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*words: Any, **named: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(working, "work", stop)
    told = cli("campaign", "run", "--folder", tmp_path)
    assert told.exit_code == 130 and "the same command goes on." in told.stderr


@pytest.mark.parametrize(("threads", "used"), [(None, 1), (2, 2)])
def test_it_works_with_one_thread_unless_told_otherwise(tmp_path: Path, threads: int | None, used: int) -> None:
    seen: list[int] = []
    torch.set_num_threads(3)
    try:
        work(
            tmp_path,
            toys(budget=2 * A_STEP),
            device="cpu",
            threads=threads,
            progress=lambda name, now: seen.append(torch.get_num_threads()),
        )
        assert seen == [used] * 2 and torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
