"""Tests that the bytes of the named datasets never change.

If one of these digests changes, the version in the dataset's name must change too.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import physbench
from physbench import registry
from physbench.recipe import Recipe
from physbench.scene import Scenes
from physbench_generators.balls.scenes import Balls

GOLDEN: dict[str, str] = json.loads((Path(__file__).parents[1] / "golden" / "digests.json").read_text())


def first_sequences(name: str) -> Recipe:
    recipe: Recipe = registry.datasets.get(name)
    return replace(recipe, splits=dict.fromkeys(recipe.splits, 64))


@pytest.mark.parametrize("name", GOLDEN)
def test_the_first_64_sequences_of_each_split_are_what_they_always_were(name: str, tmp_path: Path) -> None:
    path = physbench.generate(first_sequences(name), tmp_path / "x.h5")
    assert physbench.verify(path, depth="quick").content_sha256 == GOLDEN[name]


def test_drawn_pixels_have_the_same_digest_as_streams_written_from_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[Scenes] = []
    whole_batch = Balls.batch

    def batch(self: Balls, *words: Any, **more: Any) -> Scenes:
        drawn.append(whole_batch(self, *words, **more))
        return drawn[-1]

    monkeypatch.setattr(Balls, "encode", None)
    monkeypatch.setattr(Balls, "batch", batch)
    path = physbench.generate(first_sequences("balls3curtain64"), tmp_path / "x.h5")
    assert drawn
    assert physbench.verify(path, depth="quick").content_sha256 == GOLDEN["balls3curtain64"]
