"""Tests of the rows for segmentation without learning: against scikit-learn, and on images with known scores."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from sklearn.cluster import KMeans as Theirs

import physbench
from physbench import registry
from physbench.model import Batch
from physbench.suites import Still, Suite, Task
from physbench_baselines.framewise import foreground
from physbench_baselines.segments import (
    HueSegments,
    KMeans,
    KMeansColour,
    KMeansTrue,
    OneSegment,
    RandomSegments,
    cluster,
)

SUITE = Suite(
    "images",
    1,
    "k-means on single images",
    (Task("shapes", (Still(0, 1),), slots=4), Task("tetris", (Still(0, 1),), slots=4)),
    None,
    sequences=256,
)


def batch_for(frame: np.ndarray, slots: int | None = None, truth: Mapping[str, np.ndarray] | None = None) -> Batch:
    return Batch(np.arange(7, 7 + len(frame), dtype=np.uint64), frame.shape[1:], slots=slots, truth=truth)  # type: ignore[arg-type]


def images(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames (B, H, W, C) in 0..1, and their groups (B, H, W)."""
    scenes = registry.datasets.get(name).scenes("training", 0, count)
    assert scenes.features is not None and scenes.groups is not None
    frames = scenes.features[:, 0].astype(np.float32)
    return frames / 255 if frames.shape[-1] == 3 else frames, scenes.groups[:, 0, ..., 0]


def squares_of(points: np.ndarray, owner: np.ndarray) -> float:
    return float(sum(((points[owner == k] - points[owner == k].mean(0)) ** 2).sum() for k in np.unique(owner)))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_clusters_are_as_tight_as_those_of_scikit_learn(count: int) -> None:
    ratios: list[float] = []
    for seed in range(8):
        points = (
            np.random.default_rng(seed).normal(size=(150, 3)) * [3, 1, 1]
            + np.random.default_rng(seed + 9).integers(0, 4, (150, 1)) * 4
        )
        ours = cluster(points, count, np.random.Philox(key=seed))
        theirs = Theirs(count, n_init=10, random_state=seed).fit(points)
        assert {*ours.tolist()} == {*range(count)}
        ratios.append(squares_of(points, ours) / theirs.inertia_)
    assert np.mean(ratios) < 1.02 and max(ratios) < 1.1


KNOWN = {"k-means-true": (0.814, 0.904), "k-means": (0.639, 0.763)}
"""On 256 other images; half the width of an interval is 0.02."""


@pytest.mark.parametrize("name", KNOWN)
def test_known_scores_of_single_images_come_out_again(name: str) -> None:
    result = physbench.evaluate(name, suite=SUITE)
    assert [result.score(f"{task}/frames", "ari").value for task in ("shapes", "tetris")] == pytest.approx(
        KNOWN[name], abs=0.04
    )
    assert ("privileged" in result.provenance.notes) == (name == "k-means-true")


def test_other_rows_lie_where_they_must() -> None:
    names = ("k-means", "k-means-colour", "blobs", "one-segment", "random-segments")
    rows = {name: physbench.evaluate(name, suite=SUITE, limit=64) for name in names}
    shapes, tetris = (
        {name: row.score(f"{task}/frames", "ari").value for name, row in rows.items()} for task in ("shapes", "tetris")
    )
    assert tetris["blobs"] == pytest.approx(0.826, abs=0.1), "as known of 256 other images"
    assert [
        shapes["one-segment"],
        tetris["one-segment"],
        shapes["random-segments"],
        tetris["random-segments"],
    ] == pytest.approx([0] * 4, abs=0.02)
    assert (
        shapes["k-means-colour"] == pytest.approx(shapes["k-means"], abs=1e-6)
        and tetris["k-means-colour"] > tetris["k-means"] + 0.05
    )


@pytest.mark.parametrize("model", [KMeans(), KMeansColour(), RandomSegments(), OneSegment()])
def test_an_image_has_the_same_segments_in_any_batch(model: KMeans | RandomSegments | OneSegment) -> None:
    frames, _ = images("multi-dsprites", 6)
    batch = batch_for(frames, 5)
    state, whole = model.observe(model.begin(batch), frames, None)  # type: ignore[arg-type]
    _, again = model.observe(state, frames, None)  # type: ignore[arg-type]
    alone = Batch(batch.seeds[4:5], batch.shape, slots=5)
    _, part = model.observe(model.begin(alone), frames[4:5], None)  # type: ignore[arg-type]
    assert whole.owner is not None and part.owner is not None and again.owner is not None
    np.testing.assert_array_equal(part.owner[0], whole.owner[4])
    np.testing.assert_array_equal(again.owner, whole.owner)
    assert whole.owner.max() < 5


@pytest.mark.parametrize("name", ["multi-dsprites", "tetris"])
def test_every_hue_is_an_object(name: str) -> None:
    frames, _ = images(name, 12)
    _, said = HueSegments().observe(None, frames, None)
    assert said.owner is not None
    for frame, on, owner in zip(frames, foreground(frames), said.owner, strict=True):
        hues = {tuple(round(64 * channel / max(pixel)) for channel in pixel): None for pixel in frame[on].tolist()}
        assert len(hues) == len(np.unique(owner[on])) <= 6
        for slot in np.unique(owner[on]):
            shares = frame[on & (owner == slot)] / frame[on & (owner == slot)].max(axis=1, keepdims=True)
            assert np.ptp(shares, axis=0).max() <= 1 / 64 + 1e-6
        sizes = np.bincount(owner[on])
        assert (np.diff(sizes) <= 0).all(), "the commonest hue first"


def test_more_hues_than_a_map_can_say_do_not_matter() -> None:
    frame = np.random.default_rng(0).random((1, 40, 40, 3)).astype(np.float32)
    _, said = HueSegments().observe(None, frame, None)
    assert said.owner is not None and said.owner.max() == 255


def test_an_image_that_is_shown_again_is_not_clustered_again(monkeypatch: pytest.MonkeyPatch) -> None:
    frames, _ = images("shapes", 3)
    model = KMeans()
    state, first = model.observe(model.begin(batch_for(frames, 4)), frames, None)
    asked: list[int] = []
    monkeypatch.setattr(
        "physbench_baselines.segments.cluster",
        lambda points, count, random: asked.append(len(points)) or cluster(points, count, random),
    )
    state, again = model.observe(state, frames, None)
    assert not asked and first.owner is not None and again.owner is not None
    np.testing.assert_array_equal(again.owner, first.owner)
    changed = frames.copy()
    changed[1] = frames[2]
    model.observe(state, changed, None)
    assert asked == [int((frames[2] > 0).sum())]


def test_the_true_number_is_used() -> None:
    frames, groups = images("multi-dsprites-binary", 12)
    counts = groups.max(axis=(1, 2))
    _, said = KMeansTrue().observe(KMeansTrue().begin(batch_for(frames, 9, {"count": counts})), frames, None)
    assert said.owner is not None and (said.owner.max(axis=(1, 2)) == counts - 1).all()


def test_random_segments_are_uniform() -> None:
    frame = np.zeros((20, 64, 64, 1), np.float32)
    model = RandomSegments()
    _, said = model.observe(model.begin(batch_for(frame, 7)), frame, None)
    assert said.owner is not None
    counts = np.bincount(said.owner.ravel(), minlength=7)
    assert len(counts) == 7 and abs(counts / counts.sum() - 1 / 7).max() < 0.005
    assert (said.owner[0] != said.owner[1]).any()


@pytest.mark.parametrize("name", ["multi-dsprites", "multi-dsprites-binary", "tetris", "shapes"])
def test_the_foreground_is_found_without_being_told(name: str) -> None:
    frames, groups = images(name, 60)
    on = foreground(frames)
    assert (on >= (groups > 0)).all()
    np.testing.assert_array_equal(on, groups > 0 if frames.shape[-1] == 3 else frames[..., 0] > 0)


def test_empty_and_nearly_empty_frames_have_segments() -> None:
    frames = np.zeros((3, 8, 8, 1), np.float32)
    frames[1, 2, 3], frames[2, :2, :2] = 1, 1
    _, said = KMeans().observe(KMeans().begin(batch_for(frames, 4)), frames, None)
    assert said.owner is not None and not said.owner[0].any() and not said.owner[1].any()
    assert {*said.owner[2, :2, :2].ravel().tolist()} == {0, 1, 2, 3}
