"""Tests that a recipe determines every byte of a dataset, whatever the number of workers and parts."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from physbench.errors import RecipeError
from physbench.generate import generate
from physbench.recipe import SPLITS, Recipe
from physbench.registry import datasets
from physbench.storage.journal import DatasetJournal
from tests.builders.dataset_files import alone_in, content, digest
from tests.oracles.contract import AXES, TIME_FIRST, sequence_first


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_the_number_of_workers_changes_no_byte(many: Any, tmp_path: Path, workers: int) -> None:
    path = generate(many.recipe, tmp_path / "again.h5", workers=workers)
    assert digest(path) == digest(many.path)
    alone_in(tmp_path, path)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2)])
def test_parts_made_apart_join_to_the_same_bytes(many: Any, tmp_path: Path, order: tuple[int, ...]) -> None:
    path = tmp_path / "joined.h5"
    for number in order:
        directory = generate(many.recipe, path, part=(number, 3), workers=1)
        assert directory.is_dir() and not path.exists()
    assert digest(generate(many.recipe, path)) == digest(many.path)
    alone_in(tmp_path, path)


def test_a_part_is_read_by_many_threads_at_once(many: Any, tmp_path: Path) -> None:
    directory = generate(many.recipe, tmp_path / "joined.h5", part=(1, 1), workers=1)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with closing(DatasetJournal(many.recipe, directory)) as journal, ThreadPoolExecutor(8) as pool:
            alone = [journal.read(record) for record in journal.records]
            together = list(pool.map(journal.read, journal.records * 50))
    finally:
        sys.setswitchinterval(switching)
    for one, other in zip(alone * 50, together, strict=True):
        for name, streams in one.streams.items():
            np.testing.assert_array_equal(other.streams[name].data, streams.data)
        for name, array in (one.states | one.events).items():
            np.testing.assert_array_equal((other.states | other.events)[name], array)


def test_parts_that_are_missing_are_made(many: Any, tmp_path: Path) -> None:
    generate(many.recipe, tmp_path / "joined.h5", part=(2, 3))
    assert digest(generate(many.recipe, tmp_path / "joined.h5")) == digest(many.path)


@pytest.mark.parametrize("part", [(0, 3), (4, 3), (-1, 3), (1, 0), (1, 5)])
def test_a_part_that_does_not_exist_is_refused(many: Any, tmp_path: Path, part: tuple[int, int]) -> None:
    with pytest.raises(RecipeError):
        generate(many.recipe, tmp_path / "x.h5", part=part)
    alone_in(tmp_path)


def test_seed_0_is_a_seed(tiny: Any, tmp_path: Path) -> None:
    of = {
        seed: content(generate(replace(tiny.recipe, seed=seed), tmp_path / f"{seed}.h5"))
        for seed in (0, 1, 2, 2**64 - 1)
    }
    assert of[0] == content(tiny.path)
    assert len(set(of.values())) == 4


def test_splits_and_sequences_share_no_seed(many: Any) -> None:
    drawn = [int(seed) for split in SPLITS for seed in many.recipe.seeds(split, 0, 60_000)]
    assert len(set(drawn)) == len(drawn)


def test_no_two_sequences_of_a_file_begin_alike(many: Any) -> None:
    with h5py.File(many.path) as file:
        starts = [
            file[split]["position"][0, i].tobytes() for split in file for i in range(file[split]["count"].shape[0])
        ]
    assert len(set(starts)) == len(starts) == 410


@pytest.mark.parametrize("name", ["mass", "many", "curtain", "colour", "crowd"])
def test_each_sequence_can_be_made_alone(name: str, request: pytest.FixtureRequest) -> None:
    made = request.getfixturevalue(name)
    with h5py.File(made.path) as file:
        for split in file:
            group, last = file[split], made.recipe.splits[split] - 1
            for i in {0, 1, last // 2, last, min(256, last)}:
                alone = made.recipe.scenes(split, i, i + 1)
                for field, array in alone.arrays().items():
                    stored = group[field][:, i : i + 1] if field in TIME_FIRST else group[field][i : i + 1]
                    np.testing.assert_array_equal(sequence_first(field, stored), array, err_msg=f"{split} {i} {field}")
                first, end = group["events/offset"][i : i + 2]
                for column in ("time", "a", "b", "normal", "impulse", "position"):
                    np.testing.assert_array_equal(group["events"][column][first:end], alone.events[column])


def test_a_smaller_dataset_is_the_beginning_of_a_larger_one(many: Any, tmp_path: Path) -> None:
    small = generate(replace(many.recipe, splits={"training": 7, "test": 3}), tmp_path / "small.h5")
    with h5py.File(small) as few, h5py.File(many.path) as large:
        assert sorted(few) == ["test", "training"]
        for split in few:
            count = few[split]["count"].shape[0]
            for name in [name for name in AXES if "/" not in name]:
                beginning = large[split][name][:, :count] if name in TIME_FIRST else large[split][name][:count]
                np.testing.assert_array_equal(few[split][name][()], beginning)


def test_the_recipe_in_the_file_makes_the_file_again(many: Any, tmp_path: Path) -> None:
    with h5py.File(many.path) as file:
        told = json.loads(file.attrs["recipe"])
    usual = datasets.get(told["dataset"])
    parameters = {
        name: tuple(value) if isinstance(value, list) else value for name, value in told["parameters"].items()
    }
    recipe = Recipe(
        dataset=told["dataset"],
        generator=type(usual.generator)(**parameters),
        frames=told["frames"],
        splits=told["splits"],
        seed=told["seed"],
    )
    assert digest(generate(recipe, tmp_path / "again.h5")) == digest(many.path)


STREAMS = """
import hashlib, numpy as np
from concurrent.futures import ThreadPoolExecutor
from physbench.storage.codec import compress
images = np.zeros((256, 1, 8, 8, 1), np.uint8)
for number, image in enumerate(images):
    image[0, : number % 5 + 2, : number % 5 + 2] = 1
with ThreadPoolExecutor(1) as pool:
    streams = [*map(compress, images), *pool.map(compress, images)]
print(hashlib.sha256(b"".join(streams)).hexdigest())
"""


def test_every_process_compresses_to_the_same_bytes() -> None:
    """Once in a while, some compressors give another stream of the same pixels: what lay in their memory before
    counts."""
    started = [subprocess.Popen([sys.executable, "-c", STREAMS], stdout=subprocess.PIPE, text=True) for _ in range(12)]
    assert len({process.communicate()[0] for process in started}) == 1
    assert all(process.returncode == 0 for process in started)
