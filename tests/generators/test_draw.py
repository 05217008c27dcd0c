"""Tests of every pixel of `Balls` against brute force: one question per pixel and disc."""

import itertools
import re
import zlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from physbench.errors import RecipeError
from physbench.recipe import mix
from physbench.scene import HIT_OBJECT, Scenes, Span, Streams
from physbench_generators.balls.pixel_arrays import PALETTE, pixels_of
from physbench_generators.balls.scenes import Balls

SOME = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.filter_too_much])
PIXELS = ("features", "groups", "collisions")


@st.composite
def generators(draw: st.DrawFn) -> Balls:
    size = draw(st.integers(12, 48))
    fewest = draw(st.integers(1, 5))
    crop = draw(st.one_of(st.just(0), st.integers(size // 3, size)))
    return Balls(
        n=(fewest, draw(st.integers(fewest, 5))),
        size=size,
        radius=draw(st.floats(0.5, size / 11)),
        radius_ratio=draw(st.floats(0.5, 1.5)),
        mass_ratio=draw(st.floats(0.2, 20.0)),
        speed=draw(st.floats(0.1, 4.0)),
        gravity=draw(st.sampled_from([0.0, 0.03, 0.2])),
        curtain=draw(st.one_of(st.just(0), st.integers(1, crop or size))),
        crop=crop,
        colour=draw(st.booleans()),
    )


SEEDS = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=4)


def discs(position: np.ndarray, radius: np.ndarray, count: int, side: int) -> np.ndarray:
    """(T, K, H, W): whether the centre of the pixel lies inside or on the disc."""
    centre = np.arange(side) + 0.5
    x, y = position.astype(np.float64)[..., 0, None, None], position.astype(np.float64)[..., 1, None, None]
    reach = radius.astype(np.float64)[None, :, None, None]
    held = (centre[None, None, None, :] - x) ** 2 + (centre[None, None, :, None] - y) ** 2 <= reach**2
    held[:, count:] = False
    return held


def behind(curtain: np.ndarray, side: int) -> np.ndarray:
    """(H, W): whether the curtain hides the pixel."""
    row, column = np.mgrid[:side, :side]
    top, left, bottom, right = curtain
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)


def owners(held: np.ndarray) -> np.ndarray:
    """(T, H, W): the one disc that holds the pixel, counted from 1, or 0 for none and for several."""
    numbers = np.arange(1, held.shape[1] + 1)[None, :, None, None]
    return np.where(held.sum(1) == 1, (held * numbers).sum(1), 0)


def assert_drawn_by_the_book(scenes: Scenes, side: int, coloured: bool) -> None:
    for s in range(len(scenes.truth["count"])):
        held = discs(scenes.truth["position"][s], scenes.truth["radius"][s], int(scenes.truth["count"][s]), side)
        owner = owners(held)
        shows = held.any(1) & ~behind(scenes.truth["curtain"][s], side)
        np.testing.assert_array_equal(scenes.groups[s, ..., 0], owner)
        np.testing.assert_array_equal(scenes.features[s].any(-1), shows)
        if not coloured:
            np.testing.assert_array_equal(scenes.features[s, ..., 0], shows)
        frames, slots = scenes.truth["contact"][s].shape
        for k in range(slots):
            np.testing.assert_array_equal(scenes.truth["visible"][s, :, k], ((owner == k + 1) & shows).sum((1, 2)))
        for t in range(frames):
            marked = np.zeros((side, side), bool)
            for k in np.flatnonzero(scenes.truth["contact"][s, t] & HIT_OBJECT):
                marked |= (owner[t : t + 2] == k + 1).any(0)
            np.testing.assert_array_equal(scenes.truth["collisions"][s, t, ..., 0], marked)


@SOME
@given(generators(), SEEDS, st.integers(2, 12))
def test_every_pixel_is_where_a_brute_force_reading_puts_it(generator: Balls, seeds: list[int], frames: int) -> None:
    scenes = generator.batch(seeds, frames)
    height, width, channels = generator.shape
    for name in PIXELS:
        array = scenes.arrays()[name]
        assert (array.dtype, array.shape) == (
            np.uint8,
            (len(seeds), frames, height, width, channels if name == "features" else 1),
        )
    assert_drawn_by_the_book(scenes, generator.side, generator.colour)


@pytest.mark.parametrize(
    "more",
    [{}, {"n": (6, 8)}, {"n": 3, "curtain": 24}, {"gravity": 0.05, "crop": 33}, {"n": 12, "radius": 4, "colour": True}],
)
def test_the_named_kinds_of_scene_are_drawn_by_the_book(more: dict[str, object]) -> None:
    generator = Balls(**more)
    scenes = generator.batch([mix(i) for i in range(20)], 51)
    assert (scenes.truth["contact"] & HIT_OBJECT).any()
    assert_drawn_by_the_book(scenes, generator.side, generator.colour)


@SOME
@given(generators(), SEEDS)
def test_each_object_keeps_one_colour_that_nothing_else_has(generator: Balls, seeds: list[int]) -> None:
    assume(generator.colour)
    scenes = generator.batch(seeds, 6)
    for features, groups in zip(scenes.features, scenes.groups[..., 0], strict=True):
        worn = {}
        for owner in np.unique(groups):
            colours = {tuple(colour) for colour in features[groups == owner].tolist()} - {(0, 0, 0)}
            if owner:
                assert len(colours) <= 1
                assert all(colour in PALETTE.tolist() for colour in map(list, colours))
            worn[owner] = colours
        for one, two in itertools.combinations(worn, 2):
            assert not worn[one] & worn[two]


def test_every_colour_of_the_palette_is_dealt_to_every_object() -> None:
    scenes = Balls(n=2, size=32, radius=3, colour=True).batch([mix(i) for i in range(400)], 2)
    for k in (1, 2):
        worn = {tuple(scenes.features[s][scenes.groups[s, ..., 0] == k][0].tolist()) for s in range(400)}
        assert worn == {tuple(colour) for colour in PALETTE.tolist()}


def paint(
    position: list[list[list[float]]],  # (T, K, 2)
    radius: list[float],
    *,
    side: int,
    contact: object = None,
    curtain: tuple[int, ...] = (0, 0, 0, 0),
    channels: int = 1,
) -> dict[str, np.ndarray]:
    """One sequence by hand; features keep their channels only if there are three."""
    where = np.array([position], np.float32)
    frames, slots = where.shape[1:3]
    struck = np.zeros((1, frames, slots), np.uint8) if contact is None else np.array([contact], np.uint8)
    states = {
        "position": where,
        "radius": np.array([radius], np.float32),
        "count": np.array([slots], np.uint8),
        "contact": struck,
        "curtain": np.array([curtain], np.int16),
        "visible": np.zeros((1, frames, slots), np.uint16),
    }
    drawn = pixels_of(states, np.zeros(1, np.uint64), (side, side, channels))
    return {name: array[0].squeeze(-1) if array.shape[-1] == 1 else array[0] for name, array in drawn.items()} | {
        "visible": states["visible"][0]
    }


@pytest.mark.parametrize("curtained", [False, True])
def test_a_pixel_on_two_touching_discs_belongs_to_no_object(curtained: bool) -> None:
    """Radius 4, centres 8 apart: the rims share the point (8.5, 10.5), which is the centre of pixel (row 10, column
    8)."""
    curtain = (10, 8, 11, 9) if curtained else (0, 0, 0, 0)
    drawn = paint([[[4.5, 10.5], [12.5, 10.5]]] * 2, [4.0, 4.0], side=20, contact=[[1, 1], [0, 0]], curtain=curtain)
    assert drawn["groups"][0, 10, 7:10].tolist() == [1, 0, 2]
    assert drawn["features"][0, 10, 7:10].tolist() == [1, 0 if curtained else 1, 1]
    assert drawn["collisions"][0, 10, 7:10].tolist() == [1, 0, 1]
    assert not drawn["collisions"][1].any()
    assert drawn["visible"][0].tolist() == [48, 48]  # 49 lattice points in a circle of radius 4, one of them shared


def test_a_shared_pixel_is_seen_in_a_colour_that_no_object_wears() -> None:
    features = paint([[[4.5, 10.5], [12.5, 10.5]]], [4.0, 4.0], side=20, channels=3)["features"][0]
    one, shared, two = map(tuple, features[10, 7:10].tolist())
    assert len({one, shared, two, (0, 0, 0)}) == 4
    assert list(shared) not in PALETTE.tolist()


def test_a_disc_holds_as_many_pixels_as_gauss_counted() -> None:
    """Lattice points in a circle about one of them [OEIS A000328]: those on the rim count."""
    gauss = [1, 5, 13, 29, 49, 81, 113, 149, 197, 253, 317, 377, 441]
    for radius, points in enumerate(gauss[1:], 1):
        drawn = paint([[[16.5, 16.5]]], [float(radius)], side=33)
        assert drawn["visible"].tolist() == [[points]]
        assert drawn["groups"].sum() == points


def test_a_speck_between_the_centres_of_pixels_is_not_seen() -> None:
    drawn = paint([[[5.0, 5.0]]], [0.5], side=10)
    assert not drawn["features"].any()
    assert drawn["visible"].tolist() == [[0]]


@pytest.mark.parametrize("centre", [(-3.0, 5.0), (5.0, 12.5), (-20.0, 5.0), (0.0, 0.0), (10.0, 10.0), (31.0, -40.0)])
def test_a_disc_partly_outside_the_frame_is_cut(centre: tuple[float, float]) -> None:
    drawn = paint([[list(centre)]], [4.25], side=10)
    held = discs(np.array([[centre]]), np.array([4.25]), 1, 10)
    np.testing.assert_array_equal(drawn["groups"], held[:, 0])
    assert drawn["visible"].tolist() == [[held.sum()]]


def halves(low: int, high: int) -> st.SearchStrategy[float]:
    return st.integers(low, high).map(lambda n: n / 2)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.lists(st.tuples(halves(-8, 40), halves(-8, 40), halves(1, 14)), min_size=1, max_size=5), st.data())
def test_overlapping_discs_on_half_pixels_are_drawn_by_the_book(
    balls: list[tuple[float, float, float]], data: st.DataObject
) -> None:
    """The painter need not trust the physics: rims that pass exactly through centres, overlaps, concentric discs."""
    top, left = data.draw(st.integers(0, 10)), data.draw(st.integers(0, 10))
    curtain = (top, left, top + 6, left + 6)
    drawn = paint([[[x, y] for x, y, _ in balls]], [r for _, _, r in balls], side=16, curtain=curtain)
    held = discs(np.array([[[x, y] for x, y, _ in balls]]), np.array([r for _, _, r in balls]), len(balls), 16)
    owner = owners(held)
    shows = held.any(1) & ~behind(np.array(curtain), 16)
    np.testing.assert_array_equal(drawn["groups"], owner)
    np.testing.assert_array_equal(drawn["features"], shows)
    assert drawn["visible"][0].tolist() == [((owner == k + 1) & shows).sum() for k in range(len(balls))]


def test_visible_counts_the_pixels_of_the_largest_ball() -> None:
    generator = Balls(n=1, size=256, radius=127, radius_ratio=1)
    scenes = generator.batch([1], 2)
    assert scenes.truth["visible"][0, :, 0].tolist() == scenes.features[0].sum((1, 2, 3), dtype=np.int64).tolist()


def inflate(streams: Streams) -> list[bytes]:
    """Each stream alone, with nothing left over; zlib itself checks the Adler-32 at its end."""
    starts = np.cumsum(streams.sizes, dtype=np.int64) - streams.sizes
    assert int(streams.sizes.sum()) == len(streams.data)
    pieces = []
    for first, size in zip(starts, streams.sizes, strict=True):
        reader = zlib.decompressobj()
        pieces.append(reader.decompress(streams.data[first : first + size].tobytes()))
        assert reader.eof
        assert not reader.unused_data
    return pieces


def assert_encoded_as_drawn(generator: Balls, seeds: list[int], frames: int) -> None:
    scenes = generator.batch(seeds, frames)
    recipe: Any = SimpleNamespace(seeds=lambda *_: np.array(seeds, np.uint64), frames=frames)
    streams, rest = generator.encode(recipe, Span("test", 0, len(seeds)))
    assert set(streams) == set(PIXELS)
    for name, stream in streams.items():
        for piece, array in zip(inflate(stream), scenes.arrays()[name], strict=True):
            assert piece == array.tobytes(), name
    assert set(rest.arrays()) == set(scenes.arrays()) - set(PIXELS)
    for name, array in rest.arrays().items():
        np.testing.assert_array_equal(array, scenes.truth[name], err_msg=name)
        assert array.dtype == scenes.truth[name].dtype
    assert_same_events(rest.events, scenes.events, range(len(seeds)))


@settings(SOME, max_examples=150)
@given(generators(), SEEDS, st.integers(2, 8))
def test_encode_gives_the_arrays_of_batch(generator: Balls, seeds: list[int], frames: int) -> None:
    assert_encoded_as_drawn(generator, seeds, frames)


@pytest.mark.parametrize(
    ("more", "count", "frames"),
    [
        ({}, 40, 51),
        ({"n": (6, 8)}, 40, 51),
        ({"n": 3, "radius_ratio": 1.0, "mass_ratio": 1.0, "curtain": 24}, 40, 51),
        ({"n": (1, 16), "radius": 2.0, "gravity": 0.1}, 10, 51),
        ({"n": 1, "curtain": 64}, 3, 51),
        ({"size": 256, "crop": 2}, 5, 51),
        ({"size": 255}, 3, 5),
        ({"size": 256, "radius": 60.0, "n": 3, "radius_ratio": 0.5}, 3, 5),
        ({"size": 129}, 3, 5),
        ({"size": 256, "n": (12, 16), "crop": 200, "curtain": 100}, 3, 5),
        ({"size": 128, "n": 16, "radius": 8.0, "speed": 8.0}, 3, 400),
        ({"speed": 64.0}, 3, 51),
    ],
)
def test_encode_gives_the_arrays_of_batch_at_every_size(more: dict[str, object], count: int, frames: int) -> None:
    assert_encoded_as_drawn(Balls(**more), [mix(i) for i in range(count)], frames)


@pytest.mark.parametrize(
    ("more", "frames"), [({}, 5), ({"curtain": 24}, 51), ({"size": 256, "n": 12, "radius": 10.0, "speed": 50.0}, 100)]
)
def test_encode_gives_the_arrays_of_batch_where_discs_share_pixels(
    more: dict[str, object], frames: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Discs never overlap, so shared pixels are too rare to wait for: here disc 1 follows disc 0 in all sequences but
    each third."""
    alone = Balls.throw

    def throw(self: Balls, seeds: np.ndarray, frames: int) -> object:
        states, streams, events = alone(self, seeds, frames)
        together = np.arange(len(seeds)) % 3 > 0
        states["position"][together, :, 1] = states["position"][together, :, 0] + np.float32(1.5)
        return states, streams, events

    monkeypatch.setattr(Balls, "throw", throw)
    assert_encoded_as_drawn(Balls(**more), [mix(i) for i in range(9)], frames)


def rows(events: Mapping[str, np.ndarray], s: int) -> list[np.ndarray]:
    return [
        column[events["offset"][s] : events["offset"][s + 1]] for name, column in events.items() if name != "offset"
    ]


def assert_same_events(
    some: Mapping[str, np.ndarray], others: Mapping[str, np.ndarray], picks: "list[int] | range"
) -> None:
    """Sequence i of some is sequence picks[i] of the others."""
    for i, pick in enumerate(picks):
        for one, two in zip(rows(some, i), rows(others, pick), strict=True):
            np.testing.assert_array_equal(one, two)


@SOME
@given(generators(), st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=8), st.data())
def test_a_sequence_depends_on_its_own_seed_alone(generator: Balls, seeds: list[int], data: st.DataObject) -> None:
    picks = data.draw(st.lists(st.integers(0, len(seeds) - 1), min_size=1, max_size=6))
    scenes = generator.batch(seeds, 5)
    some = generator.batch([seeds[pick] for pick in picks], 5)
    for name, array in some.arrays().items():
        np.testing.assert_array_equal(array, scenes.arrays()[name][picks], err_msg=name)
    assert_same_events(some.events, scenes.events, picks)


@SOME
@given(generators(), st.integers(0, 2**64 - 1), st.integers(2, 6), st.integers(2, 6))
def test_more_frames_change_nothing_in_the_first_ones(generator: Balls, seed: int, few: int, more: int) -> None:
    short, long = generator.batch([seed], few), generator.batch([seed], few + more)
    for name in ("features", "groups", "contact", "position", "velocity", "visible"):
        np.testing.assert_array_equal(short.arrays()[name], long.arrays()[name][:, :few], err_msg=name)
    np.testing.assert_array_equal(short.truth["collisions"][:, : few - 1], long.truth["collisions"][:, : few - 1])
    np.testing.assert_array_equal(short.events["time"], long.events["time"][long.events["time"] <= few])


def test_no_seeds_make_no_sequences() -> None:
    scenes = Balls().batch([], 5)
    assert scenes.features.shape == (0, 5, 64, 64, 1)
    assert scenes.events["offset"].tolist() == [0]


@pytest.mark.parametrize(
    ("asked", "value"),
    [
        ({"n": 0}, "not 0"),
        ({"n": 17}, "not 17"),
        ({"n": 200}, "not 200"),
        ({"n": (8, 6)}, "not 8-6"),
        ({"n": (0, 3)}, "not 0-3"),
        ({"n": (4, 40)}, "not 4-40"),
        ({"size": 7}, "not 7"),
        ({"size": 513}, "not 513"),
        ({"radius": 0.25}, "not 0.25"),
        ({"radius": -6.0}, "not -6"),
        ({"radius": float("nan")}, "not nan"),
        ({"radius": float("inf")}, "not inf"),
        ({"radius": 32.0}, "32 does not fit in a box of 64x64"),
        ({"radius": 40.0}, "40 does not fit in a box of 64x64"),
        ({"radius_ratio": 6.0}, "36 does not fit in a box of 64x64"),
        ({"radius_ratio": 0.001}, "not 0.001"),
        ({"radius_ratio": 101.0}, "not 101"),
        ({"mass_ratio": 0.0}, "not 0"),
        ({"mass_ratio": 1e4}, "not 10000"),
        ({"speed": 0.0}, "not 0"),
        ({"speed": 65.0}, "not 65"),
        ({"gravity": -0.5}, "not -0.5"),
        ({"gravity": 65.0}, "not 65"),
        ({"crop": -1}, "crop of -1"),
        ({"crop": 65}, "crop of 65"),
        ({"crop": 1}, "crop of 1"),
        ({"curtain": -1}, "curtain of -1"),
        ({"curtain": 65}, "curtain of 65"),
        ({"curtain": 24, "crop": 20}, "curtain of 24 pixels does not fit in a frame of 20"),
    ],
)
def test_a_parameter_out_of_range_is_named_with_its_value(asked: dict[str, object], value: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(value)) as caught:
        Balls(**asked)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("make", ["batch", "throw"])
def test_balls_that_do_not_fit_are_refused_with_their_share_of_the_box(make: str) -> None:
    share = round(100 * 16 * np.pi * 7.5**2 / 64**2)
    with pytest.raises(RecipeError, match=f"16 balls of radius 7.5 would cover {share}% of a box of 64x64"):
        getattr(Balls(n=16), make)(np.arange(2, dtype=np.uint64), 5)


@pytest.mark.parametrize(
    "asked",
    [
        {"n": 1},
        {"n": 16, "radius": 2},
        {"size": 8, "radius": 0.5},
        {"crop": 64},
        {"curtain": 64},
        {"crop": 2, "curtain": 1},
    ],
)
def test_the_ends_of_the_ranges_are_allowed(asked: dict[str, object]) -> None:
    generator = Balls(**asked)
    assert_drawn_by_the_book(generator.batch([5, 6], 4), generator.side, coloured=False)
