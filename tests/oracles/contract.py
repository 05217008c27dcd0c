"""The arrays of a dataset file, from the text of the contract, and their values by plain h5py."""

from __future__ import annotations

import zlib
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np

Array = np.ndarray[Any, Any]

TIME_FIRST = ("features", "groups", "collisions", "contact", "position", "velocity", "visible")
AXES = {
    "features": ("u1", "TNHWC"), "groups": ("u1", "TNHW1"), "collisions": ("u1", "TNHW1"), "contact": ("u1", "TNK"),
    "position": ("f4", "TNK2"), "velocity": ("f4", "TNK2"), "radius": ("f4", "NK"), "mass": ("f4", "NK"), "count": ("u1", "N"),
    "visible": ("u2", "TNK"), "curtain": ("i2", "N4"), "events/offset": ("i8", "O"), "events/sequence": ("u4", "M"),
    "events/time": ("f8", "M"), "events/a": ("u1", "M"), "events/b": ("u1", "M"), "events/normal": ("f8", "M2"),
    "events/impulse": ("f8", "M"), "events/position": ("f8", "M2"),
}  # fmt: skip


def sequence_first(name: str, array: Array) -> Array:
    return array.swapaxes(0, 1) if name in TIME_FIRST else array


def canonical_text(members: h5py.Group, split: str) -> str:
    """Of a split, by h5py, zlib and hashlib: a line for each array."""
    lines = ""
    for path, (dtype, _) in AXES.items():
        array = members[path][()]
        if path in ("features", "groups", "collisions"):
            sums = np.array([zlib.adler32(np.ascontiguousarray(array[:, i])) for i in range(array.shape[1])], "<u4")
            found = sha256(sums.tobytes()).hexdigest()
        else:
            found = sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        lines += f"{split}/{path} {dtype} {'x'.join(map(str, array.shape))} {found}\n"
    return lines


def digest_of(text: str) -> str:
    return sha256(f"physbench content 1\n{text}".encode()).hexdigest()


def read_stored(path: Path, split: str) -> dict[str, Array]:
    """By plain h5py, sequence first."""
    with h5py.File(path) as file:
        return {name: sequence_first(name, file[split][name][()]) for name in AXES if "/" not in name}


def same(found: dict[str, Any], truth: dict[str, Array], rows: Any) -> None:
    assert list(found) == list(truth)
    for name, array in truth.items():
        np.testing.assert_array_equal(np.asarray(found[name]), array[rows], err_msg=name)
