"""Weights on disk: written whole or not at all, loaded as data, never as code.

One content in two containers: weights by name, and a header that says which architecture of which sizes they fill. `.safetensors` is for giving away;
`.pt` may hold the state of a training run beside. A reader goes by the bytes and not by the suffix, believes no size before it has looked at it, and
reads the file once: what is hashed is what is loaded.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
import secrets
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_type_hints

import numpy as np

from physbench.errors import DamagedFile, HostileFile, MissingPackage, ModelError, StorageError
from physbench.model import Origin
from physbench.registry import attribute

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import nn

    from physbench_baselines.adapter import TorchModel

    Arrays = dict[str, NDArray[Any]]  # as they are stored: float32, float16, int8, and uint16 for the bits of bfloat16
    Entries = dict[str, tuple[str, tuple[int, ...], int, int]]  # the type, the shape, the first byte and the one after the last of each array

FORMAT, FORMAT_VERSION, ZIP = "physbench-checkpoint", 1, b"PK\x03\x04"

ARCHITECTURES: dict[str, str] = {"nem": "physbench_baselines.nem:NemSizes"}
"""The sizes of each: a frozen dataclass of numbers, words and tuples of whole numbers, whose `build()` makes the network."""

CARD = {"name": str, "model_link": str, "paper_link": str, "training": str, "train_seed": int, "steps": int, "sequences": int}  # others may be there

MOST_BYTES, MOST_HEADER, MOST_AXES = 1 << 31, 1 << 20, 8
MANY = 1_000_000  # entries, of a matrix worth storing as int8

TYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2"), "BF16": np.dtype("<u2"), "I8": np.dtype("i1")}


@dataclass(frozen=True)
class Header:
    """What a file says of its weights, checked for form; its sizes not yet for sense."""

    architecture: str
    sizes: Mapping[str, Any]
    card: Mapping[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    network: nn.Module
    header: Header
    sha256: str  # of the file
    training: Any = None  # the state of a run that can go on; in .pt only

    @property
    def card(self) -> Mapping[str, Any]:
        return self.header.card


def save(
    path: Path | str, network: nn.Module, *, card: Mapping[str, Any] | None = None, half: bool = False, quantise: bool = False, training: Any = None
) -> None:
    """half: as float16; quantise: big matrices as int8 with a scale per row. What was there is replaced at once or not at all."""
    path = Path(path)
    if path.suffix not in (".safetensors", ".pt") or (training is not None and path.suffix != ".pt"):
        raise StorageError(f"{path} must end in .safetensors, or in .pt for a run that is to go on")
    if path.is_dir() or not path.parent.is_dir():
        raise StorageError(f"{path} is a directory" if path.is_dir() else f"there is no directory {path.parent}")
    sizes: Any = getattr(network, "sizes", None)
    architecture = getattr(network, "architecture", None) or next((name for name, place in ARCHITECTURES.items() if attribute(place) is type(sizes)), None)
    if sizes is None or architecture not in ARCHITECTURES:
        raise ModelError(f"{type(network).__name__} has no sizes of a known architecture: there is {', '.join(ARCHITECTURES)}")
    header = {"format": FORMAT, "version": FORMAT_VERSION, "architecture": architecture, "sizes": asdict(sizes), "card": dict(card or {})}
    try:
        text = json.dumps(header, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise StorageError(f"the card for {path} is not plain JSON: {error}") from None
    weights = _stored(network, half=half, quantise=quantise)
    content = _safetensors(text, weights) if path.suffix == ".safetensors" else _zipped(text, weights, training)
    try:
        _read(content, path)
    except StorageError as error:
        raise StorageError(f"nothing was written, because it would not be read again: {error}") from None
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)


def load(path: Path | str) -> Checkpoint:
    """The network of a file with its weights filled in, on the CPU; one sentence for anything but a whole checkpoint."""
    path = Path(path)
    content = _content(path)
    header, arrays, training = _read(content, path)
    return Checkpoint(_filled(header, arrays, path), header, sha256(content).hexdigest(), training)


def model(path: Path | str, *, device: str = "cpu") -> TorchModel:
    """A checkpoint as the evaluator wants it, with what its card says of where it comes from."""
    from physbench_baselines.adapter import TorchModel

    checkpoint = load(path)
    told: Any = {name: checkpoint.card.get(name) for name in ("train_seed", "model_link", "paper_link", "training")}
    return TorchModel(cast("Any", checkpoint.network), device=device, origin=Origin(weights_sha256=checkpoint.sha256, **told))


def inspect(path: Path | str) -> Header:
    """The header alone: no network is built, and for .safetensors torch is not needed."""
    path = Path(path)
    content = _content(path)
    return _unzipped(content, path)[0] if content.startswith(ZIP) else _safetensors_header(content, path)[0]


def _content(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise StorageError(f"{path} is not a file" if path.exists() else f"there is no file {path}")
        with path.open("rb") as file:
            content = file.read(min(os.fstat(file.fileno()).st_size, MOST_BYTES) + 1)
    except OSError as error:
        raise StorageError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > MOST_BYTES:
        raise HostileFile(f"{path} is larger than {MOST_BYTES:,} bytes, which no checkpoint is")
    if not content.startswith(ZIP) and content[8:9] != b"{":
        raise StorageError(f"{path} is not a checkpoint: {_looks_like(content)}")
    return content


def _looks_like(content: bytes) -> str:
    start = content[:64].lstrip().lower()
    if start.startswith((b"<!doctyp", b"<html")):
        return "it looks like a web page, perhaps an error message saved under this name; download the file itself"
    if start.startswith(b"version https://git-lfs"):
        return "it is what Git LFS left in its place; run 'git lfs pull'"
    if start.startswith(b"\x80"):
        return "it is a pickle, as old PyTorch wrote it too, which can run code and is never loaded; ask its author for .safetensors"
    return f"it begins with {content[:8]!r}" if content else "it is empty; download it again"


def _read(content: bytes, path: Path) -> tuple[Header, Arrays, Any]:
    if content.startswith(ZIP):
        return _unzipped(content, path)
    header, entries = _safetensors_header(content, path, whole=True)
    return header, {name: np.frombuffer(content, TYPES[kind], math.prod(shape), at).reshape(shape) for name, (kind, shape, at, _) in entries.items()}, None


def _safetensors(header: str, arrays: Arrays) -> bytes:
    ordered = sorted(arrays.items(), key=lambda item: (-item[1].itemsize, item[0]))  # so that each begins at a multiple of its size
    data = b"".join(array.tobytes() for _, array in ordered)
    entries: dict[str, Any] = {"__metadata__": {"physbench": header, "sha256": sha256(header.encode() + data).hexdigest()}}
    at = 0
    for name, array in ordered:
        kind = next(kind for kind, dtype in TYPES.items() if dtype == array.dtype)
        entries[name] = {"dtype": kind, "shape": array.shape, "data_offsets": (at, at := at + array.nbytes)}
    text = json.dumps(entries).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + data


def _safetensors_header(content: bytes, path: Path, *, whole: bool = False) -> tuple[Header, Entries]:
    """Every byte of the data belongs to exactly one array; whole: and is what it was when it was written."""
    (length,) = struct.unpack("<Q", content[:8])
    first = 8 + length
    if length > MOST_HEADER:
        raise HostileFile(f"{path} claims a header of {length:,} bytes; at most {MOST_HEADER:,} are read")
    if first > len(content):
        raise DamagedFile(f"{path} is cut off within its header; download it again")
    entries = _parsed(content[8:first], path)
    metadata: Any = entries.pop("__metadata__", None)
    ours: Any = cast("dict[str, Any]", metadata).get("physbench") if isinstance(metadata, dict) else None
    if not isinstance(ours, str):
        raise StorageError(f"{path} is a safetensors file of another project: its metadata have no 'physbench' header")
    header = _header(ours, path)
    found: Entries = {}
    for name, entry in entries.items():
        try:
            kind, shape, (begin, end) = entry["dtype"], entry["shape"], entry["data_offsets"]
            found[name] = kind, tuple(shape), first + begin, first + end
            whole_numbers = all(type(n) is int and 0 <= n <= MOST_BYTES for n in (*shape, begin, end))
            if not whole_numbers or len(entry) != 3 or len(shape) > MOST_AXES or math.prod(shape) * TYPES[kind].itemsize != end - begin:
                raise ValueError
        except (TypeError, ValueError, KeyError):
            raise HostileFile(f"{path}: the type, the shape and the bytes of {name[:60]!r} do not fit together") from None
    at = first
    for begin, end in sorted(entry[2:] for entry in found.values()):
        if begin != at:
            raise HostileFile(f"{path}: its arrays {'overlap' if begin < at else 'leave a gap'} at byte {min(at, begin):,}")
        at = end
    if at != len(content):
        raise DamagedFile(f"{path} has {len(content):,} bytes and describes {at:,}: it was cut off or added to; download it again")
    if whole and cast("dict[str, Any]", metadata).get("sha256") != sha256(ours.encode() + content[first:]).hexdigest():
        raise DamagedFile(f"{path} is damaged: its weights are not those that were written; download it again")
    return header, found


def _zipped(header: str, arrays: Arrays, training: Any) -> bytes:
    torch = _torch()
    buffer = io.BytesIO()
    torch.save({"header": header, "weights": {name: torch.from_numpy(array) for name, array in arrays.items()}, "training": training}, buffer)
    return buffer.getvalue()


def _unzipped(content: bytes, path: Path) -> tuple[Header, Arrays, Any]:
    """By torch, from a copy of the archive with nothing in it but what weights need."""
    members = _members(content, path)
    torch = _torch()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as copy:
        for name, data in members.items():
            copy.writestr(f"checkpoint/{name}", data)
    archive.seek(0)
    try:
        told: Any = torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # a stranger's pickle makes torch raise anything
        found = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it asks for {found[1][:60]!r}, which could run code" if found else f"torch says {str(error)[:100]!r}"
        raise HostileFile(f"{path} holds more than weights and was not loaded: {why}; ask its author for .safetensors") from None
    entries = cast("dict[str, Any]", told if isinstance(told, dict) else {})
    if not isinstance(entries.get("header"), str) or not isinstance(entries.get("weights"), dict) or not entries.keys() <= {"header", "weights", "training"}:
        raise StorageError(f"{path} is a PyTorch file of another project: it does not hold 'header' and 'weights' as a checkpoint does")
    header = _header(entries["header"], path)
    arrays: Arrays = {}
    for name, tensor in entries["weights"].items():
        try:
            arrays[name] = (tensor.detach().view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor.detach()).numpy()
            if not isinstance(name, str) or arrays[name].dtype not in TYPES.values():
                raise TypeError
        except (AttributeError, TypeError, RuntimeError, ValueError):
            raise HostileFile(f"{path}: {str(name)[:60]!r} is not an array of weights") from None
    return header, arrays, entries.get("training")


def _members(content: bytes, path: Path) -> dict[str, bytes]:
    """What torch needs of an archive, stored as it is, so that no size can be claimed that is not there."""
    if content[-22:-18] != b"PK\x05\x06":
        raise DamagedFile(f"{path} is cut off: it begins like a zip archive and does not end like one; download it again")
    listed = [content[-10:-6], content[-58:-50] if content[-98:-94] == b"PK\x06\x06" else b""]  # the length of the list of members, in its two forms
    if max(int.from_bytes(length, "little") for length in listed) > MOST_HEADER:
        raise HostileFile(f"{path} claims a list of members of more than {MOST_HEADER:,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            names = [info.filename.partition("/")[2] for info in infos]
            if said := _other_archive(names, [info.filename for info in infos]):
                raise StorageError(f"{path} {said}")
            if len(set(names)) < len(names) or any(info.compress_type or info.compress_size != info.file_size for info in infos):
                raise HostileFile(f"{path} has members that are compressed or of the same name, which PyTorch does not write")
            if (claimed := sum(info.file_size for info in infos)) > len(content):
                raise HostileFile(f"{path} has {len(content):,} bytes and claims members of {claimed:,}")
            return {name: archive.read(info) for name, info in zip(names, infos, strict=True) if re.fullmatch(r"data\.pkl|version|byteorder|data/\d+", name)}
    except (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError) as error:
        raise DamagedFile(f"{path} is a damaged zip archive ({str(error)[:100]!r}); download it again") from None


def _other_archive(names: list[str], full_names: list[str]) -> str | None:
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "is a TorchScript program, which would be run; save the weights of the network instead"
    if {"archive_format", "archive_version"} & set(names) or any(name.startswith("models/") for name in names):
        return "is a program of torch.export (.pt2), which would be run; save the weights of the network instead"
    if any(name.endswith(".npy") for name in full_names):
        return "is an archive of NumPy arrays (.npz), not a checkpoint"
    return None if "data.pkl" in names else f"is a zip archive of something else, beginning with {str(full_names[:1])[:80]}"


def _torch() -> Any:
    from physbench_baselines.adapter import torch

    if tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2]) < (2, 10):
        raise MissingPackage(f"a .pt is only read and written with PyTorch 2.10 or newer, not {torch.__version__}: pip install -U torch")
    return torch


def _parsed(raw: bytes, path: Path) -> dict[str, Any]:
    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError("a name comes twice")
        return dict(pairs)

    try:
        told = json.loads(raw.decode(), object_pairs_hook=once)
        json.dumps(told, allow_nan=False)  # JSON has no number that is not finite, but Python reads them
    except (ValueError, RecursionError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]
        raise HostileFile(f"the header of {path} is not JSON as it should be: {why}") from None
    if not isinstance(told, dict):
        raise HostileFile(f"the header of {path} is not a JSON object")
    return cast("dict[str, Any]", told)


def _header(text: str, path: Path) -> Header:
    if len(text) > MOST_HEADER or not text.isprintable() or not re.fullmatch(r'(?:[^\\]|\\["\\/])*', text):
        raise HostileFile(f"the header of {path} is longer than {MOST_HEADER:,} characters or holds some that cannot be printed")
    told = _parsed(text.encode(), path)
    if told.get("format") != FORMAT:
        raise StorageError(f"{path} is not a checkpoint of physbench: its header does not say {FORMAT!r}")
    if type(told.get("version")) is not int or told["version"] != FORMAT_VERSION:
        raise StorageError(f"{path} is not of checkpoint version {FORMAT_VERSION}, the one this physbench reads; perhaps a newer physbench reads it")
    architecture, sizes, card = told.get("architecture"), told.get("sizes"), told.get("card")
    if len(told) != 5 or not isinstance(architecture, str) or not isinstance(sizes, dict) or not isinstance(card, dict):
        raise HostileFile(f"the header of {path} does not have an architecture, sizes and a card, and nothing else")
    if architecture not in ARCHITECTURES:
        close = get_close_matches(architecture[:40], ARCHITECTURES, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there is {', '.join(ARCHITECTURES)}"
        raise StorageError(f"{path} is of the architecture {architecture[:40]!r}, which this physbench does not have: {hint}")
    header = Header(architecture, cast("dict[str, Any]", sizes), cast("dict[str, Any]", card))
    for name in CARD.keys() & header.card.keys():
        value: Any = header.card[name]
        if value is not None and type(value) is not CARD[name]:
            raise HostileFile(f"the card of {path} has a {type(value).__name__} for {name!r}: it is {'text' if CARD[name] is str else 'a whole number'}")
        if name.endswith("_link") and isinstance(value, str) and not value.startswith("https://"):
            raise HostileFile(f"the card of {path} has the {name} {value[:60]!r}: only https:// links are shown")
    return header


def _sizes(header: Header, path: Path) -> Any:
    kind, what = attribute(ARCHITECTURES[header.architecture]), header.architecture
    hints = get_type_hints(kind)
    names = {field.name: field.type for field in fields(kind)}
    for name in sorted(names.keys() ^ header.sizes.keys()):
        raise HostileFile(f"{path} does not have the sizes of a {what}: {name[:40]!r} is {'missing' if name in names else 'unknown'}")
    words: dict[str, Any] = {name: tuple(cast("list[Any]", value)) if isinstance(value, list) else value for name, value in header.sizes.items()}
    for name, value in words.items():
        numbers = hints[name] == tuple[int, ...] and isinstance(value, tuple) and all(type(part) is int for part in cast("tuple[Any, ...]", value))
        if not numbers and type(cast("Any", value)) is not hints[name] and not (hints[name] is float and type(value) is int):
            raise HostileFile(f"{path} has a {type(cast('Any', value)).__name__} for the size {name!r} of its {what}, which is {names[name]}")
    return kind(**words)


def _stored(network: nn.Module, *, half: bool, quantise: bool) -> Arrays:
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
                raise ModelError(f"{name} of the network holds {np.abs(array).max():g}, too much for half precision: save it without")
            arrays[name] = array.astype(np.float16)
    return arrays


@np.errstate(invalid="ignore", over="ignore")  # it is looked at afterwards
def _restored(name: str, arrays: Arrays, path: Path) -> NDArray[np.float32]:
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


def _filled(header: Header, arrays: Arrays, path: Path) -> nn.Module:
    """The network, once every name and shape is what it should be."""
    from physbench_baselines.adapter import network_with, shapes_of

    what = header.architecture
    try:
        sizes = _sizes(header, path)
        shapes = shapes_of(sizes.build)
    except (ModelError, RuntimeError, OverflowError, MemoryError, TypeError, ValueError) as error:
        raise HostileFile(f"{path} has sizes that no {what} can have: {str(error).partition(chr(10))[0][:200]}") from None
    if (needed := sum(4 * math.prod(shape) for shape in shapes.values())) > MOST_BYTES:
        raise HostileFile(f"{path} asks for a {what} of {needed:,} bytes; at most {MOST_BYTES:,} are made")
    scales = {f"{name}.scale" for name, array in arrays.items() if array.dtype == TYPES["I8"]}
    for name in sorted(shapes.keys() ^ (arrays.keys() - scales)):
        raise HostileFile(f"{path} does not have the weights of a {what} of its sizes: {name[:60]!r} is {'missing' if name in shapes else 'unknown'}")
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise HostileFile(f"{path}: {name!r} has the shape {arrays[name].shape}, and in a {what} of its sizes {shape}")
    return network_with(sizes.build, {name: _restored(name, arrays, path) for name in shapes})
