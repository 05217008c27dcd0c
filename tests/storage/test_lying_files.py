"""Tests of files that lie with correct digests: about their pixels, their name, their recipe, or their seed."""

from __future__ import annotations

import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest

import physbench
from physbench import registry
from physbench.errors import DamagedFile
from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.world import make_by_seed
from physbench_generators.balls.scenes import Balls
from tests.builders.dataset_files import content, put_digests_right, write
from tests.builders.datasets import recipe_for
from tests.builders.spoils import change_with
from tests.oracles.contract import AXES, Array


def swap_pixels(pixels: Array, draw: random.Random) -> int:
    """Swap pairs of pixels, one pair forth and one back at the same distance: Adler-32, two weighted sums, does not
    notice. Returns how many changed."""
    flat, taken = pixels.reshape(-1), set[int]()
    while len(taken) < 40:
        p, r, k = draw.randrange(len(flat) - 64), draw.randrange(len(flat) - 64), draw.randrange(1, 64)
        four = [p, p + k, r, r + k]
        if len(set(four) - taken) == 4 and flat[four].tolist() == [0, 1, 1, 0]:
            flat[four] = 1, 0, 0, 1
            taken.update(four)
    return len(taken)


@pytest.mark.parametrize(("split", "number"), [("training", 3), ("training", 259), ("validation", 39), ("test", 0)])
def test_pixels_changed_behind_an_equal_checksum_are_found(split: str, number: int, many: Any, copied: Any) -> None:
    """Any one sequence, every time: nothing is left to a sample."""
    path = copied(many)
    with h5py.File(path, "r+") as file:
        dataset = file[split]["features"]
        truth = dataset[:, number : number + 1]
        pixels = truth.copy()
        assert swap_pixels(pixels, random.Random(number)) == 40 == int((pixels != truth).sum())
        assert zlib.adler32(pixels.tobytes()) == zlib.adler32(truth.tobytes())
        dataset.id.write_direct_chunk((0, number, 0, 0, 0), zlib.compress(pixels.tobytes(), 1))
    assert physbench.verify(path, depth="quick").content_sha256 == content(many.path), "the digest cannot tell"
    with pytest.raises(
        DamagedFile, match=rf"{split} sequence {number}: features is wrong in frame \d+ \((\d+) values in all\)"
    ):
        physbench.verify(path)


def with_recipe(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """Another recipe, and its digest."""
    with h5py.File(path) as file:
        told = json.loads(file.attrs["recipe"])
    change(told)
    return with_text(path, json.dumps(told, sort_keys=True, separators=(",", ":")))


def with_text(path: Path, text: str, **more: str) -> Path:
    change_with(lambda file: file.attrs.update(recipe=text, recipe_sha256=sha256(text.encode()).hexdigest(), **more))(
        path
    )
    return path


def test_the_test_writes_recipes_as_the_writer_does(tiny: Any, copied: Any) -> None:
    path = with_recipe(copied(tiny), lambda told: None)
    assert physbench.verify(path).sequences_remade == 5


@pytest.mark.parametrize("key", ["dataset", "frames", "generator", "parameters", "seed", "splits", "version"])
def test_a_recipe_that_lacks_something_is_refused(key: str, tiny: Any, copied: Any) -> None:
    path = with_recipe(copied(tiny), lambda told: told.pop(key))
    with pytest.raises(DamagedFile, match=f"recipe has no '{key}'"):
        physbench.verify(path)


@pytest.mark.parametrize("name", ["size", "crop", "gravity", "n", "colour"])
def test_a_recipe_that_lacks_a_parameter_is_refused(name: str, tiny: Any, copied: Any) -> None:
    path = with_recipe(copied(tiny), lambda told: told["parameters"].pop(name))
    with pytest.raises(DamagedFile, match=f"recipe has no parameter '{name}'"):
        physbench.verify(path)


LIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "another seed": (lambda told: told.update(seed=1), "is not what the recipe makes"),
    "another speed": (
        lambda told: told["parameters"].update(speed=2.5),
        "is not what the recipe makes|out of range",
    ),
    "more gravity": (
        lambda told: told["parameters"].update(gravity=0.1),
        "flight and its events do not explain|energy|objects touch",
    ),
    "a larger box": (
        lambda told: told["parameters"].update(size=17),
        "axis H of training has length 16; the recipe makes 17",
    ),
    "more balls": (
        lambda told: told["parameters"].update(n=[2, 3]),
        "axis K of training has length 2; the recipe makes 3",
    ),
    "more frames": (lambda told: told.update(frames=7), "axis T of training has length 6; the recipe makes 7"),
    "more sequences": (
        lambda told: told["splits"].update(training=4),
        "axis N of training has length 3; the recipe makes 4",
    ),
    "another split": (
        lambda told: told["splits"].update(validation=4),
        "holds training, test; its recipe makes training, validation, test",
    ),
    "an unknown parameter": (lambda told: told["parameters"].update(drag=1.0), "cannot be followed: .*drag"),
    "a parameter out of range": (lambda told: told["parameters"].update(radius=1e9), "cannot be followed: radius"),
    "a parameter of another type": (lambda told: told["parameters"].update(size="16"), "cannot be followed: size"),
    "a huge number": (lambda told: told["parameters"].update(radius=10**400), "cannot be followed"),
    "no number": (lambda told: told["parameters"].update(radius=float("nan")), "cannot be followed"),
    "frames that are a text": (lambda told: told.update(frames="6"), "says '6' for 'frames'"),
    "frames that are true": (lambda told: told.update(frames=True), "says 'True' for 'frames'"),
    "a size that is a text": (lambda told: told["splits"].update(training="3"), "size is not a whole number"),
    "an empty split": (lambda told: told["splits"].update(validation=0), "not written as it was"),
    "a word more": (lambda told: told.update(also=1), "not written as it was"),
    "a whole number for a fraction": (lambda told: told["parameters"].update(radius=2), "not written as it was"),
    "another generator": (lambda told: told.update(generator="invaders"), "made by 'balls'"),
    "another dataset": (
        lambda told: told.update(dataset="balls4mass64"),
        "is called 'balls-v1', and its recipe is one of balls4mass64-v1",
    ),
    "nothing": (dict.clear, "has no 'dataset'"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_recipe_that_is_not_that_of_the_file_is_refused(
    name: str, tiny: Any, copied: Any, cli: Any, refusal: Any
) -> None:
    change, sentence = LIES[name]
    path = with_recipe(copied(tiny), change)
    with pytest.raises(DamagedFile, match=sentence):
        physbench.verify(path)
    result = cli("verify", path)
    refusal(result.exit_code, result.stderr)
    assert not result.stdout


def test_a_recipe_in_another_hand_is_refused(tiny: Any, copied: Any) -> None:
    path = with_text(copied(tiny), tiny.recipe.to_json().replace(",", ", "))
    with pytest.raises(DamagedFile, match="not written as it was"):
        physbench.verify(path)


def test_the_name_is_that_of_the_recipe(tiny: Any, copied: Any) -> None:
    path = with_text(copied(tiny), tiny.recipe.to_json(), dataset="balls4mass64-v1")
    with pytest.raises(DamagedFile, match="is called 'balls4mass64-v1', and its recipe is one of balls-v1"):
        physbench.verify(path)


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"size": 24, "radius": 2.0}, "is not that of balls4mass64: its size is 24, not 64"),
        ({"gravity": 0.1}, "its gravity is 0.1, not 0.0"),
        ({"frames": 20}, "its frames is 20, not 51"),
    ],
)
def test_a_named_dataset_is_made_by_its_registered_recipe(
    parameters: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    path = generate(recipe_for("balls4mass64", training=3, **parameters), tmp_path / "x.h5")
    assert physbench.open(path).attributes["dataset"] == "balls4mass64-v1"
    with pytest.raises(DamagedFile, match=sentence):
        physbench.verify(path)


def test_a_true_sequence_of_another_seed_is_found(tmp_path: Path) -> None:
    """Its motion is good and its pixels are its own; it is not the sequence that the recipe makes."""
    recipe = recipe_for("balls3curtain64", training=8)
    seeds = recipe.seeds("training", 0, 8)
    seeds[5] = 12345
    path = write(recipe, tmp_path / "x.h5", {"training": recipe.generator.batch(seeds, recipe.frames)})
    with pytest.raises(DamagedFile, match="training sequence 5: its .* is not what the recipe makes"):
        physbench.verify(path)


@pytest.mark.parametrize("recipe_text", [None, '{"a": 1}'])
def test_impossible_motion_is_found_whatever_the_recipe(recipe_text: str | None, tmp_path: Path) -> None:
    recipe = recipe_for("balls4mass64", test=6)
    scenes = recipe.scenes("test", 0, 6)
    scenes.truth["velocity"][:] *= np.float32(1.5)
    scenes.truth["mass"][:] += 1
    path = write(recipe, tmp_path / "x.h5", {"test": scenes})
    if recipe_text:
        with_text(path, recipe_text)
    with pytest.raises(DamagedFile, match="recipe has no 'dataset'" if recipe_text else "test sequence 0 has "):
        physbench.verify(path)


OFFSETS: dict[str, Callable[[Array], object]] = {
    "beyond all rows": lambda offset: offset.__setitem__(1, 1 << 40),
    "so far that the distance to the next is no number": lambda offset: offset.__setitem__(
        slice(1, 3), [(1 << 63) - 1, -2]
    ),
    "below zero": lambda offset: offset.__setitem__(1, -1),
    "not from the start": lambda offset: offset.__setitem__(0, 1),
    "backwards": lambda offset: offset.__setitem__(slice(1, 3), offset[[2, 1]]),
    "an event in the wrong sequence": lambda offset: offset.__setitem__(1, offset[1] + 1),
}


@pytest.mark.parametrize("name", OFFSETS)
def test_events_in_no_sequence_or_another_are_found(name: str, tiny: Any, copied: Any) -> None:
    path = copied(tiny)

    def lie(file: h5py.File) -> None:
        offset = file["training/events/offset"][:]
        OFFSETS[name](offset)
        file["training/events/offset"][:] = offset

    change_with(lie)(path)
    put_digests_right(path)
    physbench.verify(path, depth="quick")
    with pytest.raises(DamagedFile, match="offset does not run|does not agree with its offsets"):
        physbench.verify(path)


@pytest.mark.parametrize("name", [name for name in AXES if name not in ("events/offset", "events/sequence")])
def test_the_last_bit_of_any_value_is_found_behind_honest_digests(name: str, tiny: Any, copied: Any) -> None:
    path = copied(tiny)

    def lie(file: h5py.File) -> None:
        array = file["training"][name][()]
        array.view(f"u{array.itemsize}").reshape(-1)[-1] ^= 1
        file["training"][name][...] = array

    change_with(lie)(path)
    put_digests_right(path)
    physbench.verify(path, depth="quick")
    with pytest.raises(DamagedFile, match="training sequence 2"):
        physbench.verify(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"dataset": "bouncy", "name": "bouncy-v1"}, "no dataset 'bouncy' is installed here"),
        ({"version": 2, "name": "balls-v2"}, "made by version 2 of balls, and version 1 is installed here"),
    ],
)
def test_a_file_that_cannot_be_made_again_is_not_called_good(
    change: dict[str, Any], reason: str, tiny: Any, copied: Any, cli: Any
) -> None:
    path, name = copied(tiny), change.pop("name")
    with_recipe(path, lambda told: told.update(change))
    change_with(lambda file: file.attrs.update(dataset=name))(path)
    report = physbench.verify(path)
    assert (report.sequences_remade, report.sequences_replayed, report.streams_inflated) == (0, 0, 15)
    result = cli("verify", path)
    assert result.exit_code == 0 and "good" not in result.stdout
    assert (
        f"{name} is undamaged (5 sequences" in result.stdout
        and f"nothing was made again: {reason}" in result.stdout.replace("it was ", "")
    )


@dataclass(frozen=True)
class Plain:
    """A world that can do no more than it must."""

    name: ClassVar[str] = "plain"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = Balls.arrays
    size: int = 16

    @property
    def shape(self) -> tuple[int, int, int]:
        return self.size, self.size, 1

    @property
    def objects(self) -> int:
        return 2

    scenes = make_by_seed(lambda self, seeds, frames: Balls(n=(2, 2), size=self.size, radius=2.0).batch(seeds, frames))


plain = Recipe(dataset="plain", generator=Plain())


def test_a_world_without_a_check_of_its_own_is_made_again_and_says_so(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.datasets.built_in, "plain", f"{__name__}:plain")  # type: ignore[arg-type]
    recipe = replace(plain, splits={"training": 20}, frames=6)
    path = generate(recipe, tmp_path / "x.h5")
    report = physbench.verify(path)
    assert (report.sequences_remade, report.sequences_replayed, report.caveats) == (
        20,
        0,
        ("plain has no check of its laws",),
    )
    assert (
        "is good (20 sequences, each made again from the recipe" in (said := cli("verify", path).stdout)
        and "no check of its laws" in said
    )
    scenes = recipe.scenes("training", 0, 20)
    scenes.groups[17, 5, 3, 3] ^= 1
    with pytest.raises(DamagedFile, match="training sequence 17: groups is wrong in frame 5"):
        physbench.verify(write(recipe, tmp_path / "y.h5", {"training": scenes}))
