"""Tests that plain h5py reads exactly what was verified."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import h5py
import pytest

import physbench
from physbench.errors import HostileFile, PhysbenchError, StorageError
from physbench.generate import generate
from physbench.storage.hdf5 import lookup3
from tests.builders.spoils import change_with
from tests.oracles.contract import AXES

CHUNKED = [name for name in AXES if "/" not in name]


def tree_nodes(sound: bytes) -> dict[str, int]:
    """Where the chunk tree of each array begins, as the writer lays them: array after array, split after split."""
    places = [found.start() for found in re.finditer(b"TREE\x01\x00", sound)]
    names = [f"{split}/{name}" for split in ("training", "test") for name in CHUNKED]
    return dict(zip(names, places, strict=True))


def read_plainly(path: Path) -> dict[str, bytes] | None:
    """Every array by h5py; None if it cannot."""
    try:
        with h5py.File(path) as file:
            return {f"{split}/{name}": file[split][name][()].tobytes() for split in file for name in AXES}
    except (OSError, KeyError, RuntimeError, ValueError):
        return None


def is_refused(path: Path) -> bool:
    try:
        physbench.verify(path, depth="quick")
    except StorageError:
        return True
    return False


@pytest.mark.parametrize(
    "name", [f"{split}/{name}" for split in ("training", "test") for name in CHUNKED if name != "count"]
)
def test_one_bit_in_the_key_of_a_chunk_is_found(name: str, tiny: Any, tmp_path: Path) -> None:
    """In the element axis of the key, which a walk over the tree does not report: h5py finds no chunk, and reads zeros.

    (Of an array with one axis, `count`, it finds the chunk all the same.)
    """
    sound, path = bytearray(tiny.path.read_bytes()), tmp_path / "x.h5"
    rank = len(AXES[name.partition("/")[2]][1])
    sound[tree_nodes(bytes(sound))[name] + 24 + 8 + 8 * rank] ^= 1
    path.write_bytes(sound)
    truth, seen = read_plainly(tiny.path), read_plainly(path)
    assert truth and (seen is None or seen[name] != truth[name]), "the bit matters"
    assert is_refused(path)
    with pytest.raises(StorageError):
        physbench.verify(path)


@pytest.mark.slow
def test_whatever_bit_of_a_tree_is_flipped_h5py_reads_the_truth_or_the_file_is_refused(
    tiny: Any, tmp_path: Path
) -> None:
    sound, path, draw = tiny.path.read_bytes(), tmp_path / "x.h5", random.Random(0)
    truth, found = read_plainly(tiny.path), 0
    for _ in range(150):
        spoilt = bytearray(sound)
        at = draw.choice(list(tree_nodes(sound).values())) + draw.randrange(24 + 3 * 64)
        spoilt[at] ^= 1 << draw.randrange(8)
        path.write_bytes(spoilt)
        if is_refused(path):
            found += 1
        else:
            assert read_plainly(path) == truth, at
    assert found > 50


@pytest.mark.parametrize("name", ["features", "groups", "collisions"])
def test_a_level_of_deflate_that_hdf5_does_not_know_is_refused(name: str, tiny: Any, tmp_path: Path) -> None:
    """HDF5 would read nothing at all."""
    spoilt, path = bytearray(tiny.path.read_bytes()), tmp_path / "x.h5"
    with h5py.File(tiny.path) as file:
        at = h5py.h5o.get_info(file["training"][name].id).addr
    length = int.from_bytes(spoilt[at + 6 : at + 10], "little")
    filters = bytes([2, 1, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0])  # version, one filter, deflate, optional, one value: level 1
    assert spoilt[at : at + 4] == b"OHDR" and spoilt.count(filters, at, at + 10 + length) == 1
    spoilt[spoilt.index(filters, at) + 9] = 1
    spoilt[at + 10 + length : at + 14 + length] = lookup3(bytes(spoilt[at : at + 10 + length])).to_bytes(4, "little")
    path.write_bytes(spoilt)
    assert read_plainly(path) is None
    with pytest.raises(HostileFile, match=f"training/{name} is deflated with settings"):
        physbench.open(path)


def test_two_arrays_may_not_share_their_bytes(recipe_of: Any, tmp_path: Path) -> None:
    """Where mass and radius are all 1, one chunk could serve both, and every digest holds."""
    path = generate(
        recipe_of(test=2, frames=6, n=(2, 2), size=16, radius=1.0, radius_ratio=1.0, mass_ratio=1.0), tmp_path / "x.h5"
    )
    spoilt = bytearray(path.read_bytes())
    places = [found.start() for found in re.finditer(b"TREE\x01\x00", spoilt)]
    child = {name: places[CHUNKED.index(name)] + 24 + 8 + 8 * (len(AXES[name][1]) + 1) for name in ("radius", "mass")}
    spoilt[child["mass"] : child["mass"] + 8] = spoilt[child["radius"] : child["radius"] + 8]
    physbench.verify(path)
    path.write_bytes(spoilt)
    with h5py.File(path) as file:
        assert (file["test/mass"][:] == 1).all()
    with pytest.raises(HostileFile, match="overlap"):
        physbench.verify(path)


def float_type(**fields: int) -> h5py.h5t.TypeFloatID:
    """A float of 4 bytes that is not that of IEEE 754."""
    kind = h5py.h5t.IEEE_F32LE.copy()
    if fields.get("exponent"):
        kind.set_fields(31, 27, 4, 0, 27)
    if fields.get("bias"):
        kind.set_ebias(fields["bias"])
    if fields.get("norm"):
        kind.set_norm(h5py.h5t.NORM_NONE)
    return kind


def integer_type(*, precision: int = 0, offset: int = 0, order: int = 0) -> h5py.h5t.TypeIntegerID:
    kind = h5py.h5t.STD_U16LE.copy()
    if precision:
        kind.set_precision(precision)
    if offset:
        kind.set_offset(offset)
    if order:
        kind.set_order(h5py.h5t.ORDER_BE)
    return kind


TYPES: dict[str, tuple[str, Any]] = {
    "a float with 4 bits of exponent": ("mass", float_type(exponent=4)),
    "a float counted from another bias": ("position", float_type(bias=126)),
    "a float without its implied bit": ("velocity", float_type(norm=1)),
    "an integer of 15 bits": ("visible", integer_type(precision=15)),
    "an integer beside its bits": ("visible", integer_type(precision=12, offset=4)),
    "an integer the other way round": ("visible", integer_type(order=1)),
}


@pytest.mark.parametrize("name", TYPES)
def test_a_number_type_that_h5py_would_convert_is_refused(name: str, tiny: Any, copied: Any) -> None:
    array, kind = TYPES[name]
    path = copied(tiny)

    def retype(file: h5py.File) -> None:
        old = file["training"][array]
        stored, creation, space = old[()], old.id.get_create_plist(), old.id.get_space()
        del file["training"][array]
        made = h5py.h5d.create(file["training"].id, array.encode(), kind, space, creation)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, stored, mtype=kind)

    change_with(retype)(path)
    with pytest.raises(HostileFile, match=f"training/{array} is not of type"):
        physbench.open(path)


def test_what_a_program_cannot_walk_through_is_refused(tiny: Any, tmp_path: Path) -> None:
    """The root says that more links lie elsewhere: by name everything is found, and a walk through the file fails."""
    sound, path, broken = tiny.path.read_bytes(), tmp_path / "x.h5", 0
    with h5py.File(tiny.path) as file:
        at = h5py.h5o.get_info(file.id).addr
    width = 1 << (sound[at + 5] & 3)
    end = at + 6 + width + int.from_bytes(sound[at + 6 : at + 6 + width], "little")
    for place in range(at + 6 + width, at + 40):
        spoilt = bytearray(sound)
        spoilt[place] ^= 1
        spoilt[end : end + 4] = lookup3(bytes(spoilt[at:end])).to_bytes(4, "little")
        path.write_bytes(spoilt)
        try:
            with h5py.File(path) as file:
                file.visititems(lambda name, item: None)
        except (RuntimeError, OSError, KeyError, ValueError, TypeError):
            broken += 1
            with pytest.raises(PhysbenchError):
                physbench.verify(path)
    assert broken > 8
