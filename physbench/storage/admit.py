"""Checks that are made before a dataset file is read, because a file may come from anyone. Only what the format allows
is accepted; anything else is refused in one sentence.

A valid HDF5 file can refer to other files on the reader's disk, claim sizes that no disk can hold, and run filters from
plug-ins. So links are checked before they are followed, and storage before it is read. A size is not believed if the
file is too short to contain so much.
"""

# h5py has no types
# pyright: basic, reportAttributeAccessIssue=false

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5o

from physbench.errors import HostileFile, StorageError
from physbench.files import open_regular_file
from physbench.recipe import MAX_CHUNK, SPLITS
from physbench.storage.codec import MOST_DEFLATED
from physbench.storage.heaps import ENDS, require_sound_heaps
from physbench.storage.kinds import LONGEST, OTHER_FORMATS, describe_beginning
from physbench.storage.layout import BLOCK, EVENTS, FIELDS, FIRST, FORMAT, PIXELS, STATES, Field, Layout, layout_of

SIGNATURE = b"\x89HDF\r\n\x1a\n"
MOST_LINKS = 64
MOST_TEXT = 1 << 16

VERSIONS = (1, 2)
WORDS = {1: "the arrays of the balls and no others", 2: "others than the arrays of the balls"}

HIGHEST_LEVEL = 9
"""The highest level of deflate."""

TEXTS = ("format", "dataset", "recipe", "recipe_sha256", "content_sha256", "created_with")


@dataclass(frozen=True)
class Admitted:
    """What a file says about itself. Its form has been checked, but not whether it is true."""

    attributes: Mapping[str, str]
    layout: Layout
    sizes: Mapping[str, Mapping[str, int]]  # per split, the lengths of its axes
    digests: Mapping[str, str]  # per split


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file with HDF5, or raise an error of one sentence."""
    with open_regular_file(path) as beginning:
        start = beginning.read(LONGEST)
    if not start.startswith(SIGNATURE):
        raise StorageError(f"{path} is not an HDF5 file: it does not begin like HDF5 ({describe_beginning(start)})")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (
        OSError,
        RuntimeError,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
    ) as error:  # h5py raises all of these for strange types and numbers
        said = (str(error).splitlines() or [type(error).__name__])[0]
        raise HostileFile(f"{path} is damaged: HDF5 says {said!r}") from None


def admit(path: Path, file: h5py.File) -> Admitted:
    """Check the form of everything in a file before any array is read."""
    require_sound_heaps(path, ends=ENDS)
    members = members_of(file.id, str(path))
    if h5py.h5a.exists(file.id, b"format") and (kind := OTHER_FORMATS.get(_text(file, "format", path))):
        raise StorageError(f"{path} is no dataset; it holds {kind}")
    _only(members, SPLITS, f"{path}")
    attributes = {name: _text(file, name, path) for name in TEXTS}
    if attributes["format"] != FORMAT:
        raise HostileFile(
            f"{path} is an HDF5 file of another kind: its attribute 'format' is {attributes['format'][:40]!r}, not"
            f" {FORMAT!r}"
        )
    version = _number(file, "format_version", path)
    if version not in VERSIONS:
        raise HostileFile(
            f"{path} has format version {version}; this physbench reads versions {' and '.join(map(str, VERSIONS))}"
        )
    for name in ("recipe", "created_with"):
        require_object(attributes[name], f"{path}: the attribute {name!r}")
    if not members:
        raise HostileFile(f"{path} holds no split")
    budget = path.stat().st_size
    sizes: dict[str, dict[str, int]] = {}
    digests: dict[str, str] = {}
    layouts: dict[str, Layout] = {}
    for split in (name for name in SPLITS if name in members):
        group = group_in(file, split, path)
        layouts[split] = layout = _look_through(group, version, f"{path}: {split}")
        sizes[split], stored = _admit_split(group, layout, f"{path}: {split}")
        digests[split] = _text(group, "content_sha256", path)
        budget -= stored
    if budget < 0:
        raise HostileFile(f"{path} claims more stored bytes than it has")
    (first, layout), *others = layouts.items()
    for split, other in others:
        if other != layout:
            raise HostileFile(
                f"{path}: {split} holds {', '.join(other.paths)}, and {first} {', '.join(layout.paths)}: all splits"
                " hold the same arrays"
            )
    return Admitted(attributes, layout, sizes, digests)


def _look_through(group: h5py.Group, version: int, where: str) -> Layout:
    """Return which arrays a split holds, after a check that they are known and belong to the version of the format."""
    members = members_of(group.id, where)
    _only(members, (*FIELDS, "events"), where)
    paths = [name for name in members if name != "events"]
    if "events" in members:
        columns = members_of(group_in(group, "events", where).id, f"{where}/events")
        _only(columns, [field.name for field in EVENTS], f"{where}/events")
        _complete(columns, ("offset", "sequence"), f"{where}/events")
        paths += [f"events/{name}" for name in columns]
    layout = layout_of(paths)
    if version == 1:
        _complete(paths, FIRST, where)
    if not paths or layout.version != version:
        raise HostileFile(
            f"{where} holds {', '.join(paths) or 'no arrays'}: format version {version} has {WORDS[version]}"
        )
    return layout


def _admit_split(group: h5py.Group, layout: Layout, where: str) -> tuple[dict[str, int], int]:
    """Check the arrays of a split; return the lengths of its axes, and how many bytes it stores."""
    sizes: dict[str, int] = {}
    stored = 0
    for path, field in layout.paths.items():
        parent, _, name = path.rpartition("/")
        stored += _admit_array(
            dataset_in(group_in(group, parent, where) if parent else group, name, where),
            field,
            sizes,
            f"{where}/{path}",
        )
    if sizes.setdefault("N", sizes.get("O", 0) - 1) < 1:
        raise HostileFile(f"{where} has no sequences")
    if sizes.get("O", sizes["N"] + 1) != sizes["N"] + 1:
        raise HostileFile(f"{where}/events/offset has {sizes['O']} rows for {sizes['N']} sequences")
    return sizes, stored


def _admit_array(dataset: h5py.h5d.DatasetID, field: Field, sizes: dict[str, int], where: str) -> int:
    """Check type, shape, storage and filters of one array; return how many bytes it stores."""
    require_own_storage(dataset, where)
    kind = dataset.get_type()
    if not kind.equal(h5py.h5t.py_create(field.dtype)):  # compares everything, such as the bits of the exponent
        raise HostileFile(f"{where} is not of type {field.dtype.name}")
    shape = dataset.shape
    if shape is None or len(shape) != len(field.axes):
        raise HostileFile(f"{where} does not have {len(field.axes)} axes")
    for axis, length in zip(field.axes, shape, strict=True):
        if axis.isdigit() or axis in sizes:
            expected = int(axis) if axis.isdigit() else sizes[axis]
            if length != expected:
                raise HostileFile(f"{where} has shape {shape}: axis {axis} should be {expected}")
        elif length < 1 and axis != "M":
            raise HostileFile(f"{where} is empty")
        sizes[axis] = length
    creation = dataset.get_create_plist()
    layout = creation.get_layout()
    pipeline = [creation.get_filter(i) for i in range(creation.get_nfilters())]
    filters = [code for code, *_ in pipeline]
    logical = int(np.prod(shape, dtype=object)) * field.dtype.itemsize
    stored = dataset.get_storage_size()
    if field in PIXELS:
        chunk, allowed = field.chunk(sizes, 1), [[h5py.h5z.FILTER_DEFLATE]]
        fits = logical <= stored * MOST_DEFLATED
        if int(np.prod(chunk, dtype=object)) > MAX_CHUNK:
            raise HostileFile(
                f"{where} claims {int(np.prod(chunk, dtype=object)):,} bytes a sequence; at most {MAX_CHUNK:,} are read"
            )
    elif field in STATES:
        chunk, allowed = field.chunk(sizes, min(BLOCK, sizes["N"])), [[]]
        fits = logical <= stored
    else:
        chunk, allowed = None, [[]]
        fits = logical == stored
    if layout != (h5py.h5d.CONTIGUOUS if chunk is None else h5py.h5d.CHUNKED) or (
        chunk and creation.get_chunk() != chunk
    ):
        raise HostileFile(
            f"{where} is not stored as the format says ({'in one piece' if chunk is None else f'chunks of {chunk}'})"
        )
    if filters not in allowed:
        raise HostileFile(
            f"{where} uses the filters {filters}; a dataset file has"
            f" {'deflate alone' if field in PIXELS else 'none here'}"
        )
    if any(len(values) != 1 or values[0] > HIGHEST_LEVEL for _, _, values, _ in pipeline):
        raise HostileFile(f"{where} is deflated with settings that HDF5 does not decode")
    if not fits:
        raise HostileFile(f"{where} claims {logical:,} bytes and stores {stored:,}")
    return stored


def members_of(group: h5py.h5g.GroupID, where: str) -> list[str]:
    """List the names in a group, and refuse links that are not hard links."""
    if group.get_num_objs() > MOST_LINKS:
        raise HostileFile(
            f"{where} has {group.get_num_objs():,} members; more than {MOST_LINKS} are not looked through"
        )
    names: list[str] = []
    for raw in group:
        require_hard_link(group, raw, where)
        names.append(raw.decode(errors="replace"))
    return names


def require_hard_link(group: h5py.h5g.GroupID, raw: bytes, where: str) -> None:
    """Refuse a soft link, or a link to another file."""
    kind = group.links.get_info(raw).type
    if kind != h5py.h5l.TYPE_HARD:
        word = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "a link to another file"}.get(
            kind, "a link of unknown kind"
        )
        raise HostileFile(f"{where} holds {word} ({raw.decode(errors='replace')[:40]!r}), which is not followed")


def require_own_storage(dataset: h5py.h5d.DatasetID, where: str) -> None:
    """Refuse an array that keeps its data in another file.

    This must be checked first, because HDF5 opens the other files of a virtual dataset to find its shape.
    """
    creation = dataset.get_create_plist()
    if creation.get_layout() == h5py.h5d.VIRTUAL or creation.get_external_count():
        raise HostileFile(f"{where} keeps its data in another file, which is not read")


def _only(names: list[str], known: tuple[str, ...] | list[str], where: str) -> None:
    for name in names:
        if name not in known:
            raise HostileFile(f"{where} holds {name[:40]!r}, which the format does not know")


def _complete(names: list[str], known: tuple[str, ...] | list[str], where: str) -> None:
    for name in known:
        if name not in names:
            raise HostileFile(f"{where} has no {name!r}")


def group_in(parent: h5py.Group, name: str, where: object) -> h5py.Group:
    """Return a group by its name, or raise an error if the name is not that of a group."""
    if h5o.get_info(parent.id, name.encode()).type != h5o.TYPE_GROUP:
        raise HostileFile(f"{where}: {name!r} is not a group")
    return h5py.Group(h5py.h5g.open(parent.id, name.encode()))


def dataset_in(parent: h5py.Group, name: str, where: str) -> h5py.h5d.DatasetID:
    """Return an array by its name, or raise an error if the name is not that of an array."""
    if h5o.get_info(parent.id, name.encode()).type != h5o.TYPE_DATASET:
        raise HostileFile(f"{where}: {name!r} is not an array")
    return h5py.h5d.open(parent.id, name.encode())


def _attribute(owner: h5py.Group, name: str, where: object) -> Any:
    if not h5py.h5a.exists(owner.id, name.encode()):
        raise HostileFile(f"{where} is not a physbench dataset file: it has no attribute {name!r}")
    require_single(
        owner, name, f"{where}: the attribute {name!r}", most=MOST_TEXT, kinds=(h5py.h5t.STRING, h5py.h5t.INTEGER)
    )
    return owner.attrs[name]


def require_single(owner: h5py.Group, name: str, where: str, *, most: int, kinds: Collection[int]) -> h5py.h5t.TypeID:
    """Refuse an attribute that is not a single value of one of these kinds; return its type."""
    attribute = h5py.h5a.open(owner.id, name.encode())
    if attribute.get_space().get_simple_extent_type() != h5py.h5s.SCALAR or attribute.get_storage_size() > most:
        raise HostileFile(f"{where} is not a single value")
    if attribute.get_type().get_class() not in kinds:
        raise HostileFile(f"{where} is neither text nor a number")
    return attribute.get_type()


def _text(owner: h5py.Group, name: str, where: object) -> str:
    value = _attribute(owner, name, where)
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if not isinstance(text, str) or len(text) > MOST_TEXT:
        raise HostileFile(f"{where}: the attribute {name!r} is not a text of at most {MOST_TEXT} characters")
    if not text.isprintable():
        raise HostileFile(f"{where}: the attribute {name!r} holds characters that cannot be printed")
    return text


def require_object(text: str, where: str) -> None:
    """Refuse a text that is not a JSON object, or whose `parameters` are not one."""
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not isinstance(told.get("parameters", {}), dict):
        raise HostileFile(f"{where} is not a JSON object as the format has it")
    if not all(
        each.isprintable() for each in _texts(told)
    ):  # an escape such as \u001b is printable until it is decoded
        raise HostileFile(f"{where} holds characters that cannot be printed")


def _texts(decoded: Any) -> Iterator[str]:
    """Yield every text in decoded JSON, at any depth, including keys."""
    rest = [decoded]
    while rest:
        value = rest.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict):
            rest += [*value, *value.values()]
        elif isinstance(value, list):
            rest += value


def _number(owner: h5py.Group, name: str, where: object) -> int:
    value = _attribute(owner, name, where)
    if not isinstance(value, (int, np.integer)):
        raise HostileFile(f"{where}: the attribute {name!r} is not a whole number")
    return int(value)
