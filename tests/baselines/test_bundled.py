"""Tests of the models that come with the package: they exist, are small and complete, and are better than no learning.

Models whose weights are not there yet are skipped.
"""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from physbench import registry
from physbench.evaluation.known import scores_of
from physbench.metrics.catalogue import find
from physbench.model import Batch, Bernoulli
from physbench.states import SHOWN
from physbench.storage.display import Display
from physbench.suites import SUITES
from physbench_baselines import bundled, checkpoint
from physbench_baselines.architecture import find_architecture
from physbench_baselines.releasing import pairs
from physbench_baselines.releasing.bars import find_score
from physbench_baselines.releasing.worlds import suites_of
from physbench_leaderboard.pins import bundled_folder as submissions

FOLDER = Path(str(bundled.FOLDER))
NAMES = bundled.names()
REGISTERED = [
    name for name, place in registry.models.built_in.items() if place.startswith("physbench_baselines.bundled:")
]

UNMOVED = {
    "relative_bce": "mean",
    "ari": "one-segment",
    "relative_position_mse": "copy",
    "log_likelihood": "mean",
    "slot_accuracy": "copy",
    "probe_bit_f1": "blank",
}
"""The best of the rows that say the same whatever they are shown, or copy it, by the figure of who predicts and of who
takes images apart."""

pytestmark = pytest.mark.skipif(not NAMES, reason="there are no trained weights yet")


def test_there_is_a_model_behind_every_registered_name_and_no_other() -> None:
    assert sorted(bundled.names()) == sorted(REGISTERED)


def test_all_together_they_are_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 45 << 20


def test_every_file_is_weights_or_their_card() -> None:
    there = sorted(path.name for path in FOLDER.iterdir() if path.name not in ("repeats", pairs.FILE))
    assert there == sorted(f"{name}{suffix}" for name in NAMES for suffix in (".safetensors", ".json"))


@pytest.mark.slow
def test_loading_needs_no_compiler_of_pytorch() -> None:
    """Importing it takes longer than all else that a short evaluation does. Shapes of weights are found on the device
    "meta", where some operations import it, such as `torch.einsum` and a minus sign."""
    code = (
        "import sys; from physbench_baselines import bundled\n"
        "for name in sys.argv[1:]: bundled.load_bundled(name); assert 'torch._dynamo' not in sys.modules, name\n"
    )
    subprocess.run([sys.executable, "-c", code, *NAMES], check=True, timeout=120)


@pytest.mark.parametrize("name", REGISTERED)
def test_a_registered_model_takes_frames_of_its_dataset_and_says_what_it_should(name: str) -> None:
    """Any pixels will do, and no game is played for them."""
    model, world = registry.models.get(name)(), registry.datasets.get(bundled.card(name).data).generator
    actions = getattr(world, "actions", 0)
    shows = next((name for name in SHOWN if name in world.arrays), SHOWN[0])
    shape = Display(shows).shape(world.shape, world.objects)
    random = np.random.default_rng(0)
    state = model.begin(
        Batch(
            np.arange(3, dtype=np.uint64), shape, None, actions, shows=shows, box_side=getattr(world, "box_side", 0.0)
        )
    )
    for _ in range(3):
        frames = random.integers(0, 2, (3, *shape)).astype(np.float32)
        state, said = model.observe(state, frames, np.eye(actions, dtype=np.float32)[:3] if actions else None)
        if said.mean is None:  # it has codes of frames instead
            assert np.isfinite(model.latents(state)).all() and bundled.card(name).not_played
            continue
        assert said.mean.shape == frames.shape and said.mean.dtype == np.float32
        assert np.isfinite(said.mean).all()
        assert (
            shows == "position"
            or not isinstance(model.likelihood, Bernoulli)
            or (said.mean.min() >= 0 and said.mean.max() <= 1)
        )
        assert said.owner is None or said.owner.shape == frames.shape[:3]


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
def test_a_card_tells_of_every_suite_of_its_world_or_why_the_model_does_not_play_it(name: str) -> None:
    card = bundled.card(name)
    asked, scored = suites_of(card.data), {row["suite"] for row in card.scores}
    assert set(asked) <= scored | card.not_played.keys() <= {suite.name for suite in SUITES.values() if suite.ranked_by}
    assert not scored & card.not_played.keys() and card.not_played.keys() <= set(asked)
    assert {row["suite"] for row in card.scores_without_noise} == ({asked[0]} if card.sizes.get("noise") else set())


@pytest.mark.parametrize("name", NAMES)
def test_a_card_has_scores_of_pinned_sequences_clearly_better_than_who_says_the_same_whatever_is_shown(
    name: str,
) -> None:
    card = bundled.card(name)
    assert {row["size"] for row in card.scores} <= {"lite", "full"}
    own = [row for row in card.scores if row["task"].partition("/")[0] == card.data]
    metric = next(metric for metric in UNMOVED if any(row["metric"] == metric for row in own))
    task = next(row["task"] for row in own if row["metric"] == metric)
    for row in own:
        if (row["task"], row["metric"]) == (task, metric):
            other = find_score(scores_of(UNMOVED[metric]), row["suite"], task, metric)
            assert other and (
                row["high"] < other["low"] if find(metric).better == "lower" else row["low"] > other["high"]
            )


@pytest.mark.parametrize("name", NAMES)
def test_the_leaderboard_lists_the_scores_of_a_card(name: str) -> None:
    card = bundled.card(name)
    tables = (csv.DictReader(path.read_text(encoding="utf-8").splitlines()) for path in submissions().glob("*.csv"))
    rows = [row for table in tables for row in table if row["model"] == name]
    assert {row["weights_sha256"] for row in rows} == {card.weights_sha256}
    listed = {(row["suite"], row["size"], row["task"], row["metric"]): float(row["value"] or "nan") for row in rows}
    for row in card.scores:
        value = listed[row["suite"], row["size"], row["task"], row["metric"]]
        assert value == row["value"] or (np.isnan(value) and row["value"] is None)


@pytest.mark.parametrize("name", NAMES)
def test_a_card_is_written_as_it_was_read(name: str) -> None:
    text = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    card = bundled.card(name)
    assert json.loads(card.to_json()) == {"before": [], **json.loads(text)}
    assert card.to_json() == text or not card.before
