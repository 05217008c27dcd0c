"""Tests of the texts in a dataset file that explain its arrays: nothing depends on them, so they are not trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.storage.layout import ARRAYS
from tests.builders.dataset_files import content
from tests.oracles.contract import AXES
from tests.storage.test_format import ROWS


@pytest.mark.parametrize("name", ["mass", "colour", "tiny"])
def test_every_array_carries_the_words_of_the_page(name: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(name)
    with h5py.File(made.path) as file:
        for split in file:
            for path, _, in_file, _, unit, values, meaning in (row for row in ROWS if row[0].strip("`") in AXES):
                told = dict(file[split][path.strip("`")].attrs)
                assert all(isinstance(text, str) for text in told.values())
                assert told["meaning"] == meaning and told.get("unit", "-") == unit
                assert len(told["axes"].split(", ")) == len(in_file.strip("(), ").split(","))
                bits = [f"bits: {told['bits']}"] if "bits" in told else []
                assert "; ".join(
                    [told[topic] for topic in ("values", "order", "counting") if topic in told] + bits
                ) == values.replace("-", "", values == "-")


def test_they_cost_a_few_kilobytes(tiny: Any, copied: Any) -> None:
    with h5py.File(tiny.path) as file:
        texts = sum(len(text) for split in file for path in AXES for text in file[split][path].attrs.values())
    assert 2_000 < texts < 20_000
    size = tiny.path.stat().st_size
    assert size < 120_000, f"{size} bytes: the texts of {texts} bytes have {texts / size:.0%} of the file"


def without_words(file: h5py.File) -> None:
    for split in file:
        for path in AXES:
            for name in list(file[split][path].attrs):
                del file[split][path].attrs[name]


def odd(value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        for split in file:
            for path in AXES:
                attributes = file[split][path].attrs
                attributes["meaning"] = file[split].ref if isinstance(value, str) and value == "reference" else value
                attributes["stranger"] = "x"

    return change


CHANGES: dict[str, Callable[[h5py.File], None]] = {
    "none, as in older files": without_words,
    "a cursor that moves": odd("\x1b[2J all is well"),
    "a long text": odd("x" * 60_000),
    "numbers": odd(np.arange(7000.0)),
    "bytes that are no text": odd(np.bytes_(b"\xff\xfe")),
    "a reference": odd("reference"),
    "nothing": odd(h5py.Empty("f4")),
    "texts": odd(["a", "b"]),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_file_with_other_words_or_none_is_the_same_dataset(name: str, tiny: Any, copied: Any, cli: Any) -> None:
    path = copied(tiny)
    with h5py.File(path, "r+") as file:
        CHANGES[name](file)
    assert physbench.verify(path).content_sha256 == content(tiny.path)
    for split in tiny.recipe.splits:
        for array, truth in physbench.open(tiny.path)[split][:].items():
            np.testing.assert_array_equal(np.asarray(physbench.open(path)[split][:][array]), np.asarray(truth))
    told = json.loads(cli("info", path, "--json").stdout)
    assert {path: words["meaning"] for path, words in told["arrays"].items()} == {
        path: field.meaning for path, field in ARRAYS.items() if path in AXES
    }
    text = cli("info", path).stdout
    assert (
        "stranger" not in text
        and "\x1b" not in text
        and text.split("arrays")[1] == cli("info", tiny.path).stdout.split("arrays")[1]
    )


def test_words_may_be_changed_without_harm_to_others(tiny: Any, copied: Any) -> None:
    """They lie together: what HDF5 takes away or adds must leave the others as they are."""
    path: Path = copied(tiny)
    with h5py.File(path) as file:
        before = {(split, name): dict(file[split][name].attrs) for split in file for name in AXES}
    with h5py.File(path, "r+") as file:
        file["test/mass"].attrs["unit"] = "kilogram"
        file["training/groups"].attrs["note"] = "mine"
        del file["test/mass"].attrs["meaning"]
    expected = {key: dict(words) for key, words in before.items()}
    expected["test", "mass"]["unit"] = "kilogram"
    expected["training", "groups"]["note"] = "mine"
    del expected["test", "mass"]["meaning"]
    with h5py.File(path) as file:
        assert {(split, name): dict(file[split][name].attrs) for split in file for name in AXES} == expected
    assert physbench.verify(path).content_sha256 == content(tiny.path)
