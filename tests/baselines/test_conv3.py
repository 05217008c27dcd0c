"""Tests of three convolutions on three frames: what they compute, that they learn, and that they keep the rules of a
model."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from physbench.audit import audit, has_passed
from physbench.errors import ModelError
from physbench.model import Batch
from physbench_baselines import checkpoint
from physbench_baselines.adapter import TorchModel, weights_of
from physbench_baselines.conv3 import Conv3, Conv3Sizes
from physbench_baselines.conv3_sizes import ARCHITECTURE
from physbench_baselines.releasing import cards
from physbench_baselines.releasing.bundle import bundle
from physbench_baselines.releasing.scoring_options import Scoring
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.run import train

Array = NDArray[np.float64]
QUICK: dict[str, Any] = {
    "batch": 4,
    "frames": (5,),
    "warm_up": 10,
    "validation": 8,
    "scored": 0,
    "evaluate_every": 10,
    "log_every": 10,
}


def network(**sizes: int) -> Conv3:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Conv3Sizes(**sizes).build().eval()


def videos(shape: tuple[int, ...], seed: int = 2) -> NDArray[np.uint8]:
    """(B, T, H, W, C) of random black and white pixels."""
    return np.random.default_rng(seed).integers(0, 2, shape, dtype=np.uint8)


def convolve(image: Array, weight: Array, bias: Array) -> Array:
    """image (I, H, W), weight (O, I, S, S) -> (O, H, W), by the sum in the textbook. Outside the image everything is
    0."""
    _, height, width = image.shape
    outputs, inputs, side, _ = weight.shape
    result = np.zeros((outputs, height, width))
    for o in range(outputs):
        for y in range(height):
            for x in range(width):
                result[o, y, x] = bias[o]
                for i in range(inputs):
                    for v in range(side):
                        for u in range(side):
                            below, beside = y + v - side // 2, x + u - side // 2
                            if 0 <= below < height and 0 <= beside < width:
                                result[o, y, x] += weight[o, i, v, u] * image[i, below, beside]
    return result


def predict(weights: dict[str, Any], past: list[Array]) -> Array:
    """past: three frames (H, W, C), the oldest first -> the probability (H, W, C) of every pixel of the next one, pixel
    by pixel."""
    height, width, channels = past[0].shape
    half = ((height + 1) // 2, (width + 1) // 2)
    image = np.zeros((3 * channels * 4, *half))
    for number, frame in enumerate(past):
        for y in range(height):
            for x in range(width):
                for c in range(channels):
                    image[4 * (number * channels + c) + 2 * (y % 2) + x % 2, y // 2, x // 2] = frame[y, x, c]
    layers = sorted({name.rpartition(".")[0] for name in weights})
    for layer in layers:
        image = convolve(image, weights[f"{layer}.weight"], weights[f"{layer}.bias"])
        if layer != layers[-1]:
            image = np.where(image > 0, image, 0)
    logits = np.array(
        [
            [[image[4 * c + 2 * (y % 2) + x % 2, y // 2, x // 2] for c in range(channels)] for x in range(width)]
            for y in range(height)
        ]
    )
    return 1 / (1 + np.exp(-logits))


@pytest.mark.parametrize("shape", [(6, 8, 1), (5, 7, 1), (5, 4, 3)])
def test_it_computes_what_the_sums_say(shape: tuple[int, int, int]) -> None:
    """Even and odd sides, grey and in colour; the first frame stands for those that are missing at first."""
    model = network(channels=shape[2], width=3)
    weights = weights_of(model)
    frames = videos((1, 4, *shape))[0].astype(np.float64)
    state = None
    with torch.no_grad():
        for t, seen in enumerate([[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]):
            state, mean, owner = model.observe(state, torch.tensor(frames[t][None], dtype=torch.float32))
            np.testing.assert_allclose(mean[0].numpy(), predict(weights, [frames[i] for i in seen]), atol=1e-6)
            assert owner is None


def test_the_loss_is_the_cross_entropy_of_what_it_says_frame_by_frame() -> None:
    model, frames = network(), videos((2, 6, 8, 8, 1))
    costs: list[float] = []
    with torch.no_grad():
        for video in frames.astype(np.float32):
            state = None
            for t in range(5):
                state, mean, _ = model.observe(state, torch.from_numpy(video[None, t]))
                p = mean[0].numpy().astype(np.float64)
                costs.append(-np.log(np.where(video[t + 1] == 1, p, 1 - p)).sum())
    assert len(costs) == 10
    assert model.loss({"features": torch.from_numpy(frames)}).total.item() == pytest.approx(np.mean(costs), rel=1e-5)


def test_a_single_frame_leaves_nothing_to_predict() -> None:
    with pytest.raises(ModelError, match="there is nothing to predict in sequences of 1 frames"):
        network().loss({"features": torch.from_numpy(videos((2, 1, 8, 8, 1)))})


def test_it_imagines_on_its_own_prediction_in_black_and_white() -> None:
    model, frames = network(), videos((2, 3, 6, 8, 1)).astype(np.float32)
    weights, asked = weights_of(model), TorchModel(model)  # type: ignore[arg-type]
    state = asked.begin(Batch(np.zeros(2, np.uint64), (6, 8, 1)))
    for t in range(3):
        state, said = asked.observe(state, frames[:, t], None)
    past = [list(video.astype(np.float64)) for video in frames]
    for _ in range(3):
        for number in range(2):
            past[number].append(np.where(said.mean[number] > 0.5, 1.0, 0.0))
        assert 0 < np.mean([video[-1] for video in past]) < 1, "a frame of both"
        state, said = asked.imagine(state, None)
        for number in range(2):
            np.testing.assert_allclose(said.mean[number], predict(weights, past[number][-3:]), atol=1e-6)


def test_a_sequence_does_not_know_of_the_others_in_its_batch() -> None:
    model, frames = network(), torch.from_numpy(videos((5, 3, 16, 16, 1))).float()
    together, alone = None, None
    with torch.no_grad():
        for t in range(3):
            together, means, _ = model.observe(together, frames[:, t])
            alone, mean, _ = model.observe(alone, frames[3:4, t])
            torch.testing.assert_close(means[3:4], mean, rtol=0, atol=1e-6)


def test_what_is_ten_pixels_away_or_four_frames_old_does_not_matter() -> None:
    model = network()
    frames = torch.from_numpy(videos((1, 4, 32, 32, 1))).float()

    def last(video: torch.Tensor) -> torch.Tensor:
        state, mean = None, torch.empty(0)
        with torch.no_grad():
            for t in range(4):
                state, mean, _ = model.observe(state, video[:, t])
        return mean

    older, other = frames.clone(), frames.clone()
    older[:, 0] = 1 - older[:, 0]
    assert torch.equal(last(older), last(frames))
    other[:, 3, 16, 16] = 1 - other[:, 3, 16, 16]
    changed = (last(other) != last(frames))[0, :, :, 0].nonzero() - 16
    assert len(changed) and changed.abs().max() <= 9


def test_its_parameters_are_counted() -> None:
    folded, width = 4, 16  # 2 x 2 pixels, channels
    by_hand = (3 * folded * width * 9 + width) + (width * width * 25 + width) + (width * folded * 9 + folded)
    assert by_hand == 8_740
    assert sum(parameter.numel() for parameter in ARCHITECTURE.make(Conv3Sizes()).parameters()) == by_hand


def test_it_learns_something_in_seconds(tmp_path: Path) -> None:
    train(usual_recipe("conv3", **QUICK), tmp_path / "run", steps=50, device="cpu")
    with (tmp_path / "run" / "log.csv").open(encoding="utf-8", newline="") as log:
        losses = [float(row["validation_loss"]) for row in csv.DictReader(log) if row["validation_loss"]]
    assert len(losses) == 5
    assert losses[-1] < 0.5 * losses[0], losses


def test_it_has_a_recipe_of_its_own_and_options_go_before_it() -> None:
    own = usual_recipe("conv3")
    assert (own.batch, own.frames, own.learning_rate) == (4, (12,), 6e-3)
    assert usual_recipe("conv3", batch=7).batch == 7 and usual_recipe("r-nem").batch == 64
    told = {"recipe": {**vars(own), "frames": list(own.frames)}, "minutes_limit": 5.0, "steps_limit": None, "steps": 9}
    assert cards.command(told) == "physbench train conv3 --minutes 5"


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    model = network(channels=2, width=5)
    checkpoint.save(tmp_path / "weights.safetensors", model)
    again = checkpoint.load(tmp_path / "weights.safetensors")
    assert again.header.architecture == "conv3" and again.network.sizes == model.sizes
    before, after = weights_of(model), weights_of(again.network)
    assert {name: after[name].tobytes() for name in after} == {name: before[name].tobytes() for name in before}


@pytest.mark.parametrize("sizes", [{"channels": 0}, {"channels": 17}, {"width": 257}, {"width": True}, {"width": 2.0}])
def test_sizes_that_it_cannot_have_are_refused(sizes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"(channels|width) is a whole number from 1 to (16|256), not"):
        Conv3Sizes(**sizes)


def test_frames_of_other_channels_are_refused() -> None:
    with pytest.raises(ModelError, match="for frames of 1 channels, not 3"):
        TorchModel(network()).begin(Batch(np.zeros(1, np.uint64), (8, 8, 3)))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="for frames of 1 channels, not 3"):
        network().loss({"features": torch.from_numpy(videos((1, 3, 8, 8, 3)))})


def test_an_audit_finds_nothing() -> None:
    verdicts = audit(TorchModel(network()), sequences=6, frames=6, batch=3)  # type: ignore[arg-type]
    assert has_passed(verdicts), verdicts


def test_nothing_says_that_it_falls_short_of_a_paper(tmp_path: Path) -> None:
    train(usual_recipe("conv3", **QUICK), tmp_path / "run", steps=2, device="cpu")
    assert checkpoint.inspect(tmp_path / "run" / "best.safetensors").card["training"] is None
    card = bundle(tmp_path / "run", "tiny", folder=tmp_path, suites=("crop50",), how=Scoring(limit=2))
    assert card.paper_link is None and card.training is None and card.not_played == {}
    assert {row["suite"] for row in card.scores} == {"crop50"}
    of_a_paper = replace(card, paper_link="https://example.org", training="less")
    assert "trained for less" not in cards.describe_cards({"tiny": card})
    assert "\nAll that come from a paper are trained for less" in cards.describe_cards(
        {"tiny": card, "other": of_a_paper}
    )
    assert f"| {card.bytes / 1000:.0f} kB, half |" in cards.describe_cards({"tiny": card})
