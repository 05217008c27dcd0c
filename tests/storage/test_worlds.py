"""Tests of files of worlds that are not balls: exactly what they declare is made, stored, read, digested and
verified."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest

import physbench
from physbench import registry
from physbench.errors import DamagedFile, HostileFile, RecipeError, StorageError
from physbench.evaluation.examples import Made, StoredExamples
from physbench.fields import check_fields, parameter
from physbench.generate import generate
from physbench.recipe import Recipe
from physbench.scene import Fault, Scenes, Span
from physbench.storage.admit import VERSIONS
from physbench.storage.layout import ARRAYS
from physbench.storage.writer import workings_of
from physbench.suites import Suite, Task, Window
from physbench.world import make_by_seed
from tests.builders.dataset_files import content
from tests.builders.spoils import array_instead, attribute, change_with
from tests.builders.worlds import EPISODES, WORLDS, Apart, Game, Memory, Squares, game, memory, squares
from tests.oracles.contract import digest_of

SETTINGS: Any = pytest.mark.parametrize("name", WORLDS)
MORE = {
    "actions": "TNA",
    "reward": "TN",
    "ram": "TN*",
    "episode": "N2",
    "shape": "NK",
    "colour": "NK3",
    "scale": "NK",
    "count": "N",
}


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in WORLDS:
        monkeypatch.setitem(registry.datasets.built_in, name, f"tests.builders.worlds:{name}")  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("worlds")
    return {name: generate(recipe, folder / f"{name}.h5", workers=1) for name, recipe in WORLDS.items()}


def paths_in(group: h5py.Group) -> set[str]:
    found: set[str] = set()
    group.visititems(lambda path, node: found.add(path) if isinstance(node, h5py.Dataset) else None)
    return found


def read_stored(split: h5py.Group, path: str) -> np.ndarray[Any, Any]:
    array = split[path][()]
    return array if path.startswith("events/") or not ARRAYS[path].timed else array.swapaxes(0, 1)


@SETTINGS
def test_plain_h5py_reads_what_the_world_made_and_no_other_arrays(name: str, files: dict[str, Path]) -> None:
    recipe = WORLDS[name]
    declared = {*recipe.generator.arrays} | ({"events/offset", "events/sequence"} if name == "game" else set())
    with h5py.File(files[name]) as file:
        assert set(file) == set(recipe.splits) and file.attrs["format_version"] == 2
        for split, count in recipe.splits.items():
            assert paths_in(file[split]) == declared
            scenes = recipe.scenes(split, 0, count)
            truth = {**scenes.arrays(), **{f"events/{name}": column for name, column in scenes.events.items()}}
            for path in declared - {"events/sequence"}:
                np.testing.assert_array_equal(read_stored(file[split], path), truth[path], err_msg=path)
                assert file[split][path].dtype == truth[path].dtype


@SETTINGS
def test_the_reader_gives_the_same_as_the_recipe(name: str, files: dict[str, Path]) -> None:
    recipe, rows = WORLDS[name], [3, 0, 2]
    split = physbench.open(files[name])[list(recipe.splits)[-1]]
    scenes = recipe.scenes(split.name, 0, 4)
    read = split[rows]
    assert set(read) == set(scenes.arrays())
    for path, array in scenes.arrays().items():
        np.testing.assert_array_equal(read[path], array[rows])
    events = split.events(3)
    assert {key: column.tolist() for key, column in events.items()} == {
        key: column.tolist() for key, column in scenes.cut(3, 4).events.items() if key != "offset"
    }
    with pytest.raises(StorageError, match="no array 'mass': there is"):
        split.only("mass")


@SETTINGS
def test_the_number_of_workers_and_a_kill_leave_no_trace(name: str, files: dict[str, Path], tmp_path: Path) -> None:
    recipe = WORLDS[name]
    assert generate(recipe, tmp_path / "three.h5", workers=3).read_bytes() == files[name].read_bytes()

    def stop(progress: Any) -> None:
        if progress.done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(recipe, tmp_path / "again.h5", workers=1, progress=stop)
    assert workings_of(tmp_path / "again.h5").exists()
    seen: list[Any] = []
    generate(recipe, tmp_path / "again.h5", workers=2, progress=seen.append)
    assert seen[0].resumed and (tmp_path / "again.h5").read_bytes() == files[name].read_bytes()


def test_parts_of_an_episode_world_add_up(files: dict[str, Path], tmp_path: Path) -> None:
    for number in (2, 1):
        generate(game, tmp_path / "x.h5", part=(number, 2), workers=1)
    assert generate(game, tmp_path / "x.h5").read_bytes() == files["game"].read_bytes()


@SETTINGS
def test_the_digest_is_that_of_the_contract(name: str, files: dict[str, Path]) -> None:
    """By h5py, zlib and hashlib, over the arrays that are there."""
    import zlib
    from hashlib import sha256

    text = ""
    with h5py.File(files[name]) as file:
        for split in WORLDS[name].splits:
            for path in [path for path in ARRAYS if path in file[split]]:
                array = file[split][path][()]
                values = array.tobytes()
                if path in ("features", "groups", "collisions"):
                    values = np.array(
                        [zlib.adler32(np.ascontiguousarray(array[:, i])) for i in range(array.shape[1])], "<u4"
                    ).tobytes()
                text += (
                    f"{split}/{path} {array.dtype.str.lstrip('<|')} {'x'.join(map(str, array.shape))}"
                    f" {sha256(values).hexdigest()}\n"
                )
        assert file.attrs["content_sha256"] == digest_of(text)


@SETTINGS
def test_verify_makes_everything_again_and_says_that_no_law_was_checked(
    name: str, files: dict[str, Path], cli: Any
) -> None:
    report = physbench.verify(files[name])
    assert (report.sequences_remade, report.sequences_replayed) == (WORLDS[name].sequences, 0)
    assert report.caveats == (f"{name} has no check of its laws",)
    assert "is good" in cli("verify", files[name]).stdout


@SETTINGS
def test_info_names_the_arrays_that_are_there(name: str, files: dict[str, Path], cli: Any) -> None:
    told = json.loads(cli("info", files[name], "--json").stdout)
    text = cli("info", files[name]).stdout
    with h5py.File(files[name]) as file:
        there = paths_in(file[next(iter(file))])
    assert set(told["arrays"]) == there
    assert all((f"    {path} " in text) == (path in there) for path in ARRAYS)
    for words in {
        "game": ["3 frames of 6x9x3", "2 actions"],
        "squares": ["images, 8x8x1", "up to 2 objects"],
        "memory": ["2 frames"],
    }[name]:
        assert words in text


@pytest.mark.parametrize(
    ("name", "path"), [("game", "actions"), ("game", "events/kind"), ("squares", "colour"), ("memory", "ram")]
)
def test_a_changed_value_is_found(name: str, path: str, files: dict[str, Path], tmp_path: Path) -> None:
    copy = Path(shutil.copy(files[name], tmp_path))
    with h5py.File(copy, "r+") as file:
        array = file["test"][path]
        array[...] = array[...] ^ 1
    with pytest.raises(DamagedFile, match="the split test is not what its digest says"):
        physbench.verify(copy, depth="quick")


HOSTILE: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "an array of the vocabulary that the recipe does not make": (
        "squares",
        change_with(
            lambda file: [
                file.create_dataset(
                    f"{split}/rotation",
                    data=np.zeros((len(file[split]["count"]), 2), "<f4"),
                    chunks=(min(256, len(file[split]["count"])), 2),
                )
                for split in file
            ]
        ),
        "not what its digest says",
    ),
    "an array that one split lacks": (
        "squares",
        change_with(lambda file: file.pop("test/scale")),
        "all splits hold the same arrays",
    ),
    "no array": ("memory", change_with(lambda file: file.pop("test/ram")), "holds no arrays"),
    "an unknown array": (
        "memory",
        change_with(lambda file: file.create_dataset("test/rom", data=[1])),
        "'rom', which the format does not know",
    ),
    "an unknown column": (
        "game",
        change_with(lambda file: file.create_dataset("test/events/who", data=[1])),
        "'who', which the format does not know",
    ),
    "events without offset": ("game", change_with(lambda file: file.pop("test/events/offset")), "has no 'offset'"),
    "events without anything": (
        "squares",
        change_with(lambda file: file.create_group("test/events")),
        "has no 'offset'",
    ),
    "version 1": ("squares", attribute("format_version", 1), "has no 'collisions'"),
    "actions of another kind": ("game", array_instead("test/actions", dtype="<u2"), "not of type uint8"),
    "actions without an axis": (
        "game",
        array_instead("test/actions", data=np.zeros((3, 40), "u1"), chunks=(3, 40)),
        "does not have 3 axes",
    ),
    "too much memory": (
        "memory",
        array_instead("test/ram", data=np.zeros((2, 40, 129), "u1"), chunks=(2, 40, 129)),
        "axis 128 should be 128",
    ),
    "frames that do not agree": (
        "game",
        array_instead("test/reward", data=np.zeros((4, 40), "<f4"), chunks=(4, 40)),
        "axis T should be 3",
    ),
    "sequences that do not agree": (
        "game",
        array_instead("test/episode", data=np.zeros((41, 2), "<u4"), chunks=(40, 2)),
        "axis N should be 40",
    ),
    "memory in one piece": ("memory", array_instead("test/ram", chunks=None), "not stored as the format says"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_file_of_another_world_is_refused_in_one_sentence(
    case: str, files: dict[str, Path], tmp_path: Path, cli: Any, refusal: Any
) -> None:
    name, spoil, sentence = HOSTILE[case]
    path = Path(shutil.copy(files[name], tmp_path))
    spoil(path)
    result = cli("verify", path)
    assert sentence in refusal(result.exit_code, result.stderr)


def test_a_file_with_other_arrays_than_its_recipe_makes_is_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Squares, "arrays", ("features", "count"))
    path = generate(replace(squares, splits={"test": 3}), tmp_path / "x.h5")
    monkeypatch.undo()
    monkeypatch.setitem(registry.datasets.built_in, "squares", "tests.builders.worlds:squares")  # type: ignore[arg-type]
    with pytest.raises(
        DamagedFile, match="holds features, count; its recipe makes features, groups, count, shape, colour, scale"
    ):
        physbench.verify(path)


def test_a_later_version_is_refused_as_version_2_was_by_version_1(files: dict[str, Path], tmp_path: Path) -> None:
    path = Path(shutil.copy(files["memory"], tmp_path))
    attribute("format_version", VERSIONS[-1] + 1)(path)
    with pytest.raises(HostileFile, match="has format version 3; this physbench reads versions 1 and 2"):
        physbench.open(path)


# Episodes.


@pytest.mark.parametrize(("start", "stop"), [(0, 1), (299, 301), (300, 308), (0, 600), (595, 600)])
def test_any_stretch_is_cut_out_of_whole_episodes(start: int, stop: int) -> None:
    whole, some = game.scenes("training", 0, 600), game.scenes("training", start, stop)
    for name, array in some.arrays().items():
        np.testing.assert_array_equal(array, whole.arrays()[name][start:stop])
    first, end = whole.events["offset"][[start, stop]]
    assert some.events["offset"].tolist() == (whole.events["offset"][start : stop + 1] - first).tolist()
    assert some.events["time"].tolist() == whole.events["time"][first:end].tolist()


def test_a_walk_through_an_episode_plays_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Game, "played", [])
    recipe = replace(game, seed=77)
    for start in range(0, 600, 10):
        recipe.scenes("training", start, start + 10)
    assert len(Game.played) == len(recipe.generator.spans(recipe, "training")) == len(set(Game.played))


def test_a_walk_of_several_threads_plays_an_episode_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Game, "played", [])
    generate(replace(game, seed=78), tmp_path / "x.h5", workers=3)
    assert len(Game.played) <= 600 // sum(EPISODES) * len(EPISODES) + 2 * len(EPISODES)


def test_an_episode_world_has_no_sequences_beyond_its_recipe() -> None:
    with pytest.raises(RecipeError, match="game-v1 has 40 sequences for test: there are none from 38 to 41"):
        game.scenes("test", 38, 42)
    with pytest.raises(RecipeError, match="game-v1 has 0 sequences for validation"):
        game.scenes("validation", 0, 1)


@pytest.mark.parametrize(
    "spans", [[], [(0, 39)], [(0, 20), (21, 40)], [(0, 30), (20, 40)], [(0, 40), (40, 40)], [(0, 41)]]
)
def test_spans_that_leave_a_gap_are_refused(spans: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Game, "spans", lambda self, recipe, split: [Span(split, *ends) for ends in spans])
    with pytest.raises(RecipeError, match="do not follow one another from 0 to 40"):
        replace(game, seed=5).scenes("test", 0, 1)


def test_a_span_that_could_not_be_made_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(game, seed=79)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="no emulator"):
        patch.setattr(Game, "scenes", lambda *_: (_ for _ in ()).throw(OSError("no emulator")))
        recipe.scenes("test", 0, 1)
    assert len(recipe.scenes("test", 0, 1)) == 1


def test_a_world_of_processes_makes_the_same_bytes(tmp_path: Path) -> None:
    here, there = (replace(memory, generator=world, splits={"test": 600}) for world in (Memory(), Apart()))
    one, other = generate(here, tmp_path / "x.h5", workers=2), generate(there, tmp_path / "y.h5", workers=2)
    with h5py.File(one) as first, h5py.File(other) as second:
        own = os.getpid() % 256
        assert (first["test/ram"][:, :, 1:] == second["test/ram"][:, :, 1:]).all()
        assert set(np.unique(second["test/ram"][0, 256:, 0])) - {own}, "made elsewhere"


def test_unfinished_work_of_another_format_is_refused_in_words(tmp_path: Path, cli: Any, refusal: Any) -> None:
    folder = generate(memory, tmp_path / "x.h5", part=(1, 1)).rename(workings_of(tmp_path / "x.h5"))
    journal = folder / "journal"
    journal.write_bytes(journal.read_bytes().replace(b'"format": 1', b'"format": 0', 1))
    result = cli(
        "generate", "memory", "--frames", 2, "--train", 0, "--valid", 0, "--test", 40, "--out", tmp_path / "x.h5"
    )
    assert "holds unfinished work" in refusal(result.exit_code, result.stderr) and "--overwrite" in result.stderr


def test_a_stream_gives_the_arrays_of_its_world(files: dict[str, Path]) -> None:
    batch = next(iter(physbench.stream("game", split="test", batch=8)))
    assert list(batch) == ["features", "groups", "actions", "reward", "episode"]
    with pytest.raises(RecipeError, match="no array 'mass'"):
        physbench.stream("game", only=("mass",))


# What a model is shown.


@pytest.mark.parametrize("name", ["game", "squares"])
def test_examples_from_a_file_are_those_from_the_recipe(name: str, files: dict[str, Path]) -> None:
    made, kept = Made(WORLDS[name], "test"), StoredExamples(files[name], "test")
    for start in (0, 8):
        one, other = made.examples(start, start + 8), kept.examples(start, start + 8)
        assert set(one.truth) == set(other.truth) and set(one.events) == set(other.events)
        for key in one.truth:
            np.testing.assert_array_equal(one.truth[key], other.truth[key])
        for key in one.events:
            np.testing.assert_array_equal(one.events[key], other.events[key])
        assert (one.actions is None) == (name == "squares") and one.collisions is None


def test_the_digest_of_what_is_in_memory_is_that_of_the_file(tmp_path: Path) -> None:
    for name, recipe in {"game": game, "squares": squares}.items():
        made = Made(recipe, "test")
        for start in range(0, recipe.splits["test"], 7):
            made.examples(start, min(start + 7, recipe.splits["test"]))
        path = generate(replace(recipe, splits={"test": recipe.splits["test"]}), tmp_path / f"{name}.h5")
        assert made.digest(0) == content(path)


def test_a_world_without_frames_is_shown_to_no_model(files: dict[str, Path]) -> None:
    with pytest.raises(StorageError, match="no frames to show a model: it has ram"):
        StoredExamples(files["memory"], "test")
    with pytest.raises(StorageError, match="no frames to show a model"):
        Made(WORLDS["memory"], "test")


# Worlds that do not keep their word.


@dataclass(frozen=True)
class Liar:
    """Says one thing and makes another."""

    name: ClassVar[str] = "liar"
    version: ClassVar[int] = 1
    arrays: tuple[str, ...] = ("count",)
    shape: tuple[int, int, int] = (4, 4, 1)
    objects: int = 1
    makes: Any = None

    scenes = make_by_seed(lambda self, seeds, frames: self.makes(len(seeds)))


def count_scenes(count: int) -> Scenes:
    return Scenes(truth={"count": np.ones(count, np.uint8)})


@pytest.mark.parametrize(
    ("liar", "sentence"),
    [
        (Liar(arrays=(), makes=count_scenes), "declares no arrays"),
        (
            Liar(arrays=("count", "weight"), makes=count_scenes),
            "declares an array 'weight', which the vocabulary does not have",
        ),
        (Liar(arrays=("count", "count"), makes=count_scenes), "declares 'count' twice"),
        (Liar(arrays=("count", "mass"), makes=count_scenes), "declares 'mass' and did not make it"),
        (Liar(arrays=("mass",), objects=0, makes=count_scenes), "declares 'mass', and the number of its objects is 0"),
        (Liar(arrays=("actions",), makes=count_scenes), "declares 'actions', and the number of its actions is 0"),
        (
            Liar(makes=lambda n: Scenes(truth={"count": np.ones(n)})),
            r"made 'count' as float64 of shape \(3,\): it is uint8 of shape \(3,\)",
        ),
        (
            Liar(makes=lambda n: Scenes(truth={"count": np.ones((n, 2), np.uint8)})),
            r"made 'count' as uint8 of shape \(3, 2\)",
        ),
        (Liar(arrays=("count", "events/time"), makes=count_scenes), "declares 'events/time' and did not make it"),
        (
            Liar(
                arrays=("count", "events/time"),
                makes=lambda n: replace(count_scenes(n), events={"offset": np.array([0, 1]), "time": np.zeros(1)}),
            ),
            "'events/offset' that does not lead from 0 through 3 sequences",
        ),
        (
            Liar(
                arrays=("count", "events/time"),
                makes=lambda n: replace(count_scenes(n), events={"offset": np.arange(n + 1), "time": np.zeros(1)}),
            ),
            r"made 'events/time' as float64 of shape \(1,\): it is float64 of shape \(3,\)",
        ),
    ],
)
def test_a_world_that_makes_other_than_it_declares_is_told_so(liar: Liar, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=sentence):
        generate(Recipe(dataset="liar", generator=liar, splits={"test": 3}, frames=2), tmp_path / "x.h5")


@dataclass(frozen=True, kw_only=True)
class Bright:
    """A single pixel, as bright as it is told."""

    name: ClassVar[str] = "bright"
    version: ClassVar[int] = 1
    arrays: ClassVar[tuple[str, ...]] = ("features",)
    objects: ClassVar[int] = 0
    value: int = 255
    channels: int = 1

    @property
    def shape(self) -> tuple[int, int, int]:
        return (4, 4, self.channels)

    def batch(self, seeds: Any, frames: int) -> Scenes:
        features = np.zeros((len(seeds), frames, *self.shape), np.uint8)
        features[-1, -1, 2, 3] = self.value
        return Scenes(features)

    scenes = make_by_seed(batch)


def bright(**parameters: int) -> Recipe:
    return Recipe(dataset="bright", generator=Bright(**parameters), splits={"test": 3}, frames=2)


@pytest.mark.parametrize("value", [2, 255])
def test_frames_of_one_channel_beyond_1_are_refused_where_they_are_made(value: int, tmp_path: Path) -> None:
    sentence = f"the world bright made 'features' with values up to {value}: with one channel they are 0 or 1"
    recipe = bright(value=value)
    for make in (
        lambda: generate(recipe, tmp_path / "x.h5"),
        lambda: next(iter(physbench.stream(recipe, split="test", batch=3))),
        lambda: physbench.evaluate("copy", Suite("x", 1, "", (Task(recipe, (Window(2),)),)), limit=3),
    ):
        with pytest.raises(RecipeError, match=sentence):
            make()
    assert not (tmp_path / "x.h5").exists()
    generate(bright(value=1), tmp_path / "bits.h5")
    generate(bright(value=255, channels=3), tmp_path / "colours.h5")


def test_a_file_with_frames_beyond_1_is_called_wrong_and_no_model_is_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as unchecked:
        unchecked.setattr("physbench.world.find_most", lambda features: None)
        path = generate(bright(), tmp_path / "x.h5")
    with pytest.raises(DamagedFile, match=r"x.h5: test sequence 2 has frames with values up to 255.*data are wrong"):
        physbench.verify(path)
    with pytest.raises(DamagedFile, match=r"x.h5: test has frames with values up to 255.*data are wrong"):
        physbench.evaluate("copy", Suite("x", 1, "", (Task(bright(value=1), (Window(2),)),)), data=path)
    monkeypatch.setitem(registry.datasets.built_in, "bright", f"{__name__}:usual_bright")  # type: ignore[arg-type]
    with pytest.raises(DamagedFile, match="made 'features' with values up to 255"):
        physbench.verify(path)


usual_bright = bright()


def test_a_world_checks_what_a_file_holds(files: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def check(self: Squares, scenes: Scenes) -> Any:
        assert scenes.features is not None and set(scenes.truth) == {"count", "shape", "colour", "scale"}
        assert (scenes.features[:, 0, ..., 0].any(1).sum(1) == scenes.truth["scale"][:, 0]).all()
        for sequence in np.flatnonzero(scenes.truth["scale"][:, 0] > 5):
            yield Fault(int(sequence), "has a square that is too large")

    monkeypatch.setattr(Squares, "check", check, raising=False)
    large = int(np.argmax(squares.scenes("training", 0, 520).truth["scale"][:, 0] > 5))
    with pytest.raises(DamagedFile, match=f"training sequence {large} has a square that is too large"):
        physbench.verify(files["squares"])


# Fields.


@dataclass(frozen=True)
class Settings:
    steps: int = parameter(10, low=1)
    rate: float = parameter(0.1, above=0, high=1)
    share: float = parameter(0.0, low=0, below=1)
    kind: str = parameter("a", choices=("a", "b"))
    seed: int | None = parameter(None, low=0)
    sides: tuple[int, int] = parameter((1, 2), low=1, high=9)
    weights: tuple[float, ...] = parameter((), low=0)
    fast: bool = False

    def __post_init__(self) -> None:
        check_fields(self, RecipeError)


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"steps": 0}, "steps is a whole number from 1 on, not 0"),
        ({"steps": 1.0}, "steps is a whole number from 1 on, not 1.0"),
        ({"steps": True}, "steps is a whole number from 1 on, not True"),
        ({"steps": None}, "steps is a whole number from 1 on, not None"),
        ({"rate": 0}, "rate is a number above 0 up to 1, not 0"),
        ({"rate": float("nan")}, "rate is a number above 0 up to 1, not nan"),
        ({"rate": 10**400}, "rate is a number above 0 up to 1, not 1000"),
        ({"share": 1.0}, "share is a number from 0 and below 1, not 1.0"),
        ({"kind": "c"}, "kind is one of a, b, not 'c'"),
        ({"seed": -1}, "seed is a whole number from 0 on or None, not -1"),
        ({"sides": (1, 2, 3)}, r"sides is 2 values in brackets, each a whole number from 1 to 9, not \(1, 2, 3\)"),
        ({"sides": 4}, "sides is 2 values in brackets"),
        ({"sides": (1, 10)}, "sides is 2 values in brackets"),
        ({"weights": [1, -1]}, "weights is any number of values in brackets, each a number from 0 on"),
        ({"fast": 1}, "fast is True or False, not 1"),
    ],
)
def test_a_field_beyond_its_bounds_is_named_with_its_value(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        Settings(**asked)


def test_a_field_within_its_bounds_has_its_type() -> None:
    settings = Settings(steps=3, rate=1, seed=4, sides=[3, 4], weights=[1, 2])  # type: ignore[arg-type]
    assert (settings.rate, settings.sides, settings.weights) == (1.0, (3, 4), (1.0, 2.0))
    assert [type(each) for each in (settings.rate, *settings.weights)] == [float] * 3
