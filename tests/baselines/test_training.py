"""Tests of the training loop: stopped runs end like unbroken ones, bad runs are reported, and results are usable."""

from __future__ import annotations

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import physbench
from physbench.errors import ModelError, PhysbenchError, TrainingError, UnknownName
from physbench.report.charts import LEFT, RIGHT
from physbench_baselines import bundled, checkpoint
from physbench_baselines.architecture import architecture_of
from physbench_baselines.campaign.budget import count_sequence_steps
from physbench_baselines.training import loop
from physbench_baselines.training.folder import LogRow
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.keep import card_of
from physbench_baselines.training.learning_curves import curves
from physbench_baselines.training.loop import LoopState, TrainingProgress
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.run import train
from physbench_baselines.training.score import validate
from physbench_baselines.training.sources import source_of
from physbench_baselines.training.step import Stepper
from physbench_baselines.training.training_recipe import TrainingRecipe
from physbench_baselines.training_stages import cost_of, total
from tests.baselines.toy import MODEL
from tests.builders.datasets import MadeDataset

TINY_NEM = {"channels": [4, 6, 8], "dense": 24, "hidden": 20, "attention": 10}
FRAMES = ("features",)
TIMES = ("minutes", "sequences_per_second")
CPU = torch.device("cpu")


def toy(**changed: Any) -> TrainingRecipe:
    """A toy that learns in no time, with everything switched on that a resumed run could forget."""
    usual = TrainingRecipe(
        model=MODEL, batch=4, frames=(3, 6), learning_rate=1e-2, warm_up=8, decay=0.5, gradient_limit=50.0, averaging=0.8, validation=8, scored=0,
        evaluate_every=16, log_every=4, precision="fp32",
    )  # fmt: skip
    return replace(usual, **changed)


def tensors(batch: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def curve(folder: Path) -> list[dict[str, str]]:
    """All of the log that does not depend on the clock."""
    return [{name: cell for name, cell in row.items() if name not in TIMES} for row in log(folder)]


def weights(path: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in checkpoint.load(path).network.state_dict().items()}


def interrupted_at(step: int) -> Callable[[TrainingProgress], None]:
    """As Ctrl-C would, right after this step."""

    def interrupt(progress: TrainingProgress) -> None:
        if progress.step == step:
            signal.raise_signal(signal.SIGINT)

    return interrupt


def step_of(path: Path) -> int:
    return checkpoint.load(path).training["step"]


def start(out: Path, recipe: TrainingRecipe, steps: int, *, between_saves: float) -> subprocess.Popen[bytes]:
    """A run in a process of its own."""
    words = [sys.executable, "-m", "tests.baselines.toy", str(out), recipe.to_json(), str(steps), str(between_saves)]
    return subprocess.Popen(words, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE)


def wait_for(step: int, out: Path, run: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not (
        (out / "log.csv").exists()
        and any(int(row["step"]) >= step for row in log(out) if row["sequences_per_second"] is not None)
    ):
        assert run.poll() is None and time.monotonic() < deadline, run.communicate()
        time.sleep(0.001)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """How sums are dealt out over threads decides their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


STEPS = 96


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A run that was never stopped."""
    out = tmp_path_factory.mktemp("whole") / "run"
    train(toy(), out, steps=STEPS, device="cpu")
    yield out


@pytest.mark.slow
def test_a_run_that_was_killed_and_resumed_ends_bit_for_bit_where_it_would_have_ended(
    whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    run = start(out, toy(), STEPS, between_saves=0.0)
    wait_for(20, out, run)
    run.kill()
    run.wait()
    assert 16 <= step_of(out / "last.safetensors") < STEPS
    train(None, out, resume=True, device="cpu")
    for name in ("last.safetensors", "best.safetensors"):
        assert weights(out / name) == weights(whole / name)
    assert curve(out) == curve(whole)
    assert [int(row["step"]) for row in curve(out)] == list(range(4, STEPS + 1, 4))


@pytest.mark.slow
def test_sigterm_saves_first_and_the_run_can_go_on(whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    run = start(out, toy(), STEPS, between_saves=3600.0)
    wait_for(20, out, run)
    run.terminate()
    run.wait(30)
    assert run.returncode == 128 + signal.SIGTERM
    assert 20 <= step_of(out / "last.safetensors") < STEPS
    train(None, out, resume=True, device="cpu")
    assert weights(out / "last.safetensors") == weights(whole / "last.safetensors")
    assert curve(out) == curve(whole)


def test_another_seed_is_other_weights_other_sequences_and_other_noise() -> None:
    recipes = toy(averaging=0.0), toy(averaging=0.0, seed=1)
    first, second = (network_of(recipe).state_dict() for recipe in recipes)
    assert not torch.equal(first["first.weight"], second["first.weight"])
    batches = [tensors(next(source_of(recipe).batches(0, wants=FRAMES, workers=0))) for recipe in recipes]
    assert not torch.equal(*(batch["features"] for batch in batches))
    networks = [network_of(recipes[0]) for _ in range(3)]
    steppers = [
        Stepper(network, recipe, device=CPU, graphs=True)
        for network, recipe in zip(networks, (*recipes, recipes[0]), strict=True)
    ]
    losses = [stepper.take(batches[0], step=0, learning_rate=0.0)[0].item() for stepper in steppers]
    assert losses[0] == losses[2] != losses[1]
    assert steppers[0].take(batches[0], step=1, learning_rate=0.0)[0].item() != losses[0]


class Fault(Exception):
    """Of a machine, say."""


@pytest.mark.slow
def test_a_network_of_the_paper_goes_on_after_a_fault_as_if_there_had_been_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = toy(model="r-nem", sizes={**TINY_NEM, "slots": 2}, evaluate_every=3, log_every=1, precision="bf16")
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)

    def fail(progress: TrainingProgress) -> None:
        if progress.step == 4:
            raise Fault

    train(recipe, tmp_path / "whole", steps=6, device="cpu")
    with pytest.raises(Fault):
        train(recipe, tmp_path / "cut", steps=6, device="cpu", progress=fail)
    assert step_of(tmp_path / "cut" / "last.safetensors") == 3
    train(None, tmp_path / "cut", resume=True, device="cpu")
    assert weights(tmp_path / "cut" / "last.safetensors") == weights(tmp_path / "whole" / "last.safetensors")
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


def test_ctrl_c_saves_the_step_that_was_done(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        train(toy(), tmp_path / "run", steps=100, device="cpu", progress=interrupted_at(5))
    assert step_of(tmp_path / "run" / "last.safetensors") == 5
    assert signal.getsignal(signal.SIGINT) is before


def test_a_run_that_is_not_validated_yet_is_scored_by_its_last_weights(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(toy(), tmp_path / "run", steps=100, device="cpu", progress=interrupted_at(5))
    assert not (tmp_path / "run" / "best.safetensors").exists()
    assert (
        checkpoint.model(tmp_path / "run").origin.weights_sha256
        == checkpoint.load(tmp_path / "run" / "last.safetensors").sha256
    )
    train(toy(initial=str(tmp_path / "run")), tmp_path / "next", steps=1, device="cpu")


def test_an_interrupted_validation_is_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train(toy(), tmp_path / "whole", steps=20, device="cpu")

    def interrupt(*words: Any, between: Any, **named: Any) -> dict[str, float]:
        signal.raise_signal(signal.SIGINT)
        between()
        raise AssertionError("it went on")

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "validate", interrupt)
        train(toy(), tmp_path / "cut", steps=20, device="cpu")
    assert step_of(tmp_path / "cut" / "last.safetensors") == 16
    train(None, tmp_path / "cut", resume=True, device="cpu")
    assert curve(tmp_path / "cut") == curve(tmp_path / "whole")


def test_a_loss_that_is_no_number_stops_the_run_in_one_sentence_and_last_is_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)
    recipe = toy(sizes={"poisoned": True}, learning_rate=1e-3, warm_up=0, decay=0.0, gradient_limit=0.0)
    with pytest.raises(
        TrainingError,
        match=r"the loss became nan at step 6: try a lower learning rate.*last\.safetensors holds earlier weights$",
    ):
        train(recipe, tmp_path / "run", steps=50, device="cpu")
    assert step_of(tmp_path / "run" / "last.safetensors") == 5


def test_the_schedule_is_the_one_that_was_asked_for() -> None:
    recipe = toy(frames=(8, 12, 20, 31), learning_rate=1.0, warm_up=4, decay=0.25)
    assert [recipe.frames_at(share) for share in (0.0, 0.2499, 0.25, 0.5, 0.74, 0.75, 0.999, 1.0)] == [
        8,
        8,
        12,
        20,
        20,
        31,
        31,
        31,
    ]
    assert [recipe.learning_rate_at(step, 0.0) for step in range(6)] == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    assert [recipe.learning_rate_at(100, share) for share in (0.5, 0.75, 0.875, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    paper = TrainingRecipe(model="r-nem")
    assert {
        (paper.frames_at(share), paper.learning_rate_at(step, share))
        for share in (0.0, 0.5, 1.0)
        for step in (0, 10**6)
    } == {(31, 1e-3)}
    assert (paper.batch, paper.validation, paper.patience, paper.epoch, paper.averaging, paper.gradient_limit) == (
        64,
        1000,
        10,
        50_000,
        0.0,
        0.0,
    )


def test_the_log_tells_the_schedule_as_it_was_followed(tmp_path: Path) -> None:
    train(toy(averaging=0.0, log_every=1), tmp_path / "run", steps=8, device="cpu")
    rows = log(tmp_path / "run")
    assert [int(row["frames"]) for row in rows] == [3] * 4 + [6] * 4
    assert [float(row["learning_rate"]) for row in rows] == pytest.approx([0.01 * rising for rising in (1 / 8, 2 / 8, 3 / 8, 4 / 8)] + [
        0.01 * (step + 1) / 8 * (8 - step) / 4 for step in (4, 5, 6, 7)
    ])  # fmt: skip
    assert [int(row["sequences"]) for row in rows] == [4 * step for step in range(1, 9)]


def test_averaged_weights_are_the_average_of_the_weights() -> None:
    recipe = toy(averaging=0.3)
    stepper = Stepper(network_of(recipe), recipe, device=CPU, graphs=True)
    expected = {name: tensor.double().numpy().copy() for name, tensor in stepper.network.state_dict().items()}
    for step, batch in enumerate(islice(source_of(recipe).batches(0, wants=FRAMES, workers=0), 7)):
        stepper.take(tensors(batch), step=step, learning_rate=0.01)
        decay = min(0.3, (1 + step) / (10 + step))
        for name, tensor in stepper.network.state_dict().items():
            expected[name] = decay * expected[name] + (1 - decay) * tensor.double().numpy()
    for name, tensor in stepper.judged.state_dict().items():
        np.testing.assert_allclose(tensor.numpy(), expected[name], rtol=1e-5, atol=1e-7)
    assert any(
        not torch.equal(ours, theirs)
        for ours, theirs in zip(stepper.judged.parameters(), stepper.network.parameters(), strict=True)
    )


def test_a_step_is_one_of_adam_with_its_defaults() -> None:
    """Without anything beyond the paper, beside an optimiser that knows nothing of ours."""
    recipe = toy(averaging=0.0, gradient_limit=0.0, learning_rate=1e-3)
    stepper = Stepper(network_of(recipe), recipe, device=CPU, graphs=True)
    other: Any = network_of(recipe)
    adam = torch.optim.Adam(other.parameters(), lr=1e-3, fused=False, foreach=False)
    for step, batch in enumerate(islice(source_of(recipe).batches(0, wants=FRAMES, workers=0), 3)):
        found = stepper.take(tensors(batch), step=step, learning_rate=1e-3)
        adam.zero_grad()
        losses = other.loss(
            tensors(batch), generator=stepper.generator.manual_seed(stepper.generator.initial_seed()), share=0.0
        )
        losses.total.backward()
        adam.step()
        assert found.tolist() == pytest.approx([losses.total.item(), losses.figures["upper_bound"].item()], rel=1e-5)
    for ours, theirs in zip(stepper.network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_a_step_at_a_learning_rate_of_nothing_moves_nothing() -> None:
    recipe = toy(averaging=0.0)
    stepper = Stepper(network_of(recipe), recipe, device=CPU, graphs=True)
    before = [parameter.detach().clone() for parameter in stepper.network.parameters()]
    batch = tensors(next(source_of(recipe).batches(0, wants=FRAMES, workers=0)))
    for rate, moves in ((0.0, False), (0.01, True)):
        stepper.take(batch, step=0, learning_rate=rate)
        assert (
            any(
                not torch.equal(ours, theirs) for ours, theirs in zip(before, stepper.network.parameters(), strict=True)
            )
            == moves
        )


def test_a_run_learns_and_leaves_everything_behind(tmp_path: Path) -> None:
    out = tmp_path / "run"
    told: list[TrainingProgress] = []
    recipe = toy(averaging=0.0, warm_up=0, gradient_limit=0.0, frames=(6,), evaluate_every=10, batch=8, scored=8)
    result = train(recipe, out, steps=40, device="cpu", progress=told.append)
    measured = [row for row in log(out) if row["validation_loss"]]
    assert [int(row["step"]) for row in measured] == [10, 20, 30, 40]
    losses = [float(row["validation_loss"]) for row in measured]
    assert losses[-1] < 0.75 * losses[0] and float(measured[-1]["relative_bce"]) < float(measured[0]["relative_bce"])
    assert all(float(row["ari"]) == 0.0 for row in measured)  # one slot groups nothing
    assert sorted(path.name for path in out.iterdir()) == [
        "best.safetensors",
        "curves.svg",
        "last.safetensors",
        "log.csv",
        "recipe.json",
        "result.json",
    ]
    drawn = ElementTree.parse(out / "curves.svg").getroot()
    assert len([element for element in drawn.iter() if element.get("class", "").startswith("line")]) == 6
    assert TrainingRecipe.from_json((out / "recipe.json").read_text()) == recipe
    written = json.loads((out / "result.json").read_text())
    assert (written["step"], written["sequences"], written["ended"], written["best_validation_loss"]) == (
        40,
        320,
        "steps",
        min(losses),
    )
    assert result.best_validation_loss == min(losses) and result.best_step == 10 * (losses.index(min(losses)) + 1)
    assert [each.step for each in told] == list(range(1, 41)) and told[-1].share == 1.0 and told[-1].seconds_left == 0.0


@pytest.mark.parametrize(
    ("steps", "expected"), [((5_000, 5_500, 6_000), (0, 0.5, 1)), ((100, 200, 500), (0, 0.25, 1)), ((40,), (0,))]
)
def test_the_picture_of_a_run_begins_where_its_figures_begin(
    steps: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    rows = [LogRow(step, 0, 0.0, 1.0, 0.1, 5, 1.0 + step / 1e4) for step in steps]
    rows = [LogRow(1, 0, 0.0, 1.0, 0.1, 5, None), *rows]  # nothing was measured
    drawn = ElementTree.fromstring(curves(rows, title="a run"))
    dots = [
        float(element.get("cx", ""))
        for element in drawn.iter()
        if element.get("class") == "dot l0" and element.get("cx")
    ]
    assert dots == pytest.approx([LEFT + 6 + share * (RIGHT - LEFT - 12) for share in expected], abs=0.1)


def test_a_run_that_has_measured_nothing_has_a_picture() -> None:
    assert ElementTree.fromstring(curves([], title="<&")).findtext("{http://www.w3.org/2000/svg}title") == "<&"


def test_a_checkpoint_of_a_run_goes_straight_into_the_evaluator(tmp_path: Path) -> None:
    train(toy(scored=8, frames=(6,)), tmp_path / "run", steps=3, device="cpu")
    model = checkpoint.model(tmp_path / "run" / "best.safetensors")
    result = physbench.evaluate(model, "balls", split="validation", limit=8)
    assert 0 < result.score("balls4mass64", "relative_bce").value < 10
    card = checkpoint.inspect(tmp_path / "run" / "best.safetensors").card
    assert (card["steps"], card["sequences"], card["train_seed"], card["recipe"]["averaging"]) == (3, 12, 0, 0.8)
    assert card["training"].startswith("trained for less than the paper: 12 sequences") and card["hardware"].endswith(
        ("CPU core", "CPU cores")
    )
    assert checkpoint.load(tmp_path / "run" / "best.safetensors").training is None


def test_validation_is_the_same_every_time_and_knows_no_training_sequence() -> None:
    recipe = toy(frames=(6,))
    source, network = source_of(recipe), network_of(recipe)
    first, again = (validate(network, source, recipe, device=CPU, between=lambda: None) for _ in range(2))
    assert first == again
    held_out = np.concatenate([batch["features"] for batch in source.validation(FRAMES)])
    made = next(iter(physbench.stream("balls4mass64", split="validation", batch=8)))["features"]
    np.testing.assert_array_equal(held_out, made[:, :6])
    other = np.concatenate([batch["features"] for batch in source_of(toy(frames=(6,), seed=5)).validation(FRAMES)])
    np.testing.assert_array_equal(held_out, other)


def test_a_file_is_seen_once_an_epoch_in_an_order_of_its_own(many: MadeDataset) -> None:
    recipe = toy(data=str(many.path), batch=40, frames=(8,))
    source = source_of(recipe)
    assert source.epoch == 300
    everything = {
        frames.tobytes(): number for number, frames in enumerate(physbench.open(many.path)["training"][:]["features"])
    }
    batches = [batch["features"].copy() for batch in islice(source.batches(0, wants=FRAMES, workers=2), 14)]
    numbers = [[everything[frames.tobytes()] for frames in batch] for batch in batches]
    epochs = [[number for batch in part for number in batch] for part in (numbers[:7], numbers[7:])]
    assert all(len(set(epoch)) == 280 for epoch in epochs) and epochs[0] != epochs[1]
    assert all(epoch != sorted(epoch) for epoch in epochs)
    np.testing.assert_array_equal(next(source.batches(9, wants=FRAMES, workers=0))["features"], batches[9])


def test_frames_from_anywhere_are_consecutive_ones_of_their_sequences(many: MadeDataset) -> None:
    usual = toy(data=str(many.path), batch=40, frames=(8,))
    whole = islice(source_of(usual).batches(0, wants=FRAMES, workers=0), 7)
    parts = islice(source_of(replace(usual, frames=(3,), anywhere=True)).batches(0, wants=FRAMES, workers=0), 7)
    pairs = [(batch["features"].copy(), part["features"].copy()) for batch, part in zip(whole, parts, strict=True)]
    found = [
        next(first for first in range(6) if np.array_equal(part, frames[:, first : first + 3]))
        for frames, part in pairs
    ]
    assert len(set(found)) > 2


def test_a_run_learns_from_a_file_and_is_judged_on_it(many: MadeDataset, tmp_path: Path) -> None:
    result = train(toy(data=str(many.path), scored=16, frames=(8,)), tmp_path / "run", steps=4, device="cpu")
    assert "relative_bce" in result.figures and math.isfinite(result.validation_loss)


def test_patience_ends_a_run_without_a_limit(tmp_path: Path) -> None:
    recipe = toy(learning_rate=1e-30, decay=0.0, frames=(4,), averaging=0.0, epoch=16, patience=2, evaluate_every=4)
    result = train(recipe, tmp_path / "run", device="cpu")
    assert (result.ended, result.best_step, result.step) == (
        "patience",
        4,
        12,
    )  # two epochs of 16 sequences after its best
    assert (
        checkpoint.inspect(tmp_path / "run" / "last.safetensors").card["training"] is None
    )  # as long as the paper did


@pytest.mark.parametrize("epoch", [16, 18, 19])
def test_patience_is_counted_in_validations(epoch: int, tmp_path: Path) -> None:
    """Also where an epoch is no whole number of batches."""
    recipe = toy(learning_rate=1e-30, decay=0.0, frames=(4,), averaging=0.0, epoch=epoch, patience=2, evaluate_every=0)
    result = train(recipe, tmp_path / "run", device="cpu")
    assert (result.ended, result.best_step, result.step) == ("patience", 4, 12)


@pytest.mark.parametrize("optimizer", [{"optimizer": "sgd"}, {"optimizer": "adamw"}, {"weight_decay": 0.5}])
def test_an_optimizer_that_sqair_has_not_is_refused(optimizer: dict[str, Any], tmp_path: Path) -> None:
    recipe = usual_recipe(
        "sqair", data="balls4mass64-crop50", batch=2, frames=(2,), validation=2, scored=0, **optimizer
    )
    with pytest.raises(TrainingError, match="learns by rmsprop without weight decay"):
        train(recipe, tmp_path / "run", steps=1, device="cpu", workers=0)
    assert not (tmp_path / "run").exists()


def test_a_batch_that_is_learnt_from_as_a_whole_is_not_taken_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = type(network_of(toy()))
    monkeypatch.setattr(network, "separable", False, raising=False)
    with pytest.raises(TrainingError, match="cannot be taken in 2 parts"):
        train(toy(accumulate=2), tmp_path / "run", steps=1, device="cpu", workers=0)
    assert not (tmp_path / "run").exists()


def test_the_clock_drives_the_schedule_and_goes_on_after_resuming(tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = train(toy(), out, minutes=0.01, device="cpu")
    assert first.ended == "time" and first.minutes >= 0.01
    frames = [int(row["frames"]) for row in log(out)]
    assert set(frames) == {3, 6} and frames == sorted(frames)
    second = train(None, out, minutes=0.02, resume=True, device="cpu")
    assert second.ended == "time" and 0.02 <= second.minutes < 0.2 and second.step > first.step
    assert train(None, out, resume=True, device="cpu").step == second.step  # its time is over


def sequence_steps_of(folder: Path) -> int:
    """The sequence-steps of a run whose log has a row for every step."""
    return sum(4 * (int(row["frames"]) - 1) for row in log(folder) if int(row["step"]))


def test_a_card_counts_the_sequence_steps_where_the_end_was_moved(tmp_path: Path) -> None:
    recipe = toy(log_every=1)
    train(recipe, tmp_path / "run", steps=8, device="cpu")
    train(None, tmp_path / "run", steps=20, resume=True, device="cpu")
    card = checkpoint.inspect(tmp_path / "run" / "last.safetensors").card
    assert card["sequence_steps"] == sequence_steps_of(tmp_path / "run") != count_sequence_steps(recipe, 20, 20)
    train(recipe, tmp_path / "timed", minutes=0.005, device="cpu")
    card = checkpoint.inspect(tmp_path / "timed" / "last.safetensors").card
    assert card["sequence_steps"] == sequence_steps_of(tmp_path / "timed")


def test_sequence_steps_stay_unknown_in_a_run_that_did_not_count_its_first_ones() -> None:
    older = asdict(LoopState(step=7, sequence_steps=84))
    assert LoopState.of(older).sequence_steps == 84
    del older["sequence_steps"]
    assert LoopState.of(older).sequence_steps == -1


def test_no_training_is_too_short_to_cost_something() -> None:
    architecture = architecture_of(network_of(toy()))
    card = card_of(toy(), 1, sequence_steps=8, seconds=0.001, device=CPU, data="balls", architecture=architecture, ended=None)  # fmt: skip
    cost = cost_of(vars(card))
    assert cost is not None and cost.notes == ("cpu-hours-0.01", "sequences-4")


def test_a_run_begins_with_the_weights_of_another_and_does_not_forget_what_they_cost(
    whole: Path, tmp_path: Path
) -> None:
    still = toy(initial=str(whole), learning_rate=1e-30, averaging=0.0, data="balls3curtain64")
    train(still, tmp_path / "second", steps=2, device="cpu")
    assert weights(tmp_path / "second" / "last.safetensors") == weights(whole / "best.safetensors")
    first = checkpoint.load(whole / "best.safetensors")
    (stage,) = checkpoint.load(tmp_path / "second" / "last.safetensors").card["before"]
    assert (stage["sequences"], stage["data"], stage["weights_sha256"]) == (
        first.card["sequences"],
        "balls4mass64",
        first.sha256,
    )
    assert stage["recipe"] == first.card["recipe"]
    train(
        replace(still, initial=str(tmp_path / "second" / "last.safetensors")), tmp_path / "third", steps=1, device="cpu"
    )
    third = checkpoint.load(tmp_path / "third" / "last.safetensors").card
    assert [stage["sequences"] for stage in third["before"]] == [first.card["sequences"], 2 * 4]
    assert total(third, "sequences") == first.card["sequences"] + 2 * 4 + 4
    assert f"after {total(third, 'sequences') - 4:,} sequences in earlier runs" in third["training"]


def test_a_resumed_run_needs_the_weights_that_it_began_with_no_more(whole: Path, tmp_path: Path) -> None:
    began = tmp_path / "began.pt"
    began.write_bytes((whole / "best.safetensors").read_bytes())
    recipe = toy(initial=str(began))
    train(recipe, tmp_path / "whole", steps=24, device="cpu")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "halves", steps=24, device="cpu", progress=interrupted_at(10))
    began.unlink()
    train(None, tmp_path / "halves", resume=True, device="cpu")
    assert weights(tmp_path / "halves" / "last.safetensors") == weights(tmp_path / "whole" / "last.safetensors")
    assert (
        checkpoint.load(tmp_path / "halves" / "last.safetensors").card["before"]
        == checkpoint.load(tmp_path / "whole" / "last.safetensors").card["before"]
    )


def test_a_bundled_model_is_begun_with_by_name_with_other_slots_and_noise(tmp_path: Path) -> None:
    recipe = TrainingRecipe(
        model="rnn-em",
        initial="rnn-em",
        sizes={"slots": 2, "noise": 0.1},
        learning_rate=1e-30,
        batch=1,
        frames=(2,),
        validation=1,
        scored=0,
    )
    train(recipe, tmp_path / "run", steps=1, device="cpu")
    made = checkpoint.load(tmp_path / "run" / "last.safetensors")
    assert made.header.sizes["slots"] == 2
    of = bundled.card("rnn-em")
    assert (
        made.card["before"][-1]["hours"] == of.hours and made.card["before"][-1]["weights_sha256"] == of.weights_sha256
    )
    for name, tensor in getattr(bundled, "rnn-em")().network.state_dict().items():
        assert torch.allclose(made.network.state_dict()[name], tensor, rtol=0, atol=1e-29)


def test_weights_that_do_not_fit_or_are_none_are_refused_before_anything_is_written(
    whole: Path, tmp_path: Path
) -> None:
    (tmp_path / "text.pt").write_text("weights")
    for name, words in (
        (
            "r-mem",
            (
                "cannot begin with 'r-mem': there is no file r-mem, and no model that comes with the package has this"
                " name: there is conv3, .*lstm, "
            ),
        ),
        (str(tmp_path / "text.pt"), "is not a checkpoint"),
        ("lstm", "it is another model or of other sizes, they differ in spoilt"),
    ):
        with pytest.raises(TrainingError, match=words):
            train(toy(initial=name), tmp_path / "run", steps=1, device="cpu")
    with pytest.raises(TrainingError, match="of other sizes"):
        train(toy(initial=str(whole), sizes={"channels": 5}), tmp_path / "run", steps=1, device="cpu")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    "before",
    [None, 3, "much", [3], [{"sequences": "many"}], [{"sequences": -1}], [{"hours": True, "sequences": 1e300}]],
)
def test_what_a_stranger_s_card_says_of_earlier_runs_is_counted_only_where_it_is_a_number(before: Any) -> None:
    assert total({"sequences": 5, "before": before}, "sequences") == 5


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"initial": 3}, "initial is a text, not 3"),
        ({"batch": 0}, "batch is a whole number from 1 to 65536, not 0"),
        ({"learning_rate": math.nan}, "learning rate is a number above 0, not nan"),
        ({"decay": 1.5}, "decay is a number from 0 to 1, not 1.5"),
        ({"averaging": 1.0}, "averaging is a number from 0 and below 1, not 1.0"),
        ({"frames": ()}, "frames is one or more whole numbers"),
        ({"frames": (31, 0)}, "frames is .* whole number from 1 to 10000"),
        ({"precision": "fp8"}, "precision is one of auto, fp32, bf16, not 'fp8'"),
        ({"model": "r-mem"}, "no model that can be trained is called 'r-mem': did you mean 'r-nem'"),
        ({"model": "nowhere:at_all"}, "does not lead to anything"),
        ({"model": "rnn", "sizes": {"slots": 5}}, "rnn is a model of one slot, not 5"),
        ({"data": "balls678mass64"}, "balls678mass64 is for tests only"),
        ({"sizes": {"depth": 3}}, "has no size 'depth': it has channels"),
        ({"data": "balls4mas64"}, "did you mean 'balls4mass64'"),
        ({"data": "nowhere/x.h5"}, "there is no dataset file nowhere/x.h5"),
        ({"frames": (52,)}, "balls4mass64 has 51 frames in a sequence, and this recipe learns from 52"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_trained_is_refused_in_a_sentence(
    changed: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(PhysbenchError, match=words):
        train(toy(**changed), tmp_path / "run", steps=1, device="cpu")
    assert not (tmp_path / "run").exists()


def test_data_that_do_not_fit_are_refused_before_anything_is_written(
    many: MadeDataset, crowd: MadeDataset, tmp_path: Path
) -> None:
    nem = toy(model="r-nem", sizes=TINY_NEM, batch=4, frames=(8,))
    with pytest.raises(ModelError, match=r"frames of \(64, 64, 1\)"):
        train(replace(nem, data=str(many.path)), tmp_path / "run", steps=1, device="cpu")
    with pytest.raises(TrainingError, match="has no training split: it has test"):
        train(toy(data=str(crowd.path)), tmp_path / "run", steps=1, device="cpu")
    with pytest.raises(TrainingError, match="has 8 frames in a sequence, and this recipe learns from 9"):
        train(toy(data=str(many.path), frames=(9,)), tmp_path / "run", steps=1, device="cpu")
    with pytest.raises(TrainingError, match="has 300 training sequences: fewer than a batch of 301"):
        train(toy(data=str(many.path), batch=301), tmp_path / "run", steps=1, device="cpu")
    assert not (tmp_path / "run").exists()


def test_folders_are_not_mistaken_for_one_another(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="there is no run in .* to resume"):
        train(toy(), out, steps=1, device="cpu", resume=True)
    train(toy(), out, steps=1, device="cpu")
    with pytest.raises(TrainingError, match="holds a run already: resume it, or give another folder"):
        train(toy(), out, steps=1, device="cpu")
    with pytest.raises(TrainingError, match=r"has batch 4, not 5: resume it as it was started"):
        train(toy(batch=5), out, steps=2, device="cpu", resume=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("all of it")
    with pytest.raises(TrainingError, match="is not empty"):
        train(toy(), tmp_path / "other", steps=1, device="cpu")
    (out / "last.safetensors").write_bytes((out / "best.safetensors").read_bytes())
    with pytest.raises(TrainingError, match="without the state of a run: it cannot be resumed"):
        train(None, out, resume=True, device="cpu")
    (out / "recipe.json").write_text('{"model": "r-nem", "moddel": 1}')
    with pytest.raises(TrainingError, match="a training recipe has no field 'moddel'"):
        train(None, out, resume=True, device="cpu")
    (out / "recipe.json").write_text('{"algorithm": "pqn", "games": 32}')
    with pytest.raises(TrainingError, match="the recipe of an agent: use `physbench train dqn`"):
        train(None, out, resume=True, device="cpu")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "[" * 60_000,
        '{"batch": 3}',
        '{"model": 3}',
        '{"model": "x", "frames": 3}',
        '{"model": "x", "frames": ["a"]}',
    ],
)
def test_a_file_that_is_not_a_recipe_is_refused(text: str) -> None:
    with pytest.raises(TrainingError):
        TrainingRecipe.from_json(text)


def test_limits_are_looked_at(tmp_path: Path) -> None:
    for named, words in (
        ({"minutes": 0.0}, "minutes is above 0"),
        ({"steps": 0}, "steps is 1 or more"),
        ({}, "need an end: give minutes or steps"),
    ):
        with pytest.raises(TrainingError, match=words):
            train(toy(), tmp_path / "run", device="cpu", **named)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="there is no device 'tpu'"):
        train(toy(), tmp_path / "run", steps=1, device="tpu")
    with pytest.raises(UnknownName):
        train(toy(model="gpt"), tmp_path / "run", steps=1)
