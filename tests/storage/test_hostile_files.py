"""Tests of hostile files: they are refused in one sentence before they are read."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import physbench
from physbench.errors import StorageError
from tests.builders.dataset_files import content
from tests.builders.spoils import (
    Spoil,
    a_directory,
    array_instead,
    attribute,
    change_with,
    chunk_written,
    in_another_file,
    link_to,
    rename,
    same_bytes_for_all,
    scribble,
    terabytes,
    three_byte_float,
    truncate,
    virtual,
    wide_integer,
    zip_bytes,
)

DEEP_JSON = "[" * 30_000
HOSTILE: dict[str, tuple[Spoil, str]] = {
    "missing": (Path.unlink, "no file"),
    "directory": (a_directory, "not a file"),
    "empty": (scribble(b""), "empty"),
    "random bytes": (scribble(random.Random(0).randbytes(5000)), "does not begin like HDF5"),
    "web page": (scribble(b"<!DOCTYPE html><html><body>404</body></html>"), "web page"),
    "zip": (scribble(zip_bytes()), "zip"),
    "pickle": (scribble(pickle.dumps({"training": [1, 2, 3]})), "pickle"),
    "gzip": (scribble(b"\x1f\x8b" + bytes(50)), "gzip"),
    "signature alone": (scribble(b"\x89HDF\r\n\x1a\n"), "damaged"),
    "signature and noise": (scribble(b"\x89HDF\r\n\x1a\n" + random.Random(1).randbytes(5000)), "damaged"),
    "a tenth": (truncate(0.1), "damaged"),
    "one byte short": (lambda path: os.truncate(path, path.stat().st_size - 1), "damaged"),
    "an HDF5 file of another kind": (lambda path: h5py.File(path, "w").close(), "not a physbench dataset file"),
    "external link to an array": (
        link_to("training/features", lambda _: h5py.ExternalLink("/etc/passwd", "/x")),
        "link to another file",
    ),
    "external link to a split": (
        link_to("test", lambda _: h5py.ExternalLink("other.h5", "/test")),
        "link to another file",
    ),
    "external link to events": (
        link_to("training/events/time", lambda _: h5py.ExternalLink("other.h5", "/x")),
        "link to another file",
    ),
    "external storage": (in_another_file, "another file"),
    "soft link": (link_to("training/mass", lambda _: h5py.SoftLink("/training/radius")), "soft link"),
    "soft link to itself": (link_to("test", lambda _: h5py.SoftLink("/test")), "soft link"),
    "soft links in a circle": (
        change_with(
            lambda f: (
                f.pop("test"),
                f.pop("training"),
                f.update({"test": h5py.SoftLink("/training"), "training": h5py.SoftLink("/test")}),
            )
        ),
        "soft link",
    ),
    "a split within itself": (link_to("training/training", lambda file: file["training"]), "does not know"),
    "a split that is the root": (link_to("test", lambda file: file["/"]), "does not know"),
    "events that are their split": (link_to("training/events", lambda file: file["training"]), "does not know"),
    "virtual dataset": (change_with(virtual), "."),
    "terabytes": (change_with(terabytes), "claims"),
    "many chunks of the same bytes": (same_bytes_for_all, "claims more stored bytes"),
    "unknown split": (rename("test", "tset"), "does not know"),
    "unknown array": (change_with(lambda file: file.create_dataset("training/extra", data=[1])), "does not know"),
    "unknown column": (
        change_with(lambda file: file.create_dataset("training/events/extra", data=[1])),
        "does not know",
    ),
    "unknown name that is no text": (
        change_with(lambda file: file.create_dataset(b"training/\xff\xfe", data=[1])),
        "does not know",
    ),
    "many members": (change_with(lambda file: [file.create_group(f"g{i}") for i in range(500)]), "members"),
    "array missing": (change_with(lambda file: file.pop("training/radius")), "has no 'radius'"),
    "column missing": (change_with(lambda file: file.pop("training/events/time")), "has no 'events/time'"),
    "events missing": (change_with(lambda file: file.pop("training/events")), "has no 'events/offset'"),
    "no split": (change_with(lambda file: (file.pop("training"), file.pop("test"))), "no split"),
    "array for a split": (
        change_with(lambda file: (file.pop("test"), file.create_dataset("test", data=[1]))),
        "not a group",
    ),
    "group for an array": (
        change_with(lambda file: (file.pop("test/mass"), file.create_group("test/mass"))),
        "not an array",
    ),
    "type for an array": (link_to("test/mass", lambda _: np.dtype("<f4")), "not an array"),
    "format is another": (attribute("format", "other"), "another kind"),
    "format is missing": (change_with(lambda file: file.attrs.pop("format")), "no attribute 'format'"),
    "format is a reference": (
        change_with(lambda file: file.attrs.create("format", file["test"].ref)),
        "neither text nor a number",
    ),
    "format is a list": (attribute("format", ["physbench", "physbench"]), "not a single value"),
    "format is nothing": (attribute("format", h5py.Empty("S1")), "not a single value"),
    "format is a number": (attribute("format", 3), "not a text"),
    "format is not ASCII": (attribute("format", b"\xff\xfe\x80"), "."),
    "version is another": (attribute("format_version", 3), "format version 3; this physbench reads versions 1 and 2"),
    "version 2 with the arrays of version 1": (attribute("format_version", 2), "version 2 has others"),
    "version is a text": (attribute("format_version", "1"), "not a whole number"),
    "version is a float": (attribute("format_version", 1.0), "neither text nor a number"),
    "version is compound": (attribute("format_version", np.zeros((), [("x", "i4")])), "neither text nor a number"),
    "version is a bool": (attribute("format_version", np.True_), "neither text nor a number"),
    "digest is a huge text": (attribute("content_sha256", "x" * 10**6), "not a text of at most"),
    "digest of a split is a reference": (
        change_with(lambda f: f["test"].attrs.create("content_sha256", f["test"].ref)),
        "neither text nor a number",
    ),
    "recipe is not JSON": (attribute("recipe", "{not json"), "recipe"),
    "recipe is a list": (attribute("recipe", "[1, 2]"), "recipe"),
    "recipe is deep": (attribute("recipe", DEEP_JSON), "recipe"),
    "parameters are a number": (attribute("recipe", '{"parameters": 3}'), "recipe"),
    "created_with is not JSON": (attribute("created_with", "numpy 2"), "created_with"),
    "recipe writes a title once it is decoded": (
        attribute("recipe", '{"parameters": {"colour": "\\u001b]0;PWN\\u0007"}}'),
        "recipe' holds characters",
    ),
    "recipe is half a character once it is decoded": (
        attribute("recipe", '{"seed": "\\ud800"}'),
        "recipe' holds characters",
    ),
    "recipe turns the line round": (attribute("recipe", '{"splits": [["\\u202e"]]}'), "recipe' holds characters"),
    "a name in the recipe rings": (attribute("recipe", '{"parameters": {"\\u0007": 1}}'), "recipe' holds characters"),
    "created_with moves the cursor": (
        attribute("created_with", '{"numpy": "\\u001b[2J"}'),
        "created_with' holds characters",
    ),
    "created_with is half a character": (
        attribute("created_with", '{"\\udc80": "1"}'),
        "created_with' holds characters",
    ),
    "dataset moves the cursor": (attribute("dataset", "\x1b[2J\x1b[1;1Hall is well"), "dataset"),
    "dataset is two lines": (attribute("dataset", "balls\nError: no"), "dataset"),
    "dataset is half a character": (attribute("dataset", b"balls\xff"), "dataset"),
    "wrong dtype": (array_instead("training/contact", dtype="<u2"), "not of type uint8"),
    "big-endian": (array_instead("training/position", dtype=">f4"), "not of type float32"),
    "float for int": (array_instead("training/visible", dtype="<f2"), "not of type uint16"),
    "text": (array_instead("training/count", data=[b"a", b"b", b"c"], dtype="S1"), "not of type uint8"),
    "float of three bytes": (link_to("training/mass", lambda file: three_byte_float(file)), "mass"),
    "integer of 33 bytes": (link_to("training/count", lambda file: wide_integer(file)), "."),
    "wrong rank": (array_instead("training/radius", data=np.ones(3), chunks=(3,)), "axes"),
    "scalar": (array_instead("training/count", data=1, chunks=None), "axes"),
    "no dataspace": (array_instead("training/count", data=h5py.Empty("u1"), dtype="u1", chunks=None), "axes"),
    "objects do not agree": (array_instead("training/mass", data=np.ones((3, 5)), chunks=(3, 5)), "axis K should be 2"),
    "sequences do not agree": (array_instead("training/count", data=np.ones(4), chunks=(3,)), "axis N should be 3"),
    "offset too short": (array_instead("training/events/offset", data=[0, 0, 0]), "rows for"),
    "no sequences": (
        array_instead(
            "training/features", shape=(6, 0, 16, 16, 1), maxshape=(6, None, 16, 16, 1), chunks=(6, 1, 16, 16, 1)
        ),
        "empty",
    ),
    "huge frame": (
        array_instead("training/features", shape=(6, 3, 1 << 14, 1 << 14, 1), chunks=(6, 1, 1 << 14, 1 << 14, 1)),
        ".",
    ),
    "shuffled": (array_instead("training/features", shuffle=True), "filters"),
    "fletcher32": (array_instead("training/groups", fletcher32=True), "filters"),
    "lzf": (array_instead("training/collisions", compression="lzf"), "filters"),
    "not deflated": (array_instead("training/features", compression=None), "filters"),
    "deflated states": (array_instead("training/position", compression="gzip"), "filters"),
    "other chunks": (array_instead("training/features", chunks=(1, 3, 16, 16, 1)), "not stored as the format says"),
    "chunked events": (array_instead("training/events/offset", chunks=(2,)), "not stored as the format says"),
    "states in one piece": (array_instead("training/position", chunks=None), "not stored as the format says"),
}


@pytest.fixture(params=HOSTILE)
def hostile(request: pytest.FixtureRequest, tiny: Any, copied: Any) -> tuple[Path, str]:
    spoil, sentence = HOSTILE[request.param]
    path = copied(tiny)
    spoil(path)
    return path, sentence


def test_a_hostile_file_is_refused_in_one_sentence(hostile: tuple[Path, str], cli: Any, refusal: Any) -> None:
    path, sentence = hostile
    with pytest.raises(StorageError, match=sentence) as refused:
        physbench.open(path)
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)
    for words in (["info"], ["verify"], ["verify", "--quick"], ["info", "--json"]):
        result = cli(*words, path)
        refusal(result.exit_code, result.stderr)
        assert not result.stdout


@pytest.mark.parametrize(
    "name", ["web page", "one byte short", "external link to an array", "many chunks of the same bytes"]
)
def test_a_hostile_file_is_refused_in_a_process_of_its_own(
    name: str, tiny: Any, copied: Any, command: Any, refusal: Any
) -> None:
    path = copied(tiny)
    HOSTILE[name][0](path)
    done = command("verify", path)
    refusal(done.returncode, done.stderr)


@pytest.mark.parametrize("value", ["a text", 3, np.arange(5), "reference", h5py.Empty("f4")])
def test_an_attribute_that_is_not_read_does_no_harm(value: Any, tiny: Any, copied: Any) -> None:
    path = copied(tiny)
    change_with(
        lambda file: file.attrs.create(
            "extra", file["test"].ref if isinstance(value, str) and value == "reference" else value
        )
    )(path)
    assert physbench.verify(path).content_sha256 == content(tiny.path)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.h5")
    with pytest.raises(StorageError, match="not a file"):
        physbench.open(tmp_path / "fifo.h5")


def test_a_bomb_is_refused_with_little_memory(tiny: Any, copied: Any) -> None:
    path = copied(tiny)
    blocks, flate = 24, zlib.compressobj(9, zlib.DEFLATED, -15)
    block = flate.compress(bytes(1 << 24)) + flate.flush(zlib.Z_FULL_FLUSH)
    adler = (blocks << 24) % 65521 << 16 | 1
    bomb = b"\x78\xda" + block * blocks + b"\x03\x00" + adler.to_bytes(4, "big")  # 400 MB in 400 kB
    chunk_written("training/features", bomb)(path)
    script = f"""
import resource, physbench
physbench.open({str(tiny.path)!r})["training"][0]; before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for use in (lambda: physbench.open({str(path)!r})["training"][0], lambda: physbench.verify({str(path)!r})):
    try: use()
    except physbench.PhysbenchError: pass
    else: raise SystemExit("accepted")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) < 50_000, "kilobytes more than a good file needs"
