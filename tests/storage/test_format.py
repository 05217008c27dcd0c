"""Tests that the page about the format, the code and the data agree on what the arrays mean."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.storage.layout import ARRAYS, AXES
from tests.oracles import contract

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")]


def lengths(letters: str, sizes: dict[str, int]) -> tuple[int, ...]:
    """(T, N, 2) as numbers."""
    return tuple(int(letter) if letter.isdigit() else sizes[letter] for letter in re.findall(r"\w", letters))


def test_the_page_has_a_row_for_every_array_and_says_what_the_code_says() -> None:
    assert [row[0].strip("`") for row in ROWS] == list(ARRAYS)
    assert [path for path in ARRAYS if path in contract.AXES] == list(contract.AXES)
    for (_, kind, in_file, _, unit, values, meaning), field in zip(ROWS, ARRAYS.values(), strict=True):
        bits = f"bits: {field.bits}" if field.bits else ""
        assert kind == field.dtype.name and tuple(re.findall(r"\w+", in_file)) == field.axes
        assert unit == (field.unit or "-") and meaning == field.meaning
        assert values == ("; ".join(text for text in (field.values, field.order, field.counting, bits) if text) or "-")


@pytest.mark.parametrize("name", ["mass", "crowd", "colour", "curtain"])
def test_the_shapes_on_the_page_are_those_of_the_file_and_of_python(name: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(name)
    height, width, channels = made.recipe.generator.shape
    with h5py.File(made.path) as file:
        split = physbench.open(made.path)["test"]
        count = made.recipe.splits["test"]
        sizes = {
            "T": made.recipe.frames,
            "N": count,
            "O": count + 1,
            "H": height,
            "W": width,
            "C": channels,
            "K": made.recipe.generator.objects,
        }
        sizes["M"] = int(file["test/events/offset"][-1])
        for path, kind, in_file, in_python, *_ in ROWS:
            path = path.strip("`")
            if path not in contract.AXES:
                continue
            assert file[f"test/{path}"].shape == lengths(in_file, sizes) and file[f"test/{path}"].dtype.name == kind
            found = (
                split.column(path.removeprefix("events/")) if path.startswith("events/") else np.asarray(split[0][path])
            )
            assert (
                found.shape == (() if in_python == "a number" else lengths(in_python, sizes))
                and found.dtype.name == kind
            )


def test_no_word_is_left_out() -> None:
    for path, field in ARRAYS.items():
        assert field.meaning.endswith(".") and field.meaning[0].isupper()
        assert field.order or field.axes[-1] not in ("2", "3", "4"), f"{path}: which number comes first?"
        assert field.describe()["axes"] == ", ".join(AXES.get(axis, axis) for axis in field.axes)
    assert (
        all(ARRAYS[path].counting for path in ("groups", "events/a", "events/b", "events/sequence"))
        and ARRAYS["contact"].bits
    )


def test_info_tells_it_with_names_that_people_know(mass: Any, cli: Any) -> None:
    told = json.loads(cli("info", mass.path, "--json").stdout)
    sizes = {"frames": 51, "sequences": 6, "height": 64, "width": 64, "channels": 1, "objects": 4}
    with h5py.File(mass.path) as file:
        assert told["splits"]["test"] == sizes | {"collisions": len(file["test/events/time"])}
    assert list(told["arrays"]) == list(contract.AXES)
    assert told["arrays"]["position"] == {
        "type": "float32", "axes": "frames, sequences, objects, 2", "unit": "pixel", "order": "x (to the right), y (down)",
        "meaning": ARRAYS["position"].meaning,
    }  # fmt: skip
    text = cli("info", mass.path).stdout
    flat = " ".join(text.split())
    assert all(
        f"{path} " in text and field.meaning in flat and field.counting in flat
        for path, field in ARRAYS.items()
        if path in contract.AXES
    )
    assert max(map(len, text[text.index("  arrays") :].splitlines())) <= 100


# What the words claim, on the data.


def test_groups_count_from_1_and_positions_are_x_then_y_of_pixels_whose_centres_are_at_a_half(crowd: Any) -> None:
    sequence = physbench.open(crowd.path)["test"][0]
    rows, columns = np.indices(sequence["groups"].shape[1:3])
    for k in range(int(sequence["count"])):
        mine = sequence["groups"][0, ..., 0] == k + 1
        centre = [columns[mine].mean() + 0.5, rows[mine].mean() + 0.5]
        np.testing.assert_allclose(centre, sequence["position"][0, k], atol=0.5)
        assert mine.sum() > 50


def test_absent_objects_are_rows_of_zeros(crowd: Any) -> None:
    split = physbench.open(crowd.path)["test"][:]
    assert len(np.unique(split["count"])) > 1
    for i, count in enumerate(split["count"].tolist()):
        assert (split["mass"][i, :count] > 0).all() and (split["radius"][i, :count] > 0).all()
        assert not any(split[name][i, count:].any() for name in ("mass", "radius"))
        assert not any(split[name][i, :, count:].any() for name in ("position", "velocity", "contact", "visible"))


def test_events_count_from_0_a_wall_is_255_and_contact_says_the_same_in_bits(crowd: Any) -> None:
    split = physbench.open(crowd.path)["test"]
    for i in range(len(split)):
        contact = np.zeros_like(split[i]["contact"])
        events = split.events(i)
        for time, a, b in zip(events["time"], events["a"], events["b"], strict=True):
            t = int(np.ceil(time)) - 1  # in (t, t + 1]
            contact[t, a] |= 2 if b == 255 else 1
            if b != 255:
                contact[t, b] |= 1
        np.testing.assert_array_equal(contact, split[i]["contact"])


def test_the_curtain_is_rows_and_columns_and_hides_features_but_not_groups(curtain: Any) -> None:
    split = physbench.open(curtain.path)["training"][:]
    for i, (y0, x0, y1, x1) in enumerate(split["curtain"].tolist()):
        assert (y1 - y0, x1 - x0) == (24, 24)
        assert not split["features"][i, :, y0:y1, x0:x1].any()
    assert any(
        split["groups"][i, :, y0:y1, x0:x1].any() for i, (y0, x0, y1, x1) in enumerate(split["curtain"].tolist())
    )


def test_visible_counts_pixels(mass: Any) -> None:
    sequence = physbench.open(mass.path)["test"][0]
    shown = (sequence["groups"] == np.arange(1, 5)) & (sequence["features"] == 1)
    np.testing.assert_array_equal(shown.sum(axis=(1, 2)), sequence["visible"])


def test_features_are_0_or_1_or_as_far_as_255(mass: Any, colour: Any) -> None:
    assert np.unique(physbench.open(mass.path)["test"][:]["features"]).tolist() == [0, 1]
    assert physbench.open(colour.path)["test"][:]["features"].max() > 1
