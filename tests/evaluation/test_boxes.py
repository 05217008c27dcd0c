"""Tests of boxes on the way from a model to its figures: in the process, through a pipe, and in a file.

What cannot be a box is reported in one line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np
import pytest

import physbench
from physbench.errors import ModelError, PhysbenchError, StorageError
from physbench.evaluation.predictions import open_predictions, predict, score
from physbench.evaluation.window import ask
from physbench.metrics.boxes import copy_boxes
from physbench.model import Batch, Bernoulli, Prediction
from physbench.suites import SUITES, Rollout, Still, Suite, Task, Window
from physbench_baselines.framewise import Blobs
from physbench_baselines.reference import Copy, Oracle
from physbench_baselines.tracking.tracker import tracker_80
from tests.builders.pipe_clients import client
from tests.evaluation.test_order import require_identical
from tests.evaluation.toys import Array, task, world

BOX_FIGURES = {"count_accuracy", "box_recall", "box_precision", "identity_kept", "identity_regained"}
NAN = float("nan")


@dataclass(frozen=True)
class Whole:
    """One box around all that is on, in the second of three rows, and its name is the number of the frame."""

    likelihood: ClassVar[Bernoulli] = Bernoulli()

    def begin(self, batch: Batch) -> int:
        return 0

    def observe(self, state: int, frame: Array, action: Any) -> tuple[int, Prediction]:
        return state + 1, Prediction((0.8 * frame + 0.1).astype(np.float32), boxes=around(frame, state))


def around(frame: Array, name: int) -> Array:
    boxes = np.full((len(frame), 3, 5), np.nan, np.float32)
    for i, on in enumerate(frame[..., 0] > 0.5):
        rows, columns = np.nonzero(on)
        if len(rows):
            left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
            boxes[i, 1] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, name
    return boxes


def figures_of(result: Any) -> dict[str, float]:
    return {score.metric: score.value for score in result.scores if score.metric in BOX_FIGURES}


def test_the_oracle_has_every_box_and_every_identity() -> None:
    assert figures_of(physbench.evaluate(Oracle(), "leave", limit=24)) == dict.fromkeys(BOX_FIGURES, 1.0)


def test_who_says_nothing_of_boxes_has_no_figure_of_them() -> None:
    found = physbench.evaluate(Copy(), "leave", limit=2)
    assert not figures_of(found) and found.score("balls-leave50", "log_likelihood").value < 0


@pytest.mark.parametrize("suite", ["balls", "curtain"])
def test_where_boxes_are_not_asked_for_they_are_not_scored(suite: str) -> None:
    assert not figures_of(physbench.evaluate(Oracle(), suite, limit=2))
    asking = Suite("mine", 1, "boxes", (Task(SUITES[suite].tasks[0].dataset, (Window(31, boxes=True),)),))
    found = figures_of(physbench.evaluate(Oracle(), asking, limit=4))
    assert {found[name] for name in BOX_FIGURES - {"identity_regained"}} == {1.0}


def test_where_objects_are_no_discs_nothing_is_boxed() -> None:
    physbench.evaluate(Oracle(), "segmentation-shapes", limit=2)  # which have places and no radius


def say(spoil: Callable[[Array], Any], asking: Any, at: int = 2) -> Any:
    """What is taken down of a model that says one box too badly at a step."""

    class Spoiled(Whole):
        def observe(self, state: int, frame: Array, action: Any) -> Any:
            boxes = np.full((len(frame), 2, 5), np.nan, np.float32)
            boxes[:, 0] = 3, 2, 4, 4, 7
            return state + 1, Prediction(
                0.5 * frame, np.zeros(frame.shape[:3], np.uint8), boxes=spoil(boxes) if state == at else boxes
            )

    examples, source = world()
    return ask(Spoiled(), task(asking), asking, examples, source, seed=0)


def put(column: int, value: float) -> Callable[[Array], Array]:
    def spoil(boxes: Array) -> Array:
        boxes[1, 0, column] = value
        return boxes

    return spoil


def twice(boxes: Array) -> Array:
    boxes[2, 1] = boxes[2, 0] + [5, 5, 0, 0, 0]
    return boxes


RUBBISH: dict[str, tuple[Callable[[Array], Any], str]] = {
    "a place without end": (put(0, np.inf), "five finite numbers"),
    "half a box": (put(1, NAN), "five finite numbers"),
    "a box without a name": (put(4, NAN), "five finite numbers"),
    "a name alone": (lambda boxes: np.where(np.arange(5) == 4, boxes, np.nan), "five finite numbers"),
    "what no float32 can hold": (lambda boxes: boxes.astype(np.float64) * 1e300, "five finite numbers"),
    "a width below nothing": (put(2, -0.5), "width and height of a box are 0 or more, not -0.5"),
    "a height below nothing": (put(3, -2), "not -2"),
    "half a name": (put(4, 1.5), "a whole number from 0 to 16777215, not 1.5"),
    "a name below nothing": (put(4, -1), "whole number from 0 to 16777215, not -1"),
    "a name that float32 rounds": (put(4, 1 << 24), "whole number from 0 to 16777215"),
    "two of one name": (twice, "two boxes of a frame have the identity 7"),
    "whole numbers": (
        lambda boxes: np.ones(boxes.shape, np.int64),
        "floating-point numbers of shape .3, 1 to 255, 5., not int64",
    ),
    "text": (lambda boxes: np.full(boxes.shape, "a"), "floating-point"),
    "objects": (lambda boxes: boxes.astype(object), "floating-point"),
    "complex numbers": (lambda boxes: boxes.astype(np.complex64), "floating-point"),
    "a list of nothing": (lambda boxes: [], "floating-point"),
    "a number": (lambda boxes: 3.0, "not float64 of shape"),
    "one sequence too few": (lambda boxes: boxes[1:], "of shape .3, 1 to 255, 5., not float32 of shape .2, 2, 5."),
    "no rows": (lambda boxes: boxes[:, :0], "shape .3, 0, 5."),
    "too many rows": (lambda boxes: np.full((3, 256, 5), np.nan, np.float32), "shape .3, 256, 5."),
    "no name at all": (lambda boxes: boxes[..., :4], "shape .3, 2, 4."),
    "an axis too many": (lambda boxes: boxes[:, None], "shape .3, 1, 2, 5."),
}


@pytest.mark.parametrize(
    "asking",
    [Window(6, boxes=True), Window(6), Rollout(3, 4), Still(2, shown=4)],
    ids=["asked", "window", "rollout", "still"],
)
@pytest.mark.parametrize("name", RUBBISH)
def test_boxes_that_are_none_are_named_whether_they_are_asked_for_or_not(name: str, asking: Any) -> None:
    spoil, words = RUBBISH[name]
    with pytest.raises(ModelError, match=words) as caught:
        say(spoil, asking)
    assert "\n" not in str(caught.value)


def test_boxes_are_given_of_all_frames_or_of_none_and_in_as_many_rows() -> None:
    with pytest.raises(ModelError, match="gave 5 sets of boxes for 6 frames: all or none"):
        say(lambda boxes: None, Window(6, boxes=True))
    with pytest.raises(
        ModelError, match=r"boxes of shape \(3, 1, 5\) and of shape \(3, 2, 5\): as many rows for every frame"
    ):
        say(lambda boxes: boxes[:, :1], Window(6, boxes=True))


def test_boxes_are_kept_as_they_were_said_and_only_where_they_are_asked_for() -> None:
    answer = say(lambda boxes: boxes.astype(np.float64), Window(6, boxes=True))
    assert answer.boxes.shape == (3, 6, 2, 5) and answer.boxes.dtype == np.float32
    assert answer.boxes[:, :, 0].tolist() == [[[3, 2, 4, 4, 7]] * 6] * 3 and np.isnan(answer.boxes[:, :, 1]).all()
    assert say(lambda boxes: boxes, Window(6)).boxes is None


def test_a_model_may_use_its_boxes_again() -> None:
    class Thrifty(Whole):
        def begin(self, batch: Batch) -> Any:
            return [0, np.zeros((len(batch.seeds), 1, 5), np.float32)]

        def observe(self, state: Any, frame: Array, action: Any) -> Any:
            state[0] += 1
            state[1][:] = state[0]
            return state, Prediction(0.5 * frame, boxes=state[1])

    examples, source = world()
    asking = Window(6, boxes=True)
    answer = ask(Thrifty(), task(asking), asking, examples, source, seed=0)
    assert answer.boxes is not None and answer.boxes[0, :, 0, 0].tolist() == [1, 2, 3, 4, 5, 6]


def test_the_bounds_of_a_box_are_within() -> None:
    boxes = np.zeros((1, 255, 5), np.float32)
    boxes[0, :, 4] = (1 << 24) - 1 - np.arange(255)
    np.testing.assert_array_equal(copy_boxes(boxes, (1,)), boxes)


MODELS: dict[str, Any] = {"oracle": Oracle, "blobs": Blobs, "tracker": tracker_80, "one box": Whole, "no box": Copy}


@pytest.mark.parametrize("name", MODELS)
def test_scores_of_a_file_are_those_of_the_model_to_the_last_bit(tmp_path: Path, name: str) -> None:
    predict(MODELS[name](), tmp_path / "p.h5", "leave", name=name, limit=5, batch=2)
    evaluated = physbench.evaluate(MODELS[name](), "leave", limit=5, batch=3)
    told = score(open_predictions(tmp_path / "p.h5"), batch=4)
    require_identical(told, evaluated)
    assert bool(figures_of(told)) == (name != "no box")


def of_a_file(path: Path, change: Callable[[Array], Any]) -> Any:
    """The score of what a stranger wrote in the place of our boxes."""
    if not path.exists():
        predict(Whole(), path, "leave", limit=3)
    with h5py.File(path, "a") as file:
        boxes = change(file["balls-leave50/boxes"][:])  # type: ignore[index]
        del file["balls-leave50/boxes"]
        file["balls-leave50/boxes"] = boxes
    return score(open_predictions(path))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda boxes: boxes.astype(np.float64), "is of type float64"),
        (lambda boxes: boxes[:2], r"has shape \(2, 31, 3, 5\); it should be \(3, 31, 1 to 255, 5\)"),
        (lambda boxes: boxes[:, :30], "it should be"),
        (lambda boxes: boxes[..., :4], "it should be"),
        (lambda boxes: boxes[:, :, 0], "it should be"),
        (lambda boxes: np.repeat(boxes, 100, axis=2), r"has shape \(3, 31, 300, 5\)"),
        (lambda boxes: np.where(np.isnan(boxes), np.inf, boxes), "finite"),
        (lambda boxes: boxes + np.float32(0.25), "whole number"),
        (lambda boxes: np.repeat(boxes, 2, axis=2), "two boxes of a frame"),
    ],
)
def test_boxes_of_a_file_are_a_stranger_s(tmp_path: Path, change: Callable[[Array], Any], words: str) -> None:
    with pytest.raises((ModelError, StorageError), match=words) as caught:
        of_a_file(tmp_path / "p.h5", change)
    assert isinstance(caught.value, PhysbenchError) and "\n" not in str(caught.value)


def test_more_rows_of_nothing_change_nothing(tmp_path: Path) -> None:
    widened = of_a_file(
        tmp_path / "p.h5", lambda boxes: np.pad(boxes, ((0, 0), (0, 0), (0, 9), (0, 0)), constant_values=np.nan)
    )
    require_identical(widened, physbench.evaluate(Whole(), "leave", limit=3))


BOXED = """
ROWS = int(sys.argv[1])
step = 0
for header, arrays in messages():
    if header["ask"] == "hello":
        send({**HELLO, "boxes": ROWS})
    elif header["ask"] == "begin":
        send({})
    else:
        frame = arrays["frame"]
        boxes = np.full((len(frame), 3, 5), np.nan, np.float32)
        for i, on in enumerate(frame[..., 0] > 0.5):
            rows, columns = np.nonzero(on)
            if len(rows):
                left, right, top, bottom = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
                boxes[i, 1] = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top, step
        step += 1
        send({}, mean=(0.8 * frame + 0.1).astype(np.float32), boxes=boxes)
"""


@pytest.fixture
def empty_directory(tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("empty_directory")
def test_boxes_behind_a_pipe_are_those_in_the_process(cli: Any) -> None:
    result = cli("eval", "--command", client(BOXED, "3"), "--suite", "leave", "--limit", 3, "--json")
    assert result.exit_code == 0, result.output
    behind = {score["metric"]: score["value"] for score in json.loads(result.stdout)["scores"]}
    inside = figures_of(physbench.evaluate(Whole(), "leave", limit=3))
    assert inside and {name: behind[name] for name in inside} == {
        name: None if value != value else value for name, value in inside.items()
    }


@pytest.mark.usefixtures("empty_directory")
@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("2", '"shape": [4, 2, 5]'),
        ("0", "where owner, log_likelihood is expected"),
        ("256", "'boxes' is a whole number from 0 to 255, not 256"),
    ],
)
def test_a_pipe_carries_as_many_boxes_as_were_announced(cli: Any, rows: str, words: str) -> None:
    result = cli("eval", "--command", client(BOXED, rows), "--suite", "leave", "--limit", 4)
    assert result.exit_code == 2 and words in result.stderr and "Traceback" not in result.stderr
