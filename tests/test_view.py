"""Tests of pictures against the arrays: positions come from `groups`, `features` and `contact`, colours from the
palette."""

import html
import io
import json
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from functools import cache
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from physbench import registry
from physbench.errors import PhysbenchError, RecipeError, StorageError, UnknownName
from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.scene import HIT_OBJECT, WALL
from physbench.storage.reader import open_dataset
from physbench.view import (
    Clip,
    Times,
    animation,
    canvas,
    clip_from,
    clip_of,
    contact_sheet,
    describe_recipe,
    page,
    save,
    strip,
)
from physbench.view.canvas import png
from physbench.view.panels import draw_frame, draw_labels, legend
from physbench_generators.balls.scenes import Balls
from tests.leaderboard.browser import CHROMIUM, Browser

FRAMES = 12
OKABE_ITO = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)]
WHITE = (255, 255, 255)
SCALE = 3

SCENES = {
    "four": Balls(n=(4, 4)),
    "some": Balls(n=(6, 8)),
    "curtain": Balls(n=(3, 3), radius_ratio=1.0, mass_ratio=1.0, curtain=24),
    "colour": Balls(n=(4, 4), colour=True),
    "colour behind a curtain": Balls(n=(4, 4), colour=True, curtain=30),
    "crop": Balls(n=(4, 4), crop=50),
    "crowd": Balls(n=(16, 16), radius=4.0),
    "single": Balls(n=(1, 1)),
}


@cache
def make_clip(scene: str, number: int = 0) -> Clip:
    recipe = Recipe(dataset="balls", generator=SCENES[scene], frames=FRAMES)
    scenes = recipe.generator.batch(recipe.seeds("test", number, number + 1), FRAMES)
    return clip_from(scenes, 0, dataset="balls-v1", split="test", index=number, world=recipe.generator)


def still(clip: Clip) -> Clip:
    """The same clip in which nothing hits anything and nothing is heavier."""
    no_hits = {name: column[:0] for name, column in clip.events.items()}
    masses = np.ones_like(clip.arrays["mass"])
    return replace(
        clip, arrays={**clip.arrays, "contact": np.zeros_like(clip.arrays["contact"]), "mass": masses}, events=no_hits
    )


def middles(array: np.ndarray, scale: int) -> np.ndarray:
    """One picture pixel from the middle of each pixel of the frame."""
    return array[scale // 2 :: scale, scale // 2 :: scale]


def without_walls(clip: Clip) -> Clip:
    return replace(clip, events={name: column[:0] for name, column in clip.events.items()})


@pytest.mark.parametrize("scene", ["four", "some", "crop", "crowd", "single"])
def test_every_label_has_its_colour_where_the_labels_say(scene: str) -> None:
    clip = still(make_clip(scene))
    for t in (0, FRAMES - 1):
        picture, owners = middles(draw_labels(clip, t, scale=SCALE), SCALE), clip.arrays["groups"][t, :, :, 0]
        seen = [{tuple(colour) for colour in picture[owners == label].tolist()} for label in np.unique(owners).tolist()]
        assert all(len(colours) == 1 for colours in seen)
        assert len(set.union(*seen)) == len(seen), "two labels share a colour"
        for label, colours in zip(np.unique(owners).tolist(), seen, strict=True):
            if 1 <= label <= len(OKABE_ITO):
                assert colours == {OKABE_ITO[label - 1]}


@pytest.mark.parametrize("scene", ["four", "curtain", "crop"])
def test_frames_are_light_exactly_where_the_features_are(scene: str) -> None:
    clip = make_clip(scene)
    picture = middles(draw_frame(clip, 3, scale=SCALE), SCALE)
    assert np.array_equal(picture.min(axis=2) > 200, clip.arrays["features"][3, :, :, 0] == 1)
    assert np.array_equal(picture.max(axis=2) < 40, clip.arrays["features"][3, :, :, 0] == 0)


def test_frames_in_colour_are_the_features() -> None:
    clip = make_clip("colour")
    assert np.array_equal(middles(draw_frame(clip, 3, scale=SCALE), SCALE), clip.arrays["features"][3])


@pytest.mark.parametrize("scene", ["colour", "colour behind a curtain"])
def test_a_ball_has_the_colour_in_the_objects_that_it_has_in_the_frames(scene: str) -> None:
    clip = still(make_clip(scene, 2))
    bare = replace(clip, arrays={**clip.arrays, "curtain": np.zeros(4, np.int16)})
    for t in range(FRAMES):
        frame, objects = (
            middles(draw_frame(bare, t, scale=SCALE), SCALE),
            middles(draw_labels(bare, t, scale=SCALE), SCALE),
        )
        there = (clip.arrays["groups"][t, :, :, 0] > 0) & frame.any(axis=2)  # a hidden ball is black
        assert there.any() and np.array_equal(objects[there], frame[there])
    assert {colour for _, colour in strip(clip, scale=2).getcolors(1 << 16)}.isdisjoint(OKABE_ITO)


def test_the_player_lists_a_ball_in_the_colour_of_its_frames() -> None:
    clip = make_clip("colour")
    told = json.loads(re.findall(r'<script id="clip" type="application/json">(.*?)</script>', page(clip))[0])
    for k, colour in enumerate(told["colours"]):
        pixels = clip.arrays["features"][clip.arrays["groups"][..., 0] == k + 1]
        assert {tuple(pixel) for pixel in pixels.tolist()} == {tuple(bytes.fromhex(colour.removeprefix("#")))}


def test_a_ball_that_no_frame_shows_keeps_its_colour_of_the_palette() -> None:
    clip = make_clip("colour")
    unseen = clip.arrays["features"] * (clip.arrays["groups"] != 3)
    colours = replace(clip, arrays={**clip.arrays, "features": unseen}).colours
    assert tuple(colours[3]) == OKABE_ITO[2] and np.array_equal(colours[4], clip.colours[4])


def test_a_white_outline_around_a_pale_ball_has_a_dark_line_within() -> None:
    clip = make_clip("colour", 1)
    t = int(np.argmax(clip.hits.any(axis=1)))
    label = int(np.argmax(clip.hits[t])) + 1
    ball = clip.arrays["groups"][t, :, :, 0] == label
    for paint, is_pale in (((255, 250, 200), True), ((128, 0, 0), False)):
        features = np.where(clip.arrays["groups"] == label, np.array(paint, np.uint8), clip.arrays["features"])
        painted = replace(
            without_walls(clip), arrays={**clip.arrays, "features": features, "mass": np.ones_like(clip.arrays["mass"])}
        )
        pixels = draw_labels(painted, t, scale=6)[np.kron(ball, np.ones((6, 6), bool))]
        assert {WHITE, paint} <= set(map(tuple, pixels.tolist()))
        assert (pixels.max(axis=1) < 40).any() == is_pale


@pytest.mark.parametrize("scene", ["four", "curtain", "crowd", "single"])
def test_outlined_are_the_balls_that_hit_another_in_the_two_frames_that_the_mask_covers(scene: str) -> None:
    clip, hits = make_clip(scene, 1), 0
    groups, mask = clip.arrays["groups"][..., 0], clip.arrays["collisions"][..., 0]
    for t in range(FRAMES):
        white = (draw_labels(without_walls(clip), t, scale=SCALE) == 255).all(axis=2)
        contact = clip.arrays["contact"][max(t - 1, 0) : t + 1] & HIT_OBJECT
        expected = set((np.flatnonzero(contact.any(axis=0)) + 1).tolist())
        assert set(np.kron(groups[t], np.ones((SCALE, SCALE), np.uint8))[white].tolist()) == expected
        covered = mask[max(t - 1, 0) : t + 1].any(axis=0)
        assert not (white & ~np.kron(covered, np.ones((SCALE, SCALE), bool))).any()
        hits += len(expected)
    assert (hits > 0) == (scene != "single")


def test_an_outline_leaves_the_inside_and_the_neighbours_alone() -> None:
    clip = make_clip("four", 5)
    t = int(np.argmax((clip.arrays["contact"] & HIT_OBJECT).any(axis=1)))
    label = int(np.argmax(clip.arrays["contact"][t] & HIT_OBJECT)) + 1
    with_hits, without = draw_labels(clip, t, scale=SCALE), draw_labels(still(clip), t, scale=SCALE)
    x, y = (clip.arrays["position"][t, label - 1] + [clip.arrays["radius"][label - 1] * 0.6, 0]) * SCALE
    assert tuple(with_hits[int(y), int(x)]) == tuple(without[int(y), int(x)]) == OKABE_ITO[label - 1]


def test_heavy_balls_have_a_dark_core_and_light_ones_have_none() -> None:
    clip = make_clip("some", 1)
    picture, mass = draw_labels(clip, 0, scale=SCALE), clip.arrays["mass"]
    assert {1.0, 6.0} <= set(mass.tolist())
    for k in range(int(clip.arrays["count"])):
        x, y = (clip.arrays["position"][0, k] * SCALE).astype(int)
        assert (tuple(picture[y, x]) == OKABE_ITO[k]) == (mass[k] == 1.0)


def test_a_wall_hit_is_marked_at_the_wall_in_the_frame_before_and_the_frame_after() -> None:
    clip = make_clip("single")
    row = int(np.argmax((clip.events["b"] == WALL) & (clip.events["time"] > 2)))
    t = int(np.ceil(clip.events["time"][row])) - 1
    x, y = np.clip((clip.events["position"][row] * SCALE).round().astype(int), 0, 64 * SCALE - 1)
    marked = [tuple(draw_labels(clip, t + k, scale=SCALE)[y, x]) == WHITE for k in (-2, 0, 1)]
    assert marked == [False, True, True]


def test_the_legend_explains_what_there_is_to_see_and_nothing_else() -> None:
    marks = [
        {words.split(":")[0] for words in legend(clip)}
        for clip in (make_clip("some", 1), make_clip("curtain", 1), still(make_clip("four")))
    ]
    assert marks == [{"dark core", "white outline", "tick"}, {"white outline", "tick", "hatched"}, set()]


def test_the_legend_of_some_frames_explains_what_these_have() -> None:
    clip = make_clip("some", 1)
    for t in range(FRAMES):
        covered = (clip.arrays["collisions"][max(t - 1, 0) : t + 1] > 0).any()
        assert ("white outline: hits another object within a frame" in legend(clip, range(t, t + 1))) == covered


def words_of(monkeypatch: pytest.MonkeyPatch, module: str) -> list[str]:
    """Every text that is written from now on, whole."""
    written: list[str] = []
    real = canvas.write

    def write(image: Any, at: Any, text: str, *colours: Any, **style: Any) -> int:
        written.append(text)
        return real(image, at, text, *colours, **style)

    for place in (module, "canvas"):
        monkeypatch.setattr(f"physbench.view.{place}.write", write)
    return written


@pytest.mark.parametrize("scene", ["some", "curtain", "single"])
def test_an_animation_explains_its_marks(monkeypatch: pytest.MonkeyPatch, scene: str) -> None:
    clip, written = make_clip(scene, 1), words_of(monkeypatch, "pictures")
    animation(clip, scale=5)
    lines = [part for text in written for part in text.split(canvas.BETWEEN)]
    assert set(legend(clip)) <= set(lines)
    assert ("mark on the line of time: two objects hit" in lines) == bool(clip.arrays["collisions"].any())


def test_a_long_legend_goes_on_in_the_next_line() -> None:
    font = ImageFont.load_default(13)
    parts = ["one: a word", "two: another word", "three: a third word", "four"]
    for room in (90, 150, 260, 1000):
        lines = canvas.flow(parts, room, size=13)
        assert [part for line in lines for part in line.split(canvas.BETWEEN)] == parts
        assert all(font.getlength(line) <= room or canvas.BETWEEN not in line for line in lines)
        assert all(
            font.getlength(line + canvas.BETWEEN + after.split(canvas.BETWEEN)[0]) > room
            for line, after in pairwise(lines)
        )


def test_the_curtain_has_a_border_and_balls_behind_it_show_dimmed() -> None:
    clip = next(clip for clip in (make_clip("curtain", i) for i in range(20)) if (clip.arrays["visible"] == 0).any())
    t, k = np.argwhere(clip.arrays["visible"][:, : int(clip.arrays["count"])] == 0)[0]
    y0, x0, y1, x1 = (clip.arrays["curtain"] * SCALE).tolist()
    quiet = still(clip)
    picture = draw_labels(quiet, t, scale=SCALE).astype(int)
    border = [picture[y0, x0:x1], picture[y1 - 1, x0:x1], picture[y0:y1, x0], picture[y0:y1, x1 - 1]]
    assert all(edge.min() > 180 for edge in border)
    bare = draw_labels(
        replace(quiet, arrays={**quiet.arrays, "curtain": np.zeros(4, np.int16)}), t, scale=SCALE
    ).astype(int)
    outside = np.ones(picture.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert (picture[outside] == bare[outside]).all()
    hidden = np.kron(clip.arrays["groups"][t, :, :, 0] == k + 1, np.ones((SCALE, SCALE), bool))
    assert (picture[hidden].max(axis=1) < bare[hidden].max(axis=1)).all()
    assert draw_frame(clip, t, scale=SCALE)[hidden].max() < 40


def test_the_strip_shows_the_first_collision() -> None:
    late = next(
        clip for clip in (make_clip("four", i) for i in (7, 14, 18)) if clip.hits.any() and not clip.hits[:6].any()
    )
    for clip, seen in ((without_walls(late), True), (still(late), False)):
        image = strip(clip, times=Times(frames=2), scale=2)
        picture = np.asarray(image)
        assert image.mode == "RGB" and image.width > 2 * 128 and image.height > 2 * 128
        assert (picture == 255).all(axis=2).any() == seen
        assert {colour for _, colour in image.getcolors(1 << 16)} >= set(OKABE_ITO[:4])


@pytest.mark.parametrize("scene", ["colour", "crop", "crowd", "single"])
def test_every_kind_of_scene_makes_every_kind_of_picture(scene: str) -> None:
    clip = make_clip(scene)
    assert png(strip(clip, times=Times(frames=3), scale=2)).startswith(b"\x89PNG")
    assert animation(clip, scale=1).startswith(b"GIF89a")
    assert "<canvas" in page(clip)


def test_the_animation_has_all_frames_and_loops() -> None:
    clip = make_clip("curtain")
    with Image.open(io.BytesIO(animation(clip, scale=5))) as image:
        assert image.n_frames == FRAMES
        assert (image.info["loop"], image.info["duration"]) == (0, 100)
        image.seek(FRAMES - 1)
        picture = np.asarray(image.convert("RGB"))
    expected = draw_labels(clip, FRAMES - 1, scale=5)
    height, width = expected.shape[:2]
    x = picture.shape[1] - width - 24
    tried = (picture[y : y + height, x : x + width] for y in range(picture.shape[0] - height))
    assert any(np.array_equal(part, expected) for part in tried), "a colour was changed"


HOSTILE = '"><script>alert(1)</script><img src=https://example.org/x onerror=alert(1)>$title\x1b[31m\u202e'


def test_the_page_fetches_nothing_and_takes_no_text_for_markup() -> None:
    text = page(replace(make_clip("four"), dataset=HOSTILE, split="</script><script>alert(2)//"))
    assert "<script>alert" not in text and "<img src=https" not in text
    assert text.count("<script") == 2 and text.count("</script>") == 2
    assert "\x1b" not in text and "\u202e" not in text
    fetched = re.findall(
        r"""(?:\bsrc|\bhref|url)\s*[=(]\s*["']?([^"' >)]*)""", text.replace("src=https://example.org", "")
    )
    assert fetched and all(address.startswith("data:image/png;base64,") for address in fetched)
    assert not re.search(r"https?://|@import|fetch\(|XMLHttp", text.replace("https://example.org", ""))
    assert "default-src 'none'" in text and "unsafe" not in text


def test_the_page_is_small_and_the_same_each_time() -> None:
    text = page(make_clip("some"))
    assert text == page(make_clip("some"))
    assert len(text) < 12_000 + FRAMES * 8_000


def test_the_policy_of_the_page_lets_its_own_style_and_script_pass() -> None:
    text = page(make_clip("single"))
    for element in ("style", "script"):
        (inside,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        assert f"{element}-src 'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'" in text
    assert not re.search(r"\son\w+=|\sstyle=|\{\{", text)


@pytest.mark.parametrize("name", [HOSTILE, "W" * 70_000, "two\nlines", ""])
def test_a_strange_name_fits_in_a_picture(name: str) -> None:
    clip, strange = make_clip("single"), replace(make_clip("single"), dataset=name, split=name)
    assert strip(strange, times=Times(frames=2), scale=1).size == strip(clip, times=Times(frames=2), scale=1).size
    assert len(animation(strange, scale=1)) < 100_000


def test_a_long_list_of_objects_takes_more_rows() -> None:
    narrow, wide = (
        strip(make_clip("crowd"), times=Times(frames=2), scale=1),
        strip(make_clip("crowd"), times=Times(frames=8), scale=3),
    )
    assert narrow.height - 2 * 64 > wide.height - 2 * 3 * 64


def test_importing_the_pictures_loads_no_pillow_and_no_compiler() -> None:
    code = (
        "import sys, physbench.view; print([name for name in ('PIL', 'numba', 'torch', 'matplotlib') if name in"
        " sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_the_contact_sheet_shows_eight_scenes_and_where_they_go() -> None:
    recipe = Recipe(dataset="balls", generator=SCENES["four"], frames=FRAMES)
    scenes = recipe.generator.batch(recipe.seeds("test", 0, 9), FRAMES)
    image = contact_sheet(scenes, scale=2)
    assert image.width > 4 * 128 and image.height > 2 * 128
    inside = np.asarray(image).astype(int)
    orange = (inside == OKABE_ITO[0]).all(axis=2).sum()
    assert orange > 0.5 * sum((scenes.groups[i, 0] == 1).sum() * 4 for i in range(8))
    assert (
        contact_sheet(
            replace(scenes, truth={**scenes.truth, "position": np.full_like(scenes.truth["position"], np.nan)}),
            columns=2,
            rows=1,
        ).width
        < 700
    )


def test_the_contact_sheet_says_of_what_it_is_and_that_it_shows_the_first_frame(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = Recipe(dataset="balls", generator=SCENES["some"], frames=FRAMES)
    scenes = recipe.generator.batch(recipe.seeds("test", 0, 3), FRAMES)
    written = words_of(monkeypatch, "contact")
    contact_sheet(scenes, dataset=recipe.name, split="test", recipe=describe_recipe(recipe.to_json()))
    assert written[:2] == ["balls-v1: n 6-8, frames 12", "the first 3 test sequences  ·  12 frames of 64x64"]
    said = canvas.BETWEEN.join(written)
    assert "objects: in the first frame" in said and "line: the way of a centre to the last frame" in said
    owners = np.kron(scenes.groups[0, 0, :, :, 0], np.ones((2, 2), np.uint8))
    sheet = np.asarray(contact_sheet(still_scenes(scenes), scale=2))
    places = np.lib.stride_tricks.sliding_window_view((sheet == OKABE_ITO[0]).all(axis=2), owners.shape)[:130, :40]
    assert any(np.array_equal(place[owners > 0], owners[owners > 0] == 1) for row in places for place in row), (
        "not the first frame"
    )


def still_scenes(scenes: Any) -> Any:
    return replace(
        scenes,
        truth={
            **scenes.truth,
            "contact": np.zeros_like(scenes.truth["contact"]),
            "mass": np.ones_like(scenes.truth["mass"]),
        },
    )


RECIPES = {
    "balls": (Recipe(dataset="balls", generator=Balls()), ""),
    "named": (registry.datasets.get("balls3curtain64"), ""),
    "many": (
        Recipe(dataset="balls", generator=Balls(n=(6, 8), gravity=0.1, curtain=24, colour=True)),
        "n 6-8, gravity 0.1, curtain 24, colour",
    ),
    "sizes": (
        Recipe(dataset="balls", generator=Balls(n=(3, 3), mass_ratio=1.0), splits={"test": 3}),
        "n 3, mass-ratio 1",
    ),
    "frames and seed": (Recipe(dataset="balls", generator=Balls(), frames=20, seed=7), "frames 20, seed 7"),
    "another name": (Recipe(dataset="mine", generator=Balls(speed=1.5)), "speed 1.5"),
}


@pytest.mark.parametrize(("recipe", "words"), RECIPES.values(), ids=RECIPES.keys())
def test_a_recipe_is_what_differs_from_the_usual_one(recipe: Recipe, words: str) -> None:
    assert describe_recipe(recipe.to_json()) == words


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"parameters": 3, "dataset": null}',
        '{"parameters": {"a": {"b": [1]}, "c": null}, "generator": ["x"], "frames": "y"}',
    ],
)
def test_the_recipe_of_a_stranger_is_words_and_never_an_error(text: str) -> None:
    assert isinstance(describe_recipe(text), str)
    assert (
        replace(make_clip("four"), recipe="\x1b[31m" + "W" * 9000).title.isprintable()
        and len(replace(make_clip("four"), recipe="W" * 9000).title) < 150
    )


def test_the_title_of_a_picture_says_the_recipe_of_the_file(tmp_path: Path) -> None:
    recipe = Recipe(dataset="balls", generator=Balls(n=(2, 2), gravity=0.25), frames=FRAMES, splits={"test": 1})
    clip = clip_of(generate(recipe, tmp_path / "own.h5", workers=1), None, 0)
    assert clip.title == "balls-v1: n 2, gravity 0.25, frames 12"
    assert "<h1>balls-v1: n 2, gravity 0.25, frames 12</h1>" in page(clip)
    assert clip_of("balls4mass64", None, 0).title == "balls4mass64-v1"


CHOICES = {
    "all": (Times(), list(range(FRAMES))),
    "start": (Times(start=9), [9, 10, 11]),
    "frames": (Times(frames=3), [0, 1, 2]),
    "every": (Times(every=5), [0, 5, 10]),
    "the three": (Times(start=2, frames=3, every=4), [2, 6, 10]),
    "the last": (Times(start=11, frames=1, every=99), [11]),
}


@pytest.mark.parametrize(("times", "frames"), CHOICES.values(), ids=CHOICES.keys())
def test_the_frames_asked_for_are_those_of_an_animation_and_of_a_page(
    monkeypatch: pytest.MonkeyPatch, times: Times, frames: list[int]
) -> None:
    clip, written = make_clip("some", 1), words_of(monkeypatch, "pictures")
    with Image.open(io.BytesIO(animation(clip, times=times, scale=1))) as image:
        assert image.n_frames == len(frames)
    assert [text for text in written if text.startswith("t = ")] == [f"t = {t}" for t in frames]
    told = json.loads(
        re.findall(r'<script id="clip" type="application/json">(.*?)</script>', page(clip, times=times))[0]
    )
    assert told["times"] == frames and len(told["motion"]) == len(frames)
    assert told["motion"][0][0] == pytest.approx(
        [*clip.arrays["position"][frames[0], 0], *clip.arrays["velocity"][frames[0], 0]], abs=0.006
    )


@pytest.mark.parametrize("times", [Times(), Times(start=3), Times(start=2, frames=3, every=4)])
def test_a_page_lists_the_collisions_of_its_frames_with_the_frame_before_each(times: Times) -> None:
    clip = make_clip("some", 1)
    told = json.loads(
        re.findall(r'<script id="clip" type="application/json">(.*?)</script>', page(clip, times=times))[0]
    )
    frames, every = told["times"], times.every or 1
    expected = []
    for time in clip.events["time"].tolist():
        last = [place for place, t in enumerate(frames) if t < time <= t + every]
        expected += [(round(time, 3), place) for place in last]
    assert [(event[0], event[4]) for event in told["events"]] == expected and len(expected) > 5


def test_the_columns_of_collisions_have_names_and_units() -> None:
    text = page(make_clip("four"))
    heads = re.findall(r'<th scope="col">(.*?)<small>(.*?)</small>', text)
    assert [(head, html.unescape(unit)) for head, unit in heads] == [
        ("time", "in frames"),
        ("who", "hits whom"),
        ("impulse", "in mass \N{MULTIPLICATION SIGN} pixels per frame"),
    ]


@pytest.mark.parametrize(
    ("times", "frames"),
    [(Times(start=4), [4, 5, 6, 7, 8, 9, 10, 11]), (Times(1, 2, 3), [1, 4]), (Times(start=10), [10, 11])],
)
def test_a_strip_has_the_frames_asked_for(monkeypatch: pytest.MonkeyPatch, times: Times, frames: list[int]) -> None:
    written = words_of(monkeypatch, "pictures")
    strip(make_clip("four"), times=times, scale=1)
    assert [text for text in written if text.startswith("t = ")] == [f"t = {t}" for t in frames]


@pytest.mark.parametrize("start", [None, 0])
@pytest.mark.parametrize(
    ("frames", "every"), [(None, None), (1, None), (5, None), (None, 1), (5, 1), (None, 3), (1, 3), (3, 3), (None, 11)]
)
def test_a_strip_of_any_choice_stays_within_the_sequence(
    monkeypatch: pytest.MonkeyPatch, start: int | None, frames: int | None, every: int | None
) -> None:
    written = words_of(monkeypatch, "pictures")
    strip(make_clip("four", 7), times=Times(start, frames, every), scale=1)
    drawn = [int(text.removeprefix("t = ")) for text in written if text.startswith("t = ")]
    assert (
        set(drawn) <= set(range(FRAMES))
        and len(drawn) == (frames or len(drawn))
        and set(np.diff(drawn)) <= ({every} if every else {1, 2})
    )


REFUSED = {
    "start": (Times(start=12), "start is 0 to 11, not 12: there are 12 frames"),
    "before the start": (Times(start=-1), "start is 0 to 11, not -1"),
    "no frames": (Times(frames=0), "frames is 1 or more, not 0"),
    "no step": (Times(every=0), "every is 1 or more, not 0"),
    "too many": (Times(frames=13), "from frame 0 on 12 of 12 frames are left, not 13"),
    "too far": (Times(start=6, frames=4, every=2), "from frame 6 on, every 2, 3 of 12 frames are left, not 4"),
}


@pytest.mark.parametrize(("times", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_frames_that_there_are_not_are_refused_in_words(times: Times, words: str) -> None:
    for draw in (strip, animation, page):
        with pytest.raises(RecipeError, match=re.escape(words)):
            draw(make_clip("four"), times=times)


def test_a_still_picture_has_room_for_only_so_many() -> None:
    long = make_clip("four")
    arrays = {
        name: np.concatenate([array] * 4) if array.shape[:1] == (FRAMES,) else array
        for name, array in long.arrays.items()
    }
    with pytest.raises(RecipeError, match=r"room for 32 frames, not 48: .* \.gif"):
        strip(replace(long, arrays=arrays), times=Times(frames=48))


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: the page is not looked at in a browser")
def test_the_player_lists_collisions_under_their_heads_and_goes_to_the_frame_of_one_that_is_clicked(
    tmp_path: Path,
) -> None:
    clip, times = make_clip("some", 1), Times(start=2, every=3)
    save(clip, tmp_path / "clip.html", times=times)
    browser = Browser(tmp_path / "profile")
    try:
        browser.open((tmp_path / "clip.html").as_uri())
        rows = browser.run(
            "[...document.querySelectorAll('#events tr')].map(row => [...row.cells].map(cell => cell.textContent))"
        )
        columns = (clip.events[name].tolist() for name in ("time", "a", "b", "impulse"))
        hits = [
            (time, f"{a + 1}{'the wall' if b == WALL else b + 1}", impulse)
            for time, a, b, impulse in zip(*columns, strict=True)
            if time > 2
        ]
        assert rows == [[f"{time:.2f}", who, f"{round(impulse, 3):.1f}"] for time, who, impulse in hits] and rows
        edges = browser.run(
            "['thead th', '#events td'].map(cells => [...document.querySelectorAll(cells)].slice(0, 3).map(c =>"
            " c.getBoundingClientRect().left))"
        )
        assert edges[0] == edges[1], "a head stands over its column"
        place = len(rows) // 2
        browser.run(f"document.querySelectorAll('#events tr')[{place}].click()")
        shown_now = browser.run("[document.querySelector('#at').textContent, document.querySelector('#scrub').max]")
        last = max(t for t in range(2, FRAMES, 3) if t < hits[place][0])
        assert shown_now == [f"t = {last}", "3"] and browser.complaints == []
        browser.size(360, phone=True)
        assert browser.run("document.documentElement.scrollWidth") == 360, "nothing sticks out on a phone"
    finally:
        browser.close()


def test_a_file_and_the_name_of_its_dataset_show_the_same(tmp_path: Path) -> None:
    recipe = Recipe(dataset="balls", generator=SCENES["curtain"], frames=FRAMES, splits={"training": 3, "test": 2})
    path = generate(recipe, tmp_path / "few.h5", workers=1)
    clip = clip_of(path, None, 1)
    assert (clip.dataset, clip.split, clip.index) == ("balls-v1", "test", 1)
    assert np.array_equal(clip.arrays["features"], open_dataset(path)["test"][1]["features"])
    assert png(strip(replace(clip, recipe=""), scale=2)) == png(strip(make_clip("curtain", 1), scale=2))
    assert clip_of(str(path), "training", 2).split == "training"
    for split, index, words in (
        (None, 2, "index is 0 to 1"),
        ("test", -1, "index is 0 to 1"),
        ("validation", 0, "training, test"),
    ):
        with pytest.raises(StorageError, match=words):
            clip_of(path, split, index)


def test_what_does_not_exist_is_said_in_a_sentence() -> None:
    with pytest.raises(UnknownName, match="did you mean 'balls4mass64'"):
        clip_of("balls4mas64", None, 0)
    with pytest.raises(StorageError, match="there is no file"):
        clip_of("nowhere/few.h5", None, 0)
    with pytest.raises(StorageError, match="index is 0 to 9999"):
        clip_of("balls4mass64", None, 10_000)
    with pytest.raises(StorageError, match="it has test"):
        clip_of("balls678mass64", "training", 0)


@pytest.mark.parametrize(
    ("suffix", "start"), [(".png", b"\x89PNG"), (".GIF", b"GIF89a"), (".html", b"<!doctype html>")]
)
def test_saving_goes_by_the_suffix_and_replaces_what_was_there(tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / f"clip{suffix}"
    out.write_bytes(b"old")
    save(make_clip("single"), out)
    assert out.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [out]


def test_saving_refuses_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    clip = make_clip("single")
    (tmp_path / "directory.png").mkdir()
    for name, words in (
        ("clip.mp4", r"\.png .*\.gif .*\.html"),
        ("missing/clip.png", "no folder"),
        ("directory.png", "is a folder"),
    ):
        with pytest.raises(PhysbenchError, match=words):
            save(clip, tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["directory.png"]
