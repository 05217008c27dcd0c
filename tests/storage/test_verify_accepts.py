"""`verify` accepts what is good, and looks as deep as it is asked to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pytest

import physbench
from physbench.errors import StorageError
from physbench.generate import generate
from tests.builders.dataset_files import content

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
    report = physbench.verify(generate(recipe, tmp_path / "x.h5"), depth="deep")
    assert (report.sequences, report.sequences_recomputed, report.chunks_inflated) == (23, 23, 69)


def test_a_file_without_collisions_verifies(recipe_of: Any, tmp_path: Path) -> None:
    recipe = recipe_of(training=2, frames=2, n=(1, 1), radius=1.0, speed=0.1)
    path = generate(recipe, tmp_path / "x.h5")
    with h5py.File(path) as file:
        assert file["training/events/time"].shape == (0,)
    physbench.verify(path, depth="deep")
    assert len(physbench.open(path)["training"].events(1)["time"]) == 0


def test_the_depths_look_at_more_and_more(many: Any) -> None:
    reports = {depth: physbench.verify(many.path, depth=depth) for depth in ("quick", "plain", "deep")}
    assert {depth: (report.chunks_inflated, report.sequences_recomputed) for depth, report in reports.items()} == {
        "quick": (0, 0), "plain": (1230, 256), "deep": (1230, 410),
    }  # fmt: skip
    assert {report.content_sha256 for report in reports.values()} == {content(many.path)}


def test_an_unknown_depth_is_refused(tiny: Any) -> None:
    with pytest.raises(StorageError, match="quick, plain or deep"):
        physbench.verify(tiny.path, depth="deeper")  # type: ignore[arg-type]
