"""Tests of Tetris and Shapes against what was published of them."""

from __future__ import annotations

import numpy as np
import pytest

from physbench import registry
from physbench.errors import RecipeError
from physbench.recipe import mix
from physbench_generators.images.shapes import Shapes
from physbench_generators.images.tetris import Tetris

PUBLISHED = (
    "1111", "1/1/1/1", "111/100", "001/111", "111/001", "11/01/01", "11/10/10", "10/10/11", "110/011", "011/110", "01/11/10", "10/11/01", "010/111",
    "111/010", "01/11/01", "10/11/10", "11/11",
)  # fmt: skip
"""The 16 pieces of the published sample, in the order of their numbers, after the I that lies."""

SHADES = [[191, 255, 255, 255, 223], *[[127, 159, 159, 159, 191]] * 3, [95, 63, 63, 63, 127]]
"""Measured on the published sample."""

COLOURS = {(1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)}

TRIANGLE = [
    [5, 6],
    [4, 5, 6, 7],
    [3, 4, 5, 6, 7, 8],
    [2, 3, 4, 7, 8, 9],
    [1, 2, 3, 8, 9, 10],
    [*range(12)],
    [*range(12)],
]
"""The columns that are filled, row by row."""


def seeds(count: int) -> np.ndarray:
    return np.array([mix(i + 1) for i in range(count)], np.uint64)


def test_every_tetromino_has_exactly_100_pixels_and_none_overlaps_another() -> None:
    arrays = Tetris().draw_images(seeds(2_000))
    groups = arrays["groups"][..., 0]
    for k in range(3):
        assert ((groups == k + 1).sum(axis=(1, 2)) == 100).all()
    assert (arrays["visible"] == 100).all() and ((groups == 0).sum(axis=(1, 2)) == 925).all()
    assert not arrays["features"][groups == 0].any()


def test_there_are_seventeen_tetrominoes_shaded_as_published() -> None:
    arrays = Tetris().draw_images(seeds(1_000))
    assert {*arrays["shape"].ravel().tolist()} == {*range(1, 18)}
    for i in range(1_000):
        for k in range(3):
            blocks = np.array([[int(mark) for mark in row] for row in PUBLISHED[arrays["shape"][i, k] - 1].split("/")])
            colour = arrays["colour"][i, k] // 255
            assert tuple(colour.tolist()) in COLOURS and {*arrays["colour"][i, k].tolist()} == {0, 255}
            owned = arrays["groups"][i, ..., 0] == k + 1
            rows, columns = np.flatnonzero(owned.any(1)), np.flatnonzero(owned.any(0))
            box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
            np.testing.assert_array_equal(owned[box], np.kron(blocks, np.ones((5, 5))))
            shaded = np.kron(blocks, SHADES)[..., None] * colour
            np.testing.assert_array_equal(arrays["features"][i][box][owned[box]], shaded[owned[box]])
            assert arrays["position"][i, k].tolist() == [
                (columns[0] + columns[-1] + 1) / 2,
                (rows[0] + rows[-1] + 1) / 2,
            ]


def test_the_seventeen_are_distinct_and_all_but_two_of_those_that_there_are() -> None:
    pieces = {
        tuple(map(tuple, np.argwhere([[mark == "1" for mark in row] for row in piece.split("/")]).tolist()))
        for piece in PUBLISHED
    }
    grown = {frozenset({(0, 0)})}
    for _ in range(3):  # add a block beside one, and move to the corner
        larger = {
            cells | {(y + dy, x + dx)}
            for cells in grown
            for y, x in cells
            for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0))
            if (y + dy, x + dx) not in cells
        }
        grown = {
            frozenset((y - min(c[0] for c in cells), x - min(c[1] for c in cells)) for y, x in cells)
            for cells in larger
        }
    assert len(grown) == 19 and len(pieces) == 17 and {frozenset(piece) for piece in pieces} <= grown


def outline(kind: int) -> np.ndarray:
    if kind == 3:
        square = np.ones((7, 7), bool)
        square[2:5, 2:5] = False
        return square
    up = np.zeros((7, 12), bool)
    for row, columns in enumerate(TRIANGLE):
        up[row, columns] = True
    return up if kind == 1 else up[::-1]


def test_shapes_are_those_of_the_tables() -> None:
    arrays = Shapes().draw_images(seeds(1_500))
    assert {*arrays["shape"].ravel().tolist()} == {1, 2, 3}
    overlapped = 0
    for i in range(1_500):
        covers = np.zeros((28, 28), int)
        owner = np.zeros((28, 28), int)
        for k in range(3):
            mask = outline(int(arrays["shape"][i, k]))
            x, y = arrays["position"][i, k] - np.array(mask.shape[::-1]) / 2
            assert x == int(x) and y == int(y) and 0 <= x <= 28 - mask.shape[1] and 0 <= y <= 28 - mask.shape[0]
            box = slice(int(y), int(y) + mask.shape[0]), slice(int(x), int(x) + mask.shape[1])
            covers[box] += mask
            owner[box] += (k + 1) * mask
        np.testing.assert_array_equal(arrays["features"][i, ..., 0], covers > 0)
        np.testing.assert_array_equal(arrays["groups"][i, ..., 0], np.where(covers == 1, owner, 0))
        np.testing.assert_array_equal(
            arrays["visible"][i], np.bincount(np.where(covers == 1, owner, 0).ravel(), minlength=4)[1:]
        )
        overlapped += (covers > 1).sum()
    assert overlapped > 1_000


@pytest.mark.parametrize(
    "world", [Tetris(n=(4, 6)), Shapes(n=(4, 6)), Tetris(n=(10, 10), size=64), Shapes(n=1, size=12)]
)
def test_more_and_fewer_objects_may_be_asked_for(world: Tetris | Shapes) -> None:
    arrays = world.draw_images(seeds(200))
    assert {*arrays["count"].tolist()} == {*range(world.n[0], world.n[1] + 1)}
    present = np.arange(world.objects) < arrays["count"][:, None]
    assert ((arrays["shape"] > 0) == present).all() and not arrays["position"][~present].any()


def test_too_many_pieces_are_refused_in_words() -> None:
    with pytest.raises(RecipeError, match="7 pieces would cover 57% of an image of 35x35"):
        Tetris(n=7)
    with pytest.raises(RecipeError, match="1 to 16 shapes"):
        Shapes(n=(4, 17))


@pytest.mark.parametrize(("name", "shape"), [("tetris", (35, 35, 3)), ("shapes", (28, 28, 1))])
def test_the_sizes_are_those_of_the_paper(name: str, shape: tuple[int, int, int]) -> None:
    recipe = registry.datasets.get(name)
    assert recipe.splits == {"training": 50_000, "validation": 5_000, "test": 5_000}
    assert recipe.frames == 1 and recipe.generator.shape == shape and recipe.generator.objects == 3
