"""Tests of files of predictions: they are read as they were written, by any writer, and a file under its name is
complete."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from physbench.errors import HostileFile, PhysbenchError, StorageError
from physbench.evaluation.export import export_inputs
from physbench.storage.predictions_file import Predictions, PredictionsHeader, PredictionsWriter
from tests.builders.interrupted_runs import room_for

N, S, F, FRAME = 7, 4, 5, (6, 5, 1)
HEADER = PredictionsHeader(
    suite="smoke", suite_version=1, size="lite", sequences=N, model="my model", seed=3, likelihood="bernoulli"
)
GAUSSIAN = replace(HEADER, likelihood="gaussian", sigma=0.25)
RNG = np.random.default_rng(0)
MEAN = RNG.random((N, S, *FRAME), np.float32)
OWNER = RNG.integers(0, 256, (N, F, *FRAME[:2]), np.uint8)
TOLD = RNG.normal(size=(N, F, *FRAME[:2])).astype("f4")
BOXES = np.where(RNG.random((N, F, 3, 1)) < 0.5, np.nan, RNG.random((N, F, 3, 5))).astype("f4")
ASKED: dict[str, Any] = {"frame": FRAME, "steps": S, "maps": F}
DOCUMENT = Path(__file__).parents[2] / "docs" / "predictions.md"


def by_hand(
    path: Path,
    arrays: dict[str, Any] | None = None,
    *,
    without: str = "",
    layout: dict[str, Any] | None = None,
    **attributes: Any,
) -> Path:
    """Written by a stranger, with h5py alone."""
    told = {
        "format": "physbench-predictions", "version": 1, "suite": "smoke", "suite_version": 1, "size": "lite", "sequences": N, "model": "my model",
        "seed": 3, "likelihood": "bernoulli", "values": "probabilities", **attributes,
    }  # fmt: skip
    told.pop(without, None)
    with h5py.File(path, "w") as file:
        file.attrs.update(told)
        for name, values in ({"balls/mean": MEAN} if arrays is None else arrays).items():
            file.create_dataset(name, data=values, **(layout or {}))
    return path


def ours(path: Path, header: PredictionsHeader = HEADER, *, half: bool = False) -> Path:
    with PredictionsWriter(path, header, half=half) as writer:
        for start in range(0, N, 3):
            block = slice(start, start + 3)
            writer.add("balls", start, MEAN[block], OWNER[block], TOLD[block], BOXES[block])
            writer.add("balls/rollout-5+10", start, MEAN[block, :2])
        writer.add("stills/frames", 0, None, OWNER)
    return path


def bits(array: Any) -> bytes:
    assert array is not None
    return array.tobytes()


@pytest.mark.parametrize("header", [HEADER, GAUSSIAN], ids=["bernoulli", "gaussian"])
def test_what_is_written_is_read_bit_for_bit(header: PredictionsHeader, tmp_path: Path) -> None:
    read = Predictions(ours(tmp_path / "p.h5", header))
    assert read.header == header
    assert read.names() == ["balls", "balls/rollout-5+10", "stills/frames"]
    for start, stop in ((0, N), (2, 5), (6, 7)):
        assert [*map(bits, read.read("balls", start, stop, **ASKED))] == [
            whole[start:stop].tobytes() for whole in (MEAN, OWNER, TOLD, BOXES)
        ]
    mean, *others = read.read("balls/rollout-5+10", 1, 3, **{**ASKED, "steps": 2})
    assert bits(mean) == MEAN[1:3, :2].tobytes() and others == [None] * 3
    mean, owner, *_ = read.read("stills/frames", 0, N, **ASKED)
    assert mean is None and bits(owner) == OWNER.tobytes()


def test_h5py_reads_what_is_written(tmp_path: Path) -> None:
    with h5py.File(ours(tmp_path / "p.h5")) as file:
        mean = file["balls/mean"]
        assert mean[()].tobytes() == MEAN.tobytes() and file["balls/owner"][()].tobytes() == OWNER.tobytes()
        assert (mean.chunks, mean.compression, mean.shuffle) == ((1, S, *FRAME), "gzip", True)
        assert dict(file.attrs) == {
            "format": "physbench-predictions", "version": 1, "suite": "smoke", "suite_version": 1, "size": "lite", "sequences": N, "model": "my model",
            "seed": 3, "likelihood": "bernoulli", "values": "probabilities",
        }  # fmt: skip


LAYOUTS: dict[str, dict[str, Any]] = {
    "in one piece": {},
    "big-endian": {"dtype": ">f4"},
    "other chunks": {"chunks": (3, 2, 6, 5, 1), "compression": "gzip"},
    "shuffled": {"chunks": (1, S, *FRAME), "compression": "gzip", "compression_opts": 4, "shuffle": True},
    "able to grow": {"chunks": (2, S, *FRAME), "maxshape": (None, S, *FRAME)},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_what_others_write_is_read_bit_for_bit(layout: dict[str, Any], tmp_path: Path) -> None:
    read = Predictions(by_hand(tmp_path / "p.h5", layout=layout))
    mean, owner, told, _ = read.read("balls", 1, 6, **ASKED)
    assert mean is not None and mean.dtype == np.float32 and mean.tobytes() == MEAN[1:6].tobytes()
    assert owner is None and told is None


def test_strange_floats_are_handed_on_as_they_are(tmp_path: Path) -> None:
    strange = MEAN.copy()
    strange.reshape(-1)[:6] = [np.nan, -np.inf, -0.0, 1e-45, 3.0, -1.0]
    mean, *_ = Predictions(by_hand(tmp_path / "p.h5", {"balls/mean": strange})).read("balls", 0, N, **ASKED)
    assert bits(mean) == strange.tobytes()


def test_logits_come_back_as_probabilities_within_half_a_float(tmp_path: Path) -> None:
    sure = MEAN.copy()
    sure.reshape(-1)[:4] = [0, 1, 1e-7, 0.5]
    with PredictionsWriter(tmp_path / "p.h5", HEADER, half=True) as writer:
        writer.add("balls", 0, sure, OWNER)
    with h5py.File(tmp_path / "p.h5") as file:
        assert file["balls/mean"].dtype == np.dtype("<f2") and file.attrs["values"] == "logits"
        stored = file["balls/mean"][()].astype("f8")
    mean, owner, *_ = Predictions(tmp_path / "p.h5").read("balls", 0, N, **ASKED)
    assert mean is not None and mean.dtype == np.float32 and bits(owner) == OWNER.tobytes()
    np.testing.assert_array_equal(mean, (1 / (1 + np.exp(-stored))).astype("f4"))
    clipped = np.clip(sure.astype("f8"), 1e-6, 1 - 1e-6)
    odds, back = np.log(clipped / (1 - clipped)), mean.astype("f8")
    assert np.abs(np.log(back / (1 - back)) - odds).max() < 0.06  # near 1 a float32 is coarser than a logit
    assert np.abs(back - clipped).max() < 0.0005


def test_infinite_logits_are_certain(tmp_path: Path) -> None:
    logits = np.zeros((N, S, *FRAME), "f2")
    logits.reshape(-1)[:4] = [np.inf, -np.inf, 65504, -65504]
    mean, *_ = Predictions(by_hand(tmp_path / "p.h5", {"balls/mean": logits}, values="logits")).read(
        "balls", 0, N, **ASKED
    )
    assert mean is not None and mean.reshape(-1)[:5].tolist() == [1, 0, 1, 0, 0.5]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"balls/mean": MEAN.astype("f8")}, "mean is of type float64; in a file of probabilities it is float32"),
        ({"balls/mean": MEAN.astype("f2")}, "mean is of type float16; in a file of probabilities"),
        ({"balls/mean": MEAN[:6]}, r"mean has shape \(6, 4, 6, 5, 1\); it should be \(7, 4, 6, 5, 1\)"),
        ({"balls/mean": MEAN[:, 1:]}, "mean has shape"),
        ({"balls/mean": MEAN[..., 0]}, "mean has shape"),
        (
            {"balls/mean": MEAN, "balls/owner": OWNER[:, 1:]},
            r"owner has shape \(7, 4, 6, 5\); it should be \(7, 5, 6, 5\)",
        ),
        ({"balls/mean": MEAN, "balls/owner": OWNER.astype("i4")}, "owner is of type int32"),
        ({"balls/mean": MEAN, "balls/log_likelihood": TOLD[:, :, 1:]}, "log_likelihood has shape"),
        ({"other/mean": MEAN}, "predicts nothing for 'balls': it has other"),
        ({}, "predicts nothing for 'balls': it has nothing"),
    ],
)
def test_answers_of_another_form_are_refused_in_one_sentence(arrays: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = by_hand(tmp_path / "p.h5", arrays)
    with pytest.raises(StorageError, match=told) as refused:
        Predictions(path).read("balls", 0, N, **ASKED)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize(
    ("attributes", "told"),
    [
        ({"without": "format"}, "'format' is 'None'"),
        ({"without": "suite"}, "'suite' is missing"),
        ({"without": "sequences"}, "'sequences' is missing"),
        ({"without": "values"}, "'values' is missing"),
        ({"format": "physbench"}, "not a file of predictions"),
        ({"format": 3}, "not a file of predictions"),
        ({"version": 2}, "version 2"),
        ({"version": 1.0}, "version 1.0"),
        ({"suite": 3}, "'suite' is a printable text"),
        ({"suite": ""}, "'suite' is a printable text"),
        ({"model": "x" * 201}, "'model' is a printable text"),
        ({"model": "\x1b[2Jme"}, "'model' is a printable text"),
        ({"model": b"\xff\xfe"}, "."),
        ({"model": np.array(["a", "b"], "S1")}, "not a single value"),
        ({"suite_version": "1"}, "'suite_version' is a whole number"),
        ({"suite_version": 0}, "'suite_version' is a whole number"),
        ({"sequences": 64.0}, "'sequences' is a whole number"),
        ({"sequences": 0}, "'sequences' is a whole number"),
        ({"sequences": np.True_}, "neither text nor a number"),
        ({"seed": -1}, "'seed' is a whole number"),
        ({"likelihood": "poisson"}, "bernoulli or gaussian, not 'poisson'"),
        ({"likelihood": "gaussian"}, "a 'sigma' above 0, not 'None'"),
        ({"likelihood": "gaussian", "sigma": 0.0}, "a 'sigma' above 0"),
        ({"likelihood": "gaussian", "sigma": np.nan}, "a 'sigma' above 0"),
        ({"likelihood": "gaussian", "sigma": np.inf}, "a 'sigma' above 0"),
        ({"likelihood": "gaussian", "sigma": "1"}, "a 'sigma' above 0"),
        ({"likelihood": "gaussian", "sigma": 1.0, "values": "logits"}, "not logits"),
        ({"sigma": 1.0}, "belongs to a gaussian"),
        ({"values": "odds"}, "probabilities or logits, not 'odds'"),
    ],
)
def test_a_header_is_complete_and_of_the_right_types(attributes: dict[str, Any], told: str, tmp_path: Path) -> None:
    path = by_hand(tmp_path / "p.h5", **attributes)
    with pytest.raises(StorageError, match=told) as refused:
        Predictions(path)
    assert (
        "\n" not in str(refused.value) and str(refused.value).startswith(str(path)) and str(refused.value).isprintable()
    )


def test_a_header_is_what_its_attributes_are() -> None:
    for header in (HEADER, GAUSSIAN, replace(HEADER, values="logits")):
        assert PredictionsHeader.from_attributes(header.to_attributes()) == header


def test_links_are_refused_where_predictions_are_listed_and_read(tmp_path: Path) -> None:
    path = by_hand(tmp_path / "p.h5")
    with h5py.File(path, "a") as file:
        file["balls/owner"] = h5py.ExternalLink("/etc/passwd", "/x")
    for ask in (lambda read: read.names(), lambda read: read.read("balls", 0, 1, **ASKED)):
        with pytest.raises(HostileFile, match="a link to another file"):
            ask(Predictions(path))


# writing


def alone(directory: Path, *names: str) -> bool:
    return sorted(path.name for path in directory.iterdir()) == sorted(names)


def test_nothing_is_under_the_name_until_all_is_written(tmp_path: Path) -> None:
    with PredictionsWriter(tmp_path / "p.h5", HEADER) as writer:
        writer.add("balls", 0, MEAN)
        assert not (tmp_path / "p.h5").exists()
    assert alone(tmp_path, "p.h5")


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failure_leaves_nothing(error: type[BaseException], tmp_path: Path) -> None:
    with pytest.raises(error), PredictionsWriter(tmp_path / "p.h5", HEADER) as writer:
        writer.add("balls", 0, MEAN)
        raise error
    assert alone(tmp_path)


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    path.write_text("precious")
    with pytest.raises(StorageError, match="exists already"), PredictionsWriter(path, HEADER):
        pass
    with pytest.raises(KeyboardInterrupt), PredictionsWriter(path, HEADER, overwrite=True):
        raise KeyboardInterrupt
    assert path.read_text() == "precious" and alone(tmp_path, "p.h5")
    with PredictionsWriter(path, HEADER, overwrite=True) as writer:
        writer.add("balls", 0, MEAN)
    assert Predictions(path).names() == ["balls"] and alone(tmp_path, "p.h5")


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    with pytest.raises(StorageError, match="exists already"), PredictionsWriter(path, HEADER) as writer:
        writer.add("balls", 0, MEAN)
        path.write_text("precious")
    assert path.read_text() == "precious" and alone(tmp_path, "p.h5")


def test_two_writers_do_not_write_one_file(tmp_path: Path) -> None:
    with PredictionsWriter(tmp_path / "p.h5", HEADER) as writer:
        with (
            pytest.raises(StorageError, match="another process is writing"),
            PredictionsWriter(tmp_path / "p.h5", HEADER),
        ):
            pass
        writer.add("balls", 0, MEAN)
    assert Predictions(tmp_path / "p.h5").names() == ["balls"]


def test_a_writer_that_is_killed_leaves_nothing_under_the_name_and_the_next_one_takes_over(tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    script = f"""
import numpy as np, time
from physbench.storage.predictions_file import PredictionsHeader, PredictionsWriter
with PredictionsWriter({str(path)!r}, PredictionsHeader(suite="smoke", suite_version=1, size="lite", sequences={N}, model="m", seed=0, likelihood="bernoulli")) as writer:
    writer.add("balls", 0, np.zeros((3, {S}, 6, 5, 1)))
    print("half", flush=True)
    time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not path.exists()
    ours(path)
    assert Predictions(path).header == HEADER and alone(tmp_path, "p.h5")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    with (
        room_for(20_000),
        pytest.raises(StorageError, match="p.h5 cannot be written"),
        PredictionsWriter(tmp_path / "p.h5", HEADER) as writer,
    ):
        writer.add("balls", 0, RNG.random((N, 40, 30, 30, 1), np.float32))
    assert alone(tmp_path)


def test_a_directory_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with (
        pytest.raises(StorageError, match="there is no folder"),
        PredictionsWriter(tmp_path / "nowhere" / "p.h5", HEADER),
    ):
        pass


@pytest.mark.parametrize(
    ("blocks", "told"),
    [
        ([("balls", 0, MEAN[:3])], "balls/mean ends after 3 of 7 sequences"),
        ([], "nothing was predicted"),
        ([("balls", 1, MEAN[1:])], "goes on at sequence 0 of 7, not with 1 to 7"),
        ([("balls", 0, MEAN[:3]), ("balls", 0, MEAN[:3])], "goes on at sequence 3"),
        ([("balls", 0, MEAN[:3]), ("balls", 3, MEAN)], "goes on at sequence 3 of 7, not with 3 to 10"),
        ([("balls", 0, MEAN[:3]), ("balls", 3, MEAN[3:, 1:])], "has sequences of shape"),
        (
            [("balls", 0, MEAN[:3]), ("balls", 3, MEAN[3:], OWNER[3:])],
            "hold mean; one that starts at 3 holds mean and owner",
        ),
        ([("balls", 0, None)], "hold nothing"),
        ([("balls", 0, MEAN, OWNER[:3])], "balls/owner ends after 3 of 7"),
        ([("balls", 0, MEAN[..., 0])], "mean has 5 axes"),
        ([("balls", 0, MEAN, OWNER.astype("i4"))], "owner is uint8, not int32"),
        ([("", 0, MEAN)], "an asking is called"),
        ([("balls/mean", 0, MEAN)], "an asking is called"),
        ([("balls/../x", 0, MEAN)], "an asking is called"),
        ([("balls\n", 0, MEAN)], "an asking is called"),
    ],
)
def test_blocks_come_whole_and_in_order(blocks: list[Any], told: str, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=told), PredictionsWriter(tmp_path / "p.h5", HEADER) as writer:
        for block in blocks:
            writer.add(*block)
    assert alone(tmp_path)


@pytest.mark.parametrize("value", [np.nan, 1.5, -0.1])
def test_values_that_are_not_probabilities_do_not_become_logits(value: float, tmp_path: Path) -> None:
    wrong = MEAN.copy()
    wrong[2, 1, 3, 3, 0] = value
    with (
        pytest.raises(StorageError, match="not within 0 to 1"),
        PredictionsWriter(tmp_path / "p.h5", HEADER, half=True) as writer,
    ):
        writer.add("balls", 0, wrong)


@pytest.mark.slow
def test_the_examples_of_the_document_run_and_read(tmp_path: Path) -> None:
    examples = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.S)
    export_inputs(tmp_path / "inputs.h5", "balls", limit=2)
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(examples)], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    by_others, by_us = Predictions(tmp_path / "predictions.h5"), Predictions(tmp_path / "predictions-2.h5")
    assert by_others.header == by_us.header and by_others.header.sequences == 2
    assert by_others.names() == by_us.names() == ["balls4mass64"]
    asked: dict[str, Any] = {"frame": (64, 64, 1), "steps": 30, "maps": 31}
    for one, other in zip(
        by_others.read("balls4mass64", 0, 2, **asked), by_us.read("balls4mass64", 0, 2, **asked), strict=True
    ):
        np.testing.assert_array_equal(one, other)
    done = subprocess.run(
        [sys.executable, "-m", "physbench", "score", "predictions.h5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "limit-2: 2 sequences" in done.stdout, done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "physbench", "score", "mine.h5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0 and "limit-2: 2 sequences" in done.stdout, done.stderr


@pytest.mark.slow
def test_flipped_bytes_are_refused_or_read(tmp_path: Path) -> None:
    path = ours(tmp_path / "p.h5")
    script = f"""
import random
from physbench.errors import PhysbenchError
from physbench.storage.predictions_file import Predictions
path, draw, refused = {str(path)!r}, random.Random(5), 0
sound = open(path, "rb").read()
for _ in range(120):
    spoilt = bytearray(sound)
    for _ in range(draw.randint(1, 4)):
        spoilt[draw.randrange(len(spoilt))] ^= draw.randint(1, 255)
    open(path, "wb").write(spoilt)
    try:
        read = Predictions(path)
        read.names(), read.read("balls", 0, {N}, frame={FRAME}, steps={S}, maps={F})
    except PhysbenchError as error:
        assert "\\n" not in str(error)
        refused += 1
print(refused)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = ours(tmp_path / "p.h5")
    size = path.stat().st_size
    for length in range(size - 1, 0, -size // 30):
        os.truncate(path, length)
        with pytest.raises(PhysbenchError):
            Predictions(path).read("balls", 0, N, **ASKED)
