"""Tests that `verify` accepts good files, and says how much it checked."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

import physbench
from physbench.errors import StorageError
from physbench.generate import generate
from tests.builders.dataset_files import content, write
from tests.builders.datasets import recipe_for

GOOD: dict[str, dict[str, Any]] = {
    "gravity": {"gravity": 0.2},
    "crop": {"crop": 40},
    "odd crop": {"crop": 33, "size": 50},
    "curtain": {"curtain": 24},
    "colour": {"colour": True},
    "one ball": {"n": (1, 1)},
    "16 small balls": {"n": (16, 16), "radius": 2.0},
    "mass ratio 100": {"mass_ratio": 100.0},
    "light giants": {"mass_ratio": 0.01, "radius_ratio": 2.0, "n": (3, 3)},
    "fast": {"speed": 40.0},
    "a fraction of a pixel": {"radius": 0.5, "radius_ratio": 1.0, "size": 8, "n": (1, 3), "speed": 1.0},
    "crowded": {"n": (8, 8), "radius_ratio": 1.0, "radius": 5.0, "size": 50},
    "everything": {"n": (2, 5), "gravity": 0.1, "crop": 48, "curtain": 20, "colour": True, "mass_ratio": 10.0},
}


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_of_scene_verifies(recipe_of: Any, tmp_path: Path, kind: str) -> None:
    recipe = recipe_of(training=20, test=3, frames=30, **GOOD[kind])
    report = physbench.verify(generate(recipe, tmp_path / "x.h5"))
    assert (report.sequences, report.sequences_remade, report.sequences_replayed, report.caveats) == (23, 23, 23, ())


def test_a_file_without_collisions_verifies(recipe_of: Any, tmp_path: Path) -> None:
    recipe = recipe_of(training=2, frames=2, n=(1, 1), radius=1.0, speed=0.1)
    path = generate(recipe, tmp_path / "x.h5")
    with h5py.File(path) as file:
        assert file["training/events/time"].shape == (0,)
    physbench.verify(path)
    assert len(physbench.open(path)["training"].events(1)["time"]) == 0


def test_quick_makes_nothing_again_and_plain_everything(many: Any) -> None:
    reports = {depth: physbench.verify(many.path, depth=depth) for depth in ("quick", "plain")}
    assert {depth: (report.sequences, report.sequences_remade, report.sequences_replayed) for depth, report in reports.items()} == {
        "quick": (410, 0, 0), "plain": (410, 410, 410),
    }  # fmt: skip
    assert {report.content_sha256 for report in reports.values()} == {content(many.path)}


def test_an_unknown_depth_is_refused(tiny: Any) -> None:
    with pytest.raises(StorageError, match="quick or plain, not 'deeper'"):
        physbench.verify(tiny.path, depth="deeper")  # type: ignore[arg-type]


def test_another_compressor_is_decoded_and_compared(curtain: Any, tmp_path: Path) -> None:
    """zlib at level 9 writes no stream that the generator writes; the pixels are the same."""
    recipe = curtain.recipe
    scenes = {split: recipe.scenes(split, 0, count) for split, count in recipe.splits.items()}
    path = write(recipe, tmp_path / "x.h5", scenes, compress=lambda stored, _: zlib.compress(stored, 9))
    assert physbench.verify(path).streams_inflated == 3 * recipe.sequences
    assert physbench.verify(path).content_sha256 == content(curtain.path)
    assert physbench.verify(curtain.path).streams_inflated == 0


def test_another_seed_of_a_named_dataset_is_said(tmp_path: Path) -> None:
    recipe = replace(recipe_for("balls3curtain64", test=2), seed=5)
    report = physbench.verify(generate(recipe, tmp_path / "x.h5"))
    assert report.sequences_remade == 2
    assert report.caveats == ("seed 5: not the sequences that are published as balls3curtain64-v1",)
