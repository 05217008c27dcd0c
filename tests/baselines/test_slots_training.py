"""Tests of slot models of single images on the command line: trained, judged by the owners of pixels, and continued bit
for bit."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from physbench import registry
from physbench_baselines import checkpoint
from physbench_baselines.adapter import weights_of
from physbench_baselines.architecture import architecture_with
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.run import train
from physbench_baselines.training.training_recipe import TrainingRecipe

SMALL = {
    "iodine-small": ("latent=3", "decoder=[6]", "encoder=[5, 4]", "dense=[6]", "lstm=5", "slots=3", "refinements=2"),
    "slot-attention-small": ("slot_size=6", "hidden=5", "encoder=[5]", "features=7", "decoder=[6]", "slots=3"),
}
QUICK = (
    "--batch",
    "2",
    "--validation",
    "4",
    "--scored",
    "2",
    "--evaluate-every",
    "2",
    "--log-every",
    "1",
    "--device",
    "cpu",
    "--workers",
    "0",
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """How sums are dealt out over threads decides their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        return [
            {name: cell for name, cell in row.items() if name not in ("minutes", "sequences_per_second")}
            for row in csv.DictReader(file)
        ]


@pytest.mark.parametrize("model", SMALL)
def test_it_learns_images_from_the_command_line_and_goes_on_where_it_stopped(
    model: str, tmp_path: Path, cli: Any
) -> None:
    sizes = [word for size in SMALL[model] for word in ("--size", size)]
    words = ["train", model, "--data", "shapes", *QUICK, *sizes]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    told = cli(*words, "--steps", "4", "--out", str(whole))
    assert told.exit_code == 0, told.output
    recipe = TrainingRecipe.from_json((whole / "recipe.json").read_text(encoding="utf-8"))
    assert train(recipe, cut, steps=4, device="cpu", workers=0, pause_after=1e-9).step == 1
    told = cli("train", "--out", str(cut), "--resume", "--device", "cpu", "--workers", "0")
    assert told.exit_code == 0, told.output
    ours, theirs = (weights_of(checkpoint.load(run / "last.safetensors").network) for run in (cut, whole))
    assert {name: array.tobytes() for name, array in ours.items()} == {
        name: array.tobytes() for name, array in theirs.items()
    }
    assert rows(cut) == rows(whole)
    last = rows(whole)[-1]
    assert -1 <= float(last["ari"]) <= 1 and float(last["mse"]) > 0 and float(last["validation_loss"]) > 0


@pytest.mark.parametrize("model", ["iodine-glimpse", "slot-attention-small"])
def test_an_image_that_is_shown_again_costs_nothing(model: str) -> None:
    network = architecture_with(model).sizes_of(model, dataset="shapes").build()
    asked: list[int] = []
    network.decoder.register_forward_hook(lambda *_: asked.append(1))
    seeds, frames = (
        torch.tensor([3, 4]),
        (torch.rand(3, 28, 28, 1, generator=torch.Generator().manual_seed(0)) > 0.7).float(),
    )
    with torch.no_grad():
        state, mean, owner = network.observe(network.begin(seeds, shape=(28, 28, 1)), frames[:2])
        before = len(asked)
        state, mean_again, owner_again = network.observe(state, frames[:2].clone())
        assert len(asked) == before > 0
        assert torch.equal(mean, mean_again) and torch.equal(owner, owner_again)
        _, other, _ = network.observe(state, frames[1:])
        assert len(asked) > before and not torch.equal(other, mean)
        _, alone, _ = network.observe(network.begin(seeds, shape=(28, 28, 1)), frames[1:])
        assert torch.equal(other, alone)


@pytest.mark.parametrize(
    "model", ["iodine", "iodine-small", "iodine-glimpse", "slot-attention", "slot-attention-small"]
)
@pytest.mark.parametrize(
    "data", ["multi-dsprites", "multi-dsprites-binary", "tetris", "shapes", "balls4mass64", "balls678mass64"]
)
def test_its_usual_sizes_and_recipe_fit_the_dataset(model: str, data: str) -> None:
    """A slot for every object of images, and one for the ground; frames to predict for a model of sequences, and one
    for a model of images."""
    world: Any = registry.datasets.get(data).generator
    sizes = architecture_with(model).sizes_of(model, dataset=data)
    recipe = usual_recipe(model, data=data)
    assert sizes.channels == world.shape[2]
    assert sizes.slots > world.objects or data == "balls678mass64"
    assert (recipe.longest > 1) == getattr(sizes, "sequential", False)
    assert recipe.precision == "fp32"
