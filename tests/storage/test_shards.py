"""Datasets in shards: the same content as in one file, read as one, and held to the index by every reader."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from click.testing import Result

import physbench
from physbench import registry
from physbench.errors import DamagedFile, HostileFile, PhysbenchError, RecipeError, StorageError
from physbench.lock import hold_lock
from physbench.recipe import Excerpt, Recipe
from physbench.scene import Span
from physbench.shards import generate_shards, join_shards
from physbench.storage.sharded import ShardedFile
from physbench.world import make_scenes
from tests.builders.datasets import recipe_for
from tests.builders.worlds import WORLDS, game

SMALL = recipe_for(training=700, validation=3, test=300, frames=6, n=(2, 3), size=16, radius=2.0)
RECIPES = {
    "balls": SMALL,
    "game": replace(game, splits={"training": 900, "test": 300}),
    "squares": replace(WORLDS["squares"], splits={"training": 520, "test": 17}),
    "memory": replace(WORLDS["memory"], splits={"test": 300}),
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small worlds can be asked for by name, as if a package had brought them."""
    for name in WORLDS:
        monkeypatch.setitem(registry.datasets.built_in, name, f"tests.builders.worlds:{name}")  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=RECIPES)
def both(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A dataset in one file, and the same in shards of 256."""
    folder, recipe = tmp_path_factory.mktemp(request.param), RECIPES[request.param]
    whole = physbench.generate(recipe, folder / "whole.h5", workers=1)
    return whole, generate_shards(recipe, folder / "shards", shard_size=256, workers=1)


@pytest.fixture(scope="module")
def pristine_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate_shards(SMALL, tmp_path_factory.mktemp("made") / "shards", shard_size=256, workers=1).parent


@pytest.fixture
def shards(pristine_shards: Path, tmp_path: Path) -> Path:
    """A folder of shards that a test may spoil."""
    return Path(shutil.copytree(pristine_shards, tmp_path / "shards"))


def rewrite(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads((folder / "index.json").read_text())
    change(content)
    (folder / "index.json").write_text(json.dumps(content))
    return folder


def test_a_dataset_in_shards_reads_as_the_one_in_a_file(both: tuple[Path, Path]) -> None:
    whole, index = (physbench.open(path) for path in both)
    assert isinstance(index, ShardedFile) and len(index.index.shards) > 1
    assert index.attributes["content_sha256"] == whole.attributes["content_sha256"]
    assert index.attributes["recipe"] == whole.attributes["recipe"]
    assert index.layout == whole.layout and index.splits == whole.splits
    rng = np.random.default_rng(1)
    for name, split in whole.items():
        other = index[name]
        numbers = rng.integers(-len(split), len(split), 40)
        for array, expected in split[numbers].items():
            np.testing.assert_array_equal(other[numbers][array], expected)
        for field in whole.layout.states:
            ours, theirs = (b"".join(part.tobytes() for part in each.in_order(field.name)) for each in (other, split))
            assert ours == theirs
        for column, expected in split.events().items():
            np.testing.assert_array_equal(other.events()[column], expected)
        for number in (0, len(split) - 1, len(split) // 2):
            for column, expected in split.events(number).items():
                np.testing.assert_array_equal(other.events(number)[column], expected)


def test_joined_shards_are_the_file_that_is_made_in_one(both: tuple[Path, Path], tmp_path: Path) -> None:
    whole, index = both
    assert join_shards(index, tmp_path / "joined.h5").read_bytes() == whole.read_bytes()


def test_a_dataset_in_shards_is_verified_like_a_file(both: tuple[Path, Path]) -> None:
    whole, index = (physbench.verify(path) for path in both)
    assert replace(index, path=whole.path) == whole


@pytest.mark.parametrize(("most", "pieces"), [(1 << 27, 1), (700 * 3 * 2 * 4 * 2, 3), (700 * 3 * 2 * 4, 6), (1, 18)])
def test_small_arrays_are_gathered_in_pieces(
    most: int, pieces: int, pristine_shards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6 frames of 3 objects in 3 shards."""
    split = physbench.open(pristine_shards)["training"]
    expected = split[:]["position"].swapaxes(0, 1).tobytes()
    monkeypatch.setattr("physbench.storage.sharded.MOST_GATHERED", most)
    parts = [part.tobytes() for part in split.in_order("position")]
    assert len(parts) == pieces and b"".join(parts) == expected


def test_few_shards_are_kept_open(pristine_shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("physbench.storage.sharded.MOST_OPEN", 1)
    file = physbench.open(pristine_shards)
    first, last = file["training"][0], file["training"][699]
    np.testing.assert_array_equal(file["training"][[699, 0]]["features"], [last["features"], first["features"]])
    assert isinstance(file, ShardedFile) and len(file._open) == 1


def test_a_shard_is_an_ordinary_file_for_plain_h5py(pristine_shards: Path) -> None:
    split = physbench.open(pristine_shards)["training"]
    with h5py.File(pristine_shards / "training-0000000256.h5") as file:
        np.testing.assert_array_equal(file["training/features"][:, 7], split[263]["features"])
        np.testing.assert_array_equal(file["training/position"][:, 7], split[263]["position"])
        assert json.loads(file.attrs["recipe"])["excerpt"] == {
            "start": 256,
            "of": {"training": 700, "validation": 3, "test": 300},
        }


def test_a_shard_can_be_verified_alone(pristine_shards: Path) -> None:
    assert physbench.verify(pristine_shards / "training-0000000512.h5").sequences_remade == 188


def test_a_closed_dataset_in_shards_gives_nothing_more(pristine_shards: Path) -> None:
    file = physbench.open(pristine_shards)
    split = file["test"]
    assert split[0]["features"].any()
    file.close()
    with pytest.raises(StorageError, match="is closed"):
        split[0]


def test_a_split_in_shards_works_in_workers_of_a_data_loader(pristine_shards: Path) -> None:
    from torch.utils.data import DataLoader

    data = physbench.open(pristine_shards)["training"].only("features").torch()
    seen = [batch["features"] for batch in DataLoader(data, batch_size=100, num_workers=2)]
    np.testing.assert_array_equal(np.concatenate(seen), physbench.open(pristine_shards)["training"][:]["features"])


def test_only_the_shards_that_are_missing_are_made(shards: Path) -> None:
    digest = physbench.open(shards).attributes["content_sha256"]
    (shards / "index.json").unlink()
    (shards / "training-0000000256.h5").unlink()
    (shards / ".test-0000000000.h5.0123abcd.partial").mkdir()
    before = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.h5")}
    told: list[tuple[int, int]] = []
    generate_shards(SMALL, shards, shard_size=256, workers=1, progress=lambda now: told.append((now.done, now.resumed)))
    after = {path.name: path.stat().st_mtime_ns for path in shards.glob("*.h5")}
    assert {name for name in after if after[name] != before.get(name)} == {"training-0000000256.h5"}
    assert physbench.open(shards).attributes["content_sha256"] == digest
    assert told[0] == (747, 747) and told[-1] == (1003, 747)
    assert not list(shards.glob(".*.partial"))


def test_a_finished_folder_is_left_as_it_is(shards: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in shards.iterdir()}
    assert generate_shards(SMALL, shards, shard_size=256) == shards / "index.json"
    assert {path.name: path.stat().st_mtime_ns for path in shards.iterdir()} == before


def test_another_recipe_or_size_needs_overwrite(shards: Path) -> None:
    other = replace(SMALL, seed=5)
    for recipe, size in ((other, 256), (SMALL, 512)):
        with pytest.raises(StorageError, match="use --overwrite"):
            generate_shards(recipe, shards, shard_size=size)
    generate_shards(other, shards, shard_size=512, workers=1, overwrite=True)
    assert physbench.open(shards).recipe["seed"] == 5 and len(list(shards.glob("*.h5"))) == 4


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    for overwrite in (False, True):
        with pytest.raises(StorageError, match="holds other files"):
            generate_shards(SMALL, tmp_path, overwrite=overwrite)
    with pytest.raises(StorageError, match="is a file"):
        generate_shards(SMALL, tmp_path / "thesis.tex")
    with pytest.raises(StorageError, match="there is no folder"):
        generate_shards(SMALL, tmp_path / "not" / "there")


def test_a_folder_of_something_else_that_has_a_recipe_is_refused(tmp_path: Path) -> None:
    """The folder of a training run has a recipe.json, too."""
    (tmp_path / "recipe.json").write_text('{"model": "conv3"}')
    (tmp_path / "mine.h5").write_bytes(b"mine")
    for overwrite in (False, True):
        with pytest.raises(StorageError, match="holds other files"):
            generate_shards(SMALL, tmp_path, overwrite=overwrite)
    assert (tmp_path / "mine.h5").read_bytes() == b"mine" and "conv3" in (tmp_path / "recipe.json").read_text()


def test_only_shards_are_replaced(shards: Path) -> None:
    (shards / "notes.h5").write_bytes(b"mine")
    generate_shards(replace(SMALL, seed=5), shards, shard_size=512, workers=1, overwrite=True)
    assert (shards / "notes.h5").read_bytes() == b"mine" and physbench.open(shards).recipe["seed"] == 5


def test_nothing_is_removed_while_another_process_is_at_work(shards: Path) -> None:
    before = sorted(path.name for path in shards.iterdir())
    with hold_lock(shards), pytest.raises(StorageError, match="another process is at work"):
        generate_shards(replace(SMALL, seed=5), shards, shard_size=512, workers=1, overwrite=True)
    assert sorted(path.name for path in shards.iterdir()) == before


@pytest.mark.parametrize("size", [0, -256, 100, 257])
def test_a_shard_holds_whole_blocks(size: int, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="a multiple of 256"):
        generate_shards(SMALL, tmp_path / "shards", shard_size=size)


def drop(index: dict[str, Any], number: int) -> None:
    del index["shards"][number]


def set_shard(index: dict[str, Any], number: int, **values: Any) -> None:
    index["shards"][number].update(values)


SPOILS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a gap": lambda index: drop(index, 1),
    "no end": lambda index: drop(index, -1),
    "another order": lambda index: index["shards"].reverse(),
    "twice": lambda index: set_shard(index, 1, file=index["shards"][0]["file"]),
    "a parent": lambda index: set_shard(index, 0, file="../training-0000000000.h5"),
    "an absolute path": lambda index: set_shard(index, 0, file="/etc/passwd"),
    "a hidden file": lambda index: set_shard(index, 0, file=".hidden.h5"),
    "a shard that is no object": lambda index: index["shards"].append(7),
    "another field": lambda index: set_shard(index, 0, url="http://127.0.0.1"),
    "a word for a number": lambda index: set_shard(index, 0, start="0"),
    "true for a number": lambda index: set_shard(index, 0, events=True),
    "no shards": lambda index: index.update(shards=[]),
    "shards that are no list": lambda index: index.update(shards={}),
    "no recipe": lambda index: index.pop("recipe"),
    "a recipe that is none": lambda index: index.update(recipe="[]"),
    "another recipe": lambda index: index.update(recipe=index["recipe"].replace('"seed":0', '"seed":1')),
    "control characters": lambda index: index.update(dataset="balls\u001b[2J"),
    "digests of other splits": lambda index: index.update(digests={"training": "0"}),
    "another version": lambda index: index.update(format_version=2),
    "versions that are no object": lambda index: index.update(created_with="hello"),
    "another kind of file": lambda index: index.update(format="zarr"),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_an_index_that_contradicts_itself_is_refused(spoil: str, shards: Path) -> None:
    with pytest.raises(StorageError):
        physbench.open(rewrite(shards, SPOILS[spoil]))


def test_an_index_that_is_not_json_is_refused(shards: Path) -> None:
    for text in ("", "{", "[" * 100_000, "null", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")):
        (shards / "index.json").write_text(text)
        with pytest.raises(StorageError):
            physbench.open(shards)


def test_a_shard_that_leads_out_of_the_folder_is_refused(shards: Path, tmp_path: Path) -> None:
    shard = shards / "training-0000000000.h5"
    shard.rename(tmp_path / "elsewhere.h5")
    shard.symlink_to(tmp_path / "elsewhere.h5")
    with pytest.raises(HostileFile, match="leads out of its folder"):
        physbench.open(shards)


def test_a_shard_of_another_dataset_is_refused(shards: Path, tmp_path: Path) -> None:
    other = generate_shards(replace(SMALL, seed=3), tmp_path / "other", shard_size=256, workers=1).parent
    shutil.copy(other / "training-0000000256.h5", shards / "training-0000000256.h5")
    with pytest.raises(DamagedFile, match="made from another recipe"):
        physbench.open(shards)["training"][300]
    shutil.copy(shards / "training-0000000000.h5", shards / "training-0000000256.h5")
    with pytest.raises(DamagedFile, match="made from another recipe"):
        physbench.verify(shards)


def test_a_shard_of_other_sizes_is_refused_whatever_it_says(shards: Path, tmp_path: Path) -> None:
    other = generate_shards(replace(SMALL, frames=7), tmp_path / "other", shard_size=256, workers=1).parent
    index = physbench.open(shards).index
    text = index.shard_recipe(index.shards[1])
    name = "training-0000000256.h5"
    with h5py.File(other / name, "r+") as file:
        file.attrs["recipe"], file.attrs["recipe_sha256"] = text, hashlib.sha256(text.encode()).hexdigest()
        content, events = file.attrs["content_sha256"], len(file["training/events/time"])
    shutil.copy(other / name, shards / name)
    rewrite(shards, lambda index: set_shard(index, 1, content_sha256=content, events=events))
    with pytest.raises(DamagedFile, match="arrays of other sizes than the other shards"):
        physbench.open(shards)["training"].only("position")[[0, 280]]


def test_a_missing_shard_is_named(shards: Path) -> None:
    (shards / "training-0000000256.h5").unlink()
    with pytest.raises(StorageError, match=r"there is no file .*training-0000000256\.h5"):
        physbench.verify(shards)


@pytest.mark.parametrize("depth", ["plain", "quick"])
def test_a_shard_that_was_tampered_with_is_found_by_verify(depth: Any, shards: Path) -> None:
    with h5py.File(shards / "training-0000000256.h5", "r+") as file:
        file["training/position"][3, 7, 0, 0] += 1
    with pytest.raises(DamagedFile, match=r"training-0000000256\.h5"):
        physbench.verify(shards, depth=depth)


@pytest.mark.slow
def test_a_shard_that_lies_consistently_is_found_by_verify(shards: Path) -> None:
    """The shard's own digest is made to fit the lie; then that of the index is, too."""
    from physbench.storage.reader import File
    from physbench.storage.verify import digest_file

    path = shards / "training-0000000256.h5"
    with h5py.File(path, "r+") as file:
        file["training/position"][3, 7, 0, 0] += 1
    digests, content = digest_file(File(path))
    with h5py.File(path, "r+") as file:
        file["training"].attrs["content_sha256"] = digests["training"]
        file.attrs["content_sha256"] = content
    with pytest.raises(DamagedFile, match=r"training-0000000256\.h5 is not the shard that index\.json names"):
        physbench.verify(shards)
    rewrite(shards, lambda index: set_shard(index, 1, content_sha256=content))
    with pytest.raises(DamagedFile, match="the split training"):
        physbench.verify(shards)
    digests, content = digest_file(physbench.open(shards))
    rewrite(shards, lambda index: index.update(digests=digests, content_sha256=content))
    physbench.verify(shards, depth="quick")  # every digest fits: only the recipe contradicts it
    with pytest.raises(DamagedFile, match="training sequence 263 has a position"):
        physbench.verify(shards)


def test_an_excerpt_makes_the_sequences_of_the_whole() -> None:
    for recipe in RECIPES.values():
        split, count = next(iter(recipe.splits.items()))
        start, stop = count // 3, count // 2
        excerpt = recipe.cut_out(Span(split, start, stop))
        assert excerpt.whole == recipe and excerpt.sequences == stop - start
        ours, theirs = excerpt.scenes(split, 2, 9), make_scenes(recipe, Span(split, start + 2, start + 9))
        for name, array in theirs.arrays().items():
            np.testing.assert_array_equal(ours.arrays()[name], array)
        again = excerpt.cut_out(Span(split, 2, 9))
        assert again.excerpt == Excerpt(start + 2, recipe.splits)


@pytest.mark.parametrize("start", [-1, 600, 1 << 40])
def test_an_excerpt_lies_in_the_whole(start: int) -> None:
    with pytest.raises(RecipeError, match="an excerpt holds consecutive sequences"):
        replace(SMALL, splits={"training": 200}, excerpt=Excerpt(start, SMALL.splits))


def test_a_whole_dataset_is_written_as_before() -> None:
    recipe: Recipe = registry.datasets.get("balls4mass64")
    assert "excerpt" not in recipe.to_json()


def test_every_command_takes_a_folder_of_shards(shards: Path, cli: Callable[..., Result], tmp_path: Path) -> None:
    assert "balls-v1" in cli("info", shards).stdout
    assert "is good" in cli("verify", shards).stdout
    assert cli("show", shards, "--index", "299", "--out", tmp_path / "x.png").exit_code == 0
    result = cli("eval", "copy", "--suite", "balls", "--data", shards, "--limit", "4", "--json")
    assert result.exit_code == 0, result.output


def test_the_command_line_makes_and_joins_shards(cli: Callable[..., Result], tmp_path: Path, refusal: Any) -> None:
    words = ["balls", "--n", 2, "--size", 16, "--radius", 2, "--frames", 6, "--train", 300, "--valid", 0, "--test", 9]
    options = ["--shard-size", 256, "--workers", 1, "--json"]
    told = json.loads(cli("generate", *words, *options, "--out", tmp_path / "x").stdout)
    whole = json.loads(cli("generate", *words, "--json", "--out", tmp_path / "x.h5").stdout)
    assert told["content_sha256"] == whole["content_sha256"]
    assert told["bytes"] == sum(path.stat().st_size for path in (tmp_path / "x").glob("*.h5"))
    joined = json.loads(cli("join", tmp_path / "x", "--out", tmp_path / "y.h5", "--json").stdout)
    assert joined["content_sha256"] == whole["content_sha256"]
    for wrong, sentence in (
        (["generate", *words, *options, "--out", tmp_path / "x.h5"], "shards are written into a folder"),
        (["generate", *words, *options, "--part", "1/2", "--out", tmp_path / "x"], "--part shares out one file"),
        (["generate", *words, *options, "--scheduler", "tcp://127.0.0.1:1"], "--scheduler goes with --engine dask"),
        (["join", tmp_path / "x", "--out", tmp_path / "y.h5"], "exists already"),
        (["join", tmp_path / "x.h5", "--out", tmp_path / "z.h5"], "is one file already"),
        (["join", tmp_path, "--out", tmp_path / "z.h5"], "is a folder"),
    ):
        result = cli(*wrong)
        assert result.exit_code == 2 and sentence in result.stderr, result.output


def test_a_failed_join_leaves_nothing_under_the_name(shards: Path, tmp_path: Path) -> None:
    rewrite(shards, lambda index: index.update(content_sha256="0" * 64))
    with pytest.raises(PhysbenchError, match="are not what its digest says"):
        join_shards(shards, tmp_path / "x.h5")
    assert os.listdir(tmp_path) == ["shards"]
    (tmp_path / "x.h5").write_bytes(b"the good old file")
    with pytest.raises(PhysbenchError, match="are not what its digest says"):
        join_shards(shards, tmp_path / "x.h5", overwrite=True)
    assert (tmp_path / "x.h5").read_bytes() == b"the good old file"
