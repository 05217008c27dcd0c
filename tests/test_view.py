"""What a picture shows is what the arrays say: places come from `groups`, `features` and `contact`, colours from the published palette."""

import io
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from physbench.errors import PhysbenchError, StorageError, UnknownName
from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.scene import HIT_OBJECT, WALL
from physbench.storage.reader import open_dataset
from physbench.view import Clip, animation, clip_from, clip_of, contact_sheet, page, save, strip
from physbench.view.canvas import png
from physbench.view.panels import labelled, legend, shown
from physbench_generators.balls.scenes import Balls

FRAMES = 12
OKABE_ITO = [(230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0), (204, 121, 167)]
WHITE = (255, 255, 255)
SCALE = 3

SCENES = {
    "four": Balls(n=(4, 4)),
    "some": Balls(n=(6, 8)),
    "curtain": Balls(n=(3, 3), radius_ratio=1.0, mass_ratio=1.0, curtain=24),
    "colour": Balls(n=(4, 4), colour=True),
    "crop": Balls(n=(4, 4), crop=50),
    "crowd": Balls(n=(16, 16), radius=4.0),
    "single": Balls(n=(1, 1)),
}


@cache
def made(scene: str, number: int = 0) -> Clip:
    recipe = Recipe(dataset="balls", generator=SCENES[scene], frames=FRAMES)
    scenes = recipe.generator.batch(recipe.seeds("test", number, number + 1), FRAMES)
    return clip_from(scenes, 0, dataset="balls-v1", split="test", index=number)


def still(clip: Clip) -> Clip:
    """The same clip in which nothing hits anything and nothing is heavier."""
    no_hits = {name: column[:0] for name, column in clip.events.items()}
    masses = np.ones_like(clip.arrays["mass"])
    return replace(clip, arrays={**clip.arrays, "contact": np.zeros_like(clip.arrays["contact"]), "mass": masses}, events=no_hits)


def middles(array: np.ndarray, scale: int) -> np.ndarray:
    """One picture pixel from the middle of each pixel of the frame."""
    return array[scale // 2 :: scale, scale // 2 :: scale]


def without_walls(clip: Clip) -> Clip:
    return replace(clip, events={name: column[:0] for name, column in clip.events.items()})


@pytest.mark.parametrize("scene", ["four", "some", "crop", "crowd", "single"])
def test_every_label_has_its_colour_where_the_labels_say(scene: str) -> None:
    clip = still(made(scene))
    for t in (0, FRAMES - 1):
        picture, owners = middles(labelled(clip, t, scale=SCALE), SCALE), clip.arrays["groups"][t, :, :, 0]
        seen = [{tuple(colour) for colour in picture[owners == label].tolist()} for label in np.unique(owners).tolist()]
        assert all(len(colours) == 1 for colours in seen)
        assert len(set.union(*seen)) == len(seen), "two labels share a colour"
        for label, colours in zip(np.unique(owners).tolist(), seen, strict=True):
            if 1 <= label <= len(OKABE_ITO):
                assert colours == {OKABE_ITO[label - 1]}


@pytest.mark.parametrize("scene", ["four", "curtain", "crop"])
def test_frames_are_light_exactly_where_the_features_are(scene: str) -> None:
    clip = made(scene)
    picture = middles(shown(clip, 3, scale=SCALE), SCALE)
    assert np.array_equal(picture.min(axis=2) > 200, clip.arrays["features"][3, :, :, 0] == 1)
    assert np.array_equal(picture.max(axis=2) < 40, clip.arrays["features"][3, :, :, 0] == 0)


def test_frames_in_colour_are_the_features() -> None:
    clip = made("colour")
    assert np.array_equal(middles(shown(clip, 3, scale=SCALE), SCALE), clip.arrays["features"][3])


@pytest.mark.parametrize("scene", ["four", "curtain", "crowd", "single"])
def test_outlined_are_the_balls_that_hit_another_in_the_two_frames_that_the_mask_covers(scene: str) -> None:
    clip, hits = made(scene, 1), 0
    groups, mask = clip.arrays["groups"][..., 0], clip.arrays["collisions"][..., 0]
    for t in range(FRAMES):
        white = (labelled(without_walls(clip), t, scale=SCALE) == 255).all(axis=2)
        contact = clip.arrays["contact"][max(t - 1, 0) : t + 1] & HIT_OBJECT
        expected = set((np.flatnonzero(contact.any(axis=0)) + 1).tolist())
        assert set(np.kron(groups[t], np.ones((SCALE, SCALE), np.uint8))[white].tolist()) == expected
        covered = mask[max(t - 1, 0) : t + 1].any(axis=0)
        assert not (white & ~np.kron(covered, np.ones((SCALE, SCALE), bool))).any()
        hits += len(expected)
    assert (hits > 0) == (scene != "single")


def test_an_outline_leaves_the_inside_and_the_neighbours_alone() -> None:
    clip = made("four", 5)
    t = int(np.argmax((clip.arrays["contact"] & HIT_OBJECT).any(axis=1)))
    label = int(np.argmax(clip.arrays["contact"][t] & HIT_OBJECT)) + 1
    with_hits, without = labelled(clip, t, scale=SCALE), labelled(still(clip), t, scale=SCALE)
    x, y = (clip.arrays["position"][t, label - 1] + [clip.arrays["radius"][label - 1] * 0.6, 0]) * SCALE
    assert tuple(with_hits[int(y), int(x)]) == tuple(without[int(y), int(x)]) == OKABE_ITO[label - 1]


def test_heavy_balls_have_a_dark_core_and_light_ones_have_none() -> None:
    clip = made("some", 1)
    picture, mass = labelled(clip, 0, scale=SCALE), clip.arrays["mass"]
    assert {1.0, 6.0} <= set(mass.tolist())
    for k in range(int(clip.arrays["count"])):
        x, y = (clip.arrays["position"][0, k] * SCALE).astype(int)
        assert (tuple(picture[y, x]) == OKABE_ITO[k]) == (mass[k] == 1.0)


def test_a_wall_hit_is_marked_at_the_wall_in_the_frame_before_and_the_frame_after() -> None:
    clip = made("single")
    row = int(np.argmax((clip.events["b"] == WALL) & (clip.events["time"] > 2)))
    t = int(np.ceil(clip.events["time"][row])) - 1
    x, y = np.clip((clip.events["position"][row] * SCALE).round().astype(int), 0, 64 * SCALE - 1)
    marked = [tuple(labelled(clip, t + k, scale=SCALE)[y, x]) == WHITE for k in (-2, 0, 1)]
    assert marked == [False, True, True]


def test_the_legend_explains_what_there_is_to_see_and_nothing_else() -> None:
    marks = [{words.split(":")[0] for words in legend(clip)} for clip in (made("some", 1), made("curtain", 1), still(made("four")))]
    assert marks == [{"dark core", "white outline", "tick"}, {"white outline", "tick", "hatched"}, set()]


def test_the_curtain_has_a_border_and_balls_behind_it_show_dimmed() -> None:
    clip = next(clip for clip in (made("curtain", i) for i in range(20)) if (clip.arrays["visible"] == 0).any())
    t, k = np.argwhere(clip.arrays["visible"][:, : int(clip.arrays["count"])] == 0)[0]
    y0, x0, y1, x1 = (clip.arrays["curtain"] * SCALE).tolist()
    quiet = still(clip)
    picture = labelled(quiet, t, scale=SCALE).astype(int)
    border = [picture[y0, x0:x1], picture[y1 - 1, x0:x1], picture[y0:y1, x0], picture[y0:y1, x1 - 1]]
    assert all(edge.min() > 180 for edge in border)
    bare = labelled(replace(quiet, arrays={**quiet.arrays, "curtain": np.zeros(4, np.int16)}), t, scale=SCALE).astype(int)
    outside = np.ones(picture.shape[:2], bool)
    outside[y0:y1, x0:x1] = False
    assert (picture[outside] == bare[outside]).all()
    hidden = np.kron(clip.arrays["groups"][t, :, :, 0] == k + 1, np.ones((SCALE, SCALE), bool))
    assert (picture[hidden].max(axis=1) < bare[hidden].max(axis=1)).all()
    assert shown(clip, t, scale=SCALE)[hidden].max() < 40


def test_the_strip_shows_the_first_collision() -> None:
    late = next(clip for clip in (made("four", i) for i in (7, 14, 18)) if clip.hits.any() and not clip.hits[:6].any())
    for clip, seen in ((without_walls(late), True), (still(late), False)):
        image = strip(clip, frames=2, scale=2)
        picture = np.asarray(image)
        assert image.mode == "RGB" and image.width > 2 * 128 and image.height > 2 * 128
        assert (picture == 255).all(axis=2).any() == seen
        assert {colour for _, colour in image.getcolors(1 << 16)} >= set(OKABE_ITO[:4])


@pytest.mark.parametrize("scene", ["colour", "crop", "crowd", "single"])
def test_every_kind_of_scene_makes_every_kind_of_picture(scene: str) -> None:
    clip = made(scene)
    assert png(strip(clip, frames=3, scale=2)).startswith(b"\x89PNG")
    assert animation(clip, scale=1).startswith(b"GIF89a")
    assert "<canvas" in page(clip)


def test_the_animation_has_all_frames_and_loops() -> None:
    clip = made("curtain")
    with Image.open(io.BytesIO(animation(clip, scale=5))) as image:
        assert image.n_frames == FRAMES
        assert (image.info["loop"], image.info["duration"]) == (0, 100)
        image.seek(FRAMES - 1)
        picture = np.asarray(image.convert("RGB"))
    expected = labelled(clip, FRAMES - 1, scale=5)
    height, width = expected.shape[:2]
    x = picture.shape[1] - width - 24
    tried = (picture[y : y + height, x : x + width] for y in range(picture.shape[0] - height))
    assert any(np.array_equal(part, expected) for part in tried), "a colour was changed"


HOSTILE = '"><script>alert(1)</script><img src=https://example.org/x onerror=alert(1)>$title\x1b[31m\u202e'


def test_the_page_fetches_nothing_and_takes_no_text_for_markup() -> None:
    text = page(replace(made("four"), dataset=HOSTILE, split="</script><script>alert(2)//"))
    assert "<script>alert" not in text and "<img src=https" not in text
    assert text.count("<script") == 2 and text.count("</script>") == 2
    assert "\x1b" not in text and "\u202e" not in text
    fetched = re.findall(r"""(?:\bsrc|\bhref|url)\s*[=(]\s*["']?([^"' >)]*)""", text.replace("src=https://example.org", ""))
    assert fetched and all(address.startswith("data:image/png;base64,") for address in fetched)
    assert not re.search(r"https?://|@import|fetch\(|XMLHttp", text.replace("https://example.org", ""))
    assert "default-src 'none'" in text and "unsafe" not in text


def test_the_page_is_small_and_the_same_each_time() -> None:
    text = page(made("some"))
    assert text == page(made("some"))
    assert len(text) < 12_000 + FRAMES * 8_000


def test_the_policy_of_the_page_lets_its_own_style_and_script_pass() -> None:
    text = page(made("single"))
    for element in ("style", "script"):
        (inside,) = re.findall(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        assert f"{element}-src 'sha256-{b64encode(sha256(inside.encode()).digest()).decode()}'" in text
    assert not re.search(r"\son\w+=|\sstyle=|\{\{", text)


@pytest.mark.parametrize("name", [HOSTILE, "W" * 70_000, "two\nlines", ""])
def test_a_strange_name_fits_in_a_picture(name: str) -> None:
    clip, strange = made("single"), replace(made("single"), dataset=name, split=name)
    assert strip(strange, frames=2, scale=1).size == strip(clip, frames=2, scale=1).size
    assert len(animation(strange, scale=1)) < 100_000


def test_a_long_list_of_objects_takes_more_rows() -> None:
    narrow, wide = strip(made("crowd"), frames=2, scale=1), strip(made("crowd"), frames=8, scale=3)
    assert narrow.height - 2 * 64 > wide.height - 2 * 3 * 64


def test_importing_the_pictures_loads_no_pillow_and_no_compiler() -> None:
    code = "import sys, physbench.view; print([name for name in ('PIL', 'numba', 'torch', 'matplotlib') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_the_contact_sheet_shows_eight_scenes_and_where_they_go() -> None:
    recipe = Recipe(dataset="balls", generator=SCENES["four"], frames=FRAMES)
    scenes = recipe.generator.batch(recipe.seeds("test", 0, 9), FRAMES)
    image = contact_sheet(scenes, scale=2)
    assert image.width > 4 * 128 and image.height > 2 * 128
    inside = np.asarray(image).astype(int)
    orange = (inside == OKABE_ITO[0]).all(axis=2).sum()
    assert orange > 0.5 * sum((scenes.groups[i, 0] == 1).sum() * 4 for i in range(8))
    assert contact_sheet(replace(scenes, position=np.full_like(scenes.position, np.nan)), columns=2, rows=1).width < 700


def test_a_file_and_the_name_of_its_dataset_show_the_same(tmp_path: Path) -> None:
    recipe = Recipe(dataset="balls", generator=SCENES["curtain"], frames=FRAMES, splits={"training": 3, "test": 2})
    path = generate(recipe, tmp_path / "few.h5", workers=1)
    clip = clip_of(path, None, 1)
    assert (clip.dataset, clip.split, clip.index) == ("balls-v1", "test", 1)
    assert np.array_equal(clip.arrays["features"], open_dataset(path)["test"][1]["features"])
    assert png(strip(clip, scale=2)) == png(strip(made("curtain", 1), scale=2))
    assert clip_of(str(path), "training", 2).split == "training"
    for split, index, words in ((None, 2, "index is 0 to 1"), ("test", -1, "index is 0 to 1"), ("validation", 0, "training, test")):
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


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".GIF", b"GIF89a"), (".html", b"<!doctype html>")])
def test_saving_goes_by_the_suffix_and_replaces_what_was_there(tmp_path: Path, suffix: str, start: bytes) -> None:
    out = tmp_path / f"clip{suffix}"
    out.write_bytes(b"old")
    save(made("single"), out)
    assert out.read_bytes().startswith(start)
    assert list(tmp_path.iterdir()) == [out]


def test_saving_refuses_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    clip = made("single")
    (tmp_path / "directory.png").mkdir()
    for name, words in (("clip.mp4", r"\.png .*\.gif .*\.html"), ("missing/clip.png", "no directory"), ("directory.png", "is a directory")):
        with pytest.raises(PhysbenchError, match=words):
            save(clip, tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["directory.png"]
