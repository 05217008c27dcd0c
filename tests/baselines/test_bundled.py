"""The models that come with the package: they are there, small, whole, and better than nothing. Weights that are not there yet are skipped."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from physbench import registry
from physbench.model import Batch
from physbench.suites import SUITES
from physbench_baselines import bundled, checkpoint
from physbench_baselines.architecture import find_architecture
from physbench_baselines.releasing.scored import SUITES as ASKED

FOLDER = Path(str(bundled.FOLDER))
NAMES = bundled.names()
REGISTERED = [name for name, place in registry.models.built_in.items() if place.startswith("physbench_baselines.bundled:")]

pytestmark = pytest.mark.skipif(not NAMES, reason="there are no trained weights yet")


def test_there_is_a_model_behind_every_registered_name_and_no_other() -> None:
    assert sorted(bundled.names()) == sorted(REGISTERED)


def test_all_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 45 << 20


def test_every_file_is_weights_or_their_card() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(f"{name}{suffix}" for name in NAMES for suffix in (".safetensors", ".json"))


@pytest.mark.parametrize("name", REGISTERED)
def test_a_registered_model_plays_its_dataset(name: str) -> None:
    model = registry.models.get(name)()
    recipe = registry.datasets.get(bundled.card(name).data)
    seeds = recipe.seeds("test", 0, 3)
    frames = recipe.generator.batch(seeds, 4).arrays()["features"].astype(np.float32)
    state = model.begin(Batch(seeds, recipe.generator.shape))
    for t in range(3):
        state, said = model.observe(state, frames[:, t], None)
        assert said.mean.shape == frames[:, t].shape and said.mean.dtype == np.float32
        assert np.isfinite(said.mean).all() and said.mean.min() >= 0 and said.mean.max() <= 1
        assert said.owner is None or said.owner.shape == frames.shape[:1] + frames.shape[2:4]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_of_its_weights(name: str) -> None:
    card, path = bundled.card(name), FOLDER / f"{name}.safetensors"
    assert card.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card.bytes == path.stat().st_size
    loaded = checkpoint.load(path)
    assert card.parameters == sum(tensor.numel() for tensor in loaded.network.state_dict().values())
    assert {field: getattr(card, field) for field in loaded.card} == dict(loaded.card) and card.name == name
    assert card.paper_link == (find_architecture(card.architecture).paper or None)
    assert not card.int8 or card.comparison["agreed"]


@pytest.mark.parametrize("name", NAMES)
def test_a_card_tells_of_every_suite_that_a_bundling_asks_or_why_the_model_does_not_play_it(name: str) -> None:
    card = bundled.card(name)
    scored = {row["suite"] for row in card.scores}
    assert set(ASKED) <= scored | card.not_played.keys() <= {suite.name for suite in SUITES.values() if suite.ranked_by}
    assert not scored & card.not_played.keys()
    assert {row["suite"] for row in card.scores_without_noise} == ({"balls"} if card.sizes.get("noise") else set())


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_scores_of_pinned_sequences_clearly_better_than_a_copy(name: str) -> None:
    card = bundled.card(name)
    assert {row["size"] for row in card.scores} <= {"lite", "full"}
    figures = [row for row in card.scores if row["metric"] == "relative_bce" and row["task"] == card.data]
    assert figures and all(row["value"] < 0.9 and row["high"] < 1 for row in figures)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_written_as_it_was_read(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    card = bundled.card(name)
    assert json.loads(card.to_json()) == {"before": [], **json.loads(text)}
    assert card.to_json() == text or not card.before
