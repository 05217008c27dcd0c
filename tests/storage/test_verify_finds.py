"""Tests that `verify` finds false labels behind correct digests."""

from __future__ import annotations

import pickle
import random
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import physbench
from physbench.errors import DamagedFile
from physbench.recipe import Recipe
from physbench.scene import Scenes
from tests.builders.dataset_files import write
from tests.builders.falsehoods import ARENA, FALSE
from tests.builders.spoils import change_with


@pytest.fixture(scope="module")
def arena(recipe_of: Any) -> tuple[Recipe, Scenes]:
    recipe = recipe_of(training=8, frames=16, **ARENA)
    return recipe, recipe.generator.batch(recipe.seeds("training", 0, 8), 16)


def test_the_arena_itself_is_good(arena: tuple[Recipe, Scenes], tmp_path: Path) -> None:
    recipe, scenes = arena
    assert physbench.verify(write(recipe, tmp_path / "x.h5", {"training": scenes})).sequences_remade == 8
    assert set(scenes.truth["count"].tolist()) == {3, 4}


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2, 3))])
@pytest.mark.parametrize("name", FALSE)
def test_a_false_truth_is_found(arena: tuple[Recipe, Scenes], tmp_path: Path, name: str, seed: int) -> None:
    recipe, truth = arena
    sentence, tell = FALSE[name]
    scenes = pickle.loads(pickle.dumps(truth))
    scenes = tell(scenes, random.Random(f"{name} {seed}")) or scenes
    path = write(recipe, tmp_path / "false.h5", {"training": scenes})
    physbench.verify(path, depth="quick")  # the digests are honest
    with pytest.raises(DamagedFile, match=sentence) as found:
        physbench.verify(path)
    assert "training sequence " in str(found.value)


def test_a_ball_that_changes_its_colour_is_found(recipe_of: Any, tmp_path: Path) -> None:
    recipe = recipe_of(training=3, frames=8, colour=True, **ARENA)
    scenes = recipe.generator.batch(recipe.seeds("training", 0, 3), 8)
    place = tuple(np.argwhere(scenes.groups[..., 0] == 2)[50])
    scenes.features[place][1] ^= 1
    with pytest.raises(DamagedFile, match="features is wrong in frame"):
        physbench.verify(write(recipe, tmp_path / "x.h5", {"training": scenes}))


def test_a_curtain_elsewhere_is_found(curtain: Any, tmp_path: Path) -> None:
    recipe = replace(curtain.recipe, splits={"training": 4})
    scenes = recipe.scenes("training", 0, 4)
    scenes.truth["curtain"][:, [0, 2]] += np.where(scenes.truth["curtain"][:, :1] > 20, -20, 20).astype(np.int16)
    with pytest.raises(DamagedFile, match="curtain is not what the recipe makes"):
        physbench.verify(write(recipe, tmp_path / "x.h5", {"training": scenes}))


@pytest.mark.parametrize("recipe_text", ["{}", '{"parameters":{}}', '{"parameters":{"size":1e9,"crop":0,"gravity":0}}'])
@pytest.mark.parametrize("radius", [1e30, 3e8, np.inf])
def test_a_huge_ball_is_refused_with_little_memory(
    arena: tuple[Recipe, Scenes], tmp_path: Path, recipe_text: str, radius: float
) -> None:
    recipe, truth = arena
    scenes = pickle.loads(pickle.dumps(truth))
    scenes.truth["radius"][:, 0] = radius
    path = write(recipe, tmp_path / "x.h5", {"training": scenes})
    change_with(
        lambda file: file.attrs.update(recipe=recipe_text, recipe_sha256=sha256(recipe_text.encode()).hexdigest())
    )(path)
    with pytest.raises(DamagedFile):
        physbench.verify(path)
