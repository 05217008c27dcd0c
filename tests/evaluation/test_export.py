"""Tests of the inputs of a suite in a file: enough to score a model without physbench, and nothing of the truth."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench import suites
from physbench.errors import DamagedFile, StorageError
from physbench.evaluation import export
from physbench.evaluation.evaluate import Extent
from physbench.evaluation.export import export_inputs
from physbench.evaluation.predictions import open_predictions, score
from physbench.model import Bernoulli, Prediction
from physbench.registry import datasets
from physbench.suites import SIZES, SUITES, Image, Rollout, Still, Suite, Task, Window
from physbench.world import parts_of
from tests.builders.interrupted_runs import room_for
from tests.evaluation.test_order import require_identical
from tests.evaluation.toys import Array, world

TOY = replace(datasets.get("balls"), dataset="toy")
PAGE = (Path(__file__).parents[2] / "docs" / "predictions.md").read_text(encoding="utf-8")
WITH_FILES = [name for name in SUITES if name != "probe"]
"""Of codes there are no files."""
ROWS = [
    [cell.strip().strip("`") for cell in line.strip("|").split("|")]
    for line in PAGE[PAGE.index("## What is asked") : PAGE.index("## The inputs")].splitlines()
    if line.startswith("| `")
]


class Blur:
    """Half of what is seen stays, a quarter comes from either side; a slot for each half of the frame. Remembers how
    bright it was."""

    likelihood = Bernoulli()

    def begin(self, batch: Any) -> Array:
        return np.zeros(len(batch.seeds), np.float32)

    def observe(self, state: Array, frame: Array, action: Any) -> tuple[Array, Prediction]:
        state = np.stack([remember(before, one) for before, one in zip(state, frame, strict=True)])
        mean = np.stack([blur(before, one) for before, one in zip(state, frame, strict=True)])
        return state, Prediction(mean, np.stack([halves(one) for one in frame]))


def remember(before: Any, frame: Array) -> Any:
    return np.float32(0.5) * before + np.float32(0.5) * frame.mean(dtype=np.float32)


def blur(brightness: Any, frame: Array) -> Array:
    sides = np.float32(0.25) * (np.roll(frame, 1, axis=1) + np.roll(frame, -1, axis=1))
    return np.clip(np.float32(0.5) * frame + sides + np.float32(0.1) * brightness, np.float32(0.01), np.float32(0.99))


def halves(frame: Array) -> Array:
    owner = np.zeros(frame.shape[:2], np.uint8)
    owner[: len(owner) // 2] = 1
    return owner


def answer_by_hand(inputs: Path, predictions: Path) -> None:
    """With h5py and the page alone: the groups, what they ask, and the frames."""
    with h5py.File(inputs) as shown, h5py.File(predictions, "w") as file:
        file.attrs.update({name: shown.attrs[name] for name in ("suite", "suite_version", "size", "sequences")})
        file.attrs.update(
            format="physbench-predictions",
            version=1,
            model="by hand",
            seed=0,
            likelihood="bernoulli",
            values="probabilities",
        )
        groups: list[str] = []
        shown.visititems(lambda name, node: groups.append(name) if "kind" in node.attrs else None)
        for name in groups:
            about, frames = shown[name].attrs, shown[name]["input"][()].astype(np.float32)
            assert frames.shape[1] == about["frames_shown"]
            for sample in range(about["samples"]):
                place = f"{name}/sample-{sample}" if about["samples"] > 1 else name
                if about["frames_predicted"]:
                    file[f"{place}/mean"] = np.stack([means_of(each, about) for each in frames])
                if about["owner_maps"]:
                    file[f"{place}/owner"] = np.stack([[halves(frame) for frame in each] for each in frames])


def means_of(frames: Array, about: Any) -> Array:
    """Of one sequence: in a window the frame after each shown one, in a rollout those after the last; of an image
    itself, in the end."""
    kind, count = about["kind"], int(about["frames_predicted"])
    brightness: Any = np.float32(0)
    means: list[Array] = []
    for frame in np.repeat(frames, about["times_shown"], axis=0):
        brightness = remember(brightness, frame)
        means.append(blur(brightness, frame))
    if kind in ("rollout", "image"):
        means = means[-1:]
        while len(means) < count:
            brightness = remember(brightness, means[-1])
            means.append(blur(brightness, means[-1]))
    return np.array(means[:count])


@pytest.mark.parametrize("suite", ["smoke", "balls", "simulation", "crop50", "segmentation-tetris", "trajectories"])
def test_predictions_from_the_inputs_alone_score_as_the_model_does_to_the_last_digit(
    suite: str, tmp_path: Path
) -> None:
    export_inputs(tmp_path / "inputs.h5", suite, limit=5, batch=2)
    answer_by_hand(tmp_path / "inputs.h5", tmp_path / "p.h5")
    require_identical(score(open_predictions(tmp_path / "p.h5", suite)), physbench.evaluate(Blur(), suite, limit=5))


def test_on_the_command_line_too(tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = cli("export", "--suite", "smoke", "--limit", 3, "--out", "inputs.h5")
    assert (
        made.exit_code == 0 and "inputs.h5: the inputs of smoke" in made.stdout and "no digest is known" in made.stdout
    )
    answer_by_hand(Path("inputs.h5"), Path("p.h5"))
    told = json.loads(cli("score", "p.h5", "--suite", "smoke", "--json").stdout)["scores"]
    truth = {(score.task, score.metric): score.value for score in physbench.evaluate(Blur(), "smoke", limit=3).scores}
    assert {(row["task"], row["metric"]): row["value"] for row in told if row["value"] is not None} == {
        key: value for key, value in truth.items() if np.isfinite(value)
    }


@pytest.mark.parametrize(
    "suite",
    [
        pytest.param(name, marks=[pytest.mark.slow] * (name in ("invaders", "smoke-invaders", "ram")))
        for name in WITH_FILES
    ],
)
def test_the_file_holds_the_frames_that_are_shown_and_nothing_else(suite: str, tmp_path: Path) -> None:
    export_inputs(tmp_path / "inputs.h5", suite, limit=3)
    with h5py.File(tmp_path / "inputs.h5") as file:
        found: dict[str, Any] = {}
        file.visititems(lambda name, node: found.update({name: node[()]}) if isinstance(node, h5py.Dataset) else None)
        asked = {place for row_suite, place, *_ in ROWS if row_suite == suite}
        for task in SUITES[suite].tasks:
            recipe = datasets.get(task.dataset)
            frames = recipe.scenes("test", 0, 3, only=[task.shows]).arrays()[task.shows]
            if task.shows == "position":
                frames = frames[..., None] / np.float32(64)
            elif task.shows == "ram":
                frames = (frames[..., None, None] >> np.arange(7, -1, -1)[:, None]) & 1
            frames = frames if frames.shape[-1] == 1 else frames.astype(np.float32) / np.float32(255)
            told = {"input", *["actions"] * (parts_of(recipe.generator).actions > 0)}
            mine = {name: array for name, array in found.items() if name.split("/")[0] == task.name}
            places = {place for place in asked if place.split("/")[0] == task.name}
            assert set(mine) == {f"{place}/{each}" for place in places for each in told}, (
                "what is shown, and no truth beside it"
            )
            for name, array in mine.items():
                if name.endswith("/input"):
                    kind = file[name].parent.attrs["kind"]
                    first = 15 if kind == "frames" else 0
                    np.testing.assert_array_equal(array, frames[:, first : first + array.shape[1]], name)


def test_the_table_on_the_page_is_the_suites() -> None:
    expected: list[list[Any]] = []
    for suite in map(SUITES.__getitem__, WITH_FILES):
        for task in suite.tasks:
            for asking in task.askings:
                if isinstance(asking, Rollout) and asking.sample:
                    continue
                match asking:
                    case Window(frames):
                        shown, predicted, maps = range(frames), range(1, frames), frames
                    case Image():
                        shown, predicted, maps = range(1), range(1), 1
                    case Still(frame):
                        shown, predicted, maps = range(frame, frame + 1), range(0), 1
                    case Rollout():
                        shown, predicted, maps = (
                            range(asking.context),
                            range(asking.context, asking.context + asking.horizon),
                            "-",
                        )
                told = span(shown) + (f", {asking.shown} times" if isinstance(asking, Still) else "")
                count = (
                    f"{suite.sequences:,}"
                    if suite.sequences
                    else " / ".join(f"{number:,}" for number in SIZES.values())
                )
                height, width, channels = {"balls10": (10, 2, 1), "invaders-ram": (128, 8, 1)}.get(
                    task.name
                ) or datasets.get(task.dataset).generator.shape
                samples = asking.samples if isinstance(asking, Rollout) else 1
                place = f"{task.name}/{asking.name}".rstrip("/")
                pixels = f"{height}x{width}x{channels}"
                expected.append(
                    [
                        suite.name,
                        place,
                        count,
                        told,
                        span(predicted),
                        str(maps),
                        pixels,
                        str(samples),
                        str(task.slots or "-"),
                    ]
                )
    assert expected == ROWS


def span(frames: range) -> str:
    if not frames:
        return "-"
    return f"{len(frames)} ({frames[0]} to {frames[-1]})" if len(frames) > 1 else f"1 ({frames[0]})"


@pytest.mark.parametrize("suite", WITH_FILES)
def test_the_attributes_are_the_table(suite: str, tmp_path: Path) -> None:
    export_inputs(tmp_path / "inputs.h5", suite, limit=1)
    with h5py.File(tmp_path / "inputs.h5") as file:
        assert {name: file.attrs[name] for name in file.attrs} == {
            "format": "physbench-inputs", "version": 1, "suite": suite, "suite_version": SUITES[suite].version, "size": "limit-1", "sequences": 1,
        }  # fmt: skip
        for name, place, _, shown, predicted, maps, pixels, samples, slots in (row for row in ROWS if row[0] == suite):
            about = file[place].attrs
            numbers = [
                re.match(r"\d*", text.replace("-", "0")).group() for text in (shown, predicted, maps, samples, slots)
            ]  # type: ignore[union-attr]
            names = ("frames_shown", "frames_predicted", "owner_maps", "samples", "slots")
            assert [str(about.get(name, 0)) for name in names] == numbers, name
            assert about["times_shown"] == (15 if "times" in shown else 1)
            assert "x".join(map(str, file[f"{place}/input"].shape[2:])) == pixels


def test_a_whole_suite_is_checked_against_its_digests(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "inputs.h5"
    told = json.loads(cli("export", "--suite", "smoke", "--out", path, "--json").stdout)
    assert (
        told["checked"] == dict.fromkeys(["balls4mass64", "balls678mass64", "balls3curtain64"], True)
        and told["bytes"] == path.stat().st_size
    )
    with h5py.File(path) as file:
        for task in SUITES["smoke"].tasks:
            assert file[task.name].attrs["data_sha256"] == SUITES["smoke"].digest(task, 64)
    monkeypatch.setitem(suites.DIGESTS, ("balls678mass64", 64), "0" * 64)
    with pytest.raises(DamagedFile, match="balls678mass64 came out as"):
        export_inputs(tmp_path / "other.h5", "smoke")
    assert [each.name for each in tmp_path.iterdir()] == ["inputs.h5"]


def test_actions_are_exported_as_far_as_a_model_is_told_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, source = world(sequences=3, frames=12, actions=4)
    source = type(
        "Toy",
        (),
        {
            "shape": (6, 5, 1),
            "frames": 12,
            "examples": lambda self, start, stop: examples,
            "digest": lambda self, count: "1" * 64,
        },
    )()
    monkeypatch.setattr(export, "source_of", lambda task: source)
    toy = Suite("toy", 1, "", (Task(TOY, (Window(6), Rollout(3, 4), Still(2, shown=5))),), None)
    monkeypatch.setitem(SUITES, "toy", toy)
    export_inputs(tmp_path / "inputs.h5", "toy", limit=3)
    assert examples.actions is not None
    with h5py.File(tmp_path / "inputs.h5") as file:
        np.testing.assert_array_equal(file["toy/actions"][()], examples.actions[:, :6])
        np.testing.assert_array_equal(file["toy/rollout-3+4/actions"][()], examples.actions[:, :7])
        np.testing.assert_array_equal(file["toy/rollout-3+4/input"][()], examples.frames[:, :3])
        assert "actions" not in file["toy/frames"]


def test_colours_are_exported_as_models_see_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, _ = world(sequences=2, frames=4, shape=(6, 5, 3), colour=True)
    source = type(
        "Toy",
        (),
        {
            "shape": (6, 5, 3),
            "frames": 4,
            "examples": lambda self, start, stop: examples,
            "digest": lambda self, count: "1" * 64,
        },
    )()
    monkeypatch.setattr(export, "source_of", lambda task: source)
    monkeypatch.setitem(SUITES, "toy", Suite("toy", 1, "", (Task(TOY, (Window(4),)),), None))
    export_inputs(tmp_path / "inputs.h5", "toy", limit=2)
    with h5py.File(tmp_path / "inputs.h5") as file:
        np.testing.assert_array_equal(file["toy/input"][()], examples.frames, strict=True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--suite", "smoke", "--out", "there.h5"], "there.h5 exists already: use --overwrite"),
        (["--suite", "bals", "--out", "x.h5"], "no suite is called 'bals'"),
        (["--size", "huge", "--out", "x.h5"], "size is lite or full, not 'huge'"),
        (["--limit", "0", "--out", "x.h5"], "1 sequence or more"),
        (["--out", "nowhere/x.h5"], "there is no folder"),
        (["--out", "."], "is a folder"),
        (["--suite", "smoke"], "--out"),
    ],
)
def test_what_cannot_be_exported_is_refused_and_leaves_nothing(
    words: list[str], sentence: str, cli: Any, refusal: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("there.h5").write_text("mine")
    done = cli("export", *words)
    assert sentence in refusal(done.exit_code, done.stderr)
    assert [each.name for each in Path().iterdir()] == ["there.h5"] and Path("there.h5").read_text() == "mine"


def test_an_existing_file_is_replaced_completely_or_not_at_all(
    tmp_path: Path, cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.h5"
    path.write_text("mine")
    for error in (KeyboardInterrupt, OSError("no"), RuntimeError("no")):
        with pytest.raises((KeyboardInterrupt, StorageError)), monkeypatch.context() as patch:
            patch.setattr(Extent, "require_pinned", raising(error))
            export_inputs(path, "smoke", limit=1, overwrite=True)
        assert [each.name for each in tmp_path.iterdir()] == ["x.h5"] and path.read_text() == "mine"
    assert cli("export", "--suite", "smoke", "--limit", 1, "--out", path, "--overwrite").exit_code == 0
    assert [each.name for each in tmp_path.iterdir()] == ["x.h5"] and h5py.is_hdf5(path)


def raising(error: Any) -> Any:
    def run(*_: Any) -> None:
        raise error

    return run


def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    export_inputs(tmp_path / "whole.h5", "smoke", limit=20)
    size = (tmp_path / "whole.h5").stat().st_size
    with room_for(size // 2), pytest.raises(StorageError, match="x.h5 cannot be written"):
        export_inputs(tmp_path / "x.h5", "smoke", limit=20)
    assert [each.name for each in tmp_path.iterdir()] == ["whole.h5"]


def test_two_do_not_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "x.h5"
    refused: list[str] = []

    def again(_: Any) -> None:
        with pytest.raises(StorageError) as error:
            export_inputs(path, "smoke", limit=1)
        refused.append(str(error.value))

    export_inputs(path, "smoke", limit=1, progress=again)
    assert (
        len(refused) == 3
        and all("another process is writing" in sentence for sentence in refused)
        and h5py.is_hdf5(path)
    )
