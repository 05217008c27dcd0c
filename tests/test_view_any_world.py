"""Tests of pictures of worlds that are not balls: drawn from the arrays that exist, with the marks that a world
offers."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from physbench import registry
from physbench.errors import StorageError
from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.scene import Marks, Scenes, Span
from physbench.view import Clip, Times, animation, clip_from, clip_of, contact_sheet, page, save, strip
from physbench.view.panels import COLOURS, draw_frame, draw_labels, legend
from physbench_generators.balls.scenes import Balls
from tests.leaderboard.browser import CHROMIUM, Browser
from tests.test_view import words_of

SIDE, SCALE = 12, 4
WHITE = (255, 255, 255)


def squares(recipe: Recipe, span: Span, channels: int = 1) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Two squares: the first walks to the right, a pixel a frame, the second rests. (N, T, H, W, C) features and (N, T,
    H, W, 1) labels."""
    groups = np.zeros((len(span), recipe.frames, SIDE, SIDE, 1), np.uint8)
    for t in range(recipe.frames):
        groups[:, t, 1:4, 1 + t : 4 + t] = 1
    groups[:, :, 7:10, 5:8] = 2
    return (groups > 0).astype(np.uint8).repeat(channels, axis=4) * (1 if channels == 1 else 200), groups


@dataclass(frozen=True)
class Stills:
    name: ClassVar[str] = "stills"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features", "groups")
    shape: ClassVar[tuple[int, int, int]] = (SIDE, SIDE, 3)
    objects: ClassVar[int] = 2

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        return Scenes(*squares(recipe, span, 3))


@dataclass(frozen=True)
class Game:
    """Frames and actions, events of two kinds, and nothing about objects."""

    name: ClassVar[str] = "game"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = (
        "features",
        "actions",
        "events/offset",
        "events/sequence",
        "events/time",
        "events/kind",
    )
    shape: ClassVar[tuple[int, int, int]] = (SIDE, SIDE, 1)
    objects: ClassVar[int] = 0
    actions: ClassVar[int] = 3

    def scenes(self, recipe: Recipe, span: Span, only: Collection[str] | None = None) -> Scenes:
        count = len(span)
        actions = np.zeros((count, recipe.frames, 3), np.uint8)
        actions[:, np.arange(recipe.frames), np.arange(recipe.frames) % 3] = 1
        times, kinds = np.tile([4.0, 6.0], count), np.tile(np.array([0, 7], np.uint8), count)
        return Scenes(
            squares(recipe, span)[0],
            None,
            {"actions": actions},
            {"offset": np.arange(count + 1) * 2, "time": times, "kind": kinds},
        )

    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        return Marks(kinds={0: "shot"})


@dataclass(frozen=True)
class Marked(Stills):
    def marks(self, arrays: Mapping[str, NDArray[Any]], events: Mapping[str, NDArray[Any]]) -> Marks:
        outlined = np.zeros((len(arrays["groups"]), 2), bool)
        outlined[3, 1] = True
        words = {
            "outlined": "white: touched",
            "ticks": "tick: a knock",
            "hidden": "hatched: a door",
            "cores": "dark: lead",
        }
        return Marks(
            ("runner", "rock"),
            outlined=outlined,
            ticks=np.array([[6.5, 10.0, 1.0]]),
            hidden=np.array([0, 0, 3, 3], np.int16),
            words=words,
        )


stills = Recipe(dataset="stills", generator=Stills(), frames=1)
game = Recipe(dataset="game", generator=Game(), frames=8)


def make_clip(world: Any, frames: int = 8, **arrays: Any) -> Clip:
    recipe = Recipe(dataset=world.name, generator=world, frames=frames)
    clip = clip_from(recipe.scenes("test", 0, 1), 0, dataset="mine-v1", split="test", index=0, world=world)
    return replace(clip, arrays={**clip.arrays, **arrays})


def tell(clip: Clip, **choice: Any) -> Any:
    return json.loads(re.findall(r'<script id="clip" type="application/json">(.*?)</script>', page(clip, **choice))[0])


def test_objects_without_marks_have_the_colours_of_their_labels_and_nothing_else() -> None:
    clip = make_clip(
        replace(Stills()),
        features=squares(Recipe(dataset="stills", generator=Stills(), frames=8), Span("test", 0, 1))[0][0],
    )
    for t in range(8):
        assert np.array_equal(draw_labels(clip, t, scale=1), COLOURS[clip.arrays["groups"][t, :, :, 0]])
    assert legend(clip) == [] and clip.names == ["1", "2"] and clip.population == "2 objects"


def test_marks_are_drawn_where_and_when_the_world_says() -> None:
    clip = make_clip(Marked())
    groups = clip.arrays["groups"][..., 0]
    for t in range(8):
        white = (draw_labels(clip, t, scale=SCALE) == 255).all(axis=2)
        rock = np.kron(groups[t] == 2, np.ones((SCALE, SCALE), bool))
        assert (white & rock).any() == (t in (3, 4)), "outlined in frames t and t + 1"
        assert white[SCALE, 10 * SCALE] == (t in (6, 7)), "a tick shows in the frames around its time"
    bare = draw_labels(replace(clip, world=None), 0, scale=SCALE)
    changed = (draw_labels(clip, 0, scale=SCALE) != bare).any(axis=2)
    assert (
        changed[: 3 * SCALE, : 3 * SCALE].any() and not changed[3 * SCALE :].any() and not changed[:, 3 * SCALE :].any()
    )
    assert clip.names == ["runner", "rock"] and legend(clip) == ["white: touched", "tick: a knock", "hatched: a door"]
    assert legend(clip, range(1)) == ["hatched: a door"]


@pytest.mark.parametrize("world", [Stills(), Marked()])
def test_a_single_image_is_called_one_and_has_no_time(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    if isinstance(world, Marked):
        monkeypatch.setattr(Marked, "marks", lambda self, arrays, events: Marks(("runner", "rock")))
    clip, written = make_clip(world, 1), words_of(monkeypatch, "pictures")
    strip(clip, scale=2)
    assert "test  ·  image 0  ·  2 objects" in written and not [text for text in written if text.startswith("t =")]
    with Image.open(io.BytesIO(animation(clip, scale=2))) as image:
        assert getattr(image, "n_frames", 1) == 1
    text = page(clip)
    assert (
        '<div id="controls" hidden>' in text
        and "<section hidden>" in text
        and "frames<" not in text.split("<h1>")[1].split("<div")[0]
    )


def test_frames_without_labels_are_drawn_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, written = make_clip(Game()), words_of(monkeypatch, "pictures")
    alone, both = (
        strip(clip, times=Times(frames=2), scale=4),
        strip(make_clip(Marked()), times=Times(frames=2), scale=4),
    )
    assert "frames" in written and written.count("objects") == 1, "only the strip of both has the row"
    assert both.height - alone.height >= SIDE * 4
    with Image.open(io.BytesIO(animation(clip, scale=10))) as image:
        picture = np.asarray(image.convert("RGB"))
    places = np.lib.stride_tricks.sliding_window_view(picture, (SIDE * 10, SIDE * 10, 3))[:, :, 0]
    assert any(np.array_equal(place, draw_frame(clip, 0, scale=10)) for row in places[:120, :40] for place in row)
    assert tell(clip)["panels"] == ["shown"] and re.search(r'<figure hidden>\s*<canvas id="labelled"', page(clip))


def test_the_action_that_is_taken_stands_beside_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, written = make_clip(Game()), words_of(monkeypatch, "pictures")
    strip(clip, times=Times(start=2, frames=3, every=1))
    assert [text for text in written if text.startswith("t = ")] == [
        "t = 2, action 2",
        "t = 3, action 0",
        "t = 4, action 1",
    ]
    assert tell(clip)["moments"][5] == "t = 5, action 2"


def test_events_of_any_kind_are_listed_and_marked_and_a_strip_begins_before_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clip = make_clip(Game(), 30)
    assert np.flatnonzero(clip.moments).tolist() == [3, 5] and clip.meetings == "2 events"
    listed = tell(clip)
    assert listed["columns"] == ["time", "kind"] and listed["kinds"] == {"0": "shot"}
    assert [(event[0], event[4], event[5]) for event in listed["events"]] == [(4.0, 3, 0), (6.0, 5, 7)]
    assert re.findall(r"<h2>(.*?)</h2>", page(clip)) == ["Events (2)"]
    written = words_of(monkeypatch, "pictures")
    strip(clip, times=Times(frames=3, every=1), scale=2)
    assert "t = 3, action 0" in written
    animation(clip, scale=20)
    assert "mark on the line of time: something happens" in written


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed: the page is not looked at in a browser")
def test_the_player_of_a_world_without_labels_plays_and_lists_its_events(tmp_path: Path) -> None:
    (tmp_path / "clip.html").write_text(page(make_clip(Game())))
    browser = Browser(tmp_path / "profile")
    try:
        browser.open((tmp_path / "clip.html").as_uri())
        rows = browser.run(
            "[...document.querySelectorAll('#events tr')].map(row => [...row.cells].map(cell => cell.textContent))"
        )
        assert rows == [["4.00", "shot"], ["6.00", "7"]]
        browser.run("document.querySelectorAll('#events tr')[1].click()")
        assert browser.run("document.querySelector('#at').textContent") == "t = 5, action 2"
        seen = browser.run(
            "['#shown', '#labelled', '#arrows'].map(name => document.querySelector(name).getBoundingClientRect().width"
            " > 0)"
        )
        assert seen == [True, False, False] and browser.complaints == []
    finally:
        browser.close()


@pytest.mark.parametrize(
    ("world", "words"), [(Stills(), "the first 2 test images"), (Game(), "the first 2 test sequences")]
)
def test_a_contact_sheet_shows_what_there_is(world: Any, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written = words_of(monkeypatch, "contact")
    recipe = Recipe(dataset=world.name, generator=world, frames=1 if world.name == "stills" else 8)
    contact_sheet(recipe.scenes("test", 0, 2), split="test", world=world)
    assert any(text.startswith(words) for text in written) and not any("centre" in text for text in written)


def test_arrays_without_pixels_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Game, "arrays", ("actions",))
    monkeypatch.setitem(registry.datasets.built_in, "game", "tests.test_view_any_world:game")  # type: ignore[arg-type]
    with pytest.raises(StorageError, match="game has no pixels to draw: it holds actions"):
        clip_of("game", None, 0)


def test_a_file_is_marked_by_the_world_that_its_recipe_names_whatever_the_dataset_is_called(tmp_path: Path) -> None:
    recipe = Recipe(dataset="mine", generator=Balls(n=(2, 2), curtain=24), frames=12, splits={"test": 1})
    clip = clip_of(generate(recipe, tmp_path / "mine.h5", workers=1), None, 0)
    assert clip.world == Balls(n=(2, 2), curtain=24) and clip.hidden_box() is not None


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize(("world", "frames"), [(Stills(), 1), (Game(), 8)])
def test_a_file_of_any_world_is_drawn_with_its_marks_where_the_world_is_installed(
    world: Any, frames: int, installed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if installed:
        monkeypatch.setitem(registry.datasets.built_in, world.name, f"tests.test_view_any_world:{world.name}")  # type: ignore[arg-type]
    path = generate(
        Recipe(dataset=world.name, generator=world, frames=frames, splits={"test": 2}), tmp_path / "x.h5", workers=1
    )
    clip = clip_of(path, None, 1)
    assert clip.world == (world if installed else None)
    assert dict(clip.marks.kinds) == ({0: "shot"} if installed and world.name == "game" else {})
    for suffix in (".png", ".gif", ".html"):
        save(clip, tmp_path / f"x{suffix}")
    if not installed:
        assert Image.open(tmp_path / "x.png").size == strip(replace(clip, world=world)).size


def test_arrays_that_a_world_needs_and_a_file_lacks_leave_the_picture_unmarked() -> None:
    recipe = Recipe(dataset="balls", generator=Balls(curtain=24), frames=3)
    clip = clip_from(recipe.scenes("test", 0, 1), 0, dataset="balls-v1", split="test", index=0, world=recipe.generator)
    less = replace(clip, arrays={name: array for name, array in clip.arrays.items() if name != "mass"})
    assert clip.hidden_box() is not None and less.hidden_box() is None and draw_labels(less, 0, scale=2).any()
