"""Tests of models of sequences that learn images: a single image is repeated as often as a recipe has frames."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physbench
from physbench import registry
from physbench.errors import TrainingError
from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.storage.framing import TIMED
from physbench.suites import Image, Suite, Task
from physbench_baselines import checkpoint
from physbench_baselines.architecture import architecture_with
from physbench_baselines.nem_sizes import ARCHITECTURE
from physbench_baselines.training.preflight import usual_recipe
from physbench_baselines.training.run import train
from physbench_baselines.training.sources import Streamed, source_of
from physbench_baselines.training.training_recipe import TrainingRecipe
from tests.baselines.toy import MODEL
from tests.builders.datasets import recipe_for

IMAGES = "shapes", "multi-dsprites-binary"
TINY = {"channels": [4, 6], "dense": 12, "hidden": 10, "attention": 6}
WANTS = "features", "groups", "position", "shape", "count"


def recipe(**changed: Any) -> TrainingRecipe:
    usual = TrainingRecipe(model=MODEL, data="shapes", batch=4, frames=(5,), validation=6, scored=6, precision="fp32")
    return replace(usual, **changed)


def images_of(frames: int) -> Recipe:
    return recipe_for("shapes", training=16, validation=6, frames=frames)


def list_batches(source: Any) -> list[dict[str, Any]]:
    """Three steps and the validation sequences."""
    batches = [
        {name: array.copy() for name, array in batch.items()}
        for batch in islice(source.batches(0, wants=WANTS, workers=0), 3)
    ]
    return batches + [dict(batch) for batch in source.validation(WANTS)]


def require_same(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    assert len(ours) == len(theirs) == 5
    for one, other in zip(ours, theirs, strict=True):
        assert set(one) == set(other) == set(WANTS)
        for name, array in one.items():
            np.testing.assert_array_equal(array, other[name], err_msg=name)


@pytest.mark.parametrize("anywhere", [False, True])
def test_an_image_is_learnt_as_the_sequence_that_the_generator_makes_of_it(anywhere: bool, tmp_path: Path) -> None:
    """Streamed or from a file, with whatever has time; the generator repeats images by itself where it is asked for
    frames."""
    ours = list_batches(Streamed(recipe(anywhere=anywhere), images_of(1)))
    assert ours[0]["features"].shape == (4, 5, 28, 28, 1) and ours[0]["shape"].shape == (4, 3)
    require_same(ours, list_batches(Streamed(recipe(), images_of(5))))
    files = [str(generate(images_of(frames), tmp_path / f"{frames}.h5")) for frames in (1, 5)]
    require_same(*(list_batches(source_of(recipe(data=file, anywhere=anywhere))) for file in files))


def test_a_lone_frame_stays_alone_where_one_is_learnt_from() -> None:
    lone, several = (list_batches(Streamed(recipe(frames=frames), images_of(1))) for frames in ((1,), (2, 5, 3)))
    for one, other in zip(lone, several, strict=True):
        for name in WANTS:
            if name in TIMED:
                assert one[name].shape[1] == 1 and other[name].shape[1] == 5
                np.testing.assert_array_equal(other[name], np.concatenate([one[name]] * 5, axis=1))


def test_two_frames_are_no_image(tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match="shapes has 2 frames in a sequence, and this recipe learns from 3: give fewer frames"
    ):
        Streamed(recipe(frames=(3,)), images_of(2))
    file = generate(images_of(2), tmp_path / "two.h5")
    with pytest.raises(TrainingError, match=r"two\.h5 has 2 frames in a sequence, and this recipe learns from 3"):
        source_of(recipe(data=str(file), frames=(3,)))
    assert source_of(recipe(data=str(file), frames=(2,))).frames == 2


@pytest.mark.parametrize("data", [*IMAGES, "balls4mass64"])
@pytest.mark.parametrize("model", ARCHITECTURE.models)
def test_usual_sizes_and_recipe_fit_the_dataset(model: str, data: str) -> None:
    """A slot for every object and the ground, where there is more than one, and something to predict."""
    world: Any = registry.datasets.get(data).generator
    sizes = architecture_with(model).sizes_of(model, dataset=data)
    assert (sizes.height, sizes.width, 1) == world.shape
    assert sizes.slots == (world.objects + 1 if sizes.mixture else 1)
    assert usual_recipe(model, data=data).frames == ((16,) if data in IMAGES else (31,))


def test_the_layers_for_shapes_halve_its_frames_twice() -> None:
    sizes = architecture_with("r-nem").sizes_of("r-nem", dataset="shapes")
    assert sizes.encoded == sizes.first == (7, 7, 64)
    assert sizes.grown == [(14, 14), (28, 28)]
    assert sizes.noise == 0.1


@pytest.mark.parametrize("data", IMAGES)
@pytest.mark.parametrize("model", ["r-nem", "rnn-em", "lstm"])
def test_a_model_of_sequences_learns_images_from_the_command_line(
    model: str, data: str, tmp_path: Path, cli: Any
) -> None:
    """It is judged by who owns the pixels after as many looks as in training, and by what it says of the image."""
    small = [word for name, value in TINY.items() for word in ("--size", f"{name}={value}")]
    quick = [
        "--batch",
        "4",
        "--frames",
        "6",
        "--validation",
        "4",
        "--scored",
        "4",
        "--precision",
        "fp32",
        "--device",
        "cpu",
        "--workers",
        "0",
    ]
    out = tmp_path / "run"
    told = cli("train", model, "--data", data, *quick, *small, "--steps", "2", "--out", str(out))
    assert told.exit_code == 0, told.output
    asking = Suite("by-hand", 1, "six looks", (Task(data, (Image(shown=6),)),))
    expected = physbench.evaluate(checkpoint.model(out / "last.safetensors"), asking, split="validation", limit=4)
    row = (out / "log.csv").read_text(encoding="utf-8").splitlines()
    logged = dict(zip(row[0].split(","), row[-1].split(","), strict=True))
    for metric in ("ari", "reconstruction_mse") if model != "lstm" else ("reconstruction_mse",):
        assert float(logged[metric]) == expected.score(data, metric).value
    assert "relative_bce" not in logged and ("ari" in logged) == (model != "lstm")
    told = cli("eval", str(out), "--suite", f"segmentation-{data}", "--limit", "2")
    assert told.exit_code == 0, told.output
    assert "reconstruction_mse" in told.output


def test_a_file_of_images_is_learnt_and_judged_like_their_dataset(tmp_path: Path) -> None:
    """The first validation images of a dataset are those of its files."""
    splits = registry.datasets.get("shapes").splits
    file = generate(
        recipe_for("shapes", training=16, validation=splits["validation"], frames=1), tmp_path / "images.h5"
    )
    usual = recipe(model="rnn-em", sizes=TINY, learning_rate=1e-30)
    by_name, by_file = (
        train(replace(usual, data=data), tmp_path / str(place), steps=1, device="cpu")
        for place, data in enumerate(("shapes", str(file)))
    )
    assert by_name.figures["ari"] == by_file.figures["ari"] and by_name.validation_loss == by_file.validation_loss


def test_a_model_of_images_that_refines_once_per_frame_is_judged_on_repeated_ones(tmp_path: Path) -> None:
    """IODINE of sequences, on an image that is shown again and again."""
    sizes = {"sequential": True, "latent": 3, "decoder": [6], "encoder": [5, 4], "dense": [6], "lstm": 5, "slots": 3}
    result = train(recipe(model="iodine-small", sizes=sizes, frames=(3,)), tmp_path / "run", steps=1, device="cpu")
    assert -1 <= result.figures["ari"] <= 1 and "relative_bce" not in result.figures
