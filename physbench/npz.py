"""A safe reader for `.npz` archives of unknown origin: every size is checked before memory is allocated, and nothing is
unpickled.

An archive is a zip of arrays. Its directory says how long each member is, and each member begins with its type and
shape; both must agree before a byte of the array is read.
"""

import sys
import zipfile
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from physbench.errors import HostileFile, StorageError

HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
PLAIN = "biufU"
"""The kinds of elements that an array may hold: numbers and text."""


def read_npz(path: Path, content: str, *, most_arrays: int, most_bytes: int) -> dict[str, NDArray[Any]]:
    """Read all arrays by name, or raise an error of one sentence.

    content: what the file should hold, for that sentence.
    """
    if not path.exists():
        raise StorageError(f"there is no file {path}")
    if not path.is_file():
        raise StorageError(f"{path} is not a file")
    if path.stat().st_size > most_bytes:
        raise HostileFile(f"{path} is longer than the {most_bytes >> 20} MiB that are read of such a file")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > most_arrays or sum(member.file_size for member in members) > most_bytes:
                raise HostileFile(f"{path} claims more than {most_arrays:,} arrays or {most_bytes >> 20} MiB")
            return {member.filename.removesuffix(".npy"): _read_member(archive, member) for member in members}
    except StorageError:
        raise
    except Exception as error:  # for damaged bytes, zip, its compressors and NumPy raise a dozen kinds of errors
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise StorageError(f"{path} does not hold {content}: {said[:120]}") from None


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    name = member.filename[:40]
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) or member.flag_bits & 1:
        raise ValueError(f"{name!r} is encrypted, or compressed by something else than deflate")
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        if version not in HEADERS:
            raise ValueError(f"{name!r} has a header of version {version}")
        shape, in_columns, dtype = HEADERS[version](stream)
        nbytes = prod(shape) * dtype.itemsize
        if dtype.kind not in PLAIN or dtype.hasobject:
            raise ValueError(f"{name!r} holds {dtype}, neither numbers nor text")
        if min(shape, default=0) < 0 or nbytes != member.file_size - stream.tell():
            raise ValueError(f"{name!r} claims {nbytes:,} bytes in a member of {member.file_size:,}")
        stored = stream.read(nbytes + 1)  # one more, so that the end is reached and the checksum compared
    if len(stored) != nbytes:
        raise ValueError(f"{name!r} ends early")
    if (
        dtype.kind == "U"
        and (np.frombuffer(stored, np.dtype("u4").newbyteorder(dtype.byteorder)) > sys.maxunicode).any()
    ):
        raise ValueError(f"{name!r} holds numbers that are not characters")  # NumPy would raise a SystemError
    return np.frombuffer(stored, dtype, prod(shape)).reshape(shape, order="F" if in_columns else "C")
