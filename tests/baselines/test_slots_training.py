"""Slot models of single images are trained by the command line, judged by who owns the pixels, and go on bit for bit."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from physbench_baselines import checkpoint
from physbench_baselines.adapter import weights_of
from physbench_baselines.training.recipe import TrainingRecipe
from physbench_baselines.training.run import train

SMALL = {
    "iodine-small": ("latent=3", "decoder=[6]", "encoder=[5, 4]", "dense=[6]", "lstm=5", "slots=3", "refinements=2"),
    "slot-attention-small": ("slot_size=6", "hidden=5", "encoder=[5]", "features=7", "decoder=[6]", "slots=3"),
}
QUICK = ("--batch", "2", "--validation", "4", "--scored", "2", "--evaluate-every", "2", "--log-every", "1", "--device", "cpu", "--workers", "0")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """How sums are dealt out over threads decides their last bit."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "log.csv").open(newline="", encoding="utf-8") as file:
        return [{name: cell for name, cell in row.items() if name not in ("minutes", "sequences_per_second")} for row in csv.DictReader(file)]


@pytest.mark.parametrize("model", SMALL)
def test_it_learns_images_from_the_command_line_and_goes_on_where_it_stopped(model: str, tmp_path: Path, cli: Any) -> None:
    sizes = [word for size in SMALL[model] for word in ("--size", size)]
    sizes += ["--size", "sequential=false"] if model.startswith("iodine") else []
    words = ["train", model, "--data", "balls4mass64", "--frames", "1", *QUICK, *sizes]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    told = cli(*words, "--steps", "4", "--out", str(whole))
    assert told.exit_code == 0, told.output
    recipe = TrainingRecipe.from_json((whole / "recipe.json").read_text(encoding="utf-8"))
    assert train(recipe, cut, steps=4, device="cpu", workers=0, pause_after=1e-9).step == 1
    told = cli("train", "--out", str(cut), "--resume", "--device", "cpu", "--workers", "0")
    assert told.exit_code == 0, told.output
    ours, theirs = (weights_of(checkpoint.load(run / "last.safetensors").network) for run in (cut, whole))
    assert {name: array.tobytes() for name, array in ours.items()} == {name: array.tobytes() for name, array in theirs.items()}
    assert rows(cut) == rows(whole)
    last = rows(whole)[-1]
    assert -1 <= float(last["ari"]) <= 1 and float(last["mse"]) > 0 and float(last["validation_loss"]) > 0
