"""Tests that the trainer works with other networks, batches and losses: they train, continue, or are refused in one
line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import physbench
from physbench.errors import ModelError, TrainingError
from physbench.suites import Rollout, Suite, Task
from physbench_baselines import checkpoint
from physbench_baselines.architecture import Architecture
from physbench_baselines.training import loop, run
from physbench_baselines.training.folder import CORE, Folder, LogRow
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.loop import LoopState, TrainingProgress
from physbench_baselines.training.run import train
from physbench_baselines.training.sources import source_of
from physbench_baselines.training.step import Stepper
from physbench_baselines.training.trainable import Traits, measure, traits_of
from physbench_baselines.training.training_recipe import TrainingRecipe
from tests.baselines import annealed, toy

CPU = torch.device("cpu")
TINY_NEM = {"channels": [4, 6, 8], "dense": 24, "hidden": 20, "attention": 10, "slots": 2}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """How sums are dealt out over threads decides their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def recipe(**changed: Any) -> TrainingRecipe:
    usual = TrainingRecipe(
        model=annealed.MODEL,
        batch=4,
        frames=(1,),
        validation=8,
        scored=4,
        evaluate_every=8,
        log_every=2,
        precision="fp32",
        averaging=0.5,
        decay=0.5,
    )
    return replace(usual, **changed)


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return [
            {name: cell for name, cell in row.items() if name not in ("minutes", "sequences_per_second")}
            for row in csv.DictReader(file)
        ]


class Fault(Exception):
    pass


def test_a_network_with_two_losses_and_its_own_optimiser_trains_goes_on_and_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_SECONDS", 0.0)

    def fail(progress: TrainingProgress) -> None:
        if progress.step == 12:
            raise Fault

    whole = train(recipe(), tmp_path / "whole", steps=16, device="cpu")
    with pytest.raises(Fault):
        train(recipe(), tmp_path / "cut", steps=16, device="cpu", progress=fail)
    torch.rand(3)  # what happens beside a run is not its concern
    train(None, tmp_path / "cut", resume=True, device="cpu")
    ours, theirs = (checkpoint.load(tmp_path / name / "last.safetensors") for name in ("cut", "whole"))
    for weight, other in zip(ours.network.parameters(), theirs.network.parameters(), strict=True):
        assert torch.equal(weight, other)
    assert log(tmp_path / "cut") == log(tmp_path / "whole")
    assert set(whole.figures) == {"validation_reconstruction", "validation_cost"}, "a single image has no next frame"
    last = log(tmp_path / "whole")[-1]
    assert list(last) == [
        *(name for name in CORE if name not in ("minutes", "sequences_per_second")), "reconstruction", "cost",
        "validation_loss", "validation_reconstruction", "validation_cost",
    ]  # fmt: skip
    assert float(last["validation_loss"]) == pytest.approx(
        float(last["validation_reconstruction"]) + float(last["validation_cost"]), rel=1e-6
    )
    scores = physbench.evaluate(checkpoint.model(tmp_path / "whole" / "best.safetensors"), "balls", limit=2)
    assert math.isfinite(scores.score("balls4mass64", "bce").value)


def test_a_loss_gets_the_share_of_the_run_that_is_over(tmp_path: Path) -> None:
    networks: list[annealed.Annealed] = []

    class Spied(Stepper):
        def __init__(self, network: Any, *words: Any, **named: Any) -> None:
            super().__init__(network, *words, **named)
            networks.append(network)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "Stepper", Spied)
        train(recipe(averaging=0.0, evaluate_every=100), tmp_path / "run", steps=4, device="cpu")
    assert networks[0].shares == [
        0.0,
        0.0,
        0.25,
        0.5,
        0.75,
        1.0,
        1.0,
    ]  # tried out, four steps, and two batches of validation as at the end


def test_the_groups_of_an_own_optimiser_keep_their_ratio() -> None:
    network = network_of(recipe())
    stepper = Stepper(network, recipe(), device=CPU, graphs=True)
    batch = {"features": torch.zeros(4, 1, 64, 64, 1, dtype=torch.uint8)}
    stepper.take(batch, step=0, learning_rate=0.25e-3)
    assert [group["lr"] for group in stepper.optimizer.param_groups] == pytest.approx([0.75e-3, 0.25e-3])


class WithActions:
    """The sequences of a dataset, and with each frame one of three actions."""

    def __init__(self, inner: Any, turn: int = 0) -> None:
        self.inner, self.turn = inner, turn
        self.dataset, self.epoch, self.frames, self.arrays = (
            inner.dataset,
            inner.epoch,
            inner.frames,
            (*inner.arrays, "actions"),
        )
        self.fetched: list[tuple[str, ...]] = []

    def batches(self, first: int, *, wants: Sequence[str], workers: int) -> Iterator[dict[str, Any]]:
        self.fetched.append(tuple(wants))
        only = [name for name in wants if name != "actions"]
        yield from (
            self.act(batch, step)
            for step, batch in enumerate(self.inner.batches(first, wants=only, workers=workers), start=first)
        )

    def validation(self, wants: Sequence[str]) -> Iterator[dict[str, Any]]:
        yield from (
            self.act(batch, 0) for batch in self.inner.validation([name for name in wants if name != "actions"])
        )

    def act(self, batch: Mapping[str, Any], step: int) -> dict[str, Any]:
        size, frames = batch["features"].shape[:2]
        chosen = (np.arange(size)[:, None] + np.arange(frames) + step + self.turn) % 3
        return {**batch, "actions": np.eye(3, dtype=np.uint8)[chosen]}


def test_actions_reach_a_network_that_wants_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nem = recipe(model="r-nem", sizes={**TINY_NEM, "actions": 3}, frames=(3,), scored=0)
    curves = []
    for turn in (0, 0, 1):
        source = WithActions(source_of(nem), turn)
        monkeypatch.setattr(run, "source_of", lambda *_, source=source: source)
        train(nem, tmp_path / f"run{len(curves)}", steps=2, device="cpu")
        assert source.fetched == [("features", "actions")]
        curves.append([row["loss"] for row in log(tmp_path / f"run{len(curves)}")])
    assert curves[0] == curves[1] != curves[2], "other actions, another loss"


def test_what_is_not_wanted_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = WithActions(source_of(recipe()))
    monkeypatch.setattr(run, "source_of", lambda *_: source)
    train(recipe(), tmp_path / "run", steps=1, device="cpu")
    assert source.fetched == [("features",)]


def test_data_without_what_is_wanted_are_refused_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nem = recipe(model="r-nem", sizes={**TINY_NEM, "actions": 4}, frames=(3,), scored=0)
    with pytest.raises(TrainingError, match=r"^r-nem wants actions; balls4mass64 has none$"):
        train(nem, tmp_path / "run", steps=1, device="cpu")
    monkeypatch.setattr(run, "source_of", lambda given, _: WithActions(source_of(given)))
    with pytest.raises(ModelError, match="needs one of 4 actions with every frame, and the data have 3$"):
        train(nem, tmp_path / "run", steps=1, device="cpu")
    with pytest.raises(ModelError, match="nothing to predict in sequences of 1 frames: give 2 or more"):
        train(replace(nem, frames=(1,), sizes=TINY_NEM), tmp_path / "run", steps=1, device="cpu")
    assert not (tmp_path / "run").exists()


class Plain(torch.nn.Module):
    def __init__(self, total: Any = None, figures: Any = None, **said: Any) -> None:
        super().__init__()
        self.total, self.figures = torch.zeros(()) if total is None else total, figures or {}
        for name, value in said.items():
            setattr(self, name, value)

    def loss(self, batch: Any, *, generator: Any, share: float) -> Any:
        return self


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (torch.nn.Linear(1, 1), "Linear cannot be trained: it has no loss"),
        (Plain(wants="features"), "what Plain wants is a tuple of names of arrays, not 'features'"),
        (Plain(wants=(3,)), "is a tuple of names of arrays"),
        (Plain(optimizer=3), "optimizer of Plain is a function of the recipe, not 3"),
    ],
)
def test_a_network_that_says_nonsense_is_refused(network: torch.nn.Module, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        traits_of(network)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Plain(total=torch.zeros(3)), r"loss of Plain is one number, not an array of the shape \(3,\): take its mean"),
        (Plain(figures={"each": torch.zeros(2)}), "each of Plain is one number"),
        (Plain(figures={"my loss": torch.zeros(())}), "is one word, not 'my loss'"),
    ],
)
def test_a_loss_that_is_not_valid_is_refused(network: torch.nn.Module, words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        measure(network, {}, generator=torch.Generator(), share=0.0)


def test_who_says_nothing_wants_frames_alone_and_is_not_captured() -> None:
    assert traits_of(Plain()) == Traits(wants=("features",), capturable=False, optimizer=None, observe=None)
    assert traits_of(network_of(recipe(model="r-nem", sizes=TINY_NEM))).capturable


def test_figures_that_change_their_names_are_refused() -> None:
    network = Plain(figures={"a": torch.zeros(())})
    network.weight = torch.nn.Parameter(torch.ones(()))
    network.total = 2 * network.weight
    stepper = Stepper(network, recipe(averaging=0.0), device=CPU, graphs=False)
    batch = {"features": torch.zeros(4, 1, 8, 8, 1)}
    stepper.take(batch, step=0, learning_rate=0.1)
    network.total, network.figures = 2 * network.weight, {"b": torch.zeros(())}
    with pytest.raises(TrainingError, match="the same names in every step: not loss, a, then loss, b"):
        stepper.take(batch, step=1, learning_rate=0.1)


def test_an_architecture_may_choose_what_judges_its_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged_by(recipe: TrainingRecipe, dataset: str) -> Suite:
        return Suite("mine", 1, "four frames ahead", (Task(dataset, (Rollout(2, 4),)),), None)

    monkeypatch.setattr(toy, "ARCHITECTURE", replace(toy.ARCHITECTURE, judged_by=judged_by))
    result = train(recipe(model=toy.MODEL, frames=(3,)), tmp_path / "run", steps=2, device="cpu")
    assert "rollout_relative_bce" in result.figures and "relative_bce" not in result.figures
    assert isinstance(toy.ARCHITECTURE, Architecture)


def row(step: int, **figures: float) -> LogRow:
    return LogRow(step, 4 * step, 0.1, 50.0, 1e-3, 5, 2.0 / 3, figures)


def test_a_log_has_a_column_for_every_figure_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "run")
    folder.begin(recipe())
    rows = [row(1, b=0.1, a=1e-30), row(2, b=0.2, a=0.3), row(3, b=0.4, validation_loss=1 / 3), row(4, a=5.0)]
    for each in rows:
        folder.append(each)
    assert (tmp_path / "run" / "log.csv").read_text().splitlines()[0] == ",".join([*CORE, "b", "a", "validation_loss"])
    assert folder.rows() == rows and rows[2].validation_loss == 1 / 3 and rows[3].validation_loss is None
    folder.cut(2)
    assert folder.rows() == rows[:2], "what is forgotten leaves no column"


OLD_LOG = """step,sequences,minutes,loss,upper_bound,learning_rate,frames,validation_loss,relative_bce,ari,sequences_per_second
50,3200,0.1,700.5,710.25,0.001,31,,,,12.5
100,6400,0.2,,,0.001,31,600.0,0.9,0.25,12.0
"""


def test_a_log_of_an_older_run_is_gone_on_with(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    (tmp_path / "log.csv").write_text(OLD_LOG)
    first, second = folder.rows()
    assert (first.step, first.loss, dict(first.figures)) == (50, 700.5, {"upper_bound": 710.25})
    assert (second.loss, second.validation_loss, second.figures["ari"]) == (None, 600.0, 0.25)
    folder.cut(100)
    folder.append(row(150, upper_bound=1.0, intra=2.0))
    assert folder.rows() == [first, second, row(150, upper_bound=1.0, intra=2.0)]


@pytest.mark.parametrize(
    "text", ["step,loss\n1,2\n", f"{','.join(CORE)}\n1,2,3\n", f"{','.join(CORE)},a\n1,4,0.1,5,1e-3,5,2,many\n"]
)
def test_files_that_are_not_logs_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "log.csv").write_text(text)
    with pytest.raises(TrainingError, match=r"log\.csv is not the log of a run: put it back or delete it"):
        Folder(tmp_path).rows()


def test_the_state_of_an_older_run_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older saves called what Adam remembers by its name and kept the sums of two figures; the weights are those of the
    run that was never stopped."""
    learnt = recipe(model=toy.MODEL, frames=(3,), scored=0)
    train(learnt, tmp_path / "whole", steps=6, device="cpu")
    train(learnt, tmp_path / "cut", steps=6, pause_after=1e-9, device="cpu")
    saved = checkpoint.load(tmp_path / "cut" / "last.safetensors")
    older = {
        name.replace("optimizer/", "adam/"): value
        for name, value in saved.training.items()
        if name not in ("sums", "measured")
    }
    older |= {"loss_sum": 1.0, "bound_sum": 1.0, "relative_bce": math.nan, "ari": math.nan}
    checkpoint.save(tmp_path / "cut" / "last.safetensors", saved.network, card=saved.card, training=older)
    train(None, tmp_path / "cut", resume=True, device="cpu")
    ours, theirs = (checkpoint.load(tmp_path / name / "last.safetensors").network for name in ("cut", "whole"))
    assert all(torch.equal(weight, other) for weight, other in zip(ours.parameters(), theirs.parameters(), strict=True))
    assert LoopState.of({**older, "summed": 3}).summed == 0


def test_a_batch_is_cut_in_time_where_an_array_has_time() -> None:
    with_radius = recipe(frames=(3,), model=toy.MODEL)
    batch = next(source_of(with_radius).batches(0, wants=("features", "radius", "position"), workers=0))
    assert {name: array.shape[:2] for name, array in batch.items()} == {
        "features": (4, 3),
        "radius": (4, 4),
        "position": (4, 3),
    }
    (held_out,) = islice(source_of(with_radius).validation(("radius",)), 1)
    assert held_out["radius"].shape == (4, 4)
