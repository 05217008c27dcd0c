"""Tests of the drawing of what a model does with a sequence.

Colours come from the published palette, and positions from flat pictures and squares that are placed by hand.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from PIL import Image

from physbench import registry
from physbench.errors import ModelError, RecipeError
from physbench.evaluation.watch import Watched, WatchedStep, drawable, watch
from physbench.model import Batch, Bernoulli, Parts, Prediction
from physbench.report.story import COLUMNS, save, story
from physbench.view.figure import (
    Arrow,
    Outline,
    PictureRow,
    Story,
    cell,
    draw_owners,
    figure,
    film,
    find_arrows,
    mix_slots,
    plain,
    tint_slot,
    wrong,
)
from physbench.view.times import ALL_TIMES
from physbench_baselines.reference import Copy, Oracle

OKABE_ITO = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)]
HEIGHT, WIDTH, SCALE = 6, 9, 4


def flat(colour: tuple[int, int, int]) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), colour, np.uint8)


def make_story(steps: int, *sizes: int) -> tuple[Story, dict[tuple[int, int], tuple[int, int, int]]]:
    """Blocks of so many rows, every picture of a colour of its own: by row and step."""
    colours = {(row, t): (3 + 20 * row, 101 + 7 * t, 249) for row in range(sum(sizes)) for t in range(steps)}
    rows = iter(
        PictureRow(f"row {row}", "", tuple(flat(colours[row, t]) for t in range(steps))) for row in range(sum(sizes))
    )
    return Story(
        "a model", "a sequence", tuple(tuple(next(rows) for _ in range(size)) for size in sizes), ("a word",)
    ), colours


def box(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """left, top, width, height of a rectangle that has this colour and nothing else in it."""
    there = (np.asarray(image.convert("RGB")) == colour).all(axis=2)
    rows, columns = np.flatnonzero(there.any(axis=1)), np.flatnonzero(there.any(axis=0))
    found = int(columns[0]), int(rows[0]), int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1)
    assert there.sum() == found[2] * found[3]
    return found


def square(x: int, y: int, size: int = 24) -> np.ndarray:
    """(H, W, 1): on from x - 2 to x + 2, from y - 2 to y + 2."""
    frame = np.zeros((size, size, 1), np.float32)
    frame[y - 2 : y + 2, x - 2 : x + 2] = 1
    return frame


def parts(slots: int, size: int = 24, attention: np.ndarray | None = None) -> Parts:
    """Slot k predicts a square of its own and has the whole frame if its number is 0."""
    predictions = np.stack([square((4 + 4 * k) % 22, 8, size) for k in range(slots)])[None]
    shares = np.zeros((1, slots, size, size), np.float32)
    shares[:, 0] = 1
    return Parts(predictions, shares, attention)


def make_watched(slots: int | None, *, steps: int = 4, seen: int = 4, attention: np.ndarray | None = None) -> Watched:
    frame = square(8, 8)
    each = None if slots is None else parts(slots, attention=attention)
    return Watched(
        "balls", 3, tuple(WatchedStep(frame if t < seen else None, frame, frame, None, each) for t in range(steps))
    )


def make_boxes(*rows: tuple[float, ...]) -> np.ndarray:
    """x, y, width, height, identity of each, and a row that is none."""
    return np.array([*rows, [np.nan] * 5], np.float32)


def test_an_outline_runs_along_the_pixels_of_its_box_in_the_colour_of_its_identity() -> None:
    row = PictureRow("boxes", "", (flat((1, 2, 3)),), outlines=((Outline(2, 1, 6, 5, 2),),))
    drawn = cell(row, 0, (HEIGHT, WIDTH), SCALE)
    rim = (drawn == OKABE_ITO[2]).all(axis=2)
    thick = SCALE // 2 + 1
    expected = np.zeros_like(rim)
    expected[SCALE : 5 * SCALE, 2 * SCALE : 6 * SCALE] = True
    expected[SCALE + thick : 5 * SCALE - thick, 2 * SCALE + thick : 6 * SCALE - thick] = False
    assert np.array_equal(rim, expected) and (drawn[~rim] == (1, 2, 3)).all()


@pytest.mark.parametrize(
    "edges",
    [
        (-30, -1e30, 30, 3),
        (2, 2, 1e38, 1e38),
        (-1e38, -1e38, -1e37, -1e37),
        (4, 4, 4, 4),
        (8.9, 5.9, 9, 6),
        (1e38, 0, 1e38, 9),
    ],
)
def test_an_outline_of_any_size_is_drawn_as_far_as_it_lies_in_the_frame(edges: tuple[float, ...]) -> None:
    row = PictureRow("boxes", "", (flat((1, 2, 3)),), outlines=((Outline(*edges, 0),),))
    drawn = cell(row, 0, (HEIGHT, WIDTH), SCALE)
    assert {tuple(pixel) for pixel in drawn.reshape(-1, 3).tolist()} <= {(1, 2, 3), OKABE_ITO[0]}
    seen = edges[0] < WIDTH and edges[1] < HEIGHT and edges[2] > 0 and edges[3] > 0
    assert seen or (drawn == (1, 2, 3)).all()


def test_boxes_are_drawn_on_the_frames_that_were_shown_and_on_those_that_were_imagined() -> None:
    frames = [square(5 + 3 * t, 8) for t in range(5)]
    steps = tuple(
        WatchedStep(
            frames[t] if t < 2 else None,
            frames[t + 1],
            np.zeros_like(frames[0]),
            boxes=make_boxes((5 + 3 * t, 8, 4, 4, 1), (2, 2, 1, 1, 0)),
        )
        for t in range(4)
    )
    sheet = story(Watched("balls", 3, steps), "mine")
    (row,) = [row for row in sheet.blocks[0] if row.name == "boxes"]
    for t, (picture, outlines) in enumerate(zip(row.pictures, row.outlines, strict=True)):
        assert picture is not None
        bright = picture.max(axis=2) > 60
        assert np.array_equal(bright, frames[t][..., 0] > 0), t
        assert outlines == (Outline(3 + 3 * t, 6, 7 + 3 * t, 10, 1), Outline(1.5, 1.5, 2.5, 2.5, 0))
    assert "boxes: each in the colour of its identity, on what was imagined where no frame was shown" in sheet.legend
    assert not [row for row in story(make_watched(None), "mine").blocks[0] if row.name == "boxes"]


@pytest.mark.parametrize("rollout", [None, 6])
def test_the_boxes_of_a_model_are_drawn_where_they_are(tmp_path: Path, rollout: int | None) -> None:
    shown = watch(Oracle(), "leave", index=9, rollout=rollout)
    truth = registry.datasets.get("balls-leave50").scenes("test", 9, 10, ["position", "visible"]).truth
    for t, step in enumerate(shown.steps):
        assert step.boxes is not None
        visible = truth["visible"][0, t] > 0
        np.testing.assert_array_equal(step.boxes[visible, :2], truth["position"][0, t, visible])
        assert np.isnan(step.boxes[~visible]).all()
    for name in ("a.png", "a.gif"):
        save(shown, tmp_path / name, name="oracle")
        assert Image.open(tmp_path / name).width > 500


def test_boxes_that_are_none_are_not_drawn() -> None:
    class Wrong(Copy):
        def observe(self, state: Any, frame: Any, action: Any) -> Any:
            return state, Prediction(frame, boxes=np.full((1, 2, 5), 3.0))

    with pytest.raises(ModelError, match="two boxes of a frame have the identity 3"):
        watch(Wrong(), "balls")


def test_a_pixel_of_one_slot_alone_has_the_colour_of_that_slot() -> None:
    owner = np.arange(7).repeat(2).reshape(7, 2)
    shares = np.stack([(owner == k).astype(np.float32) for k in range(7)])
    assert (
        mix_slots(shares)[:, 0].tolist() == mix_slots(shares)[:, 1].tolist() == [list(colour) for colour in OKABE_ITO]
    )
    assert np.array_equal(draw_owners(owner.astype(np.uint8)), mix_slots(shares))


def test_a_pixel_that_is_shared_evenly_is_grey() -> None:
    (few,), (many,) = (mix_slots(np.full((slots, 1, 1), 1 / slots, np.float32))[0].tolist() for slots in (3, 5))
    assert few == many and max(few) - min(few) < 20


def test_a_pixel_shared_by_two_of_three_looks_like_both_and_most_like_the_larger_share() -> None:
    (pixel,) = mix_slots(np.array([0.8, 0.2, 0], np.float32)[:, None, None])[0].astype(int)
    distance = [int(abs(pixel - colour).sum()) for colour in np.array(OKABE_ITO[:3])]
    assert distance[0] < distance[1] and distance[0] > 0


def test_owners_of_any_number_have_a_colour_and_neighbours_differ() -> None:
    colours = draw_owners(np.arange(256, dtype=np.uint8)[None])[0].tolist()
    assert all(one != other for one, other in pairwise(colours))


def test_a_prediction_of_a_slot_has_its_colour_where_it_is_sure_and_the_ground_where_there_is_nothing() -> None:
    picture = tint_slot(square(8, 8), 2)
    assert picture[8, 8].tolist() == list(OKABE_ITO[2])
    assert picture[0, 0].max() < 20
    assert tint_slot(0.5 * square(8, 8), 2)[8, 8].max() < picture[8, 8].max()


def test_frames_in_colour_keep_their_colours() -> None:
    frame = np.array([[[0.0, 0.2, 1.0]]], np.float32)
    assert plain(frame).tolist() == tint_slot(frame, 1).tolist() == [[[0, 51, 255]]]


def test_what_is_too_much_and_what_is_too_little_have_different_colours() -> None:
    picture = wrong(square(6, 6), square(16, 16))
    assert picture[6, 6].tolist() == list(OKABE_ITO[5])
    assert picture[16, 16].tolist() == list(OKABE_ITO[1])
    assert not np.ptp(wrong(square(6, 6), square(6, 6)).reshape(-1, 3), axis=0).any()


@pytest.mark.parametrize("times", [range(5), range(0, 5, 2)])
def test_a_figure_is_a_table_of_rows_and_of_the_steps_asked_for(times: range) -> None:
    sheet, colours = make_story(5, 2, 3)
    image = figure(sheet, times, scale=SCALE)
    places = {(row, t): box(image, colour) for (row, t), colour in colours.items() if t in times}
    assert {place[2:] for place in places.values()} == {(WIDTH * SCALE, HEIGHT * SCALE)}
    for row in range(5):
        assert len({places[row, t][1] for t in times}) == 1
        lefts = [places[row, t][0] for t in times]
        assert lefts == [places[0, t][0] for t in times] == sorted(set(lefts))
        assert row == 0 or places[row, 0][1] >= places[row - 1, 0][1] + HEIGHT * SCALE
    for (_, t), colour in colours.items():
        assert t in times or not (np.asarray(image) == colour).all(axis=2).any()


def test_an_animation_has_a_frame_for_each_step_with_every_panel_in_its_place() -> None:
    sheet, colours = make_story(3, 2, 7)
    moving = Image.open(io.BytesIO(film(sheet, scale=SCALE)))
    assert moving.n_frames == 3  # type: ignore[attr-defined]
    places: list[list[tuple[int, int, int, int]]] = []
    for t in range(3):
        moving.seek(t)
        places.append([box(moving, colours[row, t]) for row in range(9)])
    assert places[0] == places[1] == places[2]
    assert {place[2:] for place in places[0]} == {(WIDTH * SCALE, HEIGHT * SCALE)}
    assert len({place[:2] for place in places[0]}) == 9
    tops = [place[1] for place in places[0]]
    assert tops == sorted(tops) and len(set(tops)) == 3  # a line for the first block, two for the seven of the second


def test_the_same_story_is_the_same_bytes() -> None:
    attending = np.full((1, 3, 3), 0.5, np.float32)
    one, other = (story(make_watched(3, seen=2, attention=attending), "a") for _ in range(2))
    assert film(one) == film(other)
    assert figure(one, range(4)).tobytes() == figure(other, range(4)).tobytes()


def test_the_colours_of_slots_are_exact_in_an_animation_of_more_colours_than_a_gif_has() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (3, 24, 24, 3), np.uint8)
    rows = tuple(PictureRow("slot", "", tuple(noise), slot=k) for k in range(7))
    moving = Image.open(io.BytesIO(film(Story("a", "b", (rows,), ()))))
    for t in range(3):
        moving.seek(t)
        seen = {colour for _, colour in moving.convert("RGB").getcolors(1 << 20) or ()}
        assert set(OKABE_ITO) <= seen and len(seen) <= 256


def test_pixels_are_enlarged_and_never_blurred() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    enlarged = cell(PictureRow("", "", (picture,)), 0, (HEIGHT, WIDTH), SCALE)
    assert np.array_equal(enlarged, np.kron(picture, np.ones((SCALE, SCALE, 1), np.uint8)))


def test_an_arrow_goes_from_the_attended_slot_to_the_attending_one() -> None:
    predictions = np.stack([square(5, 6), square(18, 15), np.zeros((24, 24, 1), np.float32)])
    attention = np.zeros((3, 3), np.float32)
    attention[0, 1] = 0.7  # slot 0 attends to slot 1
    assert find_arrows(predictions, attention) == (Arrow((18.0, 15.0), (5.0, 6.0), pytest.approx(0.7), 1),)


def test_nothing_is_drawn_to_itself_or_to_where_nothing_is_or_of_hardly_any_weight() -> None:
    predictions = np.stack([square(5, 6), square(18, 15), np.zeros((24, 24, 1), np.float32)])
    attention = np.ones((3, 3), np.float32)
    assert {arrow.slot for arrow in find_arrows(predictions, attention)} == {0, 1}
    assert len(find_arrows(predictions, attention)) == 2
    assert find_arrows(predictions, attention * np.float32(0.01)) == ()


def test_an_arrow_has_the_colour_of_the_attended_slot_and_the_width_of_its_weight() -> None:
    def ink(weight: float) -> np.ndarray:
        row = PictureRow("", "", (np.zeros((24, 24, 3), np.uint8),), arrows=((Arrow((4, 12), (20, 12), weight, 3),),))
        return cell(row, 0, (24, 24), 8)

    strong, weak = ink(1.0), ink(0.2)
    assert list(OKABE_ITO[3]) in strong.reshape(-1, 3).tolist()
    assert 0 < (weak.max(axis=2) > 0).sum() < (strong.max(axis=2) > 0).sum()
    assert weak.max() < strong.max()


@pytest.mark.parametrize("slots", [2, 3, 8])
def test_there_is_a_row_for_every_slot(slots: int) -> None:
    scene, below = story(make_watched(slots), "a").blocks
    assert [row.name for row in scene] == ["input", "groups", "prediction", "truth", "error"]
    assert [row.slot for row in below] == list(range(slots))
    none, some = (
        story(make_watched(slots, attention=np.full((1, slots, slots), weight, np.float32)), "a")
        for weight in (0, 0.01)
    )
    assert [row.name for row in none.blocks[1]][slots:] == []
    assert [row.name for row in some.blocks[1]][slots:] == ["attention"]


def test_arrows_are_as_wide_as_the_attention_is_of_the_most_in_the_sequence() -> None:
    attention = np.array([[[0, 0.012, 0], [0.004, 0, 0], [0, 0.001, 0]]], np.float32)
    made = story(make_watched(3, attention=attention), "a")
    row = next(row for row in made.blocks[1] if row.name == "attention")
    found = {(arrow.slot, round(arrow.weight, 3)) for arrows in row.arrows for arrow in arrows}
    assert found <= {(1, 1.0), (0, 0.333)} and found
    assert any("the widest stands for 0.012 of 1" in words for words in made.legend)


def test_one_slot_is_no_group() -> None:
    (scene,) = story(make_watched(1), "rnn").blocks
    assert [row.name for row in scene] == ["input", "prediction", "truth", "error"]


def test_a_model_without_slots_is_input_prediction_truth_and_error() -> None:
    (scene,) = story(make_watched(None), "a").blocks
    assert [row.name for row in scene] == ["input", "prediction", "truth", "error"]


def test_a_model_that_says_owners_alone_has_their_colours() -> None:
    seen = make_watched(None)
    owner = np.full((24, 24), 1, np.uint8)
    (scene,) = story(replace(seen, steps=tuple(replace(step, owner=owner) for step in seen.steps)), "a").blocks
    assert scene[1].name == "owners"
    assert {
        tuple(pixel)
        for picture in scene[1].pictures
        if picture is not None
        for pixel in picture.reshape(-1, 3).tolist()
    } == {OKABE_ITO[1]}


def test_a_model_that_puts_everything_into_one_slot_has_no_owners() -> None:
    for slots in (None, 1):
        seen = make_watched(slots)
        owner = np.zeros((24, 24), np.uint8)
        truth = np.ones((len(seen.steps), 24, 24), np.uint8)
        told = story(replace(seen, groups=truth, steps=tuple(replace(step, owner=owner) for step in seen.steps)), "rnn")
        assert [row.name for row in told.blocks[0]] == ["input", "prediction", "truth", "error"] and len(
            told.blocks
        ) == 1
        assert not any("owners" in words or "groups" in words for words in told.legend)


def group(slots: int | None, **changes: Any) -> Watched:
    """With two objects: one at the left, one at the right."""
    seen = make_watched(slots)
    groups = np.broadcast_to(np.arange(24) // 8, (len(seen.steps), 24, 24)).astype(np.uint8)
    return replace(seen, groups=groups, **changes)


def test_the_true_groups_stand_beside_the_groups_of_the_model() -> None:
    scene, _ = story(group(3), "a").blocks
    assert [row.name for row in scene] == ["input", "groups", "true groups", "prediction", "truth", "error"]
    for picture in scene[2].pictures:
        assert picture is not None
        assert [tuple(colour) for colour in picture[5, [9, 17]].tolist()] == list(OKABE_ITO[:2]) and picture[
            5, 0
        ].max() < 20


@pytest.mark.parametrize("slots", [None, 1, 3])
def test_the_curtain_hangs_over_the_true_groups_which_are_seen_through_it(slots: int | None) -> None:
    told = story(group(slots, curtain=np.array([4, 6, 20, 18], np.int16)), "a")
    scene, size, inside = (
        {row.name: row for row in told.blocks[0]},
        24 * SCALE,
        np.s_[5 * SCALE : 19 * SCALE, 7 * SCALE : 17 * SCALE],
    )
    bare, hung = (
        cell(replace(scene["true groups"], curtain=curtain), 0, (24, 24), SCALE).astype(int)
        for curtain in (None, scene["true groups"].curtain)
    )
    changed = (bare != hung).any(axis=2)
    rows, columns = np.indices((size, size)) // SCALE
    assert np.array_equal(changed, (rows >= 4) & (rows < 20) & (columns >= 6) & (columns < 18))
    assert len(np.unique(hung[inside][:, 3 * SCALE : 6 * SCALE].reshape(-1, 3), axis=0)) == 2, "threads over one object"
    assert (hung[inside][:, 3 * SCALE :].max(axis=2) > 100).all(), "the objects are still to be seen"
    for name in ("prediction", "error"):
        plain_one, outlined = (
            cell(replace(scene[name], curtain=curtain), 0, (24, 24), SCALE) for curtain in (None, scene[name].curtain)
        )
        assert np.array_equal(plain_one[inside], outlined[inside]) and not np.array_equal(plain_one, outlined)
    assert scene["input"].curtain is None and any(words.startswith("hatched: the curtain") for words in told.legend)


def test_what_a_model_is_watched_on_is_what_the_file_knows() -> None:
    seen = watch(Copy(), "curtain", index=3)
    recipe = registry.datasets.get("balls3curtain64")
    scenes = recipe.scenes("test", 3, 4)
    assert seen.groups is not None and seen.curtain is not None
    assert np.array_equal(seen.groups, scenes.groups[0, : len(seen.steps), :, :, 0]) and np.array_equal(
        seen.curtain, scenes.truth["curtain"][0]
    )
    assert [row.name for row in story(seen, "copy").blocks[0]] == [
        "input",
        "true groups",
        "prediction",
        "truth",
        "error",
    ]


def with_levels(*levels: float) -> Watched:
    """A square in every slot, of this level."""
    seen = make_watched(len(levels))
    weights = np.array(levels, np.float32)[None, :, None, None, None]
    steps = tuple(
        replace(step, parts=replace(step.parts, predictions=step.parts.predictions * weights))
        for step in seen.steps
        if step.parts
    )
    return replace(seen, steps=steps)


@pytest.mark.parametrize(
    ("levels", "drawn", "words"),
    [
        ((1, 0.01, 1, 0), [0, 2], "not drawn: slots 2 and 4,"),
        ((1, 0.02, 0.02, 0.03), [0], "not drawn: slots 2, 3 and 4,"),
        ((1, 0.4), [0, 1], ""),  # a faint slot, and a good part of the whole
        ((1, 0), [0], "not drawn: slot 2,"),
        ((0, 0), [0, 1], ""),  # nothing would be left
    ],
)
def test_slots_that_are_empty_take_no_room_and_are_named(
    levels: tuple[float, ...], drawn: list[int], words: str
) -> None:
    told = story(with_levels(*levels), "a")
    assert [row.slot for row in told.blocks[1]] == drawn
    assert [line[: len(words)] for line in told.legend if line.startswith("not drawn")] == [words] * bool(words)


def test_a_slot_that_predicts_nothing_at_a_step_says_so() -> None:
    seen = make_watched(2)
    assert seen.steps[0].parts
    dark = replace(
        seen.steps[0], parts=replace(seen.steps[0].parts, predictions=np.zeros((1, 2, 24, 24, 1), np.float32))
    )
    row = story(replace(seen, steps=(dark, *seen.steps[1:])), "a").blocks[1][0]
    assert row.notes == ("nothing", "", "", "")


@pytest.mark.parametrize(
    ("times", "frames"), [(["--start", 10, "--frames", 4], 4), (["--every", 7], 5), (["--start", 28], 2)]
)
def test_the_command_draws_the_steps_asked_for(
    cli: Callable[..., Result], tmp_path: Path, times: list[Any], frames: int
) -> None:
    whole = (
        times if "--frames" in times else [*times, "--frames", frames]
    )  # the dataset has more frames than the suite asks of
    assert cli("show", "balls4mass64", *whole, "--out", tmp_path / "clip.gif").exit_code == 0
    with Image.open(tmp_path / "clip.gif") as image:
        assert image.n_frames == frames  # type: ignore[attr-defined]
    assert cli("show", "--model", "copy", *times, "--out", tmp_path / "x.gif").exit_code == 0
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames == frames  # type: ignore[attr-defined]
    assert cli("show", "--model", "copy", *times, "--out", tmp_path / "x.png").exit_code == 0


def test_what_is_imagined_has_no_input_and_is_hatched() -> None:
    made = story(make_watched(2, steps=6, seen=2), "a")
    row = made.blocks[0][0]
    assert [picture is None for picture in row.pictures] == [False, False, True, True, True, True]
    hatching = cell(row, 5, (24, 24), 3)
    assert 1 < len(np.unique(hatching.reshape(-1, 3), axis=0)) < 4
    assert "2 frames seen, 5 imagined" in made.caption


@pytest.mark.parametrize("steps", [1, 9, 12, 13, 30, 50])
def test_a_figure_has_at_most_twelve_columns_in_even_steps(steps: int) -> None:
    times = list(ALL_TIMES.spread(steps, COLUMNS))
    assert times[0] == 0 and times[-1] < steps and len(times) <= 12
    assert len(set(np.diff(times))) <= 1
    assert steps > 12 or len(times) == steps


def test_copy_is_watched_seeing_every_frame_and_predicting_it() -> None:
    seen = watch(Copy(), "balls", index=3)
    assert (seen.task, len(seen.steps), seen.seen) == ("balls4mass64", 30, 30)
    for step, after in pairwise(seen.steps):
        assert step.frame is not None and np.array_equal(step.mean, step.frame)
        assert after.frame is not None and np.array_equal(step.truth, after.frame)


def test_in_a_rollout_five_frames_are_shown_and_the_rest_is_the_models_own() -> None:
    whole, seen = watch(Copy(), "balls", index=3), watch(Copy(), "balls", index=3, rollout=4)
    assert [step.frame is None for step in seen.steps] == [False] * 5 + [True] * 3
    assert all(np.array_equal(step.mean, seen.steps[4].mean) for step in seen.steps[5:])
    assert all(np.array_equal(step.truth, same.truth) for step, same in zip(seen.steps, whole.steps, strict=False))


def test_a_suite_that_asks_for_rollouts_is_watched_with_its_own_context() -> None:
    assert (watch(Copy(), "crop50").seen, len(watch(Copy(), "crop50").steps)) == (9, 9)
    assert (watch(Copy(), "simulation").seen, len(watch(Copy(), "simulation").steps)) == (5, 14)


class Counting:
    """Its slots predict how many frames it has seen."""

    likelihood = Bernoulli()

    def begin(self, batch: Batch) -> int:
        return 0

    def observe(self, state: int, frame: np.ndarray, action: object) -> tuple[int, Prediction]:
        return state + 1, Prediction(frame)

    def parts(self, state: int) -> Parts:
        level = np.full((1, 2, 64, 64), state / 100, np.float32)
        return Parts(level[..., None], level)


def test_parts_are_asked_of_the_state_after_the_step() -> None:
    steps = watch(Counting(), "balls", rollout=3).steps
    assert [round(float(step.parts.shares.max()) * 100) for step in steps if step.parts] == [1, 2, 3, 4, 5, 6, 7]


BAD = {
    "other frames": {"predictions": np.zeros((1, 2, 5, 4, 1), np.float32)},
    "other slots": {"shares": np.zeros((1, 3, 4, 4), np.float32)},
    "no slots": {"predictions": np.zeros((1, 0, 4, 4, 1), np.float32), "shares": np.zeros((1, 0, 4, 4), np.float32)},
    "no axes": {"predictions": np.float32(0)},
    "not finite": {"shares": np.full((1, 2, 4, 4), np.nan, np.float32)},
    "not numbers": {"shares": np.full((1, 2, 4, 4), "x")},
    "flat attention": {"attention": np.zeros((1, 4), np.float32)},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD.keys())
def test_parts_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    good = Parts(
        np.zeros((1, 2, 4, 4, 1), np.float32), np.zeros((1, 2, 4, 4), np.float32), np.zeros((1, 2, 2), np.float32)
    )
    assert drawable(good, (4, 4, 1)).predictions.shape == (1, 2, 4, 4, 1)
    with pytest.raises(ModelError, match="of parts are finite floating-point numbers of shape"):
        drawable(replace(good, **wrong), (4, 4, 1))


@pytest.mark.parametrize(("index", "rollout"), [(-1, None), (10_000, None), (0, 0), (0, 47)])
def test_a_sequence_or_a_rollout_that_there_is_not_is_refused(index: int, rollout: int | None) -> None:
    with pytest.raises(RecipeError, match="index is 0 to 9999" if rollout is None else "of 1 to 46"):
        watch(Copy(), "balls", index=index, rollout=rollout)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of three slots that has learnt nothing."""
    pytest.importorskip("torch")
    from physbench_baselines import checkpoint
    from physbench_baselines.nem_sizes import NemSizes

    path = tmp_path_factory.mktemp("run") / "tiny.safetensors"
    checkpoint.save(path, NemSizes(slots=3, channels=(3, 4), dense=12, hidden=10, attention=6, embedding=3).build())
    return path


def test_the_parts_of_nem_are_the_grouping_of_the_frame_just_seen_and_the_prediction_of_the_next(
    checkpoint: Path,
) -> None:
    from physbench_baselines.checkpoint import model

    steps = watch(model(checkpoint), "balls", rollout=2).steps
    assert len(steps) == 6
    for before, step in pairwise(steps[:5]):
        assert (
            before.parts
            and step.parts
            and step.frame is not None
            and step.parts.attention is not None
            and step.owner is not None
        )
        x, psi = step.frame[:, :, 0], before.parts.predictions[0, ..., 0].astype(float)
        likely = np.where(x == 1, psi, 1 - psi) + 1e-6
        assert np.allclose(step.parts.shares[0], likely / likely.sum(axis=0), atol=1e-5)
        assert np.array_equal(step.parts.shares[0].argmax(axis=0), step.owner)
        assert np.array_equal(step.parts.predictions[0].max(axis=0), step.mean)
        assert not step.parts.attention[0].diagonal().any() and step.parts.attention.any()


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_the_command_draws_a_model_without_slots(cli: Callable[..., Result], tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"copy{suffix}"
    result = cli("show", "--model", "copy", "--index", 3, "--rollout", 2, "--out", out)
    assert (result.exit_code, result.output.strip()) == (0, str(out))
    with Image.open(out) as image:
        assert getattr(image, "n_frames", 1) == (6 if suffix == ".gif" else 1)


def test_the_command_draws_a_checkpoint_with_its_slots(
    cli: Callable[..., Result], checkpoint: Path, tmp_path: Path
) -> None:
    sizes: list[tuple[int, int]] = []
    for model in ("copy", checkpoint):
        out = tmp_path / f"{Path(model).stem}.png"
        assert cli("show", "--model", model, "--suite", "balls", "--rollout", 2, "--out", out).exit_code == 0
        sizes.append(Image.open(out).size)
    assert sizes[0][0] == sizes[1][0]
    assert sizes[1][1] - sizes[0][1] > 5 * 128  # groups, three slots, attention


def test_the_name_of_a_file_says_what_is_drawn(
    cli: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli("show", "--model", "physbench_baselines.reference:Copy", "--rollout", 2).exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["physbench_baselines.reference-Copy-balls-0-rollout-2.png"]


WRONG = {
    "neither": ([], "give a dataset, or --model"),
    "both": (["balls4mass64", "--model", "copy"], "give a dataset, or --model"),
    "suite without a model": (["balls4mass64", "--suite", "balls"], "--suite goes with --model"),
    "rollout without a model": (["balls4mass64", "--rollout", "3"], "--rollout goes with --model"),
    "unknown model": (["--model", "copyy"], "no model is called 'copyy'"),
    "unknown factory": (["--model", "nowhere:build"], "does not lead to a model"),
    "no checkpoint": (["--model", "nowhere.pt"], "there is no file or folder nowhere.pt"),
    "unknown suite": (["--model", "copy", "--suite", "bals"], "no suite is called 'bals'"),
    "unknown split": (["--model", "copy", "--split", "tests"], "there is no split 'tests'"),
    "index": (["--model", "copy", "--index", "10000"], "index is 0 to 9999"),
    "index of smoke": (["--model", "copy", "--suite", "smoke", "--index", "64"], "index is 0 to 63"),
    "rollout": (["--model", "copy", "--rollout", "60"], "not 60"),
    "start of a model": (["--model", "copy", "--start", "30"], "start is 0 to 29, not 30"),
    "start": (["balls4mass64", "--start", "51"], "start is 0 to 50, not 51"),
    "frames": (["balls4mass64", "--start", "50", "--frames", "2"], "from frame 50 on 1 of 51 frames are left, not 2"),
    "every": (["balls4mass64", "--every", "0"], "every is 1 or more, not 0"),
    "suffix": (["--model", "copy", "--out", "x.html"], "must end in .png (a figure) or .gif (an animation)"),
    "directory": (["--model", "copy", "--out", "nowhere/x.png"], "there is no folder nowhere"),
}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_cannot_be_drawn_is_refused_in_one_line(
    cli: Callable[..., Result],
    refusal: Callable[[int, str], str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    result = cli("show", *words)
    lines = [line for line in result.stderr.splitlines() if not line.startswith("running the code of")]
    assert said in refusal(result.exit_code, "\n".join(lines))
    assert not list(tmp_path.iterdir())


def test_a_file_that_was_there_is_replaced_as_a_whole(tmp_path: Path) -> None:
    out = tmp_path / "x.gif"
    out.write_bytes(b"before")
    save(make_watched(2), out, name="a")
    assert Image.open(out).format == "GIF"
    assert [path.name for path in tmp_path.iterdir()] == ["x.gif"]
