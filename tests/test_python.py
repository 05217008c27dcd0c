"""Tests of physbench from Python: names and parameters, splits, closing files, tables, PyTorch, and examples that
run."""

from __future__ import annotations

import doctest
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import physbench
from physbench.errors import MissingPackage, ModelError, PhysbenchError, RecipeError, StorageError
from physbench.recipe import Recipe
from physbench.registry import datasets
from physbench.storage.event_table import EventTable
from physbench.storage.reader import File, Split
from physbench.stream import Stream
from physbench_baselines.reference import Copy
from physbench_generators.balls.scenes import Balls
from tests.oracles.contract import TIME_FIRST

SMALL: dict[str, Any] = {"n": (2, 3), "size": 24, "radius": 2.0, "frames": 12}
FILE: dict[str, Any] = {**SMALL, "train": 40, "valid": 6, "test": 8}


@pytest.fixture(autouse=True)
def _in_an_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def dataset_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return physbench.generate("balls", tmp_path_factory.mktemp("made") / "balls.h5", **FILE)


def content(path: Path) -> str:
    with h5py.File(path) as file:
        return str(file.attrs["content_sha256"])


# Names and parameters.


def test_generate_takes_what_the_command_line_takes(cli: Any) -> None:
    ours = physbench.generate("balls", "ours.h5", n=4, curtain=24, train=3, valid=2, test=1)
    words = "generate balls --n 4 --curtain --train 3 --valid 2 --test 1 --out theirs.h5"
    assert cli(*words.split()).exit_code == 0
    assert content(ours) == content(Path("theirs.h5"))
    assert physbench.open(ours).splits == {"training": 3, "validation": 2, "test": 1}


def test_a_named_dataset_takes_sizes_and_a_seed_and_keeps_its_parameters() -> None:
    path = physbench.generate("balls4mass64", "x.h5", train=0, valid=0, test=3, seed=5)
    usual: Recipe = datasets.get("balls4mass64")
    truth = usual.generator.batch(replace(usual, seed=5).seeds("test", 0, 3), 51)
    np.testing.assert_array_equal(physbench.open(path)["test"][:]["features"], truth.features)
    for wrong in ({"n": (6, 8)}, {"frames": 10}):
        with pytest.raises(RecipeError, match="to choose your own, use 'balls'"):
            physbench.generate("balls4mass64", "y.h5", **wrong)
    assert not Path("y.h5").exists()


def test_without_a_path_the_name_says_what_is_inside() -> None:
    assert physbench.generate("balls", n=2, train=1, valid=0, test=1) == Path("balls-n2-1+1.h5")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"gravty": 1}, "there is no parameter 'gravty': did you mean 'gravity'?"),
        ({"xyzzy": 1}, "there is no parameter 'xyzzy': there is n, size,"),
        ({"n": 17}, "1 to 16"),
        ({"n": "four"}, "'four'"),
        ({"gravity": "low"}, "gravity is a number"),
    ],
)
def test_a_parameter_that_is_wrong_is_said_at_once(words: dict[str, Any], sentence: str) -> None:
    for ask in (lambda: physbench.stream("balls", **words), lambda: physbench.generate("balls", "x.h5", **words)):
        with pytest.raises(RecipeError) as refused:
            ask()
        assert sentence in str(refused.value)


def test_sizes_that_are_no_numbers_are_refused() -> None:
    for count in (-1, 2.5, "10", True):
        with pytest.raises(RecipeError):
            physbench.generate("balls", "x.h5", train=count)  # type: ignore[arg-type]


def test_stream_takes_the_parameters_of_a_users_own_world() -> None:
    batch = next(iter(physbench.stream("balls", n=(6, 8), batch=4, seed=3)))
    recipe = Recipe(dataset="balls", generator=Balls(n=(6, 8)), seed=3)
    truth = recipe.generator.batch(recipe.seeds("training", 0, 4), 51).arrays()
    assert batch.keys() == truth.keys()
    for name, array in truth.items():
        np.testing.assert_array_equal(np.asarray(batch[name]), array, name)


# Splits by any of their names.


@pytest.mark.parametrize(
    ("name", "full"), [("train", "training"), ("valid", "validation"), ("val", "validation"), ("test", "test")]
)
def test_a_split_has_several_names(dataset_path: Path, name: str, full: str) -> None:
    file = physbench.open(dataset_path)
    assert file[name].name == full and name in file and list(file) == ["training", "validation", "test"]
    one, other = (next(iter(physbench.stream("balls", split=split, batch=2, **SMALL))) for split in (name, full))
    np.testing.assert_array_equal(one["position"], other["position"])
    recipe: Recipe = datasets.get("balls")
    np.testing.assert_array_equal(recipe.seeds(name, 0, 5), recipe.seeds(full, 0, 5))
    assert replace(recipe, splits={name: 7}).splits == {full: 7}


def test_a_split_given_under_two_names_is_refused() -> None:
    with pytest.raises(RecipeError, match="twice"):
        replace(datasets.get("balls"), splits={"train": 1, "training": 2})
    with pytest.raises(RecipeError, match="there is no split 'tset'"):
        datasets.get("balls").seeds("tset", 0, 1)


def test_evaluate_takes_the_short_name_of_a_split() -> None:
    short, full = (physbench.evaluate(Copy(), "smoke", limit=2, split=split) for split in ("valid", "validation"))
    assert short.scores == full.scores and short.provenance.size == full.provenance.size == "validation-limit-2"


# Files.


def test_a_file_closes_itself_and_says_so(dataset_path: Path) -> None:
    with physbench.open(dataset_path) as file:
        kept, column = file["test"][0], file["test"].column("time")
    with pytest.raises(StorageError, match="is closed: open it again"):
        file["test"][0]
    assert kept["features"].any() and np.isfinite(column).all(), "what was read stays"
    file.close()


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="asks Linux what is mapped")
def test_a_closed_file_is_no_longer_mapped_once_its_columns_are_gone(dataset_path: Path) -> None:
    def is_mapped() -> bool:
        return str(dataset_path) in Path("/proc/self/maps").read_text()

    with physbench.open(dataset_path) as file:
        column = file["test"].column("time")
        assert is_mapped()
    assert is_mapped(), "a column is held"
    del column
    assert not is_mapped()


def test_a_file_tells_its_recipe_and_its_splits(dataset_path: Path) -> None:
    file = physbench.open(dataset_path)
    assert file.splits == {"training": 40, "validation": 6, "test": 8}
    with h5py.File(dataset_path) as raw:
        assert file.recipe == json.loads(raw.attrs["recipe"])


# Events.


def test_events_are_a_dictionary_and_a_flat_table(dataset_path: Path) -> None:
    test = physbench.open(dataset_path)["test"]
    events = test.events(3)
    assert isinstance(events, dict) and set(events) == {"time", "a", "b", "normal", "impulse", "position"}
    flat = events.flat()
    assert list(flat) == ["time", "a", "b", "normal_x", "normal_y", "impulse", "position_x", "position_y"]
    assert all(column.shape == events["time"].shape for column in flat.values())
    np.testing.assert_array_equal(flat["position_y"], events["position"][:, 1])


def test_the_whole_table_is_all_sequences_one_after_the_other(dataset_path: Path) -> None:
    test = physbench.open(dataset_path)["test"]
    everything = test.events()
    with h5py.File(dataset_path) as raw:
        assert set(everything) == set(raw["test/events"]) - {"offset"}
        for name, column in everything.items():
            np.testing.assert_array_equal(column, raw["test/events"][name][()])
    for i in range(len(test)):
        np.testing.assert_array_equal(everything["time"][everything["sequence"] == i], test.events(i)["time"])
    everything["time"][...] = 0
    assert test.events()["time"].any(), "arrays that are read may be changed"


def test_pandas_is_given_the_flat_columns(dataset_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    standin = ModuleType("pandas")
    standin.DataFrame = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pandas", standin)
    events = physbench.open(dataset_path)["test"].events(0)
    assert list(events.to_pandas()) == list(events.flat())


def test_real_pandas_takes_them(dataset_path: Path) -> None:
    pytest.importorskip("pandas")
    events = physbench.open(dataset_path)["test"].events()
    table = events.to_pandas()
    assert table.shape == (len(events["time"]), 9) and table["b"].dtype == np.uint8


def test_missing_pandas_is_named(dataset_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackage, match="pip install pandas"):
        physbench.open(dataset_path)["test"].events(0).to_pandas()


@pytest.mark.parametrize("size", [0, -3, 2.5, "4", None, True])
def test_a_batch_size_of_zero_is_refused_before_iterating(dataset_path: Path, size: Any) -> None:
    with pytest.raises(StorageError, match="a batch has at least 1 sequence"):
        physbench.open(dataset_path)["test"].batches(size)


def test_an_event_column_that_is_not_there_is_said(dataset_path: Path) -> None:
    with pytest.raises(StorageError, match="no column 'place': they have offset, sequence, time"):
        physbench.open(dataset_path)["test"].column("place")


# PyTorch.


def window_in(whole: Any, part: Any) -> int:
    """Where consecutive frames begin in a sequence, by looking everywhere."""
    found = [t for t in range(len(whole) - len(part) + 1) if np.array_equal(whole[t : t + len(part)], part)]
    assert len(found) == 1, found
    return found[0]


def test_a_window_is_consecutive_frames_of_every_array_from_the_same_place(dataset_path: Path) -> None:
    split = physbench.open(dataset_path)["train"]
    data: Any = split.torch(window=5, seed=1)
    places = []
    for i in range(len(split)):
        place = window_in(split[i]["position"], data[i]["position"])
        for name, array in data[i].items():
            whole = np.asarray(split[i][name])
            np.testing.assert_array_equal(array, whole[place : place + 5] if name in TIME_FIRST else whole)
        places.append(place)
    assert set(places) == set(range(8)), "anywhere, the first and the last place included"
    again, other = (
        [window_in(split[i]["position"], split.torch(window=5, seed=s)[i]["position"]) for i in range(len(split))]
        for s in (1, 2)
    )
    assert again == places != other
    np.testing.assert_array_equal(data[-1]["position"], data[len(split) - 1]["position"])


def test_a_batch_of_windows_is_the_windows_of_its_sequences(dataset_path: Path) -> None:
    split = physbench.open(dataset_path)["train"]
    data: Any = split.torch(window=4, dtype="float32")
    batch = next(iter(DataLoader(data, batch_size=6, shuffle=False, num_workers=0)))
    for i in range(6):
        for name, array in data[i].items():
            np.testing.assert_array_equal(batch[name][i].numpy(), array)


def test_a_stream_of_windows_never_repeats_its_places_for_a_batch(dataset_path: Path) -> None:
    stream = physbench.stream("balls", batch=8, **SMALL)
    places = []
    for whole, framed in zip(islice(stream, 4), stream.torch(window=5), strict=False):
        places.append([window_in(whole["position"][i], framed["position"][i]) for i in range(8)])
    assert len(set(map(tuple, places))) == 4
    late = next(iter(physbench.stream("balls", batch=8, start=16, **SMALL).torch(window=5)))
    whole = next(iter(physbench.stream("balls", batch=8, start=16, **SMALL)))
    assert [window_in(whole["position"][i], late["position"][i]) for i in range(8)] == places[2]


@pytest.mark.parametrize(("ranks", "workers"), [(1, 2), (2, 2)])
def test_windows_do_not_depend_on_workers_and_ranks(ranks: int, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = list(islice(iter(physbench.stream("balls", batch=4, **SMALL).torch(window=3)), 8))
    for rank in range(ranks):
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("WORLD_SIZE", str(ranks))
        loader = DataLoader(
            physbench.stream("balls", batch=4, **SMALL).torch(window=3), batch_size=None, num_workers=workers
        )
        for batch, truth in zip(islice(loader, 3), alone[rank::ranks], strict=False):
            np.testing.assert_array_equal(batch["features"].numpy(), truth["features"])


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_reach_from_0_to_1_also_in_colour(dtype: str) -> None:
    for colour in (False, True):
        stream = physbench.stream("balls", batch=4, colour=colour, **SMALL)
        raw = next(iter(stream))
        batch = next(iter(DataLoader(stream.torch(dtype=dtype), batch_size=None)))
        assert batch["features"].dtype == getattr(torch, dtype) and batch["groups"].dtype == torch.uint8
        most = 255 if colour else 1
        np.testing.assert_allclose(batch["features"].numpy(), np.asarray(raw["features"]) / most, rtol=1e-3)
        assert 0.5 < batch["features"].max() <= 1 and batch["features"].min() == 0


@pytest.mark.parametrize("workers", [0, 2])
def test_time_first_is_the_same_with_axes_exchanged(dataset_path: Path, workers: int) -> None:
    split = physbench.open(dataset_path)["train"]
    plain, turned = (
        next(iter(DataLoader(split.torch(time_first=turn), batch_size=5, num_workers=workers)))
        for turn in (False, True)
    )  # type: ignore[arg-type]
    stream = physbench.stream("balls", batch=5, **SMALL)
    fresh, turned_fresh = (
        next(iter(DataLoader(stream.torch(time_first=turn), batch_size=None, num_workers=workers)))
        for turn in (False, True)
    )
    for usual, other in ((plain, turned), (fresh, turned_fresh)):
        assert list(usual) == list(other) and set(TIME_FIRST) <= set(usual)
        for name in usual:
            expected = usual[name].transpose(0, 1) if name in TIME_FIRST else usual[name]
            assert torch.equal(other[name], expected) and other[name].is_contiguous(), name


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ({"window": 13}, "does not fit into sequences of 12"),
        ({"window": 0}, "1 or more, not 0"),
        ({"window": 2.0}, "whole number"),
        ({"dtype": "int8"}, "'int8'"),
    ],
)
def test_what_cannot_be_framed_is_refused_at_once(dataset_path: Path, words: dict[str, Any], sentence: str) -> None:
    for ask in (physbench.open(dataset_path)["test"].torch, physbench.stream("balls", **SMALL).torch):
        with pytest.raises(StorageError, match=sentence):
            ask(**words)


def test_a_stream_iterated_again_begins_again_and_start_goes_on() -> None:
    stream = physbench.stream("balls", batch=4, only=("position",), **SMALL)
    first, second = ([batch["position"] for batch in islice(stream, 2)] for _ in range(2))
    np.testing.assert_array_equal(first, second)
    later = physbench.stream("balls", batch=4, start=4, only=("position",), **SMALL)
    np.testing.assert_array_equal(next(iter(later))["position"], first[1])


# Models by name.


def test_evaluate_takes_a_name_as_the_command_line_does(cli: Any) -> None:
    told = json.loads(cli("eval", "copy", "--suite", "smoke", "--limit", 3, "--json").stdout)
    result = physbench.evaluate("copy", suite="smoke", limit=3)
    assert result.provenance.model == "copy"
    assert [(score.task, score.metric, score.value) for score in result.scores if np.isfinite(score.value)] == [
        (row["task"], row["metric"], row["value"]) for row in told["scores"] if row["value"] is not None
    ]
    assert physbench.evaluate(Copy(), "smoke", limit=3).scores == result.scores


@pytest.mark.slow
def test_evaluate_takes_trained_models_checkpoints_and_settings(tmp_path: Path) -> None:
    from physbench_baselines import bundled, checkpoint

    named = physbench.evaluate("rnn", "smoke", limit=1, settings={"noise": 0})
    assert named.provenance.parameters == bundled.card("rnn").parameters and "set-noise-0" in named.provenance.notes
    path = tmp_path / "mine.safetensors"
    model: Any = bundled.rnn()
    checkpoint.save(path, model.network)
    for given in (path, str(path)):
        stored = physbench.evaluate(given, "smoke", limit=1, settings={"noise": 0})
        assert (
            stored.provenance.model == "mine"
            and stored.score("balls4mass64", "bce").value == named.score("balls4mass64", "bce").value
        )


def test_evaluate_takes_a_data_file_by_its_name(dataset_path: Path) -> None:
    assert physbench.evaluate("copy", data=str(dataset_path)).score("balls", "relative_bce").value == 1


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        ("cpy", "no model is called 'cpy': did you mean 'copy'?"),
        ("nowhere.pt", "nowhere.pt"),
        (Path("runs/none"), "runs/none"),
        (3, "int lacks begin, observe, likelihood"),
        (Copy, "Copy is a class: hand in a model, Copy()"),
    ],
    ids=str,
)
def test_objects_that_are_not_models_are_refused_in_words(model: Any, sentence: str) -> None:
    with pytest.raises(PhysbenchError) as refused:
        physbench.evaluate(model, "smoke", limit=1)
    assert sentence in str(refused.value)


def test_settings_are_for_models_by_name() -> None:
    with pytest.raises(ModelError, match="settings are for trained models"):
        physbench.evaluate(Copy(), "smoke", limit=1, settings={"noise": 0})


# Everything public has an example, and the examples run.


FOR_VERIFY = {"stream", "in_order", "inflate_into", "states", "places"}
"""Of a split: how the bytes lie in the file."""


def public() -> Iterator[tuple[str, Any]]:
    """Every public name, and every public method of what people hold in their hands."""
    for name in physbench.__all__:
        if name != "__version__":
            yield f"physbench.{name}", getattr(physbench, name)
    for kind in (File, Split, Stream, Recipe, EventTable):
        yield kind.__qualname__, kind
        for name, member in vars(kind).items():
            if (
                not name.startswith("_")
                and name not in FOR_VERIFY
                and (callable(member) or isinstance(member, property))
            ):
                yield f"{kind.__qualname__}.{name}", member


PUBLIC = dict(public())


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_has_a_docstring_with_an_example_that_runs(
    name: str, dataset_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = inspect.getdoc(PUBLIC[name]) or ""
    example = doctest.DocTestParser().get_doctest(text, {"physbench": physbench}, name, None, None)
    assert example.examples, f"{name} has no example"
    assert text.split("\n")[0].rstrip().endswith((".", ":"))
    if "to_pandas" in text and "pandas" not in sys.modules:
        standin = ModuleType("pandas")
        standin.DataFrame = dict  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "pandas", standin)
    Path("balls.h5").write_bytes(dataset_path.read_bytes())
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL)
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)


def test_nothing_heavy_is_loaded_before_it_is_used() -> None:
    code = (
        "import sys, physbench, physbench.resolve, physbench.storage.event_table, physbench.storage.framing\n"
        "physbench.stream, physbench.generate, physbench.open, physbench.evaluate\n"
        "assert not {'numba', 'torch', 'pandas'} & set(sys.modules), set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# A file that is there already.


def test_a_finished_file_is_left_as_it_is(dataset_path: Path) -> None:
    before = dataset_path.stat().st_mtime_ns
    calls: list[Any] = []
    assert physbench.generate("balls", dataset_path, **FILE, progress=calls.append) == dataset_path
    assert dataset_path.stat().st_mtime_ns == before and not calls


def test_another_recipe_is_named_with_what_differs(dataset_path: Path) -> None:
    with pytest.raises(StorageError) as refused:
        physbench.generate("balls", dataset_path, **{**FILE, "n": 3, "test": 9, "gravity": 0.5}, seed=1)
    sentence = str(refused.value)
    for words in (
        "n is [2, 3] there, [3, 3] here",
        "gravity is 0.0 there, 0.5 here",
        "seed is 0 there, 1 here",
        "and 1 more",
        "--overwrite",
    ):
        assert words in sentence
    assert "\n" not in sentence


def test_a_difference_is_not_hidden_by_another_thing_of_the_same_name() -> None:
    recipe: Recipe = datasets.get("balls")
    other = json.loads(recipe.to_json())
    assert recipe.difference(other) == []
    other["seed"], other["parameters"]["seed"], other["splits"]["seed"] = 7, 0, 0
    assert recipe.difference(other) == [
        "seed is 7 there, 0 here",
        "seed is 0 there, not given here",
        "seed is 0 there, not given here",
    ]


def test_a_strange_recipe_is_told_on_one_line(dataset_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "strange.h5"
    path.write_bytes(dataset_path.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["recipe"] = json.dumps(
            {
                "dataset": "x\x1b[2J\n" + "y" * 500,
                "seed": {"deep": [1] * 500},
                "k" * 5000: 1,
                "parameters": {},
                "splits": 3,
            }
        )
    with pytest.raises(StorageError) as refused:
        physbench.generate("balls", path, **FILE)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 500


@pytest.mark.parametrize("name", ["x.npz", "x.csv", "x.pt", "x.H5X", "x.v1"])
def test_a_name_of_another_kind_is_refused(name: str, cli: Any) -> None:
    with pytest.raises(StorageError, match=f"would be an HDF5 file: call it x.h5, not {name}"):
        physbench.generate("balls", name, **FILE)
    told = cli("generate", "balls", "--train", 1, "--valid", 0, "--test", 0, "--out", name)
    assert told.exit_code == 2 and "call it x.h5" in told.stderr and not list(Path().iterdir())


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5", "X.HDF", "x.h5.new", "x", "balls-gravity0.5"])
def test_names_that_say_nothing_else_are_taken(name: str) -> None:
    assert physbench.generate("balls", name, **{**FILE, "train": 1, "valid": 0, "test": 0}) == Path(name)
