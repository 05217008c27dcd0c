"""Tests of probes against scikit-learn's ridge regression, and of their sums against a loop."""

from dataclasses import dataclass

import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from physbench.evaluation.evaluate import evaluate
from physbench.metrics.probe import RIDGE, Probe, Reading, objects_of
from physbench.model import Bernoulli, Prediction
from physbench.recipe import Recipe
from physbench.scene import Scenes
from physbench.suites import Image, Suite, Task
from physbench.world import make_by_seed


def test_a_probe_is_scikit_learns_ridge_regression() -> None:
    rng = np.random.default_rng(0)
    codes, position = rng.normal(3, 2, (50, 7)), rng.normal(size=(50, 2))
    ours = Probe.fit(codes, {"position": position}).read("position", codes[:5])
    scaler = StandardScaler().fit(codes)
    theirs = Ridge(alpha=RIDGE).fit(scaler.transform(codes), position).predict(scaler.transform(codes[:5]))
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_code_that_never_changes_says_nothing_and_breaks_nothing() -> None:
    rng = np.random.default_rng(1)
    codes = np.concatenate([rng.normal(size=(20, 2)), np.full((20, 1), 1e6)], axis=1)
    probe = Probe.fit(codes, {"scale": codes[:, :1]})
    assert np.isfinite(probe.read("scale", codes)).all() and probe.weights["scale"][2] == 0


def test_a_factor_that_never_changes_has_no_probe() -> None:
    rng = np.random.default_rng(1)
    factors = {"colour": np.full((20, 3), 255.0), "scale": rng.normal(size=(20, 1)), "shape": np.ones((20, 1))}
    assert set(Probe.fit(rng.normal(size=(20, 2)), factors).weights) == {"scale"}


def test_an_object_counts_with_the_slot_that_owns_most_of_it() -> None:
    tables = np.zeros((2, 3, 2), int)
    tables[0, :, 0] = [1, 5, 4]  # the first object of the first image
    tables[1, :, 1] = [0, 0, 2]  # the second of the second; the other objects do not show
    image, thing, slot = objects_of(tables, 3)
    assert list(zip(image.tolist(), thing.tolist(), slot.tolist(), strict=True)) == [(0, 0, 1), (1, 1, 2)]
    assert objects_of(tables, 2)[0].tolist() == [0]  # an owner beyond the slots has no code


def test_what_is_explained_is_what_a_loop_says() -> None:
    rng = np.random.default_rng(2)
    position, codes = rng.normal(size=(6, 1, 3, 2)), rng.normal(size=(6, 4, 5)).astype(np.float32)
    tables = rng.integers(0, 3, (6, 4, 3))
    probe = Probe.fit(rng.normal(size=(30, 5)), {"position": rng.normal(size=(30, 2))})
    explained, there = Reading(probe, codes).explain("position", tables, {"position": position})
    for image in range(6):
        left = total = 0.0
        for thing in range(3):
            if tables[image, :, thing].sum():
                slot = int(tables[image, :, thing].argmax())
                read = probe.read("position", codes[image, slot][None].astype(float))[0]
                left += float(((position[image, 0, thing] - read) ** 2).sum())
                total += float(((position[image, 0, thing] - probe.means["position"]) ** 2).sum())
        assert (explained[image], there[image]) == pytest.approx((total - left, total))


def make_dots(self: "Dots", seeds: np.ndarray, frames: int) -> Scenes:
    draws = np.stack([seeds % 7, seeds // 7 % 7], axis=1).astype(int)
    groups = np.zeros((len(seeds), frames, 8, 8, 1), np.uint8)
    for number, (x, y) in enumerate(draws):
        groups[number, :, y : y + 2, x : x + 2] = 1
    position = np.broadcast_to(draws[:, None, None] + 1, (len(seeds), frames, 1, 2)).astype(np.float32)
    return Scenes(groups.copy(), groups, {"position": position, "shape": (draws[:, :1] % 2 + 1).astype(np.uint8)})


@dataclass(frozen=True)
class Dots:
    """One dot of 2x2 pixels."""

    name, version, arrays, shape, objects = "dots", 1, ("features", "groups", "position", "shape"), (8, 8, 1), 1
    scenes = make_by_seed(make_dots)


class Centre:
    """Notes the middle of what is on, in its only slot. A quiet one has no codes."""

    likelihood = Bernoulli()

    def begin(self, batch):
        return None

    def observe(self, state, frame, action):
        return frame, Prediction(frame, (frame[..., 0] < 0).astype(np.uint8))

    def latents(self, state):
        weights, place = state[..., 0] / state.sum((1, 2, 3))[:, None, None], np.arange(8)
        return np.stack([(weights.sum(1) * place).sum(1), (weights.sum(2) * place).sum(1)], axis=1)[:, None].astype(
            np.float32
        )


class Quiet(Centre):
    latents = None


SUITE = Suite(
    "dots",
    1,
    "dots",
    (Task(Recipe(dataset="dots", generator=Dots(), frames=1, splits={"training": 50, "test": 50}), (Image(shown=2),)),),
)


def test_the_evaluator_fits_probes_to_training_images() -> None:
    result = evaluate(Centre(), SUITE, limit=40)
    assert result.score("dots", "probe_position").value == pytest.approx(1, abs=0.01)
    assert result.score("dots", "reconstruction_mse").value == 0
    assert result.score("dots", "ari").value == 1
    assert 0 <= result.score("dots", "probe_shape").value <= 1
    names = {score.metric for score in evaluate(Quiet(), SUITE, limit=4).scores}
    assert names == {"ari", "reconstruction_mse"}


def test_figures_do_not_depend_on_the_batches() -> None:
    whole, parts = (evaluate(Centre(), SUITE, limit=24, batch=batch) for batch in (24, 5))
    assert [score.value for score in whole.scores] == pytest.approx([score.value for score in parts.scores], rel=1e-12)
