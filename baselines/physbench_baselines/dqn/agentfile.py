"""Files of agents: the weights of a network and a card, in `.safetensors`.

A file may come from an enemy, so it is checked and never run as code. A header in the metadata has the sizes and the
card. A checksum covers the header and the weights. The file is read once, so what is checked is what is loaded.
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from physbench.errors import MissingPackage, ModelError, PhysbenchError
from physbench.files import read_regular_file, write_whole
from physbench_baselines.dqn.sizes import MOST_WEIGHTS, AgentSizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FORMAT = "physbench-agent 1"

MOST_BYTES = 4 * MOST_WEIGHTS + (1 << 20)
"""The most bytes of a file: weights as float32 and a header."""

MOST_HEADER = 1 << 16

KINDS = {"F16": np.dtype("<f2"), "F32": np.dtype("<f4")}


@dataclass(frozen=True)
class Agent:
    """An agent as its file describes it."""

    sizes: AgentSizes
    weights: Mapping[str, NDArray[np.float32]]
    card: Mapping[str, Any]
    sha256: str  # of the file


def save(
    path: Path | str, sizes: AgentSizes, weights: Mapping[str, NDArray[np.float32]], *, card: Mapping[str, Any]
) -> None:
    """Write an agent with its weights as float16; the same agent always gives the same bytes."""
    package = _package()
    with np.errstate(over="ignore"):  # checked below
        arrays = {name: np.ascontiguousarray(array, dtype=np.float16) for name, array in weights.items()}
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise ModelError(f"{name} of the agent holds numbers that float16 cannot: nothing was written to {path}")
    content = package.numpy.save(arrays)
    first = 8 + int.from_bytes(content[:8], "little")
    header = json.dumps({"format": FORMAT, "sizes": asdict(sizes), "card": dict(card)}, allow_nan=False)
    metadata = {"physbench": header, "sha256": sha256(header.encode() + content[first:]).hexdigest()}
    text = json.dumps({"__metadata__": metadata, **json.loads(content[8:first])}).encode()
    text += b" " * (-len(text) % 8)
    write_whole(Path(path), b"".join((len(text).to_bytes(8, "little"), text, content[first:])))


def load(path: Path | str) -> Agent:
    """Read an agent, or raise ModelError with one sentence if the file is not a whole agent."""
    path = Path(path)
    try:
        content = read_regular_file(path, MOST_BYTES)
    except PhysbenchError as error:
        raise ModelError(f"no agent can be read: {error}") from None
    header = _header(content, path)
    sizes = _sizes(header.get("sizes"), path)
    try:
        entries = _package().deserialize(content)
    except _package().SafetensorError as error:
        why = str(error).removeprefix("Error while deserializing: ")[:100]
        raise ModelError(f"{path} is a damaged agent: its arrays are not where its list says ({why})") from None
    return Agent(sizes, _arrays(entries, sizes, path), cast("Any", header.get("card")), sha256(content).hexdigest())


def shapes(sizes: AgentSizes) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the arrays of an agent of these sizes."""
    found: dict[str, tuple[int, ...]] = {}
    place, depth = 0, sizes.stack
    for channels, kernel, shape in zip(sizes.channels, sizes.kernels, sizes.shapes(), strict=True):
        found |= _pair(f"body.{place}", (channels, depth, kernel, kernel), (channels,))
        if sizes.normalise:
            found |= _pair(f"body.{place + 1}", (channels, *shape), (channels, *shape))
        place, depth = place + 2 + sizes.normalise, channels
    found |= _pair(f"body.{place + 1}", (sizes.hidden, depth * math.prod(sizes.shapes()[-1])), (sizes.hidden,))
    if sizes.normalise:
        found |= _pair(f"body.{place + 2}", (sizes.hidden,), (sizes.hidden,))
    return found | _pair("head", (sizes.actions, sizes.hidden), (sizes.actions,))


def _pair(name: str, weight: tuple[int, ...], bias: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": weight, f"{name}.bias": bias}


def _header(content: bytes, path: Path) -> dict[str, Any]:
    length = int.from_bytes(content[:8], "little")
    if not 2 <= length <= MOST_HEADER or 8 + length > len(content):
        raise ModelError(f"{path} is not an agent: it does not begin as a .safetensors file with a short header")
    try:
        metadata: Any = json.loads(content[8 : 8 + length]).get("__metadata__") or {}
        text, checksum = metadata.get("physbench"), metadata.get("sha256")
        given: Any = json.loads(text)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise ModelError(f"{path} is not an agent of physbench: its metadata have no header of ours") from None
    header = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    if header.get("format") != FORMAT or not isinstance(header.get("card"), dict):
        raise ModelError(f"{path} is not an agent of physbench: its header does not say {FORMAT!r} and have a card")
    data = content[8 + length :]
    if sha256(text.encode("utf-8", "surrogatepass") + data).hexdigest() != checksum:
        raise ModelError(f"{path} is a damaged agent: its weights are not those that were written")
    return header


def _sizes(given: Any, path: Path) -> AgentSizes:
    known = {item.name for item in fields(AgentSizes)}
    if not isinstance(given, dict) or given.keys() != known:
        raise ModelError(f"{path} does not have the sizes of an agent: {', '.join(sorted(known))}")
    try:
        sizes = AgentSizes(**cast("dict[str, Any]", given))
    except ModelError as error:
        raise ModelError(f"{path} has sizes that no agent can have: {error}") from None
    return sizes


def _arrays(entries: Any, sizes: AgentSizes, path: Path) -> dict[str, NDArray[np.float32]]:
    wanted = shapes(sizes)
    there = {name: entry for name, entry in entries}
    for name in sorted(wanted.keys() ^ there.keys()):
        raise ModelError(
            f"{path} does not have the weights of an agent of its sizes: {name[:60]!r} is"
            f" {'missing' if name in wanted else 'unknown'}"
        )
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, shape in wanted.items():
        entry = there[name]
        if entry["dtype"] not in KINDS or tuple(entry["shape"]) != shape:
            raise ModelError(
                f"{path}: {name!r} is {entry['dtype']} of the shape {tuple(entry['shape'])}, not F16 or F32 of {shape}"
            )
        arrays[name] = np.frombuffer(entry["data"], KINDS[entry["dtype"]]).reshape(shape).astype(np.float32)
        if not np.isfinite(arrays[name]).all():
            raise ModelError(f"{path}: the weights {name!r} hold numbers that are not finite")
    return arrays


def _package() -> Any:
    try:
        import safetensors.numpy
    except ImportError:
        raise MissingPackage(
            "agents are read and written with the package safetensors: pip install 'physbench[train]'"
        ) from None
    _ = safetensors.numpy  # the import loads it too
    return safetensors
