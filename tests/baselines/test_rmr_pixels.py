"""Tests of models of pixels around a processor of states: slots without an order, streams as windows, and reused
processors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner

import physbench
from physbench import registry
from physbench.cli import main
from physbench.errors import ModelError, TrainingError
from physbench.suites import suite_of
from physbench_baselines.bundled import FOLDER, load_bundled
from physbench_baselines.checkpoint import load
from physbench_baselines.rmr import PAST
from physbench_baselines.rmr_pixels import PixelModel
from physbench_baselines.rmr_pixels_sizes import ARCHITECTURE, SMALL, PixelSizes
from physbench_baselines.training.reuse import drop_folders, freeze_parts, reuse_parts, split_parts
from physbench_baselines.training.run import train
from physbench_baselines.training.training_recipe import TrainingRecipe

TINY = PixelSizes(
    slots=3, slot_size=8, slot_hidden=8, encoder=(8,), features=8, decoder=(8,), kernel=3, last_kernel=1, patch=4, size=64, hidden=64, passes=1
)  # fmt: skip
PROCESSOR = "processor=rmr-mpnn.balls10"


@pytest.fixture
def model() -> PixelModel:
    torch.manual_seed(0)
    return TINY.build().eval()


def frames(count: int, length: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, length, 3, 16, 16), generator=torch.Generator().manual_seed(seed))


def test_slots_permute(model: PixelModel) -> None:
    noise, order = torch.randn(2, 3, 8), torch.tensor([2, 0, 1])
    x = frames(2, 5)
    with torch.no_grad():
        (means, masks), (others, other_masks) = model(x, noise), model(x, noise[:, order])
    assert means.shape == (2, 3, 3, 3, 16, 16) and masks.shape == (2, 3, 3, 1, 16, 16)
    torch.testing.assert_close(means[:, :, order], others, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(masks[:, :, order], other_masks, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(masks.sum(dim=2), torch.ones_like(masks[:, :, 0]))


def test_a_stream_says_what_the_window_says(model: PixelModel) -> None:
    x, seeds = frames(2, 6), torch.tensor([5, 6])
    state = model.begin(seeds, shape=(16, 16, 3))
    said: list[torch.Tensor] = []
    with torch.no_grad():
        for t in range(6):
            state, mean, owner = model.observe(state, x[:, t].permute(0, 2, 3, 1))
            said.append(mean)
            assert owner is None
        from physbench_baselines import chance

        means, masks = model(x, chance.normal(seeds, 0, 3 * 8).view(2, 3, 8))
    expected = (means * masks).sum(dim=2).permute(0, 1, 3, 4, 2)
    torch.testing.assert_close(torch.stack(said[PAST - 1 :], dim=1), expected, rtol=1e-4, atol=1e-5)
    assert model.latents(state).shape == (2, 3, 8)
    predictions, shares, _ = model.parts(state)
    torch.testing.assert_close((predictions * shares[..., None]).sum(dim=1), said[-1])


def test_each_frame_is_predicted_from_the_three_before_it(model: PixelModel) -> None:
    """The loss is the mean of the errors of frames 3, 4, ..., and no frame is looked at before it is predicted."""
    raw = torch.randint(0, 256, (2, 6, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    noise = torch.randn(2, 3, 8)
    x = raw.float().permute(0, 1, 4, 2, 3) / 255
    with torch.no_grad():
        errors = []
        for t in range(PAST, 6):
            means, masks = model(x[:, :t], noise)
            errors.append(((means * masks).sum(dim=2)[:, -1] - x[:, t]).square().mean())
        losses = model.loss({"features": raw}, noise=noise)
    torch.testing.assert_close(losses.figures["pixel_mse"], torch.stack(errors).mean())
    torch.testing.assert_close(losses.total, 4 * losses.figures["pixel_mse"])


def test_frames_that_do_not_fit_are_refused(model: PixelModel) -> None:
    with pytest.raises(ModelError, match="3 channels, not 1"):
        model.begin(torch.tensor([0]), shape=(16, 16, 1))
    with pytest.raises(ModelError, match="give 4 or more"):
        model.loss({"features": torch.zeros((1, 3, 16, 16, 3), dtype=torch.uint8)})


def recipe(**fields: Any) -> TrainingRecipe:
    sizes = {
        "slots": 3,
        "slot_size": 8,
        "slot_hidden": 8,
        "encoder": [8],
        "features": 8,
        "decoder": [8],
        "decoder_kernel": 1,
    }
    known: dict[str, Any] = {
        "model": "rmr-pixels-small",
        "sizes": sizes,
        "data": "balls10-colour",
        "batch": 2,
        "frames": (4,),
        "validation": 2,
        "scored": 2,
    }
    return TrainingRecipe(**{**known, "precision": "fp32", **fields})


def test_a_processor_that_is_reused_does_not_move_and_the_rest_does(tmp_path: Path) -> None:
    given = load_bundled("rmr-mpnn.balls10").network.processor.state_dict()
    first = load_weights(tmp_path / "one", recipe(reuse=PROCESSOR), steps=1)
    later = load_weights(tmp_path / "many", recipe(reuse=PROCESSOR), steps=4)
    for name, tensor in given.items():
        assert torch.equal(first[f"processor.{name}"], tensor) and torch.equal(later[f"processor.{name}"], tensor)
    moved = [name for name in first if not torch.equal(first[name], later[name])]
    assert moved and not any(name.startswith("processor.") for name in moved)
    own = load_weights(tmp_path / "own", recipe(), steps=4)
    assert not any(torch.equal(own[f"processor.{name}"], tensor) for name, tensor in given.items())


def load_weights(out: Path, recipe: TrainingRecipe, steps: int) -> dict[str, torch.Tensor]:
    train(recipe, out, steps=steps, device="cpu")
    return load(out / "last.safetensors").network.state_dict()


def test_a_run_that_is_resumed_keeps_the_processor_and_tells_where_it_came_from(tmp_path: Path) -> None:
    train(recipe(reuse=PROCESSOR), tmp_path / "run", steps=2, device="cpu")
    train(None, tmp_path / "run", steps=4, resume=True, device="cpu")
    whole = load_weights(tmp_path / "whole", recipe(reuse=PROCESSOR), steps=4)
    resumed = load(tmp_path / "run" / "last.safetensors")
    assert all(torch.equal(tensor, resumed.network.state_dict()[name]) for name, tensor in whole.items())
    assert [stage["data"] for stage in resumed.card["before"]] == ["balls10"]


SLOTS = "slot-attention.multi-dsprites"
EYES = f"encoder={SLOTS},attention={SLOTS}"


def test_parts_that_a_run_begins_with_are_those_of_the_other_network_and_learn_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    first = load_weights(run, recipe(sizes={"slots": 3}, initial=EYES, learning_rate=1e-12), steps=1)
    given = load_bundled(SLOTS).network.state_dict()
    taken = [name for name in first if name.startswith(("encoder.", "attention."))]
    assert taken and set(taken) < set(given)
    for name in taken:
        torch.testing.assert_close(first[name], given[name], rtol=0, atol=1e-9)
    assert not torch.equal(first["decoder.last.weight"], given["decoder.last.weight"])
    card = load(run / "last.safetensors").card
    assert [stage["data"] for stage in card["before"]] == ["multi-dsprites"]
    later = load_weights(tmp_path / "later", recipe(sizes={"slots": 3}, initial=EYES), steps=2)
    assert not any(torch.equal(later[name], given[name]) for name in taken if name.endswith("weight"))


def test_parts_to_begin_with_and_a_part_that_is_kept_go_together_and_are_not_needed_again(tmp_path: Path) -> None:
    weights = tmp_path / "eyes.safetensors"
    weights.write_bytes((Path(str(FOLDER)) / f"{SLOTS}.safetensors").read_bytes())
    both = recipe(sizes={"slots": 3}, initial=EYES.replace(SLOTS, str(weights)), reuse=PROCESSOR)
    whole = load_weights(tmp_path / "whole", both, steps=2)
    train(both, tmp_path / "run", steps=1, device="cpu")
    weights.unlink()
    train(None, tmp_path / "run", steps=2, resume=True, device="cpu")
    resumed = load(tmp_path / "run" / "last.safetensors")
    assert all(torch.equal(tensor, resumed.network.state_dict()[name]) for name, tensor in whole.items())
    assert "balls10" in [stage.get("data") for stage in resumed.card["before"]]


def test_a_file_may_have_a_name_that_looks_like_a_part(tmp_path: Path) -> None:
    train(recipe(), tmp_path / "rate=1", steps=1, device="cpu")
    first = load_weights(tmp_path / "run", recipe(initial=str(tmp_path / "rate=1"), learning_rate=1e-12), steps=1)
    given = load(tmp_path / "rate=1" / "best.safetensors").network.state_dict()
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, given[name], rtol=0, atol=1e-9)


def test_cards_keep_no_folders() -> None:
    assert drop_folders("/a/b/run") == drop_folders("/a,b/run") == "run" and drop_folders("r-nem") == "r-nem"
    assert drop_folders("encoder=/a/run,processor=x/y.safetensors") == "encoder=run,processor=y.safetensors"
    assert drop_folders("/home/lr=0.1/best.safetensors") == "best.safetensors"
    assert drop_folders("encoder=/a,b/lr=0.1/c.safetensors,attention=d") == "encoder=c.safetensors,attention=d"


@pytest.mark.parametrize(
    ("reuse", "words"),
    [
        ("processor", "PART=WEIGHTS"),
        ("=rmr-mpnn.balls10", "PART=WEIGHTS"),
        ("nothing=rmr-mpnn.balls10", "has no part 'nothing'"),
        ("processor=conv3", "no part 'processor'"),
        ("processor=no-such-model", "cannot begin with 'no-such-model'"),
        ("encoder=rmr-mpnn.balls10", "another one than this model's"),
    ],
)
def test_what_cannot_be_reused_is_named(reuse: str, words: str) -> None:
    network = ARCHITECTURE.make(SMALL)
    with pytest.raises(TrainingError, match=words):
        reuse_parts(network, reuse)


def test_a_processor_of_other_sizes_is_refused() -> None:
    with pytest.raises(TrainingError, match="other sizes"):
        reuse_parts(ARCHITECTURE.make(replace(SMALL, hidden=32)), PROCESSOR)
    assert split_parts("a=b=c,d.e=f") == [("a", "b=c"), ("d.e", "f")]
    frozen = freeze_parts(ARCHITECTURE.make(SMALL), "processor=anything")["processor"]
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    words = [
        "train",
        "rmr-pixels-small",
        "--reuse",
        "nothing=rmr-mpnn.balls10",
        "--steps",
        "1",
        "--out",
        str(tmp_path / "run"),
        "--device",
        "cpu",
    ]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 2 and "has no part 'nothing'" in result.output and "Traceback" not in result.output
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_the_suite_asks_after_three_frames_and_knows_who_is_better() -> None:
    scores: dict[str, dict[str, float]] = {}
    for name in suite_of("pixels").references:
        found = physbench.evaluate(name, "pixels", limit=4)
        scores[name] = {score.metric: score.value for score in found.scores}
    assert scores["copy"]["relative_pixel_mse"] == 1.0 and scores["oracle"]["pixel_mse"] == 0.0
    assert (
        scores["constant-velocity"]["pixel_mse"]
        < scores["blur"]["pixel_mse"]
        < scores["copy"]["pixel_mse"]
        < scores["blank"]["pixel_mse"]
    )
    features = registry.datasets.get("balls10-colour").scenes("test", 0, 4, ["features"]).features
    assert features is not None
    x = features[:, :13] / 255
    assert scores["copy"]["pixel_mse"] == pytest.approx(float(np.square(x[:, 3:] - x[:, 2:-1]).mean()), rel=1e-5)
    assert scores["blank"]["pixel_mse"] == pytest.approx(float(np.square(x[:, 3:]).mean()), rel=1e-5)


def test_a_trained_model_is_scored_by_the_command(tmp_path: Path) -> None:
    train(recipe(), tmp_path / "run", steps=1, device="cpu")
    result = CliRunner().invoke(main, ["eval", str(tmp_path / "run"), "--suite", "pixels", "--limit", "2", "--json"])
    assert result.exit_code == 0, result.output
    assert {row["metric"] for row in json.loads(result.stdout)["scores"]} == {"pixel_mse", "relative_pixel_mse"}
