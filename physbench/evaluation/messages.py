"""The messages of a pipe: one JSON line, then the arrays that it lists. The exact form is in docs/pipe.md."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from physbench.errors import ModelError

LONGEST_HEADER = 1 << 16
"""Bytes of a JSON line, its newline included."""

STORED = {"float32": np.dtype("<f4"), "uint8": np.dtype("u1"), "uint64": np.dtype("<u8")}
"""The element types of arrays, by the names they have in a header."""

LONGEST_EXCERPT = 80
"""How many characters of a wrong answer an error message quotes."""


@dataclass(frozen=True)
class MessageLayout:
    """The name, type and shape of an array in a message, as expected or as announced."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    optional: bool = False

    @property
    def nbytes(self) -> int:
        """Return the size of the array in bytes."""
        return math.prod(self.shape) * STORED[self.dtype].itemsize


def encode(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> list[memoryview]:
    """Encode a message as a list of pieces, to be written one after the other."""
    stored = {name: np.ascontiguousarray(array, STORED[array.dtype.name]) for name, array in arrays.items()}
    listed = [{"name": name, "dtype": array.dtype.name, "shape": list(array.shape)} for name, array in stored.items()]
    line = json.dumps({**header, **({"arrays": listed} if listed else {})}, separators=(",", ":")) + "\n"
    return [memoryview(line.encode()), *(memoryview(array.tobytes()) for array in stored.values())]


def decode_header(line: bytes) -> dict[str, Any]:
    """Read the JSON line of an answer."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    try:
        header = json.loads(line.decode("utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError):
        raise ModelError(f"it answered {excerpt(line)}, which is not a line of JSON") from None
    if not isinstance(header, dict):
        raise ModelError(f"it answered {excerpt(line)}, which is not a JSON object")
    return cast("dict[str, Any]", header)


def require_keys(header: Mapping[str, Any], *, required: Sequence[str] = (), allowed: Sequence[str] = ()) -> None:
    """Refuse an answer that lacks a required key or has an unknown one."""
    for key in required:
        if key not in header:
            raise ModelError(f"its answer has no {key!r}")
    for key in header:
        if key not in required and key not in allowed:
            known = ", ".join((*required, *allowed)) or "nothing"
            raise ModelError(f"its answer has the key {excerpt(key)}, which means nothing: there is {known}")


def read_announcement(header: Mapping[str, Any], expected: Sequence[MessageLayout]) -> list[MessageLayout]:
    """Return which of the expected arrays follow a header, in their order. Refuse anything else."""
    require_keys(header, allowed=("arrays",))
    listed: Any = header.get("arrays", [])
    if not isinstance(listed, list):
        raise ModelError(f"'arrays' is a list of arrays, not {excerpt(listed)}")
    layouts = {layout.name: layout for layout in expected}
    found: list[MessageLayout] = []
    for entry in cast("list[Any]", listed):
        name = cast("dict[str, Any]", entry).get("name") if isinstance(entry, dict) else None
        layout = layouts.pop(name, None) if isinstance(name, str) else None
        if layout is None:
            awaited = ", ".join(layouts) or "no more"
            raise ModelError(f"its answer lists the array {excerpt(entry)} where {awaited} is expected")
        if entry != (wanted := {"name": layout.name, "dtype": layout.dtype, "shape": list(layout.shape)}):
            raise ModelError(f"its answer lists the array {excerpt(entry)}, not {json.dumps(wanted)}")
        found.append(layout)
    for layout in layouts.values():
        if not layout.optional:
            raise ModelError(f"its answer has no {layout.name}")
    return found


def decode_arrays(body: bytearray, layouts: Sequence[MessageLayout]) -> dict[str, NDArray[Any]]:
    """Cut the bytes behind a header into arrays."""
    arrays: dict[str, NDArray[Any]] = {}
    start = 0
    for layout in layouts:
        stored = np.frombuffer(body, STORED[layout.dtype], math.prod(layout.shape), start)
        arrays[layout.name] = stored.astype(layout.dtype).reshape(layout.shape)
        start += layout.nbytes
    return arrays


def excerpt(value: Any) -> str:
    """Quote the beginning of what a model said, so that it can be printed."""
    try:
        text = repr(value[:LONGEST_EXCERPT]) if isinstance(value, (bytes, str)) else json.dumps(value)
    except RecursionError:
        return "something nested too deeply"
    return text if len(text) <= 2 * LONGEST_EXCERPT else f"{text[: 2 * LONGEST_EXCERPT]}..."
