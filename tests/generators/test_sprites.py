"""Tests of sprites against their factors: an outline that is traced and filled, and other libraries."""

from __future__ import annotations

import colorsys
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from physbench import registry
from physbench.recipe import Recipe, mix
from physbench_generators.images.dsprites import Sprites
from physbench_generators.images.kernels import hue, turn

LINES = 16
"""Of the oracle, across a pixel."""


def seeds(count: int) -> np.ndarray:
    return np.array([mix(i + 1) for i in range(count)], np.uint64)


def draw(count: int, **fields: Any) -> dict[str, np.ndarray]:
    return Sprites(**fields).draw_images(seeds(count))


def heart_radius(angle: float) -> float:
    """Where the ray at an angle meets (x^2 + y^2 - 1)^3 = x^2 y^3, seen from (0, 1/4): by bisection."""
    inside, outside = 0.0, 2.0
    for _ in range(60):
        r = (inside + outside) / 2
        x, y = r * math.cos(angle), 0.25 + r * math.sin(angle)
        if (x * x + y * y - 1) ** 3 <= x * x * y**3:
            inside = r
        else:
            outside = r
    return inside


ANGLES = np.linspace(0, 2 * np.pi, 400, endpoint=False)
OUTLINES = {
    1: np.array([[8.5, 8.5], [-8.5, 8.5], [-8.5, -8.5], [8.5, -8.5]]),
    2: np.stack([12 * np.cos(ANGLES), 8 * np.sin(ANGLES)], axis=1),
    3: np.array(
        [[9 * heart_radius(angle) * math.cos(angle), -9 * heart_radius(angle) * math.sin(angle)] for angle in ANGLES]
    ),
}
"""By shape, at scale 1: x to the right, y down."""


def coverage(arrays: dict[str, np.ndarray], i: int, k: int, size: int) -> np.ndarray:
    """(H, W): the share of each pixel that lies in a sprite, by filling its outline."""
    angle, length = float(arrays["rotation"][i, k]), float(arrays["scale"][i, k]) * size / 64
    cosine, sine = math.cos(angle), math.sin(angle)
    points = OUTLINES[int(arrays["shape"][i, k])] * length @ np.array([[cosine, sine], [-sine, cosine]]) + arrays[
        "position"
    ][i, k].astype(float)
    return np.stack([fill(points, row, size) for row in range(size)])


def fill(points: np.ndarray, row: int, size: int) -> np.ndarray:
    """(W,): the share of each pixel of a row that lies within an outline (P, 2), exact in x, on LINES lines in y."""
    (x, y), (x1, y1) = points.T, np.roll(points, -1, axis=0).T
    covered, edges = np.zeros(size), np.arange(size + 1)
    for line in row + (np.arange(LINES) + 0.5) / LINES:
        crossed = (y > line) != (y1 > line)
        at = np.sort(x[crossed] + (line - y[crossed]) * (x1 - x)[crossed] / (y1 - y)[crossed])
        for begin, end in at.reshape(-1, 2):
            covered += np.diff(np.clip(edges, begin, end))
    return covered / LINES


@pytest.mark.parametrize("size", [64, 32])
def test_a_sprite_is_its_outline_filled(size: int) -> None:
    arrays = draw(90, n=1, size=size)
    assert {1, 2, 3} == {*arrays["shape"][:, 0].tolist()}
    masks = arrays["groups"][..., 0] == 1
    covered = np.stack([coverage(arrays, i, 0, size) for i in range(90)])
    assert masks[covered > 0.85].all() and not masks[covered < 0.15].any()
    assert masks.sum() == pytest.approx(covered.sum(), rel=0.005), (
        "what pixels at the edge have too much and too little evens out"
    )


def test_what_lies_in_front_is_drawn_last() -> None:
    arrays = draw(15)
    for i in range(15):
        count = int(arrays["count"][i])
        covered = [coverage(arrays, i, k, 64) for k in range(count)]
        owner, certain = np.zeros((64, 64), int), np.ones((64, 64), bool)
        for k in range(count):
            owner[covered[k] > 0.5] = k + 1
            certain &= (covered[k] > 0.85) | (covered[k] < 0.15)
        groups = arrays["groups"][i, ..., 0]
        np.testing.assert_array_equal(groups[certain], owner[certain])
        palette = np.vstack([arrays["background"][i : i + 1], arrays["colour"][i, :count]])
        np.testing.assert_array_equal(arrays["features"][i], palette[groups])
        np.testing.assert_array_equal(arrays["visible"][i], np.bincount(groups.ravel(), minlength=6)[1:])


def test_in_black_and_white_a_shared_pixel_is_on_and_belongs_to_no_object() -> None:
    arrays, shared = draw(20, binary=True), 0
    for i in range(20):
        count = int(arrays["count"][i])
        covered = np.stack([coverage(arrays, i, k, 64) for k in range(count)])
        certain, on = ((covered > 0.85) | (covered < 0.15)).all(0), (covered > 0.5).sum(0)
        groups, features = arrays["groups"][i, ..., 0], arrays["features"][i, ..., 0]
        np.testing.assert_array_equal(features[certain], (on > 0)[certain])
        np.testing.assert_array_equal(groups[certain], np.where(on == 1, (covered > 0.5).argmax(0) + 1, 0)[certain])
        np.testing.assert_array_equal(arrays["visible"][i], np.bincount(groups.ravel(), minlength=4)[1:])
        shared += int((features > groups).sum())
    assert shared > 300


def test_a_frame_of_one_sprite_is_as_white_as_those_of_dsprites() -> None:
    """The mean of all pixels of dSprites is 0.0425 [published constants for its normalization]; 0.0420 is expected of a
    scale without steps."""
    assert draw(4_000, n=1, binary=True)["features"].mean() == pytest.approx(0.0423, abs=0.001)


def test_no_sprite_leaves_its_frame() -> None:
    for size in (64, 24):
        arrays = draw(2_000, n=1, size=size)
        edge = np.ones((size, size), bool)
        edge[1:-1, 1:-1] = False
        assert not arrays["groups"][:, edge].any() and arrays["visible"].min() > 0


def test_a_turn_is_a_cosine_and_a_sine() -> None:
    angles = [*np.linspace(0, 2 * np.pi, 5_001).astype(np.float32).astype(float), *np.arange(9) * np.pi / 4]
    for angle in angles:
        assert turn(angle) == pytest.approx((math.cos(angle), math.sin(angle)), abs=4e-16)


def test_hues_go_once_around_the_wheel() -> None:
    wheel = np.zeros((1530, 3), np.uint8)
    for number in range(1530):
        hue(number, wheel[number])
    assert len({*map(tuple, wheel.tolist())}) == 1530
    expected = [colorsys.hsv_to_rgb(number / 1530, 1, 1) for number in range(1530)]
    np.testing.assert_allclose(wheel, 255 * np.array(expected), atol=1e-9)


def test_more_sprites_than_in_training_may_be_asked_for() -> None:
    assert Sprites(binary=True).objects == 3 and Sprites().objects == 5
    arrays = draw(300, n=(6, 8), binary=True)
    assert arrays["shape"].shape == (300, 8) and {*arrays["count"].tolist()} == {6, 7, 8}


def test_black_and_white_has_the_sprites_of_the_coloured_images() -> None:
    coloured, white = draw(20, n=(2, 5)), draw(20, n=(2, 5), binary=True)
    for name in ("count", "shape", "scale", "rotation", "position"):
        np.testing.assert_array_equal(coloured[name], white[name])
    np.testing.assert_array_equal(coloured["groups"] > 0, white["features"] > 0)


@pytest.mark.parametrize("name", ["multi-dsprites", "multi-dsprites-binary"])
def test_the_sizes_are_those_of_the_paper(name: str) -> None:
    recipe: Recipe = registry.datasets.get(name)
    assert recipe.splits == {"training": 50_000, "validation": 5_000, "test": 5_000} and recipe.frames == 1
    assert recipe.generator.shape == (64, 64, 1 if name.endswith("binary") else 3)
    assert replace(recipe, splits={"test": 1}).scenes("test", 0, 1).features is not None
