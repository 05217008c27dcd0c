"""Tests of boxes against objects: figures agree with loops over lists.

What the cards say about predictors that know nothing is true of real scenes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from physbench.metrics import boxes, sums
from physbench.registry import datasets
from physbench.scene import Scenes

Array = NDArray[Any]
Box = tuple[float, float, int]  # x, y, identity
Pairs = dict[int, int]  # object -> box
SIDE = 20
SIZE = {"height": SIDE, "width": SIDE}


def boxes_of(rows: Array) -> list[Box]:
    """(M, 5): those that are there."""
    return [(float(row[0]), float(row[1]), int(row[4])) for row in rows if not math.isnan(row[0])]


def apart(box: Box, centre: Array) -> float:
    x, y = float(centre[0]), float(centre[1])
    nearest = min(max(x, 0.0), SIDE), min(max(y, 0.0), SIDE)
    return min(math.dist(box[:2], (x, y)), math.dist(box[:2], nearest))


def pairs_of(found: list[Box], position: Array, visible: Array) -> Pairs:
    """(K, 2), (K,): nearest pairs first, from a sorted list."""
    choices = sorted(
        (apart(box, position[k]), k, number)
        for k in range(len(position))
        for number, box in enumerate(found)
        if visible[k] and apart(box, position[k]) <= 4
    )
    pairs: Pairs = {}
    for _, k, number in choices:
        if k not in pairs and number not in pairs.values():
            pairs[k] = number
    return pairs


def slow_figures(said: Array, position: Array, visible: Array) -> dict[str, tuple[int, int]]:
    """(T, M, 5), (T, K, 2), (T, K) of one sequence: above and below the line."""
    tally = {name: [0, 0] for name in ("count", "recall", "precision", "kept", "regained")}

    def add(name: str, right: bool) -> None:
        tally[name][0] += right
        tally[name][1] += 1

    history: list[dict[int, int]] = []  # for each frame the identity of each object that has a box
    for t, rows in enumerate(said):
        found = boxes_of(rows)
        pairs = pairs_of(found, position[t], visible[t])
        surely, perhaps = sum(pixels >= 10 for pixels in visible[t]), sum(pixels > 0 for pixels in visible[t])
        add("count", surely <= len(found) <= perhaps)
        for k, (x, y) in enumerate(position[t]):
            if visible[t, k] and 0 <= x < SIDE and 0 <= y < SIDE:
                add("recall", k in pairs)
        for number in range(len(found)):
            add("precision", number in pairs.values())
        history.append({k: found[number][2] for k, number in pairs.items()})
        for k, name in history[t].items():
            if t and k in history[t - 1]:
                add("kept", name == history[t - 1][k])
            before = [s for s in range(t) if k in history[s]]
            if before and any(visible[s, k] == 0 for s in range(before[-1], t)):
                former = history[before[-1]][k]
                others = [other for s in range(before[-1] + 1, t) for j, other in history[s].items() if j != k]
                add("regained", name == former and former not in others)
    return {name: (above, below) for name, (above, below) in tally.items()}


def figures(said: Array, position: Array, visible: Array) -> dict[str, sums.Sums]:
    box_of = boxes.match_boxes(said, position, visible, **SIZE)
    names = boxes.identities(box_of, said)
    return {
        "count": boxes.count_accuracy(said, visible),
        "recall": boxes.box_recall(box_of, position, visible, **SIZE),
        "precision": boxes.box_precision(box_of, said),
        "kept": boxes.identity_kept(names),
        "regained": boxes.identity_regained(names, visible),
    }


def noise(seed: int, objects: int, rows: int) -> tuple[Array, Array, Array]:
    """3 sequences of 9 frames: few identities, boxes near objects and elsewhere, objects that come and go."""
    rng = np.random.default_rng(seed)
    position = rng.uniform(-6, SIDE + 6, (3, 9, objects, 2)).astype(np.float32)
    if seed % 2:
        position[:] = position[:, :1]  # they stay where they are
    visible = rng.choice([0, 3, 9, 10, 40], (3, 9, objects), p=[0.4, 0.1, 0.1, 0.2, 0.2])
    said = np.full((3, 9, rows, 5), np.nan, np.float32)
    for n in range(3):
        for t in range(9):
            names = rng.permutation(rows + 1)[:rows]
            for row in range(rows):
                if rng.random() < 0.7:
                    near = position[n, t, rng.integers(objects)] + rng.normal(0, 2.5, 2)
                    said[n, t, row] = (*(near if rng.random() < 0.8 else rng.uniform(0, SIDE, 2)), 3, 3, names[row])
    return said, position, visible


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 5))
def test_every_figure_is_what_loops_over_lists_say(seed: int, objects: int, rows: int) -> None:
    said, position, visible = noise(seed, objects, rows)
    found = figures(said, position, visible)
    for n in range(3):
        expected = slow_figures(said[n], position[n], visible[n])
        for name, figure in found.items():
            assert (figure.numerator[n].sum(), figure.denominator[n].sum()) == expected[name], name


def test_the_noise_of_these_tests_reaches_every_case() -> None:
    total = {name: np.zeros(2) for name in ("count", "recall", "precision", "kept", "regained")}
    for seed in range(40):
        for name, figure in figures(*noise(seed, 2, 3)).items():
            total[name] += figure.numerator.sum(), figure.denominator.sum()
    for name, (above, below) in total.items():
        assert 20 < above < below - 20, name


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_of_objects_that_are_far_apart_the_nearest_first_is_the_best_assignment(seed: int, rows: int) -> None:
    """As balls are, of which no two centres are nearer than 12 pixels: a box is near one of them at most."""
    rng = np.random.default_rng(seed)
    corners = np.array([[4, 4], [16, 4], [4, 16], [16, 16]]) + rng.uniform(-1.5, 1.5, (4, 2))
    said = np.full((1, 1, rows, 5), 1.0)
    said[0, 0, :, :2] = rng.uniform(0, SIDE, (rows, 2))
    said[0, 0, :, 4] = np.arange(rows)
    box_of = boxes.match_boxes(said, corners[None, None], np.full((1, 1, 4), 50), **SIZE)[0, 0]
    cost = np.hypot(*(corners[:, None] - said[0, 0, None, :, :2]).transpose(2, 0, 1))
    best = linear_sum_assignment(np.where(cost <= 4, cost, 1e6))
    expected = {int(k): int(box) for k, box in zip(*best, strict=True) if cost[k, box] <= 4}
    assert {k: box for k, box in enumerate(box_of.tolist()) if box >= 0} == expected


def test_where_there_is_nothing_to_divide_by_there_is_no_figure() -> None:
    nothing = np.full((2, 5, 3, 5), np.nan, np.float32)
    found = figures(nothing, np.zeros((2, 5, 2, 2)), np.zeros((2, 5, 2), int))
    assert sums.value(found["count"]) == 1.0, "nobody is there, and no box"
    assert all(math.isnan(sums.value(found[name])) for name in ("recall", "precision", "kept", "regained"))


def test_an_object_at_the_edge_is_found_by_its_centre_and_by_the_middle_of_what_shows() -> None:
    """A disc of radius 6 whose centre lies 4 pixels outside: the columns 0 and 1 show."""
    position, visible = np.array([[[[-4.0, 10.0]]]]), np.array([[[16]]])
    for x, held in ((-4.0, True), (1.0, True), (-8.1, False), (4.1, False)):
        said = np.array([[[[x, 10, 2, 9, 0]]]], np.float32)
        assert (boxes.match_boxes(said, position, visible, **SIZE) == 0).all() == held, x
        assert (
            boxes.box_recall(
                boxes.match_boxes(said, position, visible, **SIZE), position, visible, **SIZE
            ).denominator.sum()
            == 0
        )


@pytest.fixture(scope="module")
def leaving() -> Scenes:
    return datasets.get("balls-leave50").scenes("test", 0, 96)


def read_truth(scenes: Scenes, name: str) -> Array:
    return scenes.truth[name][:, 1:31]


def true_boxes(scenes: Scenes) -> Array:
    """(N, T, K, 5), each with the number of its object."""
    position, visible, radius = read_truth(scenes, "position"), read_truth(scenes, "visible"), scenes.truth["radius"]
    said = np.full((*visible.shape, 5), np.nan)
    for n, t, k in zip(*np.nonzero(visible), strict=True):
        said[n, t, k] = (*position[n, t, k], 2 * radius[n, k], 2 * radius[n, k], k)
    return said


def of_window(scenes: Scenes, said: Array) -> Iterator[float]:
    """Recall, precision, kept, regained."""
    position, visible, size = read_truth(scenes, "position"), read_truth(scenes, "visible"), {"height": 50, "width": 50}
    box_of = boxes.match_boxes(said, position, visible, **size)
    names = boxes.identities(box_of, said)
    yield sums.value(boxes.box_recall(box_of, position, visible, **size))
    yield sums.value(boxes.box_precision(box_of, said))
    yield sums.value(boxes.identity_kept(names))
    yield sums.value(boxes.identity_regained(names, visible))


def test_the_true_boxes_score_1_and_a_new_name_after_every_absence_regains_nothing(leaving: Scenes) -> None:
    said = true_boxes(leaving)
    assert sums.value(boxes.count_accuracy(said, read_truth(leaving, "visible"))) == 1.0
    assert [*of_window(leaving, said)] == [1.0] * 4
    gone = np.cumsum(read_truth(leaving, "visible") == 0, axis=1)
    said[..., 4] += 6 * gone
    assert [*of_window(leaving, said)] == [1.0, 1.0, 1.0, 0.0]


def test_boxes_everywhere_hold_few_objects_and_no_constant_number_is_often_right(leaving: Scenes) -> None:
    places = np.stack([*np.meshgrid(np.arange(2.5, 50, 5), np.arange(2.5, 50, 5))], axis=-1).reshape(-1, 2)
    grid = np.concatenate([places, np.full((100, 2), 5.0), np.arange(100)[:, None]], axis=1)
    recall, precision, *_ = of_window(leaving, np.broadcast_to(grid, (96, 30, 100, 5)))
    assert recall == 1.0 and precision < 0.03
    counted = [
        sums.value(
            boxes.count_accuracy(np.broadcast_to(grid[:number], (96, 30, number, 5)), read_truth(leaving, "visible"))
        )
        for number in range(1, 7)
    ]
    assert max(counted) == pytest.approx(0.3, abs=0.05)


def test_in_one_frame_of_five_a_sliver_may_be_counted_or_not(leaving: Scenes) -> None:
    visible = read_truth(leaving, "visible")
    undecided = (visible > 0).sum(axis=2) != (visible >= boxes.SLIVER).sum(axis=2)
    assert undecided.mean() == pytest.approx(0.22, abs=0.03)


def test_the_middle_of_what_shows_of_a_ball_is_as_good_as_its_centre_but_in_corners(leaving: Scenes) -> None:
    """Boxes of the visible parts, cut out of the labels pixel by pixel."""
    said = np.full((96, 30, 6, 5), np.nan)
    for n, t, k in zip(*np.nonzero(read_truth(leaving, "visible")), strict=True):
        rows, columns = np.nonzero(leaving.groups[n, t + 1, :, :, 0] == k + 1)
        if len(rows):
            said[n, t, k] = ((columns.min() + columns.max() + 1) / 2, (rows.min() + rows.max() + 1) / 2, 1, 1, k)
    recall, precision, *_ = of_window(leaving, said)
    assert 0.98 < recall < 1 and precision > 0.97
