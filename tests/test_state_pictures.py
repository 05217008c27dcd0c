"""Tests of pictures of states: objects are drawn where they are, and a map of a memory agrees with a loop over its
bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from physbench import registry
from physbench.cli import main
from physbench.evaluation.watch import watch
from physbench.report import story
from physbench.report.state_pictures import ACROSS, CELL, SIDE, WRONG_VALUE, _map_errors, draw_places, rows_of_states
from physbench.view.figure import TOO_LITTLE, TOO_MUCH, colour_of
from physbench.view.panels import COLOURS

MEMORIES = arrays.arrays(np.uint8, 128, elements=st.integers(0, 3))


@given(st.floats(0.2, 0.8), st.floats(0.2, 0.8), st.floats(0.05, 0.15))
@settings(max_examples=30)
def test_a_disc_has_its_colour_inside_and_the_ground_outside(x: float, y: float, radius: float) -> None:
    picture = draw_places(np.array([[x, y]]), np.array([radius]))
    centres = (np.arange(SIDE) + 0.5) / SIDE
    distance = np.hypot(centres[None, :] - x, centres[:, None] - y)
    pixel = 2 / SIDE
    assert (picture[distance < radius - pixel] == colour_of(0)).all()
    assert (picture[distance > radius + pixel] == COLOURS[0]).all()


def test_an_object_without_a_size_is_not_drawn_and_one_far_away_does_no_harm() -> None:
    assert (draw_places(np.array([[0.5, 0.5]]), np.array([0.0])) == COLOURS[0]).all()
    far = np.array([[1e30, -1e30]])
    assert draw_places(far, np.array([0.1]), path=[far, far], truth=[far, far]).shape == (SIDE, SIDE, 3)


def test_the_truth_is_a_circle_around_where_the_object_is() -> None:
    here, there = np.array([[0.3, 0.3]]), np.array([[0.7, 0.7]])
    picture = draw_places(here, np.array([0.1]), truth=[here, there]).astype(int)
    edge = picture[round(0.7 * SIDE), round(0.8 * SIDE) - 1 : round(0.8 * SIDE) + 2]
    assert edge.min(axis=1).max() > 120 and (picture[round(0.7 * SIDE) + 4, round(0.7 * SIDE) + 4] == COLOURS[0]).all()


@given(MEMORIES, MEMORIES, MEMORIES)
@settings(max_examples=30)
def test_every_byte_has_the_colour_of_its_error(before: np.ndarray, said: np.ndarray, true: np.ndarray) -> None:
    picture = _map_errors(before, said, true)
    assert picture.shape == (128 // ACROSS * CELL, ACROSS * CELL, 3)
    for byte in range(128):
        row, column = divmod(byte, ACROSS)
        predicted, real = said[byte] != before[byte], true[byte] != before[byte]
        if predicted and real:
            wanted = COLOURS[0] if said[byte] == true[byte] else WRONG_VALUE
        else:
            wanted = TOO_MUCH if predicted else TOO_LITTLE if real else COLOURS[0]
        cell = picture[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL]
        assert (cell == wanted).all(), byte


def test_a_copy_overwrites_nothing_and_misses_what_is_overwritten() -> None:
    watched = watch(registry.models.get("copy")(), "ram")
    memory, predicted, real, error = rows_of_states(watched)
    assert [row.name for row in (memory, predicted, real, error)] == ["memory", "overwritten", "overwritten", "error"]
    for said, true, wrong in zip(predicted.pictures, real.pictures, error.pictures, strict=True):
        assert said is not None and true is not None and wrong is not None
        assert (said == COLOURS[0]).all() and (true != COLOURS[0]).any()
        np.testing.assert_array_equal((wrong == TOO_LITTLE).all(axis=2), (true != COLOURS[0]).any(axis=2))


def test_what_was_imagined_is_hatched_and_the_oracle_is_where_the_truth_is() -> None:
    watched = watch(registry.models.get("oracle")(), "trajectories", index=2)
    told = story.story(watched, "oracle")
    shown, prediction, truth = told.blocks[0]
    assert [picture is None for picture in shown.pictures] == [False] * 3 + [True] * 9
    assert watched.radii is not None and np.allclose(watched.radii, 4 / 64)
    assert told.caption.endswith("3 states seen, 10 imagined")
    for step, said, true in zip(watched.steps, prediction.pictures, truth.pictures, strict=True):
        assert said is not None and true is not None
        for column, row in (step.truth[..., 0] * SIDE).astype(int):
            near = np.s_[row - 1 : row + 2, column - 1 : column + 2]
            assert (said[near] == true[near]).all()  # the middle of each disc is under the one of the truth


@pytest.mark.parametrize(("suite", "suffix"), [("trajectories", ".png"), ("trajectories", ".gif"), ("ram", ".png")])
def test_the_command_draws_states(suite: str, suffix: str, tmp_path: Path) -> None:
    out = tmp_path / f"copy{suffix}"
    result = CliRunner().invoke(main, ["show", "--model", "copy", "--suite", suite, "--out", str(out)])
    assert result.exit_code == 0, result.output
    with Image.open(out) as image:
        assert min(image.size) > 200
