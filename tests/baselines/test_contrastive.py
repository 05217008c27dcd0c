"""Tests of codes learnt by contrast: the loss against a loop, a reused processor that stays fixed, and both models
on a few games."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import physbench
from physbench.errors import ModelError, PhysbenchError, TrainingError
from physbench_baselines import checkpoint
from physbench_baselines.contrastive import ContrastiveModel
from physbench_baselines.contrastive_sizes import ARCHITECTURE, CODES, ContrastiveSizes
from physbench_baselines.rmr_sizes import MEMORIES, MemorySizes
from physbench_baselines.training.initial import network_of
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.reuse import reuse_parts
from physbench_baselines.training.run import train
from physbench_baselines.training.sources import source_of
from physbench_baselines.training.training_recipe import TrainingRecipe

TINY = ContrastiveSizes(side=36, size=3, hidden=4)
SMALL = {"size": 4, "hidden": 5}


@pytest.fixture(scope="module")
def games(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return physbench.generate("invaders84", tmp_path_factory.mktemp("games") / "games.h5", train=12, valid=4, test=6)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a model of memories, none of which are what they begin as."""
    path = tmp_path_factory.mktemp("learnt") / "ram.safetensors"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = MEMORIES.make(MemorySizes(**SMALL))
    checkpoint.save(path, network, card={"name": "ram", "steps": 7, "sequences": 28, "hours": 0.5})
    return path


def recipe(model: str, games: Path, **changed: Any) -> TrainingRecipe:
    few = {
        "batch": 4,
        "validation": 4,
        "scored": 4,
        "evaluate_every": 3,
        "log_every": 3,
        "precision": "fp32",
        "sizes": SMALL,
    }
    return usual_recipe(model, data=str(games), **{**few, **changed})


def make_model(sizes: ContrastiveSizes = TINY, seed: int = 7) -> ContrastiveModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return sizes.build().double()


def batch(sequences: int = 3, frames: int = 3) -> dict[str, torch.Tensor]:
    rng = np.random.default_rng(5)
    actions = np.eye(6, dtype=np.uint8)[rng.integers(0, 6, (sequences, frames))]
    return {
        "features": torch.from_numpy(rng.integers(0, 2, (sequences, frames, 36, 36, 1), np.uint8)),
        "actions": torch.from_numpy(actions),
    }


def test_the_loss_is_that_of_a_loop_over_transitions() -> None:
    model, given = make_model(replace(TINY, sigma=0.7, hinge=0.01)), batch()
    with torch.no_grad():
        for parameter in model.decoder.parameters():
            parameter.add_(0.1)
        z = model.encoder(given["features"].double().permute(0, 1, 4, 2, 3).flatten(0, 1)).unflatten(0, (3, 3)).numpy()
        now, following, said = [], [], []
        for b in range(3):
            for t in range(2):
                action = np.zeros((1, 18))
                action[0, CODES[int(given["actions"][b, t].argmax())]] = 1
                moved = model.processor(torch.from_numpy(z[b : b + 1, t]), torch.from_numpy(action))[0].numpy()
                said.append(moved @ model.decoder.weight.numpy().T + model.decoder.bias.numpy())
                now.append(z[b, t]), following.append(z[b, t + 1])
        others = torch.randperm(6, generator=torch.Generator().manual_seed(11)).tolist()
        near = far = 0.0
        for n in range(6):
            distances = [sum(float((one[k] - other[k]) @ (one[k] - other[k])) for k in range(128)) / 128
                         for one, other in ((said[n], following[n]), (now[n], now[others[n]]))]  # fmt: skip
            near += distances[0] / (2 * 0.7**2) / 6
            far += max(0.0, 0.01 - distances[1] / (2 * 0.7**2)) / 6
        found = model.loss(given, generator=torch.Generator().manual_seed(11))
    assert float(found.figures["near"]) == pytest.approx(near, rel=1e-9)
    assert float(found.figures["far"]) == pytest.approx(far, rel=1e-9) and far > 0
    assert float(found.total) == pytest.approx(near + far, rel=1e-9)


def test_a_model_that_has_learnt_nothing_says_that_nothing_changes() -> None:
    model = make_model()
    for passes in model.processor.passes:  # what P has learnt nothing of
        torch.nn.init.zeros_(passes.last.weight), torch.nn.init.zeros_(passes.last.bias)
    z = torch.rand(2, 128, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(z, torch.eye(6, dtype=torch.float64)[:2]), z)


def test_actions_stand_where_the_console_has_them() -> None:
    """By the emulator's own names of them."""
    ale_py = pytest.importorskip("ale_py")
    from physbench_generators.invaders.scenes import ACTIONS

    words = {
        "nothing": "NOOP",
        "fire": "FIRE",
        "right": "RIGHT",
        "left": "LEFT",
        "right and fire": "RIGHTFIRE",
        "left and fire": "LEFTFIRE",
    }
    assert [getattr(ale_py.Action, words[action]).value for action in ACTIONS] == list(CODES)
    placed = make_model().place_actions(torch.eye(6, dtype=torch.float64))
    assert placed.shape == (6, 18) and placed.argmax(dim=1).tolist() == list(CODES) and placed.sum() == 6


def test_slots_are_made_of_their_own_maps_by_one_layer() -> None:
    model = make_model(replace(TINY, maps=2))
    x = torch.rand(2, 1, 36, 36, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        maps = model.encoder.maps(model.encoder.trunk(x)).numpy()  # (2, 256, 1, 1)
        found = model.encoder(x).numpy()
    assert maps.shape == (2, 256, 1, 1)
    weight, bias = (tensor.detach().numpy() for tensor in (model.encoder.last.weight, model.encoder.last.bias))
    for b, k in np.ndindex(2, 128):
        np.testing.assert_allclose(found[b, k], weight @ maps[b, 2 * k : 2 * k + 2].reshape(-1) + bias, atol=1e-12)


def test_the_papers_trunk_leaves_seven_by_seven() -> None:
    model = ContrastiveSizes().build()
    assert model.encoder.trunk(torch.zeros(1, 1, 84, 84)).shape == (1, 64, 7, 7)
    assert model.encoder(torch.zeros(1, 1, 84, 84)).shape == (1, 128, 64)


@pytest.mark.slow
def test_both_models_begin_alike_and_see_the_same(games: Path, learnt: Path) -> None:
    own, reused = recipe("cswm", games), recipe("cswm", games, reuse=f"processor={learnt}")
    ours, theirs = network_of(own), network_of(reused)
    reuse_parts(theirs, reused.reuse)
    for name, tensor in ours.state_dict().items():
        assert torch.equal(tensor, theirs.state_dict()[name]) == (not name.startswith("processor.")), name
    one, other = (source_of(each).batches(0, wants=ours.wants, workers=0) for each in (own, reused))  # type: ignore[arg-type]
    for _ in range(4):
        seen, also = next(one), next(other)
        for name in ("features", "actions"):
            np.testing.assert_array_equal(seen[name], also[name])


def test_a_processor_that_is_taken_does_not_move_by_a_bit(games: Path, learnt: Path, tmp_path: Path) -> None:
    result = train(
        recipe("cswm", games, reuse=f"processor={learnt}", averaging=0.5, weight_decay=0.1), tmp_path / "run", steps=6
    )
    assert result.step == 6 and {"near", "far", "probe_bit_f1", "probe_variables"} <= {
        name.removeprefix("validation_") for name in result.figures
    }
    theirs = {
        name: tensor
        for name, tensor in checkpoint.load(learnt).network.state_dict().items()
        if name.startswith("processor.")
    }
    before = network_of(recipe("cswm", games)).state_dict()
    for name in ("last", "best"):
        after = checkpoint.load(tmp_path / "run" / f"{name}.safetensors").network.state_dict()
        assert theirs and all(
            after[weight].numpy().tobytes() == tensor.numpy().tobytes() for weight, tensor in theirs.items()
        )
    assert not torch.equal(after["encoder.trunk.0.weight"], before["encoder.trunk.0.weight"])
    assert not torch.equal(after["decoder.weight"], before["decoder.weight"])


def test_a_processor_of_its_own_does_move(games: Path, tmp_path: Path) -> None:
    train(recipe("cswm", games), tmp_path / "run", steps=3)
    after, before = (
        checkpoint.load(tmp_path / "run" / "last.safetensors").network.state_dict(),
        network_of(recipe("cswm", games)).state_dict(),
    )
    moved = [
        name
        for name in before
        if name.startswith("processor.passes.0.middle") and not torch.equal(after[name], before[name])
    ]
    assert moved


def test_what_a_processor_has_cost_is_on_the_card(games: Path, learnt: Path, tmp_path: Path) -> None:
    train(recipe("cswm", games, reuse=f"processor={learnt}"), tmp_path / "run", steps=3)
    train(None, tmp_path / "run", steps=5, resume=True)
    (stage,) = checkpoint.inspect(tmp_path / "run" / "last.safetensors").card["before"]
    assert (stage["name"], stage["sequences"]) == ("ram", 28)


def test_a_run_that_goes_on_needs_the_processor_no_more(games: Path, learnt: Path, tmp_path: Path) -> None:
    path = tmp_path / "gone.safetensors"
    path.write_bytes(learnt.read_bytes())
    changed = {"reuse": f"processor={path}"}
    train(recipe("cswm", games, **changed), tmp_path / "cut", steps=2)
    path.unlink()
    train(None, tmp_path / "cut", steps=4, resume=True)
    train(recipe("cswm", games, reuse=f"processor={learnt}"), tmp_path / "whole", steps=4)
    cut, whole = (
        checkpoint.load(tmp_path / name / "last.safetensors").network.state_dict() for name in ("cut", "whole")
    )
    assert all(torch.equal(tensor, whole[name]) for name, tensor in cut.items())


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"size": 5, "hidden": 5}, r"of other sizes than this model's: passes\.0\.last\.bias is \(4,\), not \(5,\)"),
        ({**SMALL, "passes": 2}, r"only one of them has passes\.1"),
        ({**SMALL, "processor": "deep-sets"}, "is another one than this model's"),
    ],
)
def test_a_processor_that_does_not_fit_is_refused_in_a_line(sizes: dict[str, Any], sentence: str, learnt: Path) -> None:
    network = ARCHITECTURE.make(ContrastiveSizes(**sizes))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(PhysbenchError, match=sentence) as error:
        reuse_parts(network, f"processor={learnt}")
    assert "\n" not in str(error.value)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_what_is_not_of_these_games_is_refused() -> None:
    model = make_model()
    given = batch()
    with pytest.raises(ModelError, match=r"frames of \(36, 36, 1\), not of \(84, 84, 1\)"):
        model.begin(torch.zeros(1, dtype=torch.int64), shape=(84, 84, 1), actions=6)
    with pytest.raises(ModelError, match="one of 6 actions, not of 4"):
        model.loss({**given, "actions": given["actions"][..., :4]})
    with pytest.raises(ModelError, match="nothing to predict in sequences of 1 frames"):
        model.loss({name: array[:, :1] for name, array in given.items()})
    with pytest.raises(ModelError, match="codes is one or more whole numbers that differ"):
        replace(TINY, codes=(0, 1, 1))


@pytest.mark.slow
def test_pixels_are_not_predicted_and_it_is_said(
    games: Path, learnt: Path, tmp_path: Path, cli: Callable[..., Any]
) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, ARCHITECTURE.make(ContrastiveSizes(**SMALL)))
    refused = cli("eval", path, "--suite", "invaders", "--data", games, "--limit", 2)
    assert refused.exit_code == 2 and "predicted no mean" in refused.stderr
    told = cli("eval", path, "--suite", "probe", "--data", games)
    assert told.exit_code == 0 and "probe_bit_f1" in told.stdout


@pytest.mark.slow
def test_a_run_learns_from_frames_that_are_made_on_the_way(learnt: Path, tmp_path: Path) -> None:
    result = train(recipe("cswm", Path("invaders84"), scored=0, batch=2, validation=2), tmp_path / "run", steps=1)
    assert result.data == "invaders84" and np.isfinite(result.validation_loss)


def test_sequences_without_actions_cannot_be_learnt(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="wants actions"):
        train(usual_recipe("cswm", data="balls4mass64"), tmp_path / "run", steps=1)
