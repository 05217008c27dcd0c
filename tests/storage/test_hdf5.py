"""Tests of `skeleton`: what it writes is read back with libhdf5."""

import itertools
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from physbench.storage.hdf5 import Chunked, Contiguous, Dataset, Group, lookup3, skeleton

Array = NDArray[Any]
DTYPES = ["|u1", "|i1", "<u2", "<i2", "<u4", "<i4", "<u8", "<i8", "<f4", "<f8"]


class Growing:
    """A file as the project grows it: 2048 bytes kept free, then data end to end, at last the skeleton."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = bytearray(2048)

    def append(self, data: bytes) -> int:
        address = len(self.data)
        self.data += data
        return address

    def contiguous(self, array: Array, attributes: Mapping[str, str | int] | None = None) -> Dataset:
        return Dataset(array.dtype, array.shape, Contiguous(self.append(array.tobytes())), attributes or {})

    def write_chunks(self, array: Array, chunk: tuple[int, ...], deflate: int | None = None) -> Dataset:
        """The chunks are laid down backwards, so that file order and grid order differ."""
        stored: list[tuple[int, int]] = []
        for piece in reversed(chunks(array, chunk)):
            data = piece.tobytes() if deflate is None else zlib.compress(piece.tobytes(), deflate)
            stored.append((self.append(data), len(data)))
        addresses = np.array([address for address, _ in reversed(stored)], np.uint64)
        sizes = np.array([size for _, size in reversed(stored)], np.uint32)
        return Dataset(array.dtype, array.shape, Chunked(chunk, addresses, sizes, deflate))

    def finish(self, root: Group) -> Path:
        self.append(bytes(-len(self.data) % 8))
        superblock, body = skeleton(root, len(self.data))
        self.append(body)
        self.data[: len(superblock)] = superblock
        self.path.write_bytes(self.data)
        return self.path


def chunks(array: Array, chunk: tuple[int, ...]) -> list[Array]:
    """Full-size chunks in C order of their grid, filled up with zeros where they overhang the array."""
    grid = [-(-length // side) for length, side in zip(array.shape, chunk, strict=True)]
    pieces: list[Array] = []
    for position in itertools.product(*map(range, grid)):
        inside = array[tuple(slice(p * side, (p + 1) * side) for p, side in zip(position, chunk, strict=True))]
        piece = np.zeros(chunk, array.dtype)
        piece[tuple(map(slice, inside.shape))] = inside
        pieces.append(piece)
    return pieces


def counting(dtype: str, shape: tuple[int, ...]) -> Array:
    return np.arange(1, math.prod(shape) + 1).astype(dtype).reshape(shape)


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    return Growing(tmp_path / "grown.h5")


@pytest.mark.parametrize(
    ("data", "hashed"),
    [(b"", 0xDEADBEEF), (b"Four score and seven years ago", 0x17770551)],
)
def test_lookup3_agrees_with_its_authors_vectors(data: bytes, hashed: int) -> None:
    assert lookup3(data) == hashed


def test_lookup3_agrees_with_the_checksums_libhdf5_writes(tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    with h5py.File(path, "w", libver="latest"):
        pass
    superblock = path.read_bytes()[:48]
    assert lookup3(superblock[:44]) == int.from_bytes(superblock[44:], "little")


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_comes_back_in_either_layout(growing: Growing, dtype: str) -> None:
    kind = np.dtype(dtype)
    limits = np.finfo(kind) if kind.kind == "f" else np.iinfo(kind)
    array = np.array([[limits.min, limits.max, 0], [1, 2, 3]], kind)
    members = {"whole": growing.contiguous(array), "pieces": growing.write_chunks(array, (1, 2), deflate=4)}
    with h5py.File(growing.finish(Group(members))) as file:
        for name in members:
            assert file[name].dtype == kind
            np.testing.assert_array_equal(file[name][()], array)


def test_floats_keep_every_bit(growing: Growing) -> None:
    array = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, np.pi])
    with h5py.File(growing.finish(Group({"x": growing.contiguous(array)}))) as file:
        assert file["x"][()].tobytes() == array.tobytes()


@pytest.mark.parametrize("dtype", [">i4", "<f2", "?", "<c8", "S3"])
def test_other_dtypes_are_refused(growing: Growing, dtype: str) -> None:
    with pytest.raises(ValueError, match="not a little-endian"):
        growing.finish(Group({"x": Dataset(np.dtype(dtype), (1,), Contiguous(2048))}))


def test_layouts_are_named_as_they_are(growing: Growing) -> None:
    array = counting("<f4", (10, 6))
    root = Group(
        {
            "whole": growing.contiguous(array),
            "plain": growing.write_chunks(array, (4, 5)),
            "deflated": growing.write_chunks(array, (3, 6), deflate=7),
        }
    )
    with h5py.File(growing.finish(root)) as file:
        assert (file["whole"].chunks, file["whole"].compression) == (None, None)
        assert (file["plain"].chunks, file["plain"].compression) == ((4, 5), None)
        assert (file["deflated"].chunks, file["deflated"].compression) == ((3, 6), "gzip")
        assert file["deflated"].compression_opts == 7
        for name in root.members:
            assert (file[name].shape, file[name].maxshape) == ((10, 6), (10, 6))
            np.testing.assert_array_equal(file[name][()], array)


@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 2, 5)])
def test_arrays_without_elements(growing: Growing, shape: tuple[int, ...]) -> None:
    array = np.zeros(shape, "<f8")
    root = Group(
        {"whole": growing.contiguous(array), "pieces": growing.write_chunks(array, (2,) * len(shape), deflate=1)}
    )
    with h5py.File(growing.finish(root)) as file:
        assert file["whole"][()].shape == file["pieces"][()].shape == shape


def test_scalar(growing: Growing) -> None:
    with h5py.File(growing.finish(Group({"x": growing.contiguous(np.array(1.5))}))) as file:
        assert file["x"].shape == ()
        assert file["x"][()] == 1.5


@pytest.mark.parametrize("count", [1, 2, 63, 64, 65, 127, 128, 129, 4096, 4097, 5000])
def test_chunk_trees_of_every_height(growing: Growing, count: int) -> None:
    array = counting("<i4", (3 * count - 1, 2))
    path = growing.finish(Group({"x": growing.write_chunks(array, (3, 2))}))
    random = np.random.default_rng(count)
    with h5py.File(path) as file:
        dataset = file["x"]
        assert dataset.id.get_num_chunks() == count
        for row in random.integers(0, len(array), 50):
            np.testing.assert_array_equal(dataset[row], array[row])
        for start in random.integers(0, len(array), 20):
            np.testing.assert_array_equal(dataset[start : start + 400], array[start : start + 400])
        np.testing.assert_array_equal(dataset[()], array)


@pytest.mark.parametrize(("shape", "chunk"), [((50, 70), (3, 4)), ((9, 65), (9, 1)), ((5, 20, 30), (2, 3, 4))])
def test_grids_along_several_axes(growing: Growing, shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    array = counting("<f8", shape)
    path = growing.finish(Group({"x": growing.write_chunks(array, chunk, deflate=1)}))
    random = np.random.default_rng(0)
    with h5py.File(path) as file:
        for _ in range(60):
            corners = [sorted(random.integers(0, length + 1, 2)) for length in shape]
            box = tuple(slice(low, high) for low, high in corners)
            np.testing.assert_array_equal(file["x"][box], array[box])


def test_neighbouring_nodes_of_a_level_know_each_other(growing: Growing) -> None:
    data = growing.finish(Group({"x": growing.write_chunks(counting("<i4", (5000,)), (1,))})).read_bytes()
    nodes = [place for place in range(0, len(data), 8) if data.startswith(b"TREE", place)]
    levels = {level: [place for place in nodes if data[place + 5] == level] for level in (0, 1, 2)}
    assert {level: len(places) for level, places in levels.items()} == {0: 79, 1: 2, 2: 1}
    nowhere = 2**64 - 1
    for places in levels.values():
        siblings = [struct.unpack_from("<2Q", data, place + 8) for place in places]
        assert siblings == list(zip([nowhere, *places[:-1]], [*places[1:], nowhere], strict=True))


def test_a_million_chunks_are_within_the_format(growing: Growing) -> None:
    """Every chunk the same bytes: the tree alone is on trial."""
    address = growing.append(np.array([7], "<i8").tobytes())
    count = 10**6
    storage = Chunked((1,), np.full(count, address, np.uint64), np.full(count, 8, np.uint32))
    with h5py.File(growing.finish(Group({"x": Dataset(np.dtype("<i8"), (count,), storage)}))) as file:
        places = np.unique(np.random.default_rng(0).integers(0, count, 200))
        assert [file["x"][place] for place in (0, *places, count - 1)] == [7] * (len(places) + 2)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_array_comes_back(tmp_path: Path, data: st.DataObject) -> None:
    sides = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9)), min_size=1, max_size=4)
    shape, chunk = zip(*data.draw(sides), strict=True)
    array = counting(data.draw(st.sampled_from(DTYPES)), shape)
    deflate = data.draw(st.none() | st.integers(0, 9))
    growing = Growing(tmp_path / "any.h5")
    root = Group({"pieces": growing.write_chunks(array, chunk, deflate), "whole": growing.contiguous(array)})
    with h5py.File(growing.finish(root)) as file:
        for name in root.members:
            np.testing.assert_array_equal(file[name][()], array, strict=True)


def test_tree_of_groups(growing: Growing) -> None:
    leaf = growing.contiguous(counting("<i2", (4,)))
    many = Group({f"member {number:03}": leaf for number in range(100)})
    root = Group({"a": Group({"b": Group({"leaf": leaf}), "empty": Group({})}), "many": many, "größe μ": leaf})
    with h5py.File(growing.finish(root)) as file:
        assert set(file) == {"a", "many", "größe μ"}
        assert set(file["a"]) == {"b", "empty"}
        assert list(file["a/empty"]) == []
        assert list(file["many"]) == list(many.members)
        for name in ("a/b/leaf", "many/member 099", "größe μ"):
            assert file[name][()].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("name", ["", ".", "a/b", "a\0b"])
def test_names_no_group_can_hold_are_refused(growing: Growing, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name|NUL"):
        growing.finish(Group({name: Group({})}))


def test_attributes_are_str_and_int(growing: Growing) -> None:
    texts = {f"text of {length}": "x" * length for length in (0, 1, 7, 8, 4047, 4048, 4049, 4064, 60_000)}
    attributes: dict[str, str | int] = {"unit μ": "m·s⁻¹", "smallest": -(2**63), "largest": 2**63 - 1, **texts}
    root = Group({"x": growing.contiguous(counting("<f4", (2,)), attributes), "g": Group({}, attributes)}, attributes)
    with h5py.File(growing.finish(root)) as file:
        for holder in (file, file["x"], file["g"]):
            assert dict(holder.attrs) == attributes
            assert type(holder.attrs["unit μ"]) is str
            assert holder.attrs["largest"].dtype == np.int64


@pytest.mark.parametrize("length", range(4000, 4100, 5))
def test_heaps_about_the_smallest_size(growing: Growing, length: int) -> None:
    attributes = {"long": "x" * length, "short": "y"}
    with h5py.File(growing.finish(Group({}, attributes))) as file:
        assert dict(file.attrs) == attributes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_attributes_of_any_tree_come_back(tmp_path: Path, data: st.DataObject) -> None:
    """Texts of datasets share a heap, those of groups do not: each must find its own."""
    texts = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=300)
    attributes = st.dictionaries(st.sampled_from("abcdef"), texts | st.integers(-(2**63), 2**63 - 1), max_size=4)
    growing = Growing(tmp_path / "any.h5")
    array = counting("<f4", (2,))

    def tree(depth: int) -> Group:
        members: dict[str, Group | Dataset] = {}
        for name in data.draw(st.lists(st.sampled_from("uvwxyz"), unique=True, max_size=4)):
            leaf = growing.contiguous(array, data.draw(attributes))
            members[name] = tree(depth - 1) if depth and data.draw(st.booleans()) else leaf
        return Group(members, data.draw(attributes))

    root = tree(2)

    def same(node: Group | Dataset, found: h5py.Group | h5py.Dataset) -> None:
        assert dict(found.attrs) == node.attributes
        if isinstance(node, Group):
            assert set(found) == set(node.members)
            for name, member in node.members.items():
                same(member, found[name])

    with h5py.File(growing.finish(root)) as file:
        same(root, file)


def test_more_texts_than_a_heap_numbers_are_refused(growing: Growing) -> None:
    leaf = growing.contiguous(counting("<f4", (2,)), {f"a{number}": "x" for number in range(700)})
    with pytest.raises(ValueError, match="more than one heap holds"):
        growing.finish(Group({f"m{number}": leaf for number in range(100)}))


def test_text_with_a_nul_is_refused(growing: Growing) -> None:
    with pytest.raises(ValueError, match="NUL"):
        growing.finish(Group({}, {"text": "a\0b"}))


def test_a_finished_file_can_be_added_to(growing: Growing) -> None:
    array = counting("<f4", (200, 3))
    members = {f"x{number}": growing.write_chunks(array, (2, 3), deflate=1) for number in range(9)}
    attributes = {f"attribute {number}": "old" for number in range(9)}
    path = growing.finish(Group(members, attributes))
    with h5py.File(path, "r+") as file:
        file.attrs["added"] = "new"
        file.attrs["attribute 3"] = "changed"
        file["x0"].attrs["added"] = "new"
        file["x0"][7] = -1
        file["added"] = array
    with h5py.File(path) as file:
        assert dict(file.attrs) == {**attributes, "attribute 3": "changed", "added": "new"}
        assert dict(file["x0"].attrs) == {"added": "new"}
        assert set(file) == {*members, "added"}
        changed = array.copy()
        changed[7] = -1
        np.testing.assert_array_equal(file["x0"][()], changed)
        for name in ("x1", "x8", "added"):
            np.testing.assert_array_equal(file[name][()], array)


def test_a_flipped_bit_in_a_header_is_noticed(growing: Growing) -> None:
    path = growing.finish(Group({"x": growing.contiguous(counting("<f4", (2,)))}))
    sound = path.read_bytes()
    headers = [place for place in range(len(sound)) if sound.startswith(b"OHDR", place)]
    assert len(headers) == 2
    for place in (*headers, 0):
        damaged = bytearray(sound)
        damaged[place + 24] ^= 1
        path.write_bytes(damaged)
        with pytest.raises((OSError, KeyError), match="(?i)checksum"), h5py.File(path) as file:
            file["x"][()]


def test_a_file_cut_short_is_noticed(growing: Growing) -> None:
    path = growing.finish(Group({}))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(OSError, match="truncated"):
        h5py.File(path)


def test_chunks_must_match_the_grid() -> None:
    storage = Chunked((2,), np.zeros(2, np.uint64), np.zeros(2, np.uint32))
    with pytest.raises(ValueError, match="needs 3 addresses"):
        skeleton(Group({"x": Dataset(np.dtype("<f4"), (5,), storage)}), 2048)


def test_metadata_begin_on_a_multiple_of_8() -> None:
    with pytest.raises(ValueError, match="multiple of 8"):
        skeleton(Group({}), 2049)
