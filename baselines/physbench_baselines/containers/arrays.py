"""The numbers of a network as they are stored: float32, or a smaller type with nearly the same values."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import DamagedFile, HostileFile, ModelError

if TYPE_CHECKING:
    from torch import nn

Arrays = dict[
    str, NDArray[Any]
]  # float32, float16, int8, and uint16 for the bits of bfloat16; a run's state also has other types

TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "I8": np.dtype("i1")}
STATE_TYPES = {
    **TYPES,
    "F64": np.dtype("<f8"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}

STATE = "training/"
"""Prefix of the names of what a run needs to go on, besides its weights."""

NUMBER, TABLE = f"{STATE}number/", f"{STATE}table/"
"""Prefixes of the names of plain numbers, and of tables of plain numbers."""

MANY = 10_000  # a matrix with more entries is worth storing as int8


def store(network: nn.Module, *, half: bool, quantise: bool) -> Arrays:
    """Return the arrays of a network. half: as float16. quantise: big matrices as int8 with a scale per row."""
    from physbench_baselines.adapter import weights_of

    arrays: Arrays = {}
    for name, array in weights_of(network).items():
        arrays[name] = array
        if quantise and array.ndim == 2 and array.size > MANY:
            scale = np.maximum(np.abs(array).max(axis=1) / np.float32(127), np.finfo(np.float32).tiny)
            arrays[f"{name}.scale"] = scale
            arrays[name] = np.rint(array / scale[:, None]).astype(np.int8)
        elif half:
            if np.abs(array).max(initial=0) > np.finfo(np.float16).max:
                raise ModelError(
                    f"{name} of the network holds {np.abs(array).max():g}, too much for half precision: save it without"
                )
            arrays[name] = array.astype(np.float16)
    return arrays


def packed_state(training: Mapping[str, Any]) -> Arrays:
    """Return the state of a run as arrays; it has tensors, plain numbers, and tables of plain numbers, by name."""
    arrays: Arrays = {}
    for name, value in training.items():
        if isinstance(value, dict):
            arrays |= {f"{TABLE}{name}/{key}": _number(number) for key, number in cast("dict[str, Any]", value).items()}
        else:
            plain = isinstance(value, (int, float))
            arrays[f"{NUMBER if plain else STATE}{name}"] = _number(value) if plain else value.numpy()
    for name, array in arrays.items():
        if array.dtype not in STATE_TYPES.values():
            raise TypeError(f"{name} is {array.dtype}")
    return arrays


def unpacked_state(arrays: Arrays) -> dict[str, Any] | None:
    """Return the state of a run, or None if the file has only weights."""
    numbers: dict[str, float] = {}
    tables: dict[str, dict[str, float]] = {}
    tensors: Arrays = {}
    for name, array in arrays.items():
        if name.startswith(NUMBER) and array.size == 1:
            numbers[name.removeprefix(NUMBER)] = array.item()
        elif name.startswith(TABLE) and array.size == 1:
            table, _, key = name.removeprefix(TABLE).partition("/")
            tables.setdefault(table, {})[key] = array.item()
        elif name.startswith(STATE):
            tensors[name.removeprefix(STATE)] = array
    if not (numbers or tables or tensors):
        return None
    from physbench_baselines.adapter import torch

    return {**{name: torch.from_numpy(array) for name, array in tensors.items()}, **tables, **numbers}


def _number(value: float) -> NDArray[Any]:
    return np.array(value, np.int64 if isinstance(value, int) else np.float64)


@np.errstate(invalid="ignore", over="ignore")  # checked below
def restore(name: str, arrays: Arrays, path: Path) -> NDArray[np.float32]:
    """Return an array of weights as float32."""
    array = arrays[name]
    if array.dtype == TYPES["I8"]:
        scale = arrays.get(f"{name}.scale")
        if array.ndim != 2 or scale is None or scale.dtype != np.float32 or scale.shape != array.shape[:1]:
            raise HostileFile(f"{path}: {name!r} is int8 and not a matrix with a float32 scale for each row")
        array = array * scale[:, None]
    elif array.dtype == TYPES["BF16"]:
        array = (array.astype(np.uint32) << np.uint32(16)).view(np.float32)
    if not np.isfinite(array).all():
        raise DamagedFile(f"{path}: the weights {name!r} hold numbers that are not finite")
    return array.astype(np.float32)
