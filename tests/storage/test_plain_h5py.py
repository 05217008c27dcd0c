"""Tests of reading a dataset file with plain h5py, as published code does and as the contract says."""

from __future__ import annotations

import json
import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tests.builders.dataset_files import content, digest, write
from tests.oracles.contract import AXES, canonical_text, digest_of


@pytest.mark.parametrize("name", ["features", "groups", "collisions"])
def test_published_code_reads_it_as_it_always_did(mass: Any, name: str) -> None:
    """f["training"]["features"][:31, 64:128], as R-NEM's loader slices."""
    with h5py.File(mass.path, "r") as f:
        batch = f["training"][name][:31, 64:128]
    assert batch.shape == (31, 64, 64, 64, 1) and batch.dtype == np.uint8
    truth = mass.recipe.scenes("training", 64, 128)
    np.testing.assert_array_equal(batch, truth.arrays()[name][:, :31].swapaxes(0, 1))
    assert batch.any() and batch.max() == (4 if name == "groups" else 1)


@pytest.mark.parametrize(
    ("name", "k", "h", "c"),
    [("mass", 4, 64, 1), ("curtain", 3, 64, 1), ("colour", 4, 64, 3), ("crowd", 8, 64, 1), ("tiny", 2, 16, 1)],
)
def test_every_array_of_the_contract_is_there(
    name: str, k: int, h: int, c: int, request: pytest.FixtureRequest
) -> None:
    made = request.getfixturevalue(name)
    with h5py.File(made.path) as file:
        assert set(file) == set(made.recipe.splits)
        for split, count in made.recipe.splits.items():
            found: list[str] = []
            file[split].visititems(
                lambda path, node, found=found: found.append(path) if isinstance(node, h5py.Dataset) else None
            )
            assert sorted(found) == sorted(AXES)
            lengths = {"T": made.recipe.frames, "N": count, "O": count + 1, "H": h, "W": h, "C": c, "K": k}
            lengths["M"] = int(file[split]["events/offset"][-1])
            for path, (dtype, axes) in AXES.items():
                assert file[split][path].dtype == np.dtype("<" + dtype), path
                assert file[split][path].shape == tuple(
                    int(axis) if axis.isdigit() else lengths[axis] for axis in axes
                ), path


def test_no_filter_but_deflate(colour: Any) -> None:
    with h5py.File(colour.path) as file:
        for path in AXES:
            creation = file["training"][path].id.get_create_plist()
            filters = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
            assert filters == ([h5py.h5z.FILTER_DEFLATE] if path in ("features", "groups", "collisions") else []), path
        assert file["training/features"].chunks == (21, 1, 64, 64, 3)


def test_the_attributes_say_what_it_is(mass: Any) -> None:
    with h5py.File(mass.path) as file:
        told = dict(file.attrs)
        assert all(len(file[split].attrs["content_sha256"]) == 64 for split in file)
    assert (told["format"], told["format_version"], told["dataset"]) == ("physbench", 1, "balls4mass64-v1")
    recipe = json.loads(told["recipe"])
    assert (
        recipe["splits"] == {"training": 130, "validation": 4, "test": 6}
        and recipe["seed"] == 0
        and recipe["frames"] == 51
    )
    assert recipe["parameters"]["mass_ratio"] == 6.0
    assert told["recipe_sha256"] == sha256(told["recipe"].encode()).hexdigest() == mass.recipe.sha256
    assert {"physbench", "numpy"} <= set(json.loads(told["created_with"]))


def test_the_digest_can_be_computed_by_hand(crowd: Any) -> None:
    """From the words of the contract, with h5py, zlib and hashlib alone."""
    with h5py.File(crowd.path) as file:
        assert digest_of(canonical_text(file["test"], "test")) == file.attrs["content_sha256"]
        assert file["test"].attrs["content_sha256"] == file.attrs["content_sha256"]  # its only split


def test_the_file_does_not_lean_on_the_compressor(tiny: Any, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    scenes = {
        split: tiny.recipe.generator.batch(tiny.recipe.seeds(split, 0, count), tiny.recipe.frames)
        for split, count in tiny.recipe.splits.items()
    }
    write(tiny.recipe, path, scenes, compress=lambda array, _: zlib.compress(array, 9))
    assert digest(path) != digest(tiny.path) and content(path) == content(tiny.path)
