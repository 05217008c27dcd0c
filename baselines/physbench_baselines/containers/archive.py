"""PyTorch's own container, `.pt`, which older runs used: a zip archive around a pickle.

torch reads it as data only.
"""

import io
import re
import struct
import zipfile
from pathlib import Path
from typing import Any, cast

from physbench.errors import DamagedFile, HostileFile, MissingPackage, StorageError
from physbench_baselines.containers.arrays import TYPES, Arrays
from physbench_baselines.containers.header import MOST_HEADER, CheckpointHeader, header_of

START = b"PK\x03\x04"
"""The first bytes of a zip archive."""


def unpack(content: bytes, path: Path) -> tuple[CheckpointHeader, Arrays, Any]:
    """Read a file with torch, from a copy of the archive that holds only what weights need."""
    members = _members(content, path)
    torch = _torch()
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as copy:
        for name, data in members.items():
            copy.writestr(f"checkpoint/{name}", data)
    archive.seek(0)
    try:
        told: Any = torch.load(archive, map_location="cpu", weights_only=True)
    except Exception as error:  # a pickle from elsewhere can make torch raise anything
        found = re.search(r"GLOBAL (\S+)", str(error))
        why = f"it asks for {found[1][:60]!r}, which could run code" if found else f"torch says {str(error)[:100]!r}"
        raise HostileFile(
            f"{path} holds more than weights and was not loaded: {why}; ask its author for .safetensors"
        ) from None
    entries = cast("dict[str, Any]", told if isinstance(told, dict) else {})
    if (
        not isinstance(entries.get("header"), str)
        or not isinstance(entries.get("weights"), dict)
        or not entries.keys() <= {"header", "weights", "training"}
    ):
        raise StorageError(
            f"{path} is a PyTorch file of another project: it does not hold 'header' and 'weights' as a checkpoint does"
        )
    header = header_of(entries["header"], path)
    arrays: Arrays = {}
    for name, tensor in entries["weights"].items():
        try:
            arrays[name] = (
                tensor.detach().view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor.detach()
            ).numpy()
            if not isinstance(name, str) or arrays[name].dtype not in TYPES.values():
                raise TypeError
        except (AttributeError, TypeError, RuntimeError, ValueError):
            raise HostileFile(f"{path}: {str(name)[:60]!r} is not an array of weights") from None
    return header, arrays, entries.get("training")


def _members(content: bytes, path: Path) -> dict[str, bytes]:
    """Read what torch needs from an archive.

    All members must be stored without compression, so that no member can claim a larger size than it has.
    """
    if content[-22:-18] != b"PK\x05\x06":
        raise DamagedFile(
            f"{path} is cut off: it begins like a zip archive and does not end like one; download it again"
        )
    listed = [
        content[-10:-6],
        content[-58:-50] if content[-98:-94] == b"PK\x06\x06" else b"",
    ]  # the length of the list of members, in its two forms
    if max(int.from_bytes(length, "little") for length in listed) > MOST_HEADER:
        raise HostileFile(f"{path} claims a list of members of more than {MOST_HEADER:,} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            names = [info.filename.partition("/")[2] for info in infos]
            if said := _other_archive(names, [info.filename for info in infos]):
                raise StorageError(f"{path} {said}")
            if len(set(names)) < len(names) or any(
                info.compress_type or info.compress_size != info.file_size for info in infos
            ):
                raise HostileFile(
                    f"{path} has members that are compressed or of the same name, which PyTorch does not write"
                )
            if (claimed := sum(info.file_size for info in infos)) > len(content):
                raise HostileFile(f"{path} has {len(content):,} bytes and claims members of {claimed:,}")
            return {
                name: archive.read(info)
                for name, info in zip(names, infos, strict=True)
                if re.fullmatch(r"data\.pkl|version|byteorder|data/\d+", name)
            }
    except (zipfile.BadZipFile, struct.error, EOFError, OSError, ValueError, RuntimeError, OverflowError) as error:
        raise DamagedFile(f"{path} is a damaged zip archive ({str(error)[:100]!r}); download it again") from None


def _other_archive(names: list[str], full_names: list[str]) -> str | None:
    if "constants.pkl" in names or any(name.startswith("code/") for name in names):
        return "is a TorchScript program, which would be run; save the weights of the network instead"
    if {"archive_format", "archive_version"} & set(names) or any(name.startswith("models/") for name in names):
        return "is a program of torch.export (.pt2), which would be run; save the weights of the network instead"
    if any(name.endswith(".npy") for name in full_names):
        return "is an archive of NumPy arrays (.npz), not a checkpoint"
    return (
        None
        if "data.pkl" in names
        else f"is a zip archive of something else, beginning with {str(full_names[:1])[:80]}"
    )


def _torch() -> Any:
    from physbench_baselines.adapter import torch

    if tuple(int(part) for part in re.findall(r"\d+", torch.__version__)[:2]) < (2, 10):
        raise MissingPackage(
            f"a .pt is only read with PyTorch 2.10 or newer, not {torch.__version__}: pip install -U torch"
        )
    return torch
