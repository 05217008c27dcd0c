"""Tests of HDF5 files of other writers: they give their arrays, however these are stored, or one sentence."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from physbench.errors import DamagedFile, HostileFile, PhysbenchError, StorageError
from physbench.storage.foreign import Foreign

VALUES = np.random.default_rng(0).normal(size=(5, 7, 6)).astype("f4").round(1)
LAYOUTS: dict[str, dict[str, Any]] = {
    "contiguous": {},
    "big-endian": {"dtype": ">f4"},
    "big-endian and deflated": {"dtype": ">f4", "compression": "gzip", "shuffle": True},
    "chunks of the library's choice": {"chunks": True},
    "chunks that do not divide the shape": {"chunks": (2, 3, 4)},
    "chunks larger than the shape": {"chunks": (8, 7, 6), "maxshape": (None, 7, 6)},
    "deflated": {"chunks": (1, 7, 6), "compression": "gzip", "compression_opts": 9},
    "shuffled alone": {"chunks": (2, 3, 4), "shuffle": True},
    "both filters": {"chunks": (3, 5, 4), "compression": "gzip", "shuffle": True},
    "growing along two axes": {"chunks": (2, 2, 6), "maxshape": (None, None, 6)},
    "allocated beforehand": {"chunks": (2, 3, 6), "allocate": True},
}


def write(path: Path, change: Callable[[h5py.File], object], **more: Any) -> Path:
    with h5py.File(path, "w", **more) as file:
        change(file)
    return path


def array(path: Path, name: str = "x") -> Any:
    found = Foreign(path).array(name)
    assert found is not None
    return found


def stored_as(path: Path, values: Any, layout: dict[str, Any], **more: Any) -> Path:
    layout = dict(layout)
    if not layout.pop("allocate", False):
        return write(path, lambda file: file.create_dataset("x", data=values, **layout), **more)
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_chunk(layout["chunks"])
    creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)

    def allocate(file: h5py.File) -> None:
        space = h5py.h5s.create_simple(values.shape)
        h5py.Dataset(h5py.h5d.create(file.id, b"x", h5py.h5t.py_create(values.dtype), space, creation))[...] = values

    return write(path, allocate, **more)


@pytest.mark.parametrize("version", ["earliest", "latest"])
@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_reads_the_same_bits(layout: dict[str, Any], version: str, tmp_path: Path) -> None:
    read = array(stored_as(tmp_path / "x.h5", VALUES, layout, libver=version))
    assert read.shape == VALUES.shape
    for axis in range(3):
        for start, stop in ((0, VALUES.shape[axis]), (0, 2), (2, 3), (3, 5), (4, 4), (1, 5)):
            part = read.read(start, stop, axis=axis)
            assert part.dtype == np.dtype("=f4")
            assert part.tobytes() == np.take(VALUES, range(start, stop), axis).tobytes()


@pytest.mark.parametrize("code", ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"])
def test_every_type_of_number_reads_in_both_byte_orders(code: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).integers(0, 256, (4, 6 * np.dtype(code).itemsize), np.uint8).view(code)
    for order, packed in product_of("<>", [{}, {"compression": "gzip", "shuffle": True}]):
        read = array(stored_as(tmp_path / "x.h5", values, {"dtype": order + code, **packed})).read(0, 4)
        assert read.dtype == np.dtype(code) and read.tobytes() == values.tobytes()


def product_of(*words: Any) -> list[Any]:
    return [(a, b) for a in words[0] for b in words[1]]


def test_booleans_read_as_bytes(tmp_path: Path) -> None:
    read = array(stored_as(tmp_path / "x.h5", np.array([[True, False, True]]), {})).read(0, 1)
    assert read.dtype == np.uint8 and read.tolist() == [[1, 0, 1]]


@pytest.mark.parametrize(
    ("name", "layout"), [("lzf", {"compression": "lzf"}), ("fletcher32", {"compression": "gzip", "fletcher32": True})]
)
def test_a_filter_that_is_not_read_is_named_with_what_to_do(name: str, layout: dict[str, Any], tmp_path: Path) -> None:
    path = stored_as(tmp_path / "x.h5", VALUES, {"chunks": (2, 7, 6), **layout})
    with pytest.raises(HostileFile, match=f"x uses the filter {name}, which is not read: repack it with gzip or none"):
        array(path)


def test_rows_read_in_order_decode_every_chunk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.arange(6 * 40, dtype="f4").reshape(6, 40)
    read = array(stored_as(tmp_path / "x.h5", values, {"chunks": (2, 15), "compression": "gzip"}))
    decoded: list[int] = []
    decode = type(read)._decode
    monkeypatch.setattr(
        type(read),
        "_decode",
        lambda self, file, pieces, number: decoded.append(number) or decode(self, file, pieces, number),
    )
    parts = [read.read(start, min(start + 4, 40), axis=1) for start in range(0, 40, 4)]
    np.testing.assert_array_equal(np.concatenate(parts, axis=1), values)
    assert sorted(decoded) == list(range(9))


def test_attributes_are_texts_and_numbers(tmp_path: Path) -> None:
    told = {
        "text": "balls",
        "bytes": np.bytes_(b"balls"),
        "number": 3,
        "small": np.int8(-3),
        "float": 0.25,
        "half": np.float16(0.5),
    }
    file = Foreign(write(tmp_path / "x.h5", lambda file: file.attrs.update(told)))
    read = {name: file.attribute(name) for name in told}
    assert read == {"text": "balls", "bytes": "balls", "number": 3, "small": -3, "float": 0.25, "half": 0.5}
    assert {type(value) for value in read.values()} == {str, int, float}
    assert file.attribute("nothing") is None


def test_arrays_are_found_in_groups_and_a_missing_one_is_none(tmp_path: Path) -> None:
    file = Foreign(write(tmp_path / "x.h5", lambda file: file.update({"a/b/x": [1], "a/y": [2], "z": [3]})))
    assert file.names() == ["a/b/x", "a/y", "z"]
    assert "a/b" in file and "a/c" not in file and "a//b" not in file and "./a" not in file
    assert file.array("a/b/nothing") is None and file.array("q/x") is None and file.array("") is None
    with pytest.raises(HostileFile, match="'z' is not a group"):
        file.array("z/x")


# hostile files


def external(file: h5py.File) -> None:
    secret = Path(file.filename).with_name("secret")
    secret.write_bytes(bytes(4096))
    file.create_dataset("x", (4,), "u1", external=[(str(secret), 0, h5py.h5f.UNLIMITED)])


def virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4,), "u1")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (4,))
    file.create_virtual_dataset("x", layout)


def compact(file: h5py.File) -> None:
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_layout(h5py.h5d.COMPACT)
    h5py.h5d.create(file.id, b"x", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((4,)), creation)


def odd_type(change: Callable[[], Any]) -> Callable[[h5py.File], object]:
    return lambda file: h5py.h5d.create(file.id, b"x", change(), h5py.h5s.create_simple((4,)))


def bfloat16() -> Any:
    kind = h5py.h5t.IEEE_F32LE.copy()
    kind.set_fields(15, 7, 8, 0, 7)
    kind.set_size(2)
    kind.set_ebias(127)
    return kind


def twelve_bits() -> Any:
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(12)
    return kind


def pipeline(*filters: tuple[int, tuple[int, ...]]) -> Callable[[h5py.File], object]:
    def change(file: h5py.File) -> None:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk((4,))
        for code, values in filters:
            creation.set_filter(code, h5py.h5z.FLAG_OPTIONAL, values)
        h5py.h5d.create(file.id, b"x", h5py.h5t.IEEE_F32LE, h5py.h5s.create_simple((4,)), creation)

    return change


HOSTILE: dict[str, tuple[Callable[[h5py.File], object], str]] = {
    "external link": (
        lambda file: file.update({"x": h5py.ExternalLink("/etc/passwd", "/x")}),
        "a link to another file",
    ),
    "soft link": (lambda file: file.update({"y": [1], "x": h5py.SoftLink("/y")}), "a soft link"),
    "soft link to itself": (lambda file: file.update({"x": h5py.SoftLink("/x")}), "a soft link"),
    "external storage": (external, "in another file"),
    "virtual dataset": (virtual, "in another file"),
    "ten terabytes in one piece": (
        lambda file: file.create_dataset("x", (10**13,), "u1"),
        "claims 10,000,000,000,000 bytes and stores 0",
    ),
    "ten terabytes in chunks": (
        lambda file: file.create_dataset("x", (10**13,), "u1", chunks=(1 << 20,), compression="gzip"),
        "claims",
    ),
    "many small chunks": (
        lambda file: file.create_dataset("x", (10**13,), "u1", chunks=(1,)),
        "claims 10,000,000,000,000 chunks",
    ),
    "a huge chunk": (
        lambda file: file.create_dataset("x", (1 << 30,), "u1", chunks=(1 << 29,), compression="gzip"),
        "has chunks of 536,870,912 bytes",
    ),
    "variable texts": (
        lambda file: file.create_dataset("x", data=["a", "b"], dtype=h5py.string_dtype()),
        "of a type that is not read",
    ),
    "fixed texts": (lambda file: file.create_dataset("x", data=np.array([b"ab"])), "of a type that is not read"),
    "compound": (
        lambda file: file.create_dataset("x", data=np.zeros(3, [("a", "f4"), ("b", "u1")])),
        "of a type that is not read",
    ),
    "complex": (lambda file: file.create_dataset("x", data=np.zeros(3, "c8")), "of a type that is not read"),
    "references": (
        lambda file: file.create_dataset("x", data=[file.ref], dtype=h5py.ref_dtype),
        "of a type that is not read",
    ),
    "variable lengths": (
        lambda file: file.create_dataset("x", (3,), h5py.vlen_dtype(np.int32)),
        "of a type that is not read",
    ),
    "arrays of arrays": (
        lambda file: file.create_dataset("x", (3,), np.dtype(("f4", (2,)))),
        "of a type that is not read",
    ),
    "opaque": (lambda file: file.create_dataset("x", data=np.zeros(3, "V4")), "of a type that is not read"),
    "colours by name": (
        lambda file: file.create_dataset("x", (3,), h5py.enum_dtype({"RED": 0, "BLUE": 1}, "u1")),
        "of a type that is not read",
    ),
    "floats of 16 bytes": (
        lambda file: file.create_dataset("x", data=np.zeros(3, np.longdouble)),
        "of a type that is not read",
    ),
    "floats of another kind": (odd_type(bfloat16), "of a type that is not read"),
    "integers of 12 bits": (odd_type(twelve_bits), "of a type that is not read"),
    "scalar": (lambda file: file.create_dataset("x", data=3), "a single value"),
    "nothing": (lambda file: file.create_dataset("x", data=h5py.Empty("f4")), "without values"),
    "a group": (lambda file: file.create_group("x"), "is not an array"),
    "in its header": (compact, "neither in one piece nor in chunks"),
    "an unknown filter": (pipeline((32015, ())), "the filter 32015"),
    "scale and offset": (
        lambda file: file.create_dataset("x", data=np.arange(9), chunks=(3,), scaleoffset=0),
        "the filter 6",
    ),
    "deflated twice": (pipeline((1, (4,)), (1, (4,))), "has a filter twice: gzip, gzip"),
    "two compressors": (pipeline((1, (4,)), (32000, ())), "the filter lzf"),
    "never written": (lambda file: file.create_dataset("x", (4,), "f4"), "stores 0"),
    "half written": (
        lambda file: file.create_dataset("x", (400, 2), "u1", chunks=(1, 2), compression="gzip").__setitem__(
            slice(0, 300), 1
        ),
        "lacks the chunk",
    ),
}


@pytest.mark.parametrize("word", HOSTILE)
def test_a_hostile_array_is_refused_in_one_sentence(word: str, tmp_path: Path) -> None:
    change, sentence = HOSTILE[word]
    path = write(tmp_path / "x.h5", change)
    with pytest.raises(StorageError, match=sentence) as refused:
        Foreign(path).array("x")
    assert "\n" not in str(refused.value) and str(path) in str(refused.value)


@pytest.mark.parametrize("word", ["external link", "soft link to itself"])
def test_links_on_the_way_are_not_followed(word: str, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", HOSTILE[word][0])
    for ask in (lambda file: file.array("x/y"), lambda file: "x/y" in file, lambda file: file.names()):
        with pytest.raises(HostileFile, match=HOSTILE[word][1]):
            ask(Foreign(path))


def test_a_group_within_itself_has_no_end_and_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.create_group("a").update({"a": file["a"]}))
    with pytest.raises(HostileFile, match="under two names"):
        Foreign(path).names()


@pytest.mark.parametrize("value", [np.arange(3), h5py.Empty("f4"), np.zeros((), [("a", "i4")]), np.True_, ["a", "b"]])
def test_an_attribute_of_another_kind_is_refused(value: Any, tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.attrs.update({"a": value}))
    with pytest.raises(HostileFile, match="'a' is (not a single value|neither text nor a number)"):
        Foreign(path).attribute("a")


def test_a_long_text_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.attrs.update({"a": "x" * (1 << 21)}), libver="latest")
    with pytest.raises(HostileFile, match="2,097,152 characters"):
        Foreign(path).attribute("a")


@pytest.mark.parametrize(
    "data", [b"", b"x" * 5000, pickle.dumps([1, 2]), b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 9]
)
def test_files_that_are_not_hdf5_are_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.h5").write_bytes(data)
    with pytest.raises(StorageError, match="x.h5 is (not an HDF5 file|damaged)"):
        Foreign(tmp_path / "x.h5")


def test_files_of_a_virtual_dataset_are_not_even_opened(tmp_path: Path, tiny: Any, copied: Any) -> None:
    """Asked for its shape, HDF5 would open them: here a pipe, on which a reader waits for ever."""
    os.mkfifo(tmp_path / "pipe")
    ours = copied(tiny)
    endless = h5py.h5s.UNLIMITED
    for path, name in ((tmp_path / "x.h5", "x"), (ours, "training/features")):
        with h5py.File(path, "a", libver="latest") as file:
            file.pop(name, None)
            layout = h5py.VirtualLayout((4,), "u1", maxshape=(None,))
            layout[0:endless] = h5py.VirtualSource(str(tmp_path / "pipe"), "x", (4,), maxshape=(None,))[0:endless]
            file.create_virtual_dataset(name, layout)
    for ask in (
        f"physbench.storage.foreign.Foreign({str(tmp_path / 'x.h5')!r}).array('x')",
        f"physbench.open({str(ours)!r})",
    ):
        script = (
            f"import physbench, physbench.storage.foreign\ntry: {ask}\nexcept physbench.PhysbenchError as error:"
            " print(error)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
        assert "keeps its data in another file" in done.stdout


def test_a_heap_that_would_keep_hdf5_busy_for_ever_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.h5", lambda file: file.attrs.update({"a": "a text"}))
    sound = bytearray(path.read_bytes())
    free = sound.index(b"GCOL") + 16 + 16 + 8  # beyond the heads of the heap and of the text, and the text
    assert int.from_bytes(sound[free + 8 : free + 16], "little") == 4096 - 40
    sound[free + 8 : free + 16] = bytes(8)
    path.write_bytes(sound)
    script = f"""
from physbench.errors import HostileFile
from physbench.storage.foreign import Foreign
try: Foreign({str(path)!r}).attribute("a")
except HostileFile as error: print(error)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    assert "a heap of texts that is damaged" in done.stdout


def spoilt_chunk(path: Path, stored: bytes, **layout: Any) -> Path:
    def change(file: h5py.File) -> None:
        file.create_dataset("x", (1 << 16,), "u1", chunks=(1 << 16,), **layout).id.write_direct_chunk((0,), stored)

    return write(path, change)


def test_a_bomb_in_a_chunk_is_refused_with_little_memory(tmp_path: Path) -> None:
    flate = zlib.compressobj(9)
    pieces = [flate.compress(bytes(1 << 20)) for _ in range(40)]
    bomb = b"".join(pieces) + flate.flush()  # 40 MB where 64 kB should be
    assert len(bomb) < 1 << 16
    path = spoilt_chunk(tmp_path / "x.h5", bomb, compression="gzip")
    script = f"""
import json, resource
from physbench.storage.foreign import Foreign
from physbench.errors import DamagedFile
array = Foreign({str(path)!r}).array("x")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try: array.read(0, 1 << 16)
except DamagedFile as error: print(json.dumps([str(error), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before]))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    said, kilobytes = json.loads(done.stdout)
    assert "the chunk at (0,) is damaged" in said
    assert kilobytes < 10_000


@pytest.mark.parametrize(
    ("stored", "layout"),
    [
        (zlib.compress(bytes((1 << 16) - 1)), {"compression": "gzip"}),  # too short: HDF5 reads on beyond its end
        (zlib.compress(bytes((1 << 16) + 1)), {"compression": "gzip"}),
        (zlib.compress(bytes(1 << 16))[:-1], {"compression": "gzip"}),
        (b"\x78", {"compression": "gzip"}),
    ],
)
def test_a_chunk_that_decodes_to_anything_else_is_damaged(
    stored: bytes, layout: dict[str, Any], tmp_path: Path
) -> None:
    path = spoilt_chunk(tmp_path / "x.h5", stored, **layout)
    with pytest.raises((DamagedFile, HostileFile)) as refused:
        array(path).read(0, 1 << 16)
    assert "\n" not in str(refused.value)


def test_a_chunk_longer_than_it_can_be_is_refused(tmp_path: Path) -> None:
    path = spoilt_chunk(tmp_path / "x.h5", bytes(1 << 17), compression="gzip")
    with pytest.raises(HostileFile, match="longer than they can be"):
        array(path)


def test_rows_that_are_not_there_and_more_than_fits_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = array(stored_as(tmp_path / "x.h5", VALUES, {}))
    for start, stop in ((-1, 2), (0, 6), (3, 2)):
        with pytest.raises(StorageError, match="has 5 rows"):
            read.read(start, stop)
    monkeypatch.setattr("physbench.storage.foreign.AT_ONCE", 100)
    with pytest.raises(StorageError, match="ask for fewer"):
        read.read(0, 5)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = stored_as(
        tmp_path / "x.h5", np.random.default_rng(3).integers(0, 256, (9, 1000), np.uint8), {"chunks": (1, 1000)}
    )
    sound = path.read_bytes()
    for length in range(8, len(sound), len(sound) // 40):
        path.write_bytes(sound[:length])
        with pytest.raises(PhysbenchError):
            array(path).read(0, 9)


@pytest.mark.parametrize("version", ["earliest", "latest"])
def test_flipped_bytes_are_refused_or_read_as_an_array(version: str, tmp_path: Path) -> None:
    """In a process of its own, so that a crash is a failure."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=version) as file:
        file.attrs.update({"a": "text", "b": 0.5})
        file.create_dataset("g/x", data=VALUES, chunks=(2, 3, 6), compression="gzip", shuffle=True)
        file.create_dataset("g/y", data=VALUES, chunks=(2, 7, 6), shuffle=True)
        file.create_dataset("z", data=VALUES)
    script = f"""
import random, sys
from physbench.errors import PhysbenchError
from physbench.storage.foreign import Foreign
path, draw, refused = {str(path)!r}, random.Random(4), 0
sound = open(path, "rb").read()
for _ in range(120):
    spoilt = bytearray(sound)
    for _ in range(draw.randint(1, 4)):
        spoilt[draw.randrange(len(spoilt))] ^= draw.randint(1, 255)
    open(path, "wb").write(spoilt)
    try:
        file = Foreign(path)
        file.attribute("a"), file.attribute("b")
        for name in file.names():
            array = file.array(name)
            array.read(0, array.shape[0])
    except PhysbenchError as error:
        assert "\\n" not in str(error)
        refused += 1
print(refused)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20
