"""Tests of all worlds of images: images depend only on their seeds, have known distributions, and `check` finds every
fault."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import physbench
from physbench import registry
from physbench.recipe import Recipe
from physbench.scene import Scenes, Span
from physbench.storage.codec import inflate
from physbench_generators.images.dsprites import Sprites
from physbench_generators.images.shapes import Shapes
from physbench_generators.images.tetris import Tetris
from tests.generators.test_distributions import chi_square

NAMES = ("multi-dsprites", "multi-dsprites-binary", "tetris", "shapes")


def images(name: str, count: int, start: int = 0) -> Scenes:
    return registry.datasets.get(name).scenes("training", start, start + count)


def spoilt(scenes: Scenes, name: str, change: Callable[[np.ndarray], None]) -> Scenes:
    arrays = {key: array.copy() for key, array in scenes.arrays().items()}
    change(arrays[name])
    return Scenes.of(arrays)


@pytest.mark.parametrize("name", NAMES)
def test_an_image_depends_on_its_number_alone(name: str) -> None:
    whole, part = images(name, 40).arrays(), images(name, 7, 20).arrays()
    for key, array in part.items():
        np.testing.assert_array_equal(array, whole[key][20:27], err_msg=key)


DIGESTS = """
import hashlib, sys, warnings
from physbench import registry
warnings.simplefilter("ignore")  # whole numbers overflow as they shall
for name in sys.argv[1:]:
    arrays = registry.datasets.get(name).scenes("training", 0, 3).arrays()
    print(hashlib.sha256(b"".join(array.tobytes() for array in arrays.values())).hexdigest())
"""


@pytest.mark.slow
def test_kernels_make_the_same_bytes_when_nothing_is_compiled() -> None:
    """Python does one operation of IEEE 754 after the other, and fuses none."""
    told = {
        jit: subprocess.run(
            [sys.executable, "-c", DIGESTS, *NAMES],
            env={**os.environ, "NUMBA_DISABLE_JIT": jit},
            capture_output=True,
            text=True,
            check=True,
        )
        for jit in "01"
    }
    assert told["0"].stdout == told["1"].stdout and len(told["0"].stdout.split()) == len(NAMES)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("name", NAMES)
def test_streams_hold_the_pixels_that_are_drawn(name: str, frames: int) -> None:
    recipe: Recipe = replace(registry.datasets.get(name), frames=frames)
    streams, states = recipe.generator.encode(recipe, Span("training", 0, 30))
    made = recipe.scenes("training", 0, 30).arrays()
    for key, told in streams.items():
        ends = np.cumsum(told.sizes)
        for i in range(30):
            out = np.empty(made[key].shape[1:], np.uint8)
            assert inflate(told.data[ends[i] - told.sizes[i] : ends[i]].tobytes(), out)
            np.testing.assert_array_equal(out, made[key][i])
    for key, array in states.truth.items():
        np.testing.assert_array_equal(array, made[key])
    assert {*streams, *states.truth} == {*recipe.generator.arrays}


@pytest.mark.parametrize(
    "world",
    [
        Sprites(),
        Sprites(n=(6, 16), size=40),
        Sprites(binary=True, size=16),
        Tetris(n=(2, 6)),
        Shapes(n=(1, 16), size=40),
    ],
)
def test_factors_say_every_pixel(world: Any) -> None:
    recipe = Recipe(dataset="mine", generator=world, frames=2, splits={"test": 150})
    assert not [*world.check(recipe.scenes("test", 0, 150))]


FALSE: dict[str, tuple[tuple[str, ...], str, Callable[[np.ndarray], None], str]] = {
    "a pixel that is off": (NAMES, "features", lambda a: a[3].__setitem__(np.s_[:], 0), "colour"),
    "a pixel of another object": (NAMES, "groups", lambda a: np.place(a[3], a[3] == 1, 2), "pixels than `visible`"),
    "objects that changed places": (
        NAMES,
        "shape",
        lambda a: a[3].__setitem__(np.s_[:2], np.roll(np.array([1, 2]), a[3, 0] == 1)),
        "",
    ),
    "an object elsewhere": (NAMES, "position", lambda a: a[3, 0, 0].__iadd__(3), "owner|two pieces|within the image"),
    "an object nowhere": (
        NAMES,
        "position",
        lambda a: a[3, 0, 0].__setitem__(0, np.nan),
        "whole pixels|scale, a rotation or a position",
    ),
    "an object far away": (NAMES, "position", lambda a: a[3, 0, 0].__setitem__(0, 1e30), "owner|whole pixels"),
    "an unknown shape": (NAMES, "shape", lambda a: a[3].__setitem__(0, 200), "whose shape does not exist"),
    "too many objects": (NAMES, "count", lambda a: a.__setitem__(3, 17), "17 objects"),
    "fewer objects": (NAMES, "count", lambda a: a.__setitem__(3, 1), "absent object with a"),
    "a count of pixels": (NAMES, "visible", lambda a: a[3, 0].__setitem__(0, 7), "pixels than `visible`"),
    "another colour": (
        ("multi-dsprites", "tetris"),
        "colour",
        lambda a: a[3, 0].__setitem__(np.s_[:], np.roll(a[3, 0], 1)),
        "colour",
    ),
    "a grey piece": (("tetris",), "colour", lambda a: a[3, 0].__setitem__(np.s_[:], 128), "none of the six"),
    "a colour without any": (
        ("multi-dsprites-binary",),
        "colour",
        lambda a: a[3, 0].__setitem__(1, 128),
        "black and white",
    ),
    "another background": (("multi-dsprites",), "background", lambda a: a[3].__iadd__(1), "colour"),
    "another size": (NAMES[:2], "scale", lambda a: a[3].__imul__(np.float32(1.1)), "owner"),
    "an endless size": (NAMES[:2], "scale", lambda a: a[3].__setitem__(0, np.inf), "scale, a rotation or a position"),
    "a negative size": (NAMES[:2], "scale", lambda a: a[3].__setitem__(0, -1), "scale, a rotation or a position"),
    "no angle": (NAMES[:2], "rotation", lambda a: a[3].__setitem__(0, np.nan), "scale, a rotation or a position"),
}


@pytest.mark.parametrize("falsehood", FALSE)
def test_check_finds_what_is_false(falsehood: str) -> None:
    names, array, change, words = FALSE[falsehood]
    for name in names:
        world = registry.datasets.get(name).generator
        (fault, *others) = world.check(spoilt(images(name, 6), array, change))
        assert fault.sequence == 3 and not others
        assert any(word in fault.sentence for word in words.split("|")), fault.sentence


def test_check_finds_an_image_that_moves() -> None:
    recipe: Recipe = replace(registry.datasets.get("shapes"), frames=3)
    (fault,) = recipe.generator.check(
        spoilt(recipe.scenes("test", 0, 4), "features", lambda a: a[1, 2].__setitem__(np.s_[:], 1))
    )
    assert fault.sequence == 1 and "still image whose features change" in fault.sentence


@pytest.mark.parametrize(
    ("name", "kinds"), [("multi-dsprites", 3), ("multi-dsprites-binary", 3), ("tetris", 17), ("shapes", 3)]
)
def test_numbers_and_shapes_are_equally_likely(name: str, kinds: int) -> None:
    recipe: Recipe = registry.datasets.get(name)
    truth = recipe.scenes("training", 0, 8_000, only=["count", "shape"]).truth
    fewest, most = getattr(recipe.generator, "numbers", None) or recipe.generator.n
    counts = np.bincount(truth["count"], minlength=most + 1)
    assert counts[:fewest].sum() == 0 and (
        fewest == most or chi_square(counts[fewest:], 8_000 / (most - fewest + 1)) < 5
    )
    shapes = np.bincount(truth["shape"][truth["shape"] > 0], minlength=kinds + 1)
    assert shapes[0] == 0 and chi_square(shapes[1:], shapes.sum() / kinds) < 5
    pairs = np.bincount(
        kinds * (truth["shape"][:, 0].astype(int) - 1) + truth["shape"][:, 1] - 1, minlength=kinds * kinds
    )
    assert chi_square(pairs, 8_000 / kinds**2) < 5, "two objects of an image are independent"


def test_sprites_are_uniform_in_every_factor() -> None:
    arrays = Sprites(n=1).draw_images(Recipe(dataset="any", generator=Sprites()).seeds("training", 0, 20_000))
    x, y = arrays["position"][:, 0].T.astype(float)
    for values, low, high in (
        (x, 16, 48),
        (y, 16, 48),
        (arrays["scale"][:, 0], 0.5, 1),
        (arrays["rotation"][:, 0], 0, 2 * np.pi + 1e-6),
    ):
        counts = np.histogram(values, 50, (low, high))[0]
        assert counts.sum() == 20_000 and chi_square(counts, 400) < 5
    assert chi_square(np.histogram2d(x, y, 12, [[16, 48]] * 2)[0], 20_000 / 144) < 5
    assert chi_square(np.bincount(arrays["background"][:, 0], minlength=256), 20_000 / 256) < 5
    assert (arrays["background"] == arrays["background"][:, :1]).all()
    colours = {
        code: number
        for number, code in enumerate(np.unique(arrays["colour"][:, 0].astype(int) @ [65536, 256, 1]).tolist())
    }
    drawn = np.bincount([colours[code] for code in (arrays["colour"][:, 0].astype(int) @ [65536, 256, 1]).tolist()])
    assert len(drawn) == 1530 and chi_square(drawn, 20_000 / 1530) < 5


@pytest.mark.parametrize(
    ("world", "kind", "rows", "columns"), [(Shapes(n=1), 1, 22, 17), (Shapes(n=1), 3, 22, 22), (Tetris(n=1), 2, 16, 31)]
)
def test_one_stencil_lies_anywhere_it_fits(world: Any, kind: int, rows: int, columns: int) -> None:
    arrays = world.draw_images(Recipe(dataset="any", generator=world).seeds("training", 0, 60_000))
    places = arrays["position"][arrays["shape"][:, 0] == kind, 0]
    x, y = (places - places.min(axis=0)).astype(int).T
    counts = np.bincount(columns * y + x, minlength=rows * columns)
    assert counts.size == rows * columns and chi_square(counts, counts.sum() / counts.size) < 5


def test_colours_of_pieces_are_equally_likely() -> None:
    colours = (
        Tetris()
        .draw_images(Recipe(dataset="any", generator=Tetris()).seeds("training", 0, 5_000))["colour"]
        .reshape(-1, 3)
    )
    counts = np.bincount((colours > 0) @ [4, 2, 1], minlength=8)
    assert counts[0] == counts[7] == 0 and chi_square(counts[1:7], 2_500) < 5


@pytest.mark.parametrize(
    "words",
    [[name] for name in NAMES]
    + [["multi-dsprites", "--binary"], ["tetris", "--n", "4-6"], ["shapes", "--n", "5", "--frames", "2"]],
    ids=" ".join,
)
def test_every_command_about_datasets_takes_images(cli: Any, tmp_path: Any, words: list[str]) -> None:
    path = tmp_path / "x.h5"
    assert cli("generate", *words, "--train", 20, "--valid", 3, "--test", 5, "--out", path).exit_code == 0
    checked = cli("verify", path)
    assert (
        checked.exit_code == 0
        and "28 sequences, each made again" in checked.output
        and "no check" not in checked.output
    )
    told = cli("info", path)
    assert told.exit_code == 0 and "objects" in told.output
    shown = cli("show", path, "--index", 2, "--out", tmp_path / "x.png")
    assert shown.exit_code == 0 and (tmp_path / "x.png").stat().st_size > 1_000
    assert cli("show", path, "--out", tmp_path / "x.html").exit_code == 0
    dry = cli("generate", *words, "--dry-run", "--train", 9, "--out", tmp_path / "y.h5")
    assert dry.exit_code == 0 and (tmp_path / "y.png").exists()


def test_a_named_dataset_keeps_its_parameters(cli: Any, tmp_path: Any) -> None:
    refused = cli("generate", "multi-dsprites-binary", "--n", 5, "--out", tmp_path / "x.h5")
    assert refused.exit_code == 2 and "--n" in refused.output
    assert cli("generate", "multi-dsprites", "--n", 17, "--out", tmp_path / "x.h5").exit_code == 2


def test_images_are_streamed() -> None:
    batch = next(iter(physbench.stream("tetris", batch=8, only=("features", "colour"))))
    assert batch["features"].shape == (8, 1, 35, 35, 3) and batch["colour"].shape == (8, 3, 3)


def test_pictures_name_what_there_is() -> None:
    for name, known in {
        "multi-dsprites": {"square", "ellipse", "heart"},
        "tetris": {*"IJLOSTZ"},
        "shapes": {"triangle up", "triangle down", "square"},
    }.items():
        scenes = images(name, 30)
        arrays = {key: array[5] for key, array in scenes.arrays().items()}
        marks = registry.datasets.get(name).generator.marks(arrays, {})
        assert len(marks.names) == arrays["count"] and {word.split("  ")[1] for word in marks.names} <= known
        arrays["shape"], arrays["count"] = np.full_like(arrays["shape"], 250), np.uint8(200)
        assert len(registry.datasets.get(name).generator.marks(arrays, {}).names) == len(arrays["shape"])
